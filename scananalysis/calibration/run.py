"""Runs the blocks of all channels, for a whole file and for a stream of lines alike."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.calibration.blocks import ChannelPlan, Lines, Planes, dropped, find_repeats, run_channel
from scananalysis.core import Quality

if TYPE_CHECKING:
    from scananalysis.calibration.pulse import Pulses
    from scananalysis.calibration.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Done:
    """Planes of all channels, (channel, element, line), and the effect of the dark level's error for each channel."""

    attenuation: NDArray[np.float32]
    variance: NDArray[np.float32]
    quality: NDArray[np.uint32]
    dark: tuple[NDArray[np.float32], ...]


def run(
    counts: NDArray[np.unsignedinteger[Any]],
    plans: tuple[ChannelPlan, ...],
    pulses: Pulses,
    recipe: Recipe,
    block_lines: int,
    *,
    everywhere: Quality = Quality.GOOD,
    repeats: NDArray[np.bool_] | None = None,
    part: slice | None = None,
) -> Done:
    """Run the steps on all pixels.

    Parameters
    ----------
    counts : ndarray of unsigned integer, (channel, line, element)
    plans : tuple of ChannelPlan
    pulses : Pulses
    recipe : Recipe
    block_lines : int
    everywhere : Quality
        Flags of every pixel.
    repeats : ndarray of bool, (channel, line), optional
        Lines that repeat the line before them; looked for by default.
    part : slice, optional
        Lines that are wanted; the others are their neighbours.
    """
    channels, lines, elements = counts.shape
    shape = (channels, elements, len(range(*(part or slice(None)).indices(lines))))
    alpha, variance = np.empty(shape, np.float32), np.empty(shape, np.float32)
    quality = np.empty(shape, np.uint32)
    # Zero in the other channels, whose pages are never touched.
    dark = tuple(np.zeros(shape, np.float32) for _ in plans)
    seen = repeats_of(counts, plans) if repeats is None else repeats

    def one(c: int) -> None:
        flags = dropped(seen[c] | pulses.lost[c])
        flags |= np.uint32(everywhere.value)
        flags[~pulses.known[c]] |= np.uint32(Quality.NO_MONITOR.value)
        source = Lines(counts[c], (1 / pulses.strength[c]).astype(np.float32), pulses.sigma[c], flags)
        out = Planes(alpha[c], variance[c], quality[c], dark[c][c])
        run_channel(plans[c], source, recipe.logarithm, out, block_lines, part)

    # NumPy and OpenCV let go of the interpreter while they work; the channels do not meet.
    with ThreadPoolExecutor(channels) as pool:
        list(pool.map(one, range(channels)))
    return Done(alpha, variance, quality, dark)


def repeats_of(counts: NDArray[np.unsignedinteger[Any]], plans: tuple[ChannelPlan, ...]) -> NDArray[np.bool_]:
    """Return which lines repeat the line before them, (channel, line); none where a plan does not look for them."""
    return np.stack(
        [
            find_repeats(plane) if plan.finds_repeats else np.zeros(len(plane), bool)
            for plane, plan in zip(counts, plans, strict=True)
        ]
    )
