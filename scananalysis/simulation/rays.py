"""Rays of a scan, and the intervals in which they run inside something.

Coordinates: x along travel, y upwards from the ground, z from the source towards the array, mm. The load moves along x, so every line
sees one plane x = const; in it the ray of an element leaves the source at z = 0 and height h and rises with slope s = tan(fan angle):
y = h + s z. A convex solid cuts the ray in one interval of z; the path is its length over cos(fan angle).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_REMEMBERED = 8


@dataclass(frozen=True)
class Rays:
    """Rays of the array's elements and positions of the lines.

    Parameters
    ----------
    slope : ndarray, (element,)
        tan(fan angle), topmost element first.
    source_height_mm : float
    x_mm : ndarray, (line,)
        Middle of each line.
    line_pitch_mm : float
    """

    slope: Array
    source_height_mm: float
    x_mm: Array
    line_pitch_mm: float

    @cached_property
    def per_depth(self) -> Array:
        """Path per depth along z, (element,): 1 / cos(fan angle)."""
        return np.sqrt(1 + self.slope**2)

    @cached_property
    def _rising(self) -> Array:
        return -self.slope

    @cached_property
    def _rows(self) -> dict[tuple[float, float, float, float], slice]:
        return {}

    @cached_property
    def _known(self) -> dict[Any, Any]:
        return {}

    def recall(self, key: Any) -> Any:
        """Return what a solid has `remember`-ed lately, or None."""
        return self._known.get(key)

    def remember(self, key: Any, value: Any) -> None:
        """Keep what the next solids may have in common with this one on these rays; the oldest is forgotten."""
        self._known.pop(key, None)
        if len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[key] = value

    @cached_property
    def _last_part(self) -> dict[tuple[int, int], Rays]:
        return {}

    def part(self, first: int, stop: int) -> Rays:
        """Return the rays of some lines, the same object while the same lines are asked for."""
        if (first, stop) not in self._last_part:
            found = Rays(self.slope, self.source_height_mm, self.x_mm[first:stop], self.line_pitch_mm)
            # What belongs to the array is the same for all lines.
            found.__dict__.update(per_depth=self.per_depth, _rising=self._rising, _rows=self._rows)
            self._last_part.clear()
            self._last_part[first, stop] = found
        return self._last_part[first, stop]

    def columns(self, x0: float, x1: float) -> slice:
        """Lines that an interval of x touches."""
        first = int(self.x_mm.searchsorted(x0 - self.line_pitch_mm / 2, side="right"))
        last = int(self.x_mm.searchsorted(x1 + self.line_pitch_mm / 2, side="left"))
        return slice(first, max(first, last))

    def rows(self, y0: float, y1: float, z0: float, z1: float) -> slice:
        """Elements whose rays can meet a box in y and z; slopes fall with the index."""
        box = (y0, y1, z0, z1)
        if box not in self._rows:
            low, high = y0 - self.source_height_mm, y1 - self.source_height_mm
            least, most = min(low / z0, low / z1), max(high / z0, high / z1)
            first = int(self._rising.searchsorted(-most, side="left"))
            last = int(self._rising.searchsorted(-least, side="right"))
            self._rows[box] = slice(first, max(first, last))
        return self._rows[box]

    def reach(self, bounds: Array) -> tuple[Index, Index, Index, Index]:
        """Return `rows` and `columns` of many boxes, (n, 6) as x0, x1, y0, y1, z0, z1: first element, end, first line, end."""
        (x0, x1, y0, y1, z0, z1), half = bounds.T, self.line_pitch_mm / 2
        low, high = y0 - self.source_height_mm, y1 - self.source_height_mm
        top = self._rising.searchsorted(-np.maximum(high / z0, high / z1), side="left")
        bottom = self._rising.searchsorted(-np.minimum(low / z0, low / z1), side="right")
        first = self.x_mm.searchsorted(x0 - half, side="right")
        last = self.x_mm.searchsorted(x1 + half, side="left")
        return top, np.maximum(top, bottom), first, np.maximum(first, last)

    def coverage(self, x0: float, x1: float, columns: slice) -> Array:
        """Share of each line's travel that lies within an interval of x."""
        middle, half = self.x_mm[columns], self.line_pitch_mm / 2
        overlap = np.minimum(x1, middle + half) - np.maximum(x0, middle - half)
        return np.clip(overlap / self.line_pitch_mm, 0, 1)


