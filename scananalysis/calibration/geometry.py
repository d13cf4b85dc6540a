"""Geometry: columns of equal travel, from the recorded position of every line.

A truck or a belt does not move evenly, so lines stand at unequal distances. All channels are brought to one even grid of as many columns
as there were lines, in the same resampling that registers interlaced energies. The weights are those of the quadratic B-spline: they
leave a straight line straight and blur by a quarter of a line squared wherever a column falls between two lines, so both energies are
blurred alike (Unser, IEEE Signal Process. Mag. 16(6) (1999) 22, doi:10.1109/79.799930).

Along the array nothing is left to do: a straight array across the beam shows the object plane in equal millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import CalibrationError, Quality

if TYPE_CHECKING:
    from scananalysis.calibration.recipe import Geometry
    from scananalysis.core import RawScan

Float32 = NDArray[np.float32]

_INTERPOLATED = np.uint32(Quality.INTERPOLATED.value)


@dataclass(frozen=True, eq=False)
class Taps:
    """Which lines make up every column, and by how much.

    Parameters
    ----------
    rows : ndarray of int64, (3, column)
    weights : ndarray of float32, (3, column)
        Sum 1.
    outside : ndarray of bool, (column,)
        The column lies beyond the lines of this channel.
    """

    rows: NDArray[np.int64]
    weights: Float32
    outside: NDArray[np.bool_]

    def part(self, columns: slice, first_row: int) -> Taps:
        """Return the taps of some columns, whose rows count from ``first_row``."""
        return Taps(self.rows[:, columns] - first_row, self.weights[:, columns], self.outside[columns])

    def window(self, columns: slice) -> tuple[int, int]:
        """Return the first line that some columns need, and the line after the last."""
        rows = self.rows[:, columns]
        return int(rows.min()), int(rows.max()) + 1

    def mean(self, lines: Float32) -> Float32:
        """Return the weighted mean of lines, (line, …) to (column, …)."""
        return self._sum(lines, self.weights)

    def variance(self, lines: Float32) -> Float32:
        """Return the variance of the weighted mean of independent lines."""
        return self._sum(lines, self.weights**2)

    def flags(self, lines: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Return the flags of all lines that a column is made of; one that is made of none of its own is `INTERPOLATED`."""
        found: NDArray[np.uint32] = lines[self.rows[0]] | lines[self.rows[1]] | lines[self.rows[2]]
        found[self.outside] |= _INTERPOLATED
        return found

    @property
    def noise_area(self) -> float:
        """Noise power at zero frequency over pixel variance, the mean over the columns."""
        return float((1 / (self.weights.astype(np.float64) ** 2).sum(axis=0)).mean())

    def _sum(self, lines: Float32, weights: Float32) -> Float32:
        shape = (-1,) + (1,) * (lines.ndim - 1)
        total: Float32 = lines[self.rows[0]] * weights[0].reshape(shape)
        for row, weight in zip(self.rows[1:], weights[1:], strict=True):
            total += lines[row] * weight.reshape(shape)
        return total


@dataclass(frozen=True, eq=False)
class Grid:
    """Even columns of a scan.

    Parameters
    ----------
    taps : tuple of Taps
        Of each channel.
    start_mm, pitch_mm : float
        Position of the first column, and the distance of columns along the travel (negative where positions fall).
    """

    taps: tuple[Taps, ...]
    start_mm: float
    pitch_mm: float


def even_columns(scan: RawScan, limits: Geometry) -> Grid | None:
    """Return the even columns of a scan, or None where its lines are even already or their positions are not recorded.

    Raises
    ------
    CalibrationError
        The recipe requires positions and there are none, or they are not finite or go back.

    Examples
    --------
    >>> from scananalysis.calibration.recipe import Geometry
    >>> from scananalysis.core import RawScan
    >>> position = np.array([[0.0, 5.0, 11.0, 18.0, 26.0]])
    >>> scan = RawScan(np.ones((1, 5, 3), np.uint16), "gamma-co60", position_mm=position)
    >>> even_columns(scan, Geometry(enabled=True)).pitch_mm
    6.5
    """
    if not limits.enabled:
        return None
    if scan.position_mm is None:
        if limits.required:
            raise CalibrationError(
                "no recorded positions",
                expected="one per line, as the recipe asks",
                remedy="use a recipe with geometry.required = false",
            )
        return None
    lines = scan.shape[1]
    # A way back that a line pitch of rounding explains is none.
    position = scan.position_mm.astype(np.float64)
    if lines < _LEAST_LINES:
        return None
    if not np.isfinite(position).all():
        raise CalibrationError(
            "positions that are not finite", expected="millimetres", remedy="leave the positions out"
        )
    pitch = (position[:, -1] - position[:, 0]).mean() / (lines - 1)
    steps = np.diff(position, axis=1) * np.sign(pitch)
    if pitch == 0 or np.any(steps < 0):
        worst = int(np.argwhere(steps <= 0)[0, 1]) if pitch else 0
        raise CalibrationError(
            f"positions go back after line {worst}",
            expected="travel in one direction",
            remedy="cut the scan where the travel turns, or leave the positions out",
        )
    even = position[:, :1] + pitch * np.arange(lines)
    if np.abs(position - even).max() < limits.tolerance_lines * abs(pitch):
        return None
    start = float(position[:, 0].mean())
    columns = start + pitch * np.arange(lines)
    return Grid(tuple(taps_at(_lines_at(columns, each)) for each in position), start, float(pitch))


_LEAST_LINES = 4


def _lines_at(columns: NDArray[np.float64], position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where columns stand among the lines, (column,), going on evenly beyond the ends."""
    if position[-1] < position[0]:
        columns, position = -columns, -position
    # Where the load stood still several lines have one position: the last of them counts.
    at = np.clip(np.searchsorted(position, columns, side="right") - 1, 0, position.size - 2).astype(np.int64)
    step = position[at + 1] - position[at]
    share: NDArray[np.float64] = np.divide(columns - position[at], step, out=np.zeros_like(columns), where=step > 0)
    return share + at


def taps_at(place: NDArray[np.float64]) -> Taps:
    """Return the taps of columns at places among the lines, counted in lines, of ``place.size`` lines.

    Examples
    --------
    >>> taps_at(np.array([0.0, 1.25, 2.0, 3.0])).weights[:, 1].round(3)
    array([0.031, 0.688, 0.281], dtype=float32)
    """
    last = place.size - 1
    middle = np.clip(np.floor(place + 0.5), 1, last - 1)
    off = np.clip(place - middle, -0.5, 0.5)
    weights = np.stack([(0.5 - off) ** 2 / 2, 0.75 - off**2, (0.5 + off) ** 2 / 2])
    outside = (place < 0.5) | (place > last - 0.5)
    rows = middle.astype(np.int64) + np.array([[-1], [0], [1]])
    return Taps(rows, weights.astype(np.float32), outside)
