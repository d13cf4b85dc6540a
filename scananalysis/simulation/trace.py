"""Traces a scene: areal density of every kind of matter along every ray."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from scananalysis.simulation.scene import Layers, Matter, Piece, Scene
from scananalysis.simulation.solids import Cut, Rays, common, path

_LEAST_GRAIN = 0.002


def trace(scene: Scene, rays: Rays, seed: int) -> Layers:
    """Trace every piece of a scene.

    Parameters
    ----------
    scene : Scene
    rays : Rays
    seed : int
        Of the grain inside packages, the same for both energies.

    Returns
    -------
    Layers
    """
    slots: dict[Matter, int] = {}
    for piece in scene.pieces:
        slots.setdefault(piece.matter, len(slots))
    shape = (len(slots), rays.slope.size, rays.x_mm.size)
    density = np.zeros(shape, np.float32)
    hidden = np.zeros(shape[1:], np.float32)
    cuts = [piece.solid.cut(rays) for piece in scene.pieces]
    for i, (piece, cut) in enumerate(zip(scene.pieces, cuts, strict=True)):
        target = density[slots[piece.matter]]
        if piece.displaces:
            _displace(density, slots, scene.pieces[:i], cuts[:i], cut, rays)
        # mm × g/cm³ × 0.1 = g/cm²
        inside = path(cut, rays)
        if piece.matter.kind == "hidden":
            hidden[cut.rows, cut.columns] += inside
        added = inside * np.float32(0.1 * piece.density_g_cm3)
        if piece.ripple[0]:
            added *= _ripple(rays.x_mm[cut.columns], *piece.ripple)
        if piece.grain > _LEAST_GRAIN and added.size:
            added *= _grain(piece, cut, rays, np.random.default_rng([seed, i]))
        target[cut.rows, cut.columns] += added
    return Layers(tuple(slots), np.maximum(density, 0), hidden)


def _displace(
    density: NDArray[np.float32],
    slots: dict[Matter, int],
    earlier: tuple[Piece, ...],
    cuts: list[Cut],
    cut: Cut,
    rays: Rays,
) -> None:
    for piece, other in zip(earlier, cuts, strict=True):
        shared = common(cut, other)
        if shared is not None:
            taken = path(shared, rays) * np.float32(0.1 * piece.density_g_cm3)
            density[slots[piece.matter], shared.rows, shared.columns] -= taken


def _ripple(x: NDArray[np.float64], period: float, amplitude: float) -> NDArray[np.float32]:
    """Thickness of a corrugated wall: slopes are longer through than flats; mean 1."""
    return (1 + amplitude * np.sign(np.sin(2 * np.pi * x / period))).astype(np.float32)[None]


def _grain(piece: Piece, cut: Cut, rays: Rays, rng: np.random.Generator) -> NDArray[np.float32]:
    """Fluctuation inside a package: normal deviates on a coarse grid, spline between them, the same at any resolution.

    The grid is drawn in mm of the piece, not in pixels, so both energies and every binning see the same goods.
    """
    x0, x1, y0, y1, z0, z1 = piece.solid.bounds
    cells = max(2, round((y1 - y0) / piece.grain_mm)), max(2, round((x1 - x0) / piece.grain_mm))
    coarse = rng.standard_normal(cells)
    fine = zoom(coarse, (4, 4), order=1) if min(cells) > 1 else coarse
    middle = (z0 + z1) / 2
    height = rays.source_height_mm + rays.slope[cut.rows] * middle
    v = np.clip((height - y0) / (y1 - y0) * (fine.shape[0] - 1), 0, fine.shape[0] - 1).astype(np.intp)
    u = np.clip((rays.x_mm[cut.columns] - x0) / (x1 - x0) * (fine.shape[1] - 1), 0, fine.shape[1] - 1).astype(np.intp)
    field = fine[v[:, None], u[None, :]]
    factor: NDArray[np.float32] = np.maximum(1 + piece.grain * field, 0.05).astype(np.float32)
    return factor