@dataclass(slots=True)
class Cut:
    """Where rays run inside a solid; not frozen, since scenes make very many.

    Parameters
    ----------
    rows, columns : slice
        Elements and lines that are concerned.
    enter, leave : ndarray, (element or 1, line or 1)
        Interval of z, mm; ``leave`` ≤ ``enter`` where the ray misses.
    coverage : ndarray, (1, line)
        Share of the line's travel.
    """

    rows: slice
    columns: slice
    enter: Array
    leave: Array
    coverage: Array


def path(cut: Cut, rays: Rays) -> NDArray[np.float32]:
    """Return the path inside a solid, (element, line) of the cut's rows and columns, mm."""
    length = cut.leave - cut.enter
    np.maximum(length, 0, out=length)
    length = length * rays.per_depth[cut.rows, None]
    return (length * cut.coverage).astype(np.float32)


def common(a: Cut, b: Cut) -> Cut | None:
    """Return where rays run inside both of two convex solids, or None where they are apart."""
    rows, columns = _both(a.rows, b.rows), _both(a.columns, b.columns)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return None
    parts = [
        (_part(c.enter, c, rows, columns), _part(c.leave, c, rows, columns), _part(c.coverage, c, rows, columns))
        for c in (a, b)
    ]
    (enter_a, leave_a, cover_a), (enter_b, leave_b, cover_b) = parts
    return Cut(rows, columns, np.maximum(enter_a, enter_b), np.minimum(leave_a, leave_b), np.minimum(cover_a, cover_b))


def union_path(parts: Sequence[Cut], rays: Rays) -> tuple[slice, slice, NDArray[np.float32]]:
    """Return the path inside any of several cuts, with the rows and columns that it is for, mm.

    A line that cuts cover in part is seen as if the smaller shares lay within the larger ones.
    """
    if len(parts) == 1:
        return parts[0].rows, parts[0].columns, path(parts[0], rays)
    rows = slice(min(c.rows.start for c in parts), max(c.rows.stop for c in parts))
    columns = slice(min(c.columns.start for c in parts), max(c.columns.stop for c in parts))
    shape = (len(parts), rows.stop - rows.start, columns.stop - columns.start)
    enter, leave, coverage = np.zeros(shape), np.zeros(shape), np.zeros((shape[0], shape[2]))
    for i, cut in enumerate(parts):
        x = slice(cut.columns.start - columns.start, cut.columns.stop - columns.start)
        at = (i, slice(cut.rows.start - rows.start, cut.rows.stop - rows.start), x)
        enter[at], leave[at], coverage[i, x] = cut.enter, cut.leave, cut.coverage[0]
    depth = _union(enter, np.where(coverage[:, None] > 0, leave, enter))
    partly = np.flatnonzero(np.any((coverage > 0) & (coverage < 1), axis=0))
    if partly.size:
        depth[:, partly] = 0
        order = np.argsort(-coverage[:, partly], axis=0)
        rank = np.argsort(order, axis=0)
        share = np.vstack([np.take_along_axis(coverage[:, partly], order, axis=0), np.zeros((1, partly.size))])
        start, end = enter[:, :, partly], leave[:, :, partly]
        for n in range(len(parts)):
            step = share[n] - share[n + 1]
            depth[:, partly] += step * _union(start, np.where((rank <= n)[:, None], end, start))
    return rows, columns, (depth * rays.per_depth[rows, None]).astype(np.float32)


def _union(enter: Array, leave: Array) -> Array:
    """Length of the union of intervals along the first axis; intervals that end before they begin are empty."""
    # Rays that miss a slab altogether enter and leave it at infinity, where differences are not defined.
    empty = ~(leave > enter)
    enter, leave = np.where(empty, 0.0, enter), np.where(empty, 0.0, leave)
    order = np.argsort(enter, axis=0)
    enter, leave = np.take_along_axis(enter, order, axis=0), np.take_along_axis(leave, order, axis=0)
    reach = np.full(enter.shape[1:], -np.inf)
    length = np.zeros(enter.shape[1:])
    for low, high in zip(enter, leave, strict=True):
        length += np.maximum(high - np.maximum(low, reach), 0)
        # An empty interval reaches nowhere.
        reach = np.where(high > low, np.maximum(reach, high), reach)
    return length


def _both(a: slice, b: slice) -> slice:
    return slice(max(a.start, b.start), min(a.stop, b.stop))


def _part(array: Array, cut: Cut, rows: slice, columns: slice) -> Array:
    """Cut an array of a `Cut` down to some of its rows and columns; axes of length 1 broadcast."""
    y = slice(None) if array.shape[0] == 1 else slice(rows.start - cut.rows.start, rows.stop - cut.rows.start)
    x = (
        slice(None)
        if array.shape[1] == 1
        else slice(columns.start - cut.columns.start, columns.stop - cut.columns.start)
    )
    return array[y, x]
