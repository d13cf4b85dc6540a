"""Areas that hold one material each: found on both energies, measured with shared errors, tested, and named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import ConfigurationError, MaterialMap, Quality, Radiograph, Regions, has
from scananalysis.detectors import scanner as find_scanner
from scananalysis.materials.classes import MIXED, SURE
from scananalysis.materials.discriminate import Model, fitted_model, nominal_model
from scananalysis.materials.dualenergy import DualEnergyModel
from scananalysis.materials.judged import judged, single, solved
from scananalysis.materials.labelled import Means, means
from scananalysis.materials.lattice import Lattice, lattice
from scananalysis.materials.merging import Tolerance, merge
from scananalysis.materials.onematerial import p_one_material
from scananalysis.materials.unbiased import NO_INFORMATION

_CELL = 8
"""Pixels of the unbinned scanner along the side of a cell."""

_SMALL_CELL = 4
"""Cells up to this side, in pixels, are smoothed over three pixels."""

_AIR_ALPHA = 0.02
_AIR_SIGMAS = 3.0
"""Cells below this attenuation, noise counted, hold nothing."""

_CELLS_PER_MARGIN = 4
"""A cell is so many margins high: pixels along an area's edge are not measured, as blur and registration mix both sides there."""


def segment(
    materials: MaterialMap,
    model: Model | None = None,
    *,
    tolerance: Tolerance | None = None,
    least_pixels: int = 64,
    sure: float = SURE,
) -> MaterialMap:
    """Find the areas of a scan and measure each as one.

    Parameters
    ----------
    materials : MaterialMap
    model : DualEnergyModel or SingleEnergyModel, optional
        By default the one that the map was made with.
    tolerance : Tolerance, optional
        How much goods may vary within an area.
    least_pixels : int
        Areas with fewer pixels away from their edges are no regions; slivers along edges have none.
    sure : float
        Probability that a class must have to be named.

    Returns
    -------
    MaterialMap
        With `regions`; pixels of areas that are not one material are flagged `MIXED`. Columns of the table: ``label``, ``box`` (first row,
        first column, last row + 1, last column + 1), ``pixels`` (measured), ``area_cm2``, ``areal_density_g_cm2``,
        ``sigma_areal_density_g_cm2``, ``z_eff``, ``sigma_z`` (all errors), ``sigma_noise_z`` (noise alone), ``z_low`` and ``z_high``
        (central 95 %), ``correlation``, ``alpha``, ``p_one_material``, ``class``, ``probability`` (of each class), ``quality``.

    Notes
    -----
    Attenuation is averaged over cells of a few pixels, neighbouring cells that agree are joined (`merging`), pixels along the edges are
    given to the area that they fit best, and areas are measured without a margin at their edges, so that membership is decided by place
    and not by a pixel's own noise.

    Examples
    --------
    >>> import scananalysis as sa
    >>> from scananalysis.simulation import Box, Matter, Piece, Scene, render
    >>> block = Piece(Box((400, 1000), (1000, 2000), (5900, 6100)), Matter.of("Al"), 2.7)
    >>> scan = render(Scene((block,), 1400.0), sa.scanner("cargo-6-4mv").binned(4, 4), seed=1).scan
    >>> materials = sa.materials.segment(sa.discriminate(sa.calibrate(scan)))
    >>> largest = max(materials.regions.table, key=lambda row: row["pixels"])
    >>> abs(largest["z_eff"] - 13) < 3 * largest["sigma_z"]
    True
    """
    used = model if model is not None else _model_of(materials)
    radiograph = materials.radiograph
    cells = lattice(radiograph, cell_of(radiograph))
    held = tolerance or Tolerance()
    there = matter(cells)
    coarse = merge(cells, there, held)
    # Air is an area like any other while edges are drawn, and none afterwards.
    air = int(coarse.max(initial=0)) + 1
    coarse[cells.usable & ~there] = air
    labels = _refined(radiograph, cells, coarse, held)
    labels[labels == air] = 0
    labels = _numbered(labels, inside(labels, cells), least_pixels)
    measured = np.where(inside(labels, cells), labels, 0).astype(np.int32)
    found = means(radiograph, measured, weights(cells, radiograph.shape[1:]))
    table = _table(radiograph, used, labels, found, cells, sure)
    quality = materials.quality.copy()
    mixed = np.array([False, *(row["class"] == MIXED for row in table)])
    quality[mixed[labels]] |= np.uint32(Quality.MIXED.value)
    provenance = materials.provenance.then(
        "materials.segment",
        parameters={"cell": list(cells.cell), "least_pixels": least_pixels, "sure": sure, **held.__dict__},
    )
    return replace(materials, regions=Regions(labels, table), quality=quality, provenance=provenance)


def cell_of(radiograph: Radiograph) -> tuple[int, int]:
    """Return the pixels of a cell, high and wide: the same size on a load whatever the binning."""
    full = find_scanner(radiograph.scanner).pixel_mm
    high, wide = (max(2, round(_CELL * a / b)) for a, b in zip(full, radiograph.pixel_mm, strict=True))
    return high, wide


