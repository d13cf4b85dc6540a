"""Traces a scene: areal density of every kind of matter along every ray, for a block of lines at a time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scananalysis.simulation.plain import PlainPieces, PlainView
from scananalysis.simulation.product import product
from scananalysis.simulation.rays import Cut, Rays, common, path, union_path
from scananalysis.simulation.scene import Layers, Matter, Piece, Scene
from scananalysis.simulation.solids import Cylinder, cuts
from scananalysis.simulation.streams import streams

_LEAST_GRAIN = 0.002


@dataclass(frozen=True)
class Block:
    """Areal densities along the rays of a block of lines.

    Parameters
    ----------
    matter : tuple of int
        Which of the tracer's kinds of matter may be present.
    areal_density : ndarray of float32, (matter, element, line)
        g/cm², of the elements of ``rows``; zero elsewhere.
    rows : slice
        Elements whose rays may meet anything.
    hidden_mm : ndarray of float32, (element, line), or None
        Path through hidden objects and voids, of the elements of ``rows``; None where there is none.
    """

    matter: tuple[int, ...]
    areal_density: NDArray[np.float32]
    rows: slice
    hidden_mm: NDArray[np.float32] | None


class Tracer:
    """A scene made ready for rays.

    Parameters
    ----------
    scene : Scene
    seed : int
        Of the grain inside packages, the same for both energies.
    """

    def __init__(self, scene: Scene, seed: int) -> None:
        slots: dict[Matter, int] = {}
        # Many pieces share one object, and to compare matter takes longer than to see that it is the same object.
        known: dict[int, int] = {}
        for piece in scene.pieces:
            if id(piece.matter) not in known:
                known[id(piece.matter)] = slots.setdefault(piece.matter, len(slots))
        self.matter = tuple(slots)
        bounds = np.array([piece.solid.bounds for piece in scene.pieces], np.float64).reshape(-1, 6)
        takers = _takers(bounds, np.array([piece.displaces for piece in scene.pieces], bool))
        grains = _grain_fields(scene.pieces, bounds, seed)
        ready = [
            _Ready(
                piece,
                known[id(piece.matter)],
                grains.get(i),
                takers.get(i, ()),
                bool(getattr(piece.solid, "separable", False)),
            )
            for i, piece in enumerate(scene.pieces)
        ]
        # Most pieces: every line sees the same of them, and nothing takes anything away.
        alike = [each.separable and not each.takers and each.piece.matter.kind != "hidden" for each in ready]
        plain = list(itertools.compress(ready, alike))
        self._plain = PlainPieces(
            [each.piece for each in plain],
            [each.slot for each in plain],
            [each.grain for each in plain],
            bounds[np.array(alike, bool)],
        )
        self._hollow = frozenset(each.slot for each in ready if each.piece.density_g_cm3 < 0)
        self._others = [i for i, same in enumerate(alike) if not same]
        used = sorted({*self._others, *itertools.chain.from_iterable(ready[i].takers for i in self._others)})
        self._used, self._used_bounds = [(i, ready[i]) for i in used], bounds[used]

    def over(self, rays: Rays) -> Traced:
        """Return the scene as it is seen by some rays."""
        reach = np.transpose(rays.reach(self._used_bounds)).tolist()
        views = {
            i: _View(ready, rays, slice(*numbers[:2]), (numbers[2], numbers[3]))
            for (i, ready), numbers in zip(self._used, reach, strict=True)
        }
        return Traced(self._plain.over(rays), [views[i] for i in self._others], views, self._hollow)


def _takers(bounds: NDArray[np.float64], displaces: NDArray[np.bool_]) -> dict[int, tuple[int, ...]]:
    """Return the later pieces that may take matter from each piece, by index, where there are any."""
    displacing = np.flatnonzero(displaces)
    low, high = bounds[:, None, ::2], bounds[:, None, 1::2]
    touch = np.all(np.maximum(low, bounds[displacing, ::2]) < np.minimum(high, bounds[displacing, 1::2]), axis=2)
    touch &= displacing > np.arange(len(bounds))[:, None]
    return {int(i): tuple(displacing[touch[i]].tolist()) for i in np.flatnonzero(touch.any(axis=1))}


@lru_cache(maxsize=512)
def _finer(count: int) -> NDArray[np.float64]:
    """Return what interpolates linearly from some points to four times as many, (4 n, n)."""
    at = np.linspace(0, count - 1, 4 * count)
    weight: NDArray[np.float64] = np.maximum(1 - np.abs(at[:, None] - np.arange(count)), 0)
    return weight


def _grain_fields(pieces: Sequence[Piece], bounds: NDArray[np.float64], seed: int) -> dict[int, NDArray[np.float32]]:
    """Draw the fluctuation inside packages, (height, travel) by index: a factor around 1 on a grid in mm of the piece.

    The grid does not depend on the pixels, so both energies and every binning see the same goods. Packages of one size are worked
    on together.
    """
    alike: dict[tuple[int, int], list[int]] = {}
    for i, (piece, (x0, x1, y0, y1, _, _)) in enumerate(zip(pieces, bounds.tolist(), strict=True)):
        if piece.grain > _LEAST_GRAIN:
            cells = max(2, round((y1 - y0) / piece.grain_mm)), max(2, round((x1 - x0) / piece.grain_mm))
            alike.setdefault(cells, []).append(i)
    found: dict[int, NDArray[np.float32]] = {}
    own = iter(streams(seed, list(itertools.chain.from_iterable(alike.values()))))
    for cells, members in alike.items():
        rows, columns = (_finer(n) for n in cells)
        drawn = np.empty((len(members), *cells))
        for package, stream in zip(drawn, own, strict=False):
            stream.standard_normal(out=package)
        # (n, h, w) as one matrix with all packages' columns beside each other, then with all their rows below each other.
        high = product(rows, drawn.transpose(1, 0, 2).reshape(cells[0], -1))
        fine = product(high.reshape(-1, cells[1]), columns.T).reshape(len(rows), len(members), len(columns))
        fine *= np.array([pieces[i].grain for i in members])[:, None]
        fine += 1
        factors = np.maximum(fine, 0.05).astype(np.float32)
        found |= {i: np.ascontiguousarray(factors[:, k]) for k, i in enumerate(members)}
    return found


class _Ready(NamedTuple):
    """A piece with its slot, its grain, the indices of later pieces that may take matter from it, and whether lines see the same."""

    piece: Piece
    slot: int
    grain: NDArray[np.float32] | None
    takers: tuple[int, ...]
    separable: bool


class Traced:
    """A scene as it is seen by the rays of a scan; blocks of lines are traced on demand.

    Parameters
    ----------
    plain : PlainView
    others : list
        Views of the pieces that are not plain.
    views : dict
        Of these and of what displaces them, by index of the piece.
    hollow : frozenset of int
        Kinds of matter of which some pieces take away.
    """

    def __init__(self, plain: PlainView, others: list[_View], views: dict[int, _View], hollow: frozenset[int]) -> None:
        self._plain, self._others, self._views, self._hollow = plain, others, views, hollow

    def block(self, first: int, stop: int) -> Block:
        """Trace lines ``first`` to ``stop``."""
        plain = self._plain.present(first, stop)
        others = [view for view in self._others if view.meets(first, stop)]
        reach = [(view.rows.start, view.rows.stop) for view in others]
        if plain.size:
            reach.append(self._plain.rows(plain))
        if not reach:
            return Block((), np.zeros((0, 0, stop - first), np.float32), slice(0, 0), None)
        rows = slice(min(y for y, _ in reach), max(y for _, y in reach))
        found = sorted(self._plain.slots(plain) | {view.ready.slot for view in others})
        shape = (rows.stop - rows.start, stop - first)
        density = np.zeros((len(found), *shape), np.float32)
        plane = dict(zip(found, density, strict=True))
        self._plain.add(plain, (first, stop), plane, rows.start)
        hidden: NDArray[np.float32] | None = None
        paths: list[tuple[Cut, NDArray[np.float32]]] = []
        known: Cylinder | None = None
        for view in others:
            solid, takers = view.ready.piece.solid, [self._views[j] for j in view.ready.takers]
            whole = isinstance(solid, Cylinder) and not takers
            # A hollow and what fills it are cut alike: the rim of a wheel, the core of a coil.
            if not whole or solid != known:
                paths = view.paths(first, stop, takers)
            known = solid if isinstance(solid, Cylinder) and whole else None
            for cut, inside in paths:
                y, x = cut.rows, cut.columns
                at = slice(y.start - rows.start, y.stop - rows.start), slice(x.start - first, x.stop - first)
                if view.ready.piece.matter.kind == "hidden":
                    hidden = np.zeros(shape, np.float32) if hidden is None else hidden
                    hidden[at] += inside
                plane[view.ready.slot][at] += view.areal_density(cut, inside)
        # A hollow is a piece of negative density; rounding may leave −1e-6 of what it was taken from.
        for slot in self._hollow.intersection(found):
            np.maximum(plane[slot], 0, out=plane[slot])
        return Block(tuple(found), density, rows, hidden)


class _View:
    """A piece that is not plain, as it is seen by the rays of a scan."""

    def __init__(self, ready: _Ready, rays: Rays, rows: slice, span: tuple[int, int]) -> None:
        self.ready, self.rays, self.rows, self.span = ready, rays, rows, span

    def meets(self, first: int, stop: int) -> bool:
        """Return whether some lines may meet it."""
        return bool(self.span[0] < stop and self.span[1] > first and self.rows.stop > self.rows.start)

    @cached_property
    def _whole(self) -> Cut:
        """The cut by all lines, of a piece of which each of them sees the same but for its coverage."""
        (cut,) = cuts(self.ready.piece.solid, self.rays)
        return cut

    @cached_property
    def _grain_rows(self) -> NDArray[np.intp]:
        """Row of the grain field that each element sees at the piece's middle depth."""
        field, (_, _, y0, y1, z0, z1) = self.ready.grain, self.ready.piece.solid.bounds
        assert field is not None  # noqa: S101 - called for grained pieces only
        height = self.rays.source_height_mm + self.rays.slope[self.rows] * ((z0 + z1) / 2)
        last = field.shape[0] - 1
        row: NDArray[np.intp] = np.clip((height - y0) / (y1 - y0) * last, 0, last).astype(np.intp)
        return row

    def _factor(self, columns: slice) -> NDArray[np.float32] | np.float32:
        """Return what turns mm of path into g/cm² in some lines, (1, line) or one for all: mm × g/cm³ × 0.1."""
        piece = self.ready.piece
        factor = 0.1 * piece.density_g_cm3
        if not piece.ripple[0]:
            return np.float32(factor)
        return (_ripple(self.rays.x_mm[columns], *piece.ripple).astype(np.float64) * factor).astype(np.float32)

    @cached_property
    def _grain_columns(self) -> NDArray[np.intp]:
        """Column of the grain field that each of the piece's lines sees."""
        field, (x0, x1, *_) = self.ready.grain, self.ready.piece.solid.bounds
        assert field is not None  # noqa: S101 - called for grained pieces only
        last = field.shape[1] - 1
        x = self.rays.x_mm[slice(*self.span)]
        column: NDArray[np.intp] = np.clip((x - x0) / (x1 - x0) * last, 0, last).astype(np.intp)
        return column

    def cut(self, first: int, stop: int) -> tuple[Cut, ...]:
        """Return where the rays of some lines run inside, columns counted from the first line of the scan."""
        columns = slice(max(self.span[0], first), min(self.span[1], stop))
        if columns.start >= columns.stop:
            return ()
        if self.ready.separable:
            whole = self._whole
            coverage = whole.coverage[:, columns.start - self.span[0] : columns.stop - self.span[0]]
            return (Cut(whole.rows, columns, whole.enter, whole.leave, coverage),)
        found = cuts(self.ready.piece.solid, self.rays.part(first, stop))
        return tuple(
            Cut(c.rows, slice(c.columns.start + first, c.columns.stop + first), c.enter, c.leave, c.coverage)
            for c in found
            if c.columns.stop > c.columns.start
        )

    def paths(self, first: int, stop: int, takers: Sequence[_View]) -> list[tuple[Cut, NDArray[np.float32]]]:
        """Return each cut and its path (element, line) inside the piece, less what later pieces displace, mm."""
        found = []
        lost = [cut for taker in takers for cut in taker.cut(first, stop)]
        for cut in self.cut(first, stop):
            inside = path(cut, self.rays)
            shared = [both for other in lost if (both := common(cut, other)) is not None]
            if shared:
                y, x, gone = union_path(shared, self.rays)
                inside[y.start - cut.rows.start : y.stop - cut.rows.start,
                       x.start - cut.columns.start : x.stop - cut.columns.start] -= gone  # fmt: skip
                np.maximum(inside, 0, out=inside)
            found.append((cut, inside))
        return found

    def areal_density(self, cut: Cut, inside: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a path (mm) as areal density (g/cm²)."""
        inside = inside * self._factor(cut.columns)
        if self.ready.grain is not None:
            columns = slice(cut.columns.start - self.span[0], cut.columns.stop - self.span[0])
            rows = self._grain_rows[cut.rows.start - self.rows.start : cut.rows.stop - self.rows.start]
            inside *= self.ready.grain[:, self._grain_columns[columns]][rows]
        return inside


def _ripple(x: NDArray[np.float64], period: float, amplitude: float) -> NDArray[np.float32]:
    """Thickness of a corrugated wall: slopes are longer through than flats; mean 1."""
    return (1 + amplitude * np.sign(np.sin(2 * np.pi * x / period))).astype(np.float32)[None]


def trace(scene: Scene, rays: Rays, seed: int) -> Layers:
    """Trace every piece of a scene along all rays at once.

    Parameters
    ----------
    scene : Scene
    rays : Rays
    seed : int
        Of the grain inside packages, the same for both energies.

    Returns
    -------
    Layers

    Examples
    --------
    >>> from scananalysis.simulation import Box, Matter, Piece, Scene
    >>> rays = Rays(np.array([0.0]), 500.0, np.array([50.0]), 10.0)
    >>> block = Piece(Box((0, 100), (0, 1000), (900, 1000)), Matter.of("Fe"), 7.87)
    >>> round(float(trace(Scene((block,), 100.0), rays, 0).areal_density[0, 0, 0]), 3)
    78.7
    """
    tracer = Tracer(scene, seed)
    found = tracer.over(rays).block(0, rays.x_mm.size)
    shape = (rays.slope.size, rays.x_mm.size)
    density = np.zeros((len(tracer.matter), *shape), np.float32)
    hidden = np.zeros(shape, np.float32)
    density[list(found.matter), found.rows] = found.areal_density
    if found.hidden_mm is not None:
        hidden[found.rows] = found.hidden_mm
    return Layers(tracer.matter, density, hidden)
