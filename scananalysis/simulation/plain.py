"""Pieces of which every line sees the same, all at once: most of a scene is boxes from which nothing is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from scananalysis.simulation.rays import Rays, path
from scananalysis.simulation.scene import Piece
from scananalysis.simulation.solids import Box, cuts

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Index = NDArray[np.intp]


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
    rows: list[tuple[int, int]]
    along: _Ragged
    looks: dict[int, Float32] = field(default_factory=dict)


class PlainPieces:
    """Pieces with separable solids, whose areal density is a product of a factor by element and one by line, times their grain.

    Parameters
    ----------
    pieces : sequence of Piece
    slots : sequence of int
        Kind of matter of each.
    grains : sequence of ndarray (height, travel), or None
    """

    def __init__(self, pieces: Sequence[Piece], slots: Sequence[int], grains: Sequence[Float32 | None]) -> None:
        self.pieces, self.slots, self.grains = tuple(pieces), tuple(slots), tuple(grains)
        self._bounds = np.array([piece.solid.bounds for piece in pieces], np.float64).reshape(-1, 6)
        self._scale = np.array([0.1 * piece.density_g_cm3 for piece in pieces])
        self._ripple = np.array([piece.ripple for piece in pieces], np.float64).reshape(-1, 2)
        self._cells = np.array([(0, 0) if g is None else g.shape for g in grains], np.intp).reshape(-1, 2)
        self._profile: _Profile | None = None

    def over(self, rays: Rays) -> PlainView:
        """Return the pieces as some rays see them; what is the same for every line serves both channels of a scanner."""
        if self._profile is None or not np.array_equal(self._profile.slope, rays.slope):
            self._profile = self._look(rays)
        half = rays.line_pitch_mm / 2
        x0, x1 = self._bounds[:, 0], self._bounds[:, 1]
        first = np.searchsorted(rays.x_mm, x0 - half, side="right")
        last = np.maximum(np.searchsorted(rays.x_mm, x1 + half, side="left"), first)
        piece, line, begin = _expand(first, last)
        x, low, high = rays.x_mm[line], x0[piece], x1[piece]
        across = np.minimum(high, x + half) - np.maximum(low, x - half)
        across *= self._scale[piece] / rays.line_pitch_mm
        if self._ripple.any():
            period, height = self._ripple[piece].T
            with np.errstate(divide="ignore", invalid="ignore"):
                across *= np.where(period > 0, 1 + height * np.sign(np.sin(2 * np.pi * x / period)), 1)
        cell = _cells(x, low, high, self._cells[piece, 1])
        return PlainView(
            self,
            self._profile,
            list(zip(first.tolist(), last.tolist(), strict=True)),
            _Ragged(across.astype(np.float32), cell, begin),
        )

    def _look(self, rays: Rays) -> _Profile:
        """Cut all boxes at once, others one by one."""
        height = rays.source_height_mm
        boxes = np.array([isinstance(piece.solid, Box) for piece in self.pieces], bool)
        y0, y1, z0, z1 = self._bounds[:, 2:].T
        first = np.searchsorted(-rays.slope, -np.maximum((y1 - height) / z0, (y1 - height) / z1), side="left")
        last = np.searchsorted(-rays.slope, -np.minimum((y0 - height) / z0, (y0 - height) / z1), side="right")
        last = np.maximum(first, last)
        piece, element, begin = _expand(first, last)
        slope = rays.slope[element]
        # A level ray lies between two heights everywhere or nowhere; one part in 10¹⁵ decides which without a division by zero.
        steep = np.where(np.abs(slope) < 1e-15, 1e-15, slope)
        a, b = (y0[piece] - height) / steep, (y1[piece] - height) / steep
        depth = np.minimum(np.maximum(a, b), z1[piece]) - np.maximum(np.minimum(a, b), z0[piece])
        along = (np.maximum(depth, 0) * rays.per_depth[element]).astype(np.float32)
        for i in np.flatnonzero(~boxes):
            (cut,) = cuts(self.pieces[i].solid, rays)
            part = slice(begin[i], begin[i] + last[i] - first[i])
            along[part] = path(replace(cut, coverage=np.ones((1, 1))), rays)[:, 0]
        # The grain is seen at the piece's middle depth.
        seen = height + slope * ((z0 + z1) / 2)[piece]
        cell = _cells(seen, y0[piece], y1[piece], self._cells[piece, 0])
        rows = list(zip(first.tolist(), last.tolist(), strict=True))
        return _Profile(rays.slope, rows, _Ragged(along, cell, begin))


class PlainView:
    """Plain pieces as the rays of a scan see them.

    Parameters
    ----------
    pieces : PlainPieces
    profile : _Profile
    spans : list of (int, int)
        First line that may meet each piece, and the one after the last.
    across : _Ragged
        Coverage of each line times what turns mm of path into g/cm².
    """

    def __init__(self, pieces: PlainPieces, profile: _Profile, spans: list[tuple[int, int]], across: _Ragged) -> None:
        self._pieces, self._profile, self._across = pieces, profile, across
        self._lines, self._rows = spans, profile.rows
        self._spans = np.array(spans, np.intp).reshape(-1, 2)
        reach = np.array(profile.rows, np.intp).reshape(-1, 2)
        self._seen = (reach[:, 1] > reach[:, 0]) & (self._spans[:, 1] > self._spans[:, 0])

    def present(self, first: int, stop: int) -> list[int]:
        """Return the pieces that some lines may meet."""
        found: list[int] = np.flatnonzero(
            self._seen & (self._spans[:, 0] < stop) & (self._spans[:, 1] > first)
        ).tolist()
        return found

    def rows(self, i: int) -> tuple[int, int]:
        """Return the elements that may meet a piece: the first, and the one after the last."""
        return self._rows[i]

    def slot(self, i: int) -> int:
        """Return a piece's kind of matter."""
        return self._pieces.slots[i]

    def add(self, i: int, lines: tuple[int, int], density: Float32, top: int) -> None:
        """Add a piece to the areal density of some lines, (element, line), that begins with element ``top``."""
        (y0, y1), (x0, x1) = self._rows[i], self._lines[i]
        first, stop = max(x0, lines[0]), min(x1, lines[1])
        across, grain = self._across, self._pieces.grains[i]
        look = self._profile.looks.get(i)
        if look is None:
            along = self._profile.along
            rows = slice(along.begin[i], along.begin[i] + y1 - y0)
            look = along.values[rows, None]
            if grain is not None:
                look = look * grain[along.cell[rows]]
            self._profile.looks[i] = look
        columns = slice(across.begin[i] + first - x0, across.begin[i] + stop - x0)
        added = (look if grain is None else look[:, across.cell[columns]]) * across.values[columns]
        density[y0 - top : y1 - top, first - lines[0] : stop - lines[0]] += added


def _expand(first: Index, last: Index) -> tuple[Index, Index, list[int]]:
    """Return every pair of a piece and a number from ``first`` to ``last``, and where each piece's pairs begin."""
    count = last - first
    begin = np.cumsum(count) - count
    piece = np.repeat(np.arange(len(first)), count)
    return piece, np.arange(len(piece)) - (begin - first)[piece], begin.tolist()


def _cells(at: Float64, low: Float64, high: Float64, count: Index) -> Index:
    """Return the cell of a grid of ``count`` points from ``low`` to ``high`` in which positions lie."""
    last = np.maximum(count - 1, 0)
    cell: Index = np.clip((at - low) / (high - low) * last, 0, last).astype(np.intp)
    return cell
