"""Runs the blocks of all channels, for a whole file and for a stream of lines alike."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.calibration.blocks import ChannelPlan, run_channel
from scananalysis.calibration.dropped import dropped, find_repeats
from scananalysis.calibration.planes import Lines, Planes
from scananalysis.core import Quality

if TYPE_CHECKING:
    from scananalysis.calibration.pulse import Pulses
    from scananalysis.calibration.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Done:
    """Planes of all channels, (channel, element, line), effects of shared errors, and each channel's state of the afterglow."""

    attenuation: NDArray[np.float32]
    variance: NDArray[np.float32]
    quality: NDArray[np.uint32]
    dark: tuple[NDArray[np.float32], ...]
    effects: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    states: tuple[NDArray[np.float32] | None, ...] = ()


@dataclass(frozen=True, eq=False)
class Window:
    """Part of a scan that is still being taken.

    Parameters
    ----------
    part : slice
        Lines that are wanted; the others are their neighbours.
    repeats : ndarray of bool, (channel, line)
        Lines that repeat the line before them.
    states : tuple of ndarray or None
        Of every channel's afterglow, see `run_channel`.
    """

    part: slice
    repeats: NDArray[np.bool_]
    states: tuple[NDArray[np.float32] | None, ...]


def run(
    counts: NDArray[np.unsignedinteger[Any]],
    plans: tuple[ChannelPlan, ...],
    pulses: Pulses,
    recipe: Recipe,
    block_lines: int,
    *,
    everywhere: Quality = Quality.GOOD,
    window: Window | None = None,
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
    window : Window, optional
        The whole scan by default.
    """
    part = window.part if window else slice(None)
    channels, lines, elements = counts.shape
    shape = (channels, elements, len(range(*part.indices(lines))))
    alpha, variance = np.empty(shape, np.float32), np.empty(shape, np.float32)
    quality = np.empty(shape, np.uint32)
    # Zero in the other channels, whose pages are never touched.
    dark = tuple(np.zeros(shape, np.float32) for _ in plans)
    seen = window.repeats if window else repeats_of(counts, plans)

    effects = {name: np.zeros(shape, np.float32) for name in plans[0].uncertain}

    def one(c: int) -> NDArray[np.float32] | None:
        flags = dropped(seen[c] | pulses.lost[c])
        flags |= np.uint32(everywhere.value)
        flags[~pulses.known[c]] |= np.uint32(Quality.NO_MONITOR.value)
        source = Lines(counts[c], (1 / pulses.strength[c]).astype(np.float32), pulses.sigma[c], flags)
        out = Planes(alpha[c], variance[c], quality[c], dark[c][c], {name: e[c] for name, e in effects.items()})
        state = window.states[c] if window else None
        return run_channel(plans[c], source, recipe.logarithm, out, block_lines, part, state)

    # NumPy and OpenCV let go of the interpreter while they work; the channels do not meet.
    with ThreadPoolExecutor(channels) as pool:
        ends = tuple(pool.map(one, range(channels)))
    return Done(alpha, variance, quality, dark, effects, ends)


def repeats_of(counts: NDArray[np.unsignedinteger[Any]], plans: tuple[ChannelPlan, ...]) -> NDArray[np.bool_]:
    """Return which lines repeat the line before them, (channel, line); none where a plan does not look for them."""
    return np.stack(
        [
            find_repeats(plane) if plan.finds_repeats else np.zeros(len(plane), bool)
            for plane, plan in zip(counts, plans, strict=True)
        ]
    )
