"""Runs the blocks of all channels, for a whole file and for a stream of lines alike."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.calibration.blocks import ChannelPlan
from scananalysis.calibration.dropped import dropped, find_repeats
from scananalysis.calibration.pieces import run_channel, run_elements
from scananalysis.calibration.planes import Lines, Planes
from scananalysis.core import Quality

if TYPE_CHECKING:
    from scananalysis.calibration.pulse import Pulses
    from scananalysis.calibration.recipe import Recipe


_PIECE_LINES = 512
"""Short enough that no worker waits for long at the end for another."""
_PIECE_PIXELS = 262_144
"""Of one plane; what is worked on stays in the cache."""
_LEAST_WORKERS = 2
_BUFFER = 1024
"""Elements of NumPy's buffers in the workers, fewer than a block has in a row: it would copy every factor that is the same along a row, or
from row to row, to fill larger ones, and take twice as long."""


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
    quality = np.zeros(shape, np.uint32)
    # Zero in the other channels, whose pages are never touched.
    dark = tuple(np.zeros(shape, np.float32) for _ in plans)
    seen = window.repeats if window else repeats_of(counts, plans)

    effects = {name: np.zeros(shape, np.float32) for name in plans[0].uncertain}

    sources, planes = [], []
    for c in range(channels):
        flags = dropped(seen[c] | pulses.lost[c])
        flags |= np.uint32(everywhere.value)
        flags[~pulses.known[c]] |= np.uint32(Quality.NO_MONITOR.value)
        sources.append(Lines(counts[c], (1 / pulses.strength[c]).astype(np.float32), pulses.sigma[c], flags))
        named = {name: effect[c] for name, effect in effects.items()}
        planes.append(Planes(alpha[c], variance[c], quality[c], dark[c][c], named))
    first = part.indices(lines)[0]

    def some_lines(c: int, piece: slice) -> NDArray[np.float32] | None:
        state = window.states[c] if window else None
        out = planes[c][piece.start - first : piece.stop - first]
        return run_channel(plans[c], sources[c], recipe.logarithm, out, block_lines, piece, state)

    def some_elements(c: int, piece: slice) -> None:
        run_elements(plans[c], sources[c][part], recipe.logarithm, planes[c], piece)

    # NumPy and OpenCV let go of the interpreter while they work; the pieces do not meet.
    with ThreadPoolExecutor(max(channels, _LEAST_WORKERS), initializer=np.setbufsize, initargs=(_BUFFER,)) as pool:
        work = []
        for c, plan in enumerate(plans):
            across = plan.alone and shape[2] >= block_lines
            one = some_elements if across else some_lines
            pieces = _element_pieces(*shape[1:]) if across else _line_pieces(plan, part, lines)
            work.append([pool.submit(one, c, piece) for piece in pieces])
        ends = tuple([piece.result() for piece in pieces][-1] for pieces in work)
    return Done(alpha, variance, quality, dark, effects, ends)


def _line_pieces(plan: ChannelPlan, part: slice, lines: int) -> list[slice]:
    """Cut the lines of a channel into pieces that can be worked on side by side: afterglow goes from line to line and leaves one."""
    start, stop, _ = part.indices(lines)
    length = max(stop - start, 1) if plan.afterglow is not None else _PIECE_LINES
    return [slice(low, min(low + length, stop)) for low in range(start, max(stop, start + 1), length)]


def _element_pieces(elements: int, lines: int) -> list[slice]:
    length = max(1, _PIECE_PIXELS // max(lines, 1))
    return [slice(low, min(low + length, elements)) for low in range(0, elements, length)]


def repeats_of(counts: NDArray[np.unsignedinteger[Any]], plans: tuple[ChannelPlan, ...]) -> NDArray[np.bool_]:
    """Return which lines repeat the line before them, (channel, line); none where a plan does not look for them."""
    return np.stack(
        [
            find_repeats(plane) if plan.finds_repeats else np.zeros(len(plane), bool)
            for plane, plan in zip(counts, plans, strict=True)
        ]
    )
