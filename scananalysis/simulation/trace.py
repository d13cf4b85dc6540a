"""Traces a scene: areal density of every kind of matter along every ray, for a block of lines at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from scananalysis.simulation.rays import Cut, Rays, common, path, union_path
from scananalysis.simulation.scene import Layers, Matter, Piece, Scene
from scananalysis.simulation.solids import cuts

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
        for piece in scene.pieces:
            slots.setdefault(piece.matter, len(slots))
        self.matter = tuple(slots)
        bounds = np.array([piece.solid.bounds for piece in scene.pieces]).reshape(-1, 6)
        displacing = [i for i, piece in enumerate(scene.pieces) if piece.displaces]
        self._pieces = tuple(
            _Ready(
                piece,
                slots[piece.matter],
                _grain_field(piece, np.random.default_rng([seed, i])) if piece.grain > _LEAST_GRAIN else None,
                tuple(j for j in displacing if j > i and _touch(bounds[i], bounds[j])),
            )
            for i, piece in enumerate(scene.pieces)
        )

    def over(self, rays: Rays) -> Traced:
        """Return the scene as it is seen by some rays."""
        return Traced(self._pieces, rays)


def _touch(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return bool(np.all(np.maximum(a[::2], b[::2]) < np.minimum(a[1::2], b[1::2])))


def _grain_field(piece: Piece, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw the fluctuation inside a package, (height, travel): a factor around 1 on a grid in mm of the piece.

    The grid does not depend on the pixels, so both energies and every binning see the same goods.
    """
    x0, x1, y0, y1, _, _ = piece.solid.bounds
    cells = max(2, round((y1 - y0) / piece.grain_mm)), max(2, round((x1 - x0) / piece.grain_mm))
    fine = zoom(rng.standard_normal(cells), (4, 4), order=1)
    factor: NDArray[np.float32] = np.maximum(1 + piece.grain * fine, 0.05).astype(np.float32)
    return factor


@dataclass(frozen=True, eq=False)
class _Ready:
    """A piece with its slot, its grain and the indices of later pieces that may take matter from it."""

    piece: Piece
    slot: int
    grain: NDArray[np.float32] | None
    takers: tuple[int, ...]


class Traced:
    """A scene as it is seen by the rays of a scan; blocks of lines are traced on demand.

    Parameters
    ----------
    pieces : tuple
        Of a `Tracer`.
    rays : Rays
    """

    def __init__(self, pieces: tuple[_Ready, ...], rays: Rays) -> None:
        self.rays = rays
        self._views = [_View(ready, rays) for ready in pieces]
        self._spans = np.array([view.span for view in self._views], np.intp).reshape(-1, 2)

    def block(self, first: int, stop: int) -> Block:
        """Trace lines ``first`` to ``stop``."""
        present = np.flatnonzero((self._spans[:, 0] < stop) & (self._spans[:, 1] > first))
        views = [self._views[i] for i in present]
        views = [view for view in views if view.rows.stop > view.rows.start]
        if not views:
            return Block((), np.zeros((0, 0, stop - first), np.float32), slice(0, 0), None)
        rows = slice(min(v.rows.start for v in views), max(v.rows.stop for v in views))
        found = sorted({view.ready.slot for view in views})
        place = {slot: i for i, slot in enumerate(found)}
        shape = (rows.stop - rows.start, stop - first)
        density = np.zeros((len(found), *shape), np.float32)
        hidden: NDArray[np.float32] | None = None
        for view in views:
            takers = [self._views[j] for j in view.ready.takers]
            for y, x, inside in view.paths(first, stop, takers):
                at = slice(y.start - rows.start, y.stop - rows.start), slice(x.start - first, x.stop - first)
                if view.ready.piece.matter.kind == "hidden":
                    hidden = np.zeros(shape, np.float32) if hidden is None else hidden
                    hidden[at] += inside
                density[place[view.ready.slot]][at] += view.areal_density(y, x, inside)
        # A hollow is a piece of negative density; rounding may leave −1e-6 of what it was taken from.
        np.maximum(density, 0, out=density)
        return Block(tuple(found), density, rows, hidden)


