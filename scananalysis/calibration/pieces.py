"""Takes a channel from counts to attenuation piece by piece: block after block of lines, or some elements over all lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scananalysis.calibration.blocks import ChannelPlan, run_block
from scananalysis.calibration.planes import Lines, Planes

if TYPE_CHECKING:
    from scananalysis.calibration.geometry import Taps
    from scananalysis.calibration.recipe import Logarithm

Float32 = NDArray[np.float32]


def run_channel(
    plan: ChannelPlan,
    lines: Lines,
    limits: Logarithm,
    out: Planes,
    block_lines: int,
    part: slice | None = None,
    state: Float32 | None = None,
) -> Float32 | None:
    """Take lines of a channel from counts to attenuation, block by block.

    Returns the state of the afterglow before the lines that a stream goes on with: the plan's context before the end of ``part``.

    Parameters
    ----------
    plan : ChannelPlan
    lines : Lines
    limits : Logarithm
    out : Planes
        Of the lines of ``part``.
    block_lines : int
    part : slice, optional
        Lines to work on, all by default; the others are their neighbours, and the first and last line of ``lines`` are the
        ends of the scan where they belong to ``part``.
    state : ndarray of float32, (component, element), optional
        Of the afterglow before the first line of the context ahead of ``part``, or the first line there is; that of the open beam by
        default.
    """
    total = len(lines.counts)
    first, last, _ = (part or slice(None)).indices(total)
    state = plan.settled() if state is None else state
    for start in range(first, last, block_lines):
        stop = min(start + block_lines, last)
        planes = out[start - first : stop - first]
        if plan.taps is None:
            before, after = min(start, plan.context), min(total - stop, plan.context)
            block, where = lines[start - before : stop + after], slice(before, before + stop - start)
            # The next block starts with its own neighbours.
            state = run_block(
                plan, block, where, limits, planes, state, stop - min(stop, plan.context) - (start - before)
            )
            continue
        low, high = _window(plan.taps, slice(start, stop), len(lines.counts))
        after = _window(plan.taps, slice(stop, stop + 1), len(lines.counts))[0] if stop < total else high
        taps = plan.taps.part(slice(start, stop), low)
        state = run_block(plan, lines[low:high], taps, limits, planes, state, after - low)
    return state


def run_elements(plan: ChannelPlan, lines: Lines, limits: Logarithm, out: Planes, elements: slice) -> None:
    """Take some elements that stand `alone <ChannelPlan.alone>` from counts to attenuation, all lines at once.

    What comes out lies in memory as the planes do: only the counts, the smallest of all, are transposed.
    """
    run_block(plan.of_elements(elements), lines.of_elements(elements), slice(None), limits, out.of_elements(elements))


def _window(taps: Taps, columns: slice, lines: int) -> tuple[int, int]:
    """Return the lines that columns are made of, with the neighbours that bad elements on them are filled by."""
    low, high = taps.window(columns)
    return max(low - 1, 0), min(high + 1, lines)