def matter(cells: Lattice) -> NDArray[np.bool_]:
    """Return the cells where there is something, and that were measured."""
    sigma = np.sqrt(cells.separate[0])
    there: NDArray[np.bool_] = cells.usable & (cells.alpha[0] > _AIR_ALPHA + _AIR_SIGMAS * sigma)
    return there


def _model_of(materials: MaterialMap) -> Model:
    step = materials.provenance.find("materials.discriminate")
    if step is not None and step.parameters.get("nominal"):
        return nominal_model(materials.scanner)
    return fitted_model(materials.curves)


def _refined(radiograph: Radiograph, cells: Lattice, merged: NDArray[np.int32], held: Tolerance) -> NDArray[np.int32]:
    """Labels of all pixels: inside an area the area's, along edges that of the neighbouring area that fits best."""
    high, wide = cells.cell
    height, width = radiograph.shape[1:]
    # Cells on an edge are like neither side and form strips one cell wide; what fits a wider area goes there first.
    coarse = np.where(_broad(merged)[merged], merged, 0)
    padded = np.pad(coarse, 1, mode="edge")
    rows, columns = coarse.shape
    around = np.stack([padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)])
    contested = (around != coarse).any(axis=0)
    full = np.repeat(np.repeat(coarse, high, axis=0), wide, axis=1)[:height, :width].copy()
    row, column = np.nonzero(np.repeat(np.repeat(contested, high, axis=0), wide, axis=1)[:height, :width])
    count = int(merged.max(initial=0)) + 1
    mean, spread = _statistics(cells, coarse, count)
    best = np.full(row.size, np.inf, np.float32)
    chosen = np.zeros(row.size, np.int32)
    alpha, variance = _smooth(radiograph, cells, (row, column))
    cell = (row // high) * columns + column // wide
    flat = around.reshape(9, -1)
    for candidate in flat:
        label = candidate[cell]
        misfit = np.zeros(row.size, np.float32)
        for c in range(alpha.shape[0]):
            allowed = variance[c] + spread[c, label] + (held.thickness * mean[c, label]) ** 2 + held.absolute**2
            misfit += (alpha[c] - mean[c, label]) ** 2 / allowed
        better = (misfit < best) & (label > 0)
        best[better], chosen[better] = misfit[better], label[better]
    # What fits no neighbour is edge, rope or clutter: no region's.
    chosen[~(best < held.limit + 4)] = 0
    left = merged[row // high, column // wide]
    full[row, column] = np.where(chosen > 0, chosen, np.where(coarse[row // high, column // wide] == left, 0, left))
    return np.asarray(full, np.int32)


def _smooth(
    radiograph: Radiograph, cells: Lattice, at: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Attenuation and its variance over half a cell around some pixels, (channel, n).

    A pixel that chose its area by its own value would carry its noise into that area's mean.
    """
    import cv2

    high, wide = (2 * (side // 4) + 1 if side > _SMALL_CELL else 3 for side in cells.cell)
    bad = np.asarray(has(radiograph.quality, NO_INFORMATION).any(axis=0))
    share = np.maximum(np.asarray(cv2.blur(np.where(bad, np.float32(0), np.float32(1)), (wide, high)))[at], 1e-6)
    planes = []
    for image in (radiograph.attenuation, radiograph.variance):
        smooth = [
            np.asarray(cv2.blur(np.where(bad, np.float32(0), plane), (wide, high)))[at] / share for plane in image
        ]
        planes.append(np.stack(smooth).astype(np.float32))
    return planes[0], planes[1] / np.float32(high * wide)


def _broad(coarse: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Labels that have a block of two by two cells somewhere, (label,)."""
    corner = coarse[:-1, :-1]
    block = (corner == coarse[1:, :-1]) & (corner == coarse[:-1, 1:]) & (corner == coarse[1:, 1:])
    broad = np.zeros(int(coarse.max(initial=0)) + 1, bool)
    broad[corner[block]] = True
    broad[0] = False
    return broad


def _statistics(
    cells: Lattice, coarse: NDArray[np.int32], count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean of α of every area and the variance of its cells, (channel, label)."""
    number = np.maximum(np.bincount(coarse.ravel(), minlength=count), 1)
    means_, spreads = [], []
    for plane in cells.alpha:
        mean = np.bincount(coarse.ravel(), plane.ravel(), minlength=count) / number
        square = np.bincount(coarse.ravel(), plane.ravel() ** 2, minlength=count) / number
        means_.append(mean)
        spreads.append(np.maximum(square - mean**2, 0))
    return np.stack(means_).astype(np.float32), np.stack(spreads).astype(np.float32)


def _numbered(labels: NDArray[np.int32], inside: NDArray[np.bool_], least_pixels: int) -> NDArray[np.int32]:
    """Labels 1 … n of the areas that are large enough, largest first."""
    size = np.bincount(labels[inside], minlength=int(labels.max(initial=0)) + 1)
    order = np.argsort(-size, kind="stable")
    order = order[size[order] >= max(least_pixels, 1)]
    new = np.zeros(size.size, np.int32)
    new[order] = np.arange(1, order.size + 1)
    return np.asarray(new[labels], np.int32)


def inside(labels: NDArray[np.int32], cells: Lattice) -> NDArray[np.bool_]:
    """Return the pixels of areas that are measured: those with nothing but their own label within the margin."""
    import cv2

    margin = max(1, cells.cell[0] // _CELLS_PER_MARGIN)
    kernel = np.ones((2 * margin + 1,) * 2, np.uint8)
    # Labels up to 2²⁴ are exact in float32, which OpenCV's morphology takes.
    plane = labels.astype(np.float32)
    same = np.asarray(cv2.erode(plane, kernel)) == np.asarray(cv2.dilate(plane, kernel))
    return np.asarray(same & (labels > 0), np.bool_)


def weights(cells: Lattice, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the weights of all pixels, by the inverse variance around their cell.

    A pixel's own variance is drawn with its own noise, and would bias the mean.
    """
    import cv2

    total = np.where(cells.usable, cells.variance.sum(axis=0), 0)
    # Of nine cells: where little arrives a single cell's variance is drawn with its noise, too.
    near, met = (np.asarray(cv2.blur(plane.astype(np.float64), (3, 3))) for plane in (total, cells.usable))
    weight = np.where(near > 0, met / np.where(near > 0, near, 1), 0).astype(np.float32)
    high, wide = cells.cell
    return np.repeat(np.repeat(weight, high, axis=0), wide, axis=1)[: shape[0], : shape[1]]


def _table(
    radiograph: Radiograph, model: Model, labels: NDArray[np.int32], found: Means, cells: Lattice, sure: float
) -> tuple[Mapping[str, Any], ...]:
    count = found.pixels.size
    if not count:
        return ()
    total = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    area_cm2 = radiograph.pixel_mm[0] * radiograph.pixel_mm[1] / 100
    boxes = _boxes(labels, count)
    plain = [
        {
            "label": k + 1,
            "box": boxes[k],
            "pixels": int(found.pixels[k]),
            "area_cm2": float(total[k] * area_cm2),
            "alpha": tuple(map(float, found.alpha[k])),
        }
        for k in range(count)
    ]
    if not isinstance(model, DualEnergyModel):
        return tuple(row | single(model, found, k) for k, row in enumerate(plain))
    material = solved(radiograph, model, found)
    rest = judged(radiograph, model, found, material, p_one_material(model, cells, labels, material.z_eff), sure)
    return tuple(row | more for row, more in zip(plain, rest, strict=True))


def identify(
    radiograph: Radiograph, model: Model, mask: NDArray[np.bool_], *, least_pixels: int = 64, sure: float = SURE
) -> Mapping[str, Any]:
    """Measure a given area as one and say what it is made of, as `segment` does with the areas that it finds.

    Parameters
    ----------
    radiograph : Radiograph
    model : DualEnergyModel or SingleEnergyModel
    mask : ndarray of bool, (y, x)
    least_pixels : int
        An area is measured without a margin at its edges if so many pixels are left.
    sure : float
        Probability that a class must have to be named.

    Returns
    -------
    mapping
        The columns of a row of `segment`'s table from ``pixels`` on, without ``area_cm2``. Figures are NaN and the class ``undecided``
        where no pixel can be used.

    Raises
    ------
    ConfigurationError
        The area is empty.

    Examples
    --------
    >>> import scananalysis as sa
    >>> from scananalysis.simulation import Box, Matter, Piece, Scene, render
    >>> block = Piece(Box((400, 1000), (1000, 2000), (5900, 6100)), Matter.of("Fe"), 7.9)
    >>> scan = render(Scene((block,), 1400.0), sa.scanner("cargo-6-4mv").binned(4, 4), seed=1).scan
    >>> radiograph = sa.calibrate(scan)
    >>> area = sa.discriminate(radiograph).areal_density > 100
    >>> found = identify(radiograph, sa.materials.DualEnergyModel.nominal(sa.scanner("cargo-6-4mv")), area)
    >>> abs(found["z_eff"] - 26) < 3 * found["sigma_z"], found["p_one_material"] > 0.001
    (True, True)
    """
    if not mask.any():
        raise ConfigurationError("empty area", expected="at least one pixel")
    cells = lattice(radiograph, cell_of(radiograph))
    labels = mask.astype(np.int32)
    core = inside(labels, cells)
    if int(core.sum()) < least_pixels:
        core = mask
    found = means(radiograph, core.astype(np.int32), weights(cells, radiograph.shape[1:]))
    row = {"pixels": int(found.pixels[0]), "alpha": tuple(map(float, found.alpha[0]))}
    if not isinstance(model, DualEnergyModel):
        return row | single(model, found, 0)
    material = solved(radiograph, model, found)
    p = p_one_material(model, cells, labels, material.z_eff)
    return row | judged(radiograph, model, found, material, p, sure)[0]


def _boxes(labels: NDArray[np.int32], count: int) -> list[tuple[int, int, int, int]]:
    from scipy.ndimage import find_objects

    return [(part[0].start, part[1].start, part[0].stop, part[1].stop) for part in find_objects(labels, count)]