class _View:
    """A piece as it is seen by the rays of a scan."""

    def __init__(self, ready: _Ready, rays: Rays) -> None:
        self.ready, self.rays = ready, rays
        x0, x1, y0, y1, z0, z1 = ready.piece.solid.bounds
        self.rows, columns = rays.rows(y0, y1, z0, z1), rays.columns(x0, x1)
        self.span = (columns.start, columns.stop)

    @cached_property
    def _separable(self) -> Cut | None:
        """The cut by all lines, where it is the same in each of them but for its coverage."""
        solid = self.ready.piece.solid
        if not getattr(solid, "separable", False):
            return None
        (cut,) = cuts(solid, self.rays)
        return cut

    @cached_property
    def _factors(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Path of each element (element, 1) and coverage of each line (1, line) of a separable cut."""
        cut = self._separable
        assert cut is not None  # noqa: S101 - called for separable pieces only
        whole = replace(cut, coverage=np.ones((1, 1)))
        return path(whole, self.rays), cut.coverage.astype(np.float32)

    @cached_property
    def _grain_rows(self) -> NDArray[np.intp]:
        """Row of the grain field that each element sees at the piece's middle depth."""
        field, (_, _, y0, y1, z0, z1) = self.ready.grain, self.ready.piece.solid.bounds
        assert field is not None  # noqa: S101 - called for grained pieces only
        height = self.rays.source_height_mm + self.rays.slope[self.rows] * ((z0 + z1) / 2)
        last = field.shape[0] - 1
        row: NDArray[np.intp] = np.clip((height - y0) / (y1 - y0) * last, 0, last).astype(np.intp)
        return row

    def cut(self, first: int, stop: int) -> tuple[Cut, ...]:
        """Return where the rays of some lines run inside, columns counted from the first line of the scan."""
        if self.span[0] >= stop or self.span[1] <= first:
            return ()
        whole = self._separable
        if whole is not None:
            columns = slice(max(whole.columns.start, first), min(whole.columns.stop, stop))
            if columns.start >= columns.stop:
                return ()
            start = whole.columns.start
            coverage = whole.coverage[:, columns.start - start : columns.stop - start]
            return (replace(whole, columns=columns, coverage=coverage),)
        part = replace(self.rays, x_mm=self.rays.x_mm[first:stop])
        return tuple(
            replace(cut, columns=slice(cut.columns.start + first, cut.columns.stop + first))
            for cut in cuts(self.ready.piece.solid, part)
            if cut.columns.stop > cut.columns.start
        )

    def paths(self, first: int, stop: int, takers: Sequence[_View]) -> list[tuple[slice, slice, NDArray[np.float32]]]:
        """Return rows, columns and path (element, line) inside the piece, less what later pieces displace, mm."""
        found = []
        lost = [cut for taker in takers for cut in taker.cut(first, stop)]
        for cut in self.cut(first, stop):
            if self._separable is not None:
                along, across = self._factors
                start = self._separable.columns.start
                inside = along * across[:, cut.columns.start - start : cut.columns.stop - start]
            else:
                inside = path(cut, self.rays)
            shared = [both for other in lost if (both := common(cut, other)) is not None]
            if shared:
                y, x, gone = union_path(shared, self.rays)
                inside[y.start - cut.rows.start : y.stop - cut.rows.start,
                       x.start - cut.columns.start : x.stop - cut.columns.start] -= gone  # fmt: skip
                np.maximum(inside, 0, out=inside)
            found.append((cut.rows, cut.columns, inside))
        return found

    def areal_density(self, rows: slice, columns: slice, inside: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn a path (mm) into areal density (g/cm²) in place: mm × g/cm³ × 0.1."""
        piece = self.ready.piece
        x = self.rays.x_mm[columns]
        inside *= np.float32(0.1 * piece.density_g_cm3)
        if piece.ripple[0]:
            inside *= _ripple(x, *piece.ripple)
        if self.ready.grain is not None:
            x0, x1 = piece.solid.bounds[:2]
            last = self.ready.grain.shape[1] - 1
            at = np.clip((x - x0) / (x1 - x0) * last, 0, last).astype(np.intp)
            seen = self._grain_rows[rows.start - self.rows.start : rows.stop - self.rows.start]
            inside *= self.ready.grain[:, at][seen]
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
