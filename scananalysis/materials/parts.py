"""Cuts an image into parts that are looked up at once: they stay in the cache and lie between two nodes of the fan angle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True, eq=False)
class Part:
    """Where a part of an image is, the node of fan angle below it and the nearer one, the next one's weight, and the row of the edges."""

    at: tuple[slice, slice]
    node: int
    near: int
    share: Plane
    fine: Plane


def parts(table: InverseTable, angle: NDArray[np.float64], width: int) -> list[Part]:
    """Parts of an image that stay in the cache and lie between two nodes of the fan angle."""
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
    starts = np.unique(np.concatenate([np.arange(0, angle.size, tall), np.flatnonzero(np.diff(node + near)) + 1]))
    stops = [*starts[1:], angle.size]
    return [
        Part(
            (slice(y, stop), slice(x, x + step)),
            int(node[y]),
            int(near[y]),
            share[y:stop, None],
            fine[y:stop, None].astype(np.float32),
        )
        for y, stop in zip(starts, stops, strict=True)
        for x in range(0, width, step)
    ]
