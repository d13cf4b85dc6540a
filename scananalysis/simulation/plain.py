"""Pieces of which every line sees the same, all at once: most of a scene is boxes from which nothing is taken."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scananalysis.simulation.rays import Rays, path
from scananalysis.simulation.scene import Piece
from scananalysis.simulation.solids import Box, cuts

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Index = NDArray[np.intp]

_PAIRS = 16_384


@dataclass(frozen=True, eq=False)
class _Ragged:
    """Several arrays end to end: values, and where each begins."""

    values: Float32
    cell: Index
    begin: list[int]


@dataclass(frozen=True, eq=False)
class _Profile:
    """What pieces look like from above to below: rows of each, its path (mm) in them and the row of its grain field.

    ``looks`` keeps what has been asked for: the path of each piece, (element, 1), or times its grain, (element, travel).
    """

    slope: Float64
    first: Index
    last: Index
    along: _Ragged
    looks: list[Float32 | None]


class PlainPieces:
    """Pieces with separable solids, whose areal density is a product of a factor by element and one by line, times their grain.

    Parameters
    ----------
    pieces : sequence of Piece
    slots : sequence of int
        Kind of matter of each.
    grains : sequence of ndarray (height, travel), or None
    bounds : ndarray, (n, 6)
        Of their solids, mm.
    """

    def __init__(
        self, pieces: Sequence[Piece], slots: Sequence[int], grains: Sequence[Float32 | None], bounds: Float64
    ) -> None:
        self.pieces, self.grains, self._bounds = tuple(pieces), tuple(grains), bounds
        self.slot = np.array(slots, np.intp)
        self._scale = np.array([0.1 * piece.density_g_cm3 for piece in pieces])
        self._ripple = np.array([piece.ripple for piece in pieces], np.float64).reshape(-1, 2)
        self._cells = np.array([(0, 0) if g is None else g.shape for g in grains], np.intp).reshape(-1, 2)
        self._profile: _Profile | None = None

    def over(self, rays: Rays) -> PlainView:
        """Return the pieces as some rays see them; what is the same for every line serves both channels of a scanner."""
        if self._profile is None or not np.array_equal(self._profile.slope, rays.slope):
            self._profile = self._look(rays)
        x0, x1, half = self._bounds[:, 0], self._bounds[:, 1], rays.line_pitch_mm / 2
        first, last = rays.reach(self._bounds)[2:]
        pairs = _Pairs(first, last)
        across, cell = np.empty(pairs.count, np.float32), np.zeros(pairs.count, np.intp)
        for pieces, at, piece, line in pairs.runs():
            x, low, high = rays.x_mm[line], x0[piece], x1[piece]
            covered = np.minimum(high, x + half) - np.maximum(low, x - half)
            covered *= self._scale[piece] / rays.line_pitch_mm
            rippled = np.flatnonzero((self._ripple[pieces, 0] > 0)[piece - pieces.start])
            if rippled.size:
                period, height = self._ripple[piece[rippled]].T
                covered[rippled] *= 1 + height * np.sign(np.sin(2 * np.pi * x[rippled] / period))
            across[at] = covered
            if self._cells[pieces].any():
                cell[at] = _cells(x, low, high, self._cells[piece, 1])
        return PlainView(self, self._profile, (first, last), _Ragged(across, cell, pairs.begin))

    def _look(self, rays: Rays) -> _Profile:
        """Cut all boxes at once, others one by one."""
        height = rays.source_height_mm
        y0, y1, z0, z1 = self._bounds[:, 2:].T
        first, last = rays.reach(self._bounds)[:2]
        pairs = _Pairs(first, last)
        along, cell = np.empty(pairs.count, np.float32), np.zeros(pairs.count, np.intp)
        # A level ray lies between two heights everywhere or nowhere; one part in 10¹⁵ decides which without a division by zero.
        level = np.where(np.abs(rays.slope) < 1e-15, 1e-15, rays.slope)
        for pieces, at, piece, element in pairs.runs():
            steep = level[element]
            a, b = (y0[piece] - height) / steep, (y1[piece] - height) / steep
            depth = np.minimum(np.maximum(a, b), z1[piece])
            depth -= np.maximum(np.minimum(a, b), z0[piece])
            along[at] = np.maximum(depth, 0) * rays.per_depth[element]
            if self._cells[pieces].any():
                # The grain is seen at the piece's middle depth.
                seen = height + rays.slope[element] * ((z0 + z1) / 2)[piece]
                cell[at] = _cells(seen, y0[piece], y1[piece], self._cells[piece, 0])
        for i, solid in enumerate(piece.solid for piece in self.pieces):
            if not isinstance(solid, Box):
                (cut,) = cuts(solid, rays)
                at = slice(pairs.begin[i], pairs.begin[i] + int(last[i] - first[i]))
                along[at] = path(replace(cut, coverage=np.ones((1, 1))), rays)[:, 0]
        return _Profile(rays.slope, first, last, _Ragged(along, cell, pairs.begin), [None] * len(self.pieces))


class PlainView:
    """Plain pieces as the rays of a scan see them.

    Parameters
    ----------
    pieces : PlainPieces
    profile : _Profile
    spans : (ndarray, ndarray)
        First line that may meet each piece, and the one after the last.
    across : _Ragged
        Coverage of each line times what turns mm of path into g/cm².
    """

    def __init__(self, pieces: PlainPieces, profile: _Profile, spans: tuple[Index, Index], across: _Ragged) -> None:
        self._pieces, self._profile, self._across, self._spans = pieces, profile, across, spans
        self._seen = (profile.last > profile.first) & (spans[1] > spans[0])
        self._begin = np.array(across.begin, np.intp)

    def present(self, first: int, stop: int) -> Index:
        """Return the pieces that some lines may meet."""
        return np.flatnonzero(self._seen & (self._spans[0] < stop) & (self._spans[1] > first))

    def rows(self, pieces: Index) -> tuple[int, int]:
        """Return the elements that may meet any of some pieces: the first, and the one after the last."""
        return int(self._profile.first[pieces].min()), int(self._profile.last[pieces].max())

    def slots(self, pieces: Index) -> set[int]:
        """Return the kinds of matter of some pieces."""
        return set(self._pieces.slot[pieces].tolist())

    def add(self, pieces: Index, lines: tuple[int, int], density: Mapping[int, Float32], top: int) -> None:
        """Add pieces to the areal density of some lines, (element, line) by kind of matter, that begins with element ``top``."""
        start, end = lines
        values, cells = self._across.values, self._across.cell
        looks, grains = self._profile.looks, self._pieces.grains
        # All numbers at once: the loop over pieces, of which scenes have many, is left with the arrays that it fills.
        x0 = self._spans[0][pieces]
        first, stop = np.maximum(x0, start), np.minimum(self._spans[1][pieces], end)
        begin = self._begin[pieces] + first - x0
        y0, y1 = self._profile.first[pieces] - top, self._profile.last[pieces] - top
        slots = self._pieces.slot[pieces].tolist()
        rows, columns = _slices(y0, y1), _slices(first - start, stop - start)
        places = zip(pieces.tolist(), slots, rows, columns, _slices(begin, begin + stop - first), strict=True)
        for i, slot, y, x, at in places:
            look = looks[i]
            if look is None:
                look = looks[i] = self._look(i)
            if grains[i] is None:
                added = look * values[at]
            else:
                added = look.take(cells[at], 1)
                added *= values[at]
            part = density[slot][y, x]
            part += added

    def _look(self, i: int) -> Float32:
        along, grain, profile = self._profile.along, self._pieces.grains[i], self._profile
        rows = slice(along.begin[i], along.begin[i] + int(profile.last[i] - profile.first[i]))
        path_mm = along.values[rows, None]
        return path_mm if grain is None else path_mm * grain.take(along.cell[rows], 0)


def _slices(first: Index, stop: Index) -> Iterator[slice]:
    return map(slice, first.tolist(), stop.tolist())


class _Pairs:
    """Every pair of a piece and a number from ``first`` to ``last``, end to end; ``begin`` says where each piece's pairs begin."""

    def __init__(self, first: Index, last: Index) -> None:
        self._numbers = last - first
        begin = np.cumsum(self._numbers) - self._numbers
        self._begin, self._shift = begin, first - begin
        self.begin: list[int] = begin.tolist()
        self.count = int(self._numbers.sum())

    def runs(self) -> Iterator[tuple[slice, slice, Index, Index]]:
        """Yield pieces, pairs, and piece and number of each pair, as many at a time as stay in the cache."""
        edges = np.flatnonzero(np.diff(self._begin // _PAIRS, prepend=-1, append=self.count // _PAIRS + 1)).tolist()
        for start, stop in itertools.pairwise(edges):
            pieces, numbers = slice(start, stop), self._numbers[start:stop]
            at = slice(self.begin[start], self.begin[stop - 1] + int(numbers[-1]))
            piece = np.repeat(np.arange(start, stop), numbers)
            yield pieces, at, piece, np.arange(at.start, at.stop) + self._shift[piece]


def _cells(at: Float64, low: Float64, high: Float64, count: Index) -> Index:
    """Return the cell of a grid of ``count`` points from ``low`` to ``high`` in which positions lie."""
    last = np.maximum(count - 1, 0)
    cell: Index = np.clip((at - low) / (high - low) * last, 0, last).astype(np.intp)
    return cell
