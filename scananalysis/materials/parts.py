"""Cuts an image into parts that are worked on at once: they stay in the cache. At a node of the fan angle the tables change."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import PhysicsRangeError
from scananalysis.materials.tables import DENSE, InverseTable

Plane = NDArray[np.float32]

_BLOCK_PIXELS = 1 << 15
"""Planes of a block stay below the size from which memory is fetched from the system anew for each of them."""

WIDEST = 30_000
"""OpenCV's look-up takes images up to 32767 wide, so a single long row is cut."""


def checked_angles(table: InverseTable, fan_angle_rad: float | NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return fan angles as the tables count them.

    Raises
    ------
    PhysicsRangeError
        An angle at which the beams are not known.
    """
    angle = np.atleast_1d(np.asarray(fan_angle_rad, np.float64))
    if table.angle.size == 1:
        return np.zeros_like(angle)
    if table.symmetric:
        angle = np.abs(angle)
    low, high = table.angle[[0, -1]]
    if not (angle.min() >= low - 1e-6 and angle.max() <= high + 1e-6):
        raise PhysicsRangeError(
            f"fan angles {angle.min():.4f} to {angle.max():.4f} rad",
            expected=f"{low:.4f} to {high:.4f} rad, where the beams are known",
        )
    return np.clip(angle, low, high)


class Run(NamedTuple):
    """Rows of a part that are read from the same tables: the node of fan angle below them, and the nearer one."""

    rows: slice
    node: int
    near: int


@dataclass(frozen=True, eq=False)
class Part:
    """Where a part of an image is, its runs, the weight of the next node, and the row of the edges."""

    at: tuple[slice, slice]
    runs: tuple[Run, ...]
    share: Plane
    fine: Plane


def parts(table: InverseTable, angle: NDArray[np.float64], width: int) -> list[Part]:
    """Parts of an image that stay in the cache."""
    if not (angle.size and width):
        return []
    at = np.interp(angle, table.angle, np.arange(table.angle.size))
    node = np.minimum(at.astype(int), max(table.angle.size - 2, 0))
    fine = at * DENSE
    share = np.zeros(angle.size, np.float32)
    for i in np.unique(node) if table.share.size else ():
        some = node == i
        share[some] = np.interp(fine[some] - DENSE * i, np.arange(DENSE + 1), table.share[i])
    near = node + (share > np.float32(0.5))
    step = min(width, WIDEST) or 1
    tall = max(_BLOCK_PIXELS // step, 1)
    changes = np.flatnonzero(np.diff(node) | np.diff(near)) + 1
    found = []
    for y in range(0, angle.size, tall):
        stop = min(y + tall, angle.size)
        starts = [y, *changes[(changes > y) & (changes < stop)], stop]
        runs = tuple(
            Run(slice(int(a) - y, int(b) - y), int(node[a]), int(near[a])) for a, b in itertools.pairwise(starts)
        )
        rows = fine[y:stop, None].astype(np.float32)
        found += [
            Part((slice(y, stop), slice(x, x + step)), runs, share[y:stop, None], rows) for x in range(0, width, step)
        ]
    return found
