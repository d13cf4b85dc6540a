"""Suspect regions: connected places whose p-value alarms, merged across small gaps and drawn to the object's own outline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scananalysis.core import UNUSABLE, has

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.core import AnomalyMap, MaterialMap
    from scananalysis.core.cells import CellPlane

GRID_MM = 15.0
"""Regions are found on cells of about this size: coarse enough to be quiet, fine enough to outline a parcel of drugs."""

GAP_MM = 120.0
"""Alarms closer than this belong together."""

RING_MM = (60.0, 300.0)
"""Surroundings begin and end this far from a region; the nearer part is blurred by the object's own edges."""

MOST = 20
"""Regions that are measured and listed; the strongest come first."""

_OUTLINE_RANGE = (0.08, 4.0)
"""An outline drawn from areal density replaces the alarmed area if it is this much of it; else contrast misled it."""


@dataclass(frozen=True)
class Alarm:
    """An alarmed region.

    Parameters
    ----------
    mask, around : ndarray of bool, (y, x)
        The region and its surroundings, on the pixels of the material map.
    head : str
        Which score raised it.
    p_value, score : float
        Of its strongest place.
    clutter : float
        1-σ variation of goods around it over areas of its size, g/cm².
    whole_load : bool
        It covers most of the load, so that it has no surroundings to be held against.
    """

    mask: NDArray[np.bool_]
    around: NDArray[np.bool_]
    head: str
    p_value: float
    score: float
    clutter: float
    whole_load: bool


@dataclass(frozen=True)
class _Grid:
    """The maps on cells of about `GRID_MM`."""

    steps: tuple[int, int]
    cell_mm: tuple[float, float]
    density: NDArray[np.float32]
    load: NDArray[np.bool_]

    def cells(self, mm: float) -> tuple[int, int]:
        return max(1, round(mm / self.cell_mm[0])), max(1, round(mm / self.cell_mm[1]))

    def kernel(self, mm: float) -> NDArray[np.uint8]:
        rows, columns = self.cells(mm)
        return np.ones((2 * rows + 1, 2 * columns + 1), np.uint8)

    def pixels(self, mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
        rows = np.minimum(np.arange(shape[0]) // self.steps[0], mask.shape[0] - 1)
        columns = np.minimum(np.arange(shape[1]) // self.steps[1], mask.shape[1] - 1)
        return np.asarray(mask[rows[:, None], columns[None]])


def find_alarms(
    materials: MaterialMap, anomalies: AnomalyMap, load: NDArray[np.bool_], threshold: float
) -> tuple[Alarm, ...]:
    """Return the regions whose p-value is at most ``threshold``, strongest first.

    Parameters
    ----------
    materials : MaterialMap
    anomalies : AnomalyMap
    load : ndarray of bool, (y, x)
    threshold : float
        p-value per head.

    Returns
    -------
    tuple of Alarm
        At most `MOST`.
    """
    import cv2

    grid = _grid(materials, load)
    p_cells = _strongest(anomalies.cells("p_value"), grid.steps)
    scores = _strongest(anomalies.cells("score").map(np.negative), grid.steps)
    hot = p_cells <= threshold
    together = np.asarray(hot.any(axis=0))
    if not together.any():
        return ()
    bridged = cv2.morphologyEx(_padded(together, grid.cells(GAP_MM)), cv2.MORPH_CLOSE, grid.kernel(GAP_MM / 2))
    rows, columns = grid.cells(GAP_MM)
    bridged = bridged[rows : rows + together.shape[0], columns : columns + together.shape[1]]
    count, labels = cv2.connectedComponents(bridged, connectivity=8)
    found = []
    for label in range(1, count):
        area = (labels == label) & together
        strongest = [float(p_cells[h][area].min()) for h in range(len(anomalies.heads))]
        # Of equal p-values the head that marks the smaller area names the place better.
        head = min(range(len(strongest)), key=lambda h: (strongest[h], int((hot[h] & area).sum())))
        area = hot[head] & area
        lowest = float(scores[head][area].min())
        found.append((strongest[head], lowest, head, _grown(area, scores[head], lowest)))
    found.sort(key=lambda each: (each[0], each[1]))
    everywhere = np.zeros_like(together)
    for *_, area in found:
        everywhere |= area
    return tuple(
        _alarm(grid, area, everywhere, (anomalies.heads[head], p_value, -score), materials.shape)
        for p_value, score, head, area in found[:MOST]
    )


def _grown(area: NDArray[np.bool_], scores: NDArray[np.float32], lowest: float) -> NDArray[np.bool_]:
    """Grow an alarm over what hangs together with it and scores at least half as high.

    The threshold is set by the strangest place of a whole clean scan, so often only the tip of an object reaches it.
    """
    import cv2

    if lowest >= 0:
        return area
    _, labels = cv2.connectedComponents((scores <= lowest / 2).astype(np.uint8), connectivity=4)
    touched = np.unique(labels[area])
    return np.asarray(np.isin(labels, touched[touched > 0])) | area


def _alarm(
    grid: _Grid,
    area: NDArray[np.bool_],
    everywhere: NDArray[np.bool_],
    found: tuple[str, float, float],
    shape: tuple[int, int],
) -> Alarm:
    whole = bool(area.sum() > 0.5 * max(1, int(grid.load.sum())))
    outline = area if whole else _outline(grid, area, everywhere)
    around = _ring(grid, outline, everywhere)
    return Alarm(
        mask=grid.pixels(outline, shape),
        around=grid.pixels(around, shape),
        head=found[0],
        p_value=found[1],
        score=found[2],
        clutter=_clutter(grid, outline, around),
        whole_load=whole or not around.any(),
    )


def _grid(materials: MaterialMap, load: NDArray[np.bool_]) -> _Grid:
    steps = (
        max(1, round(GRID_MM / materials.pixel_mm[0])),
        max(1, round(GRID_MM / materials.pixel_mm[1])),
    )
    usable = ~has(materials.quality, UNUSABLE) & np.isfinite(materials.areal_density)
    share = _mean(usable.astype(np.float32), steps)
    total = _mean(np.where(usable, materials.areal_density, np.float32(0)), steps)
    density = np.where(share > 0.25, total / np.maximum(share, np.float32(1e-6)), np.float32(np.nan))
    return _Grid(
        steps,
        (steps[0] * materials.pixel_mm[0], steps[1] * materials.pixel_mm[1]),
        density.astype(np.float32),
        _mean(load.astype(np.float32), steps) >= 0.5,
    )


def _mean(plane: NDArray[np.float32], steps: tuple[int, int]) -> NDArray[np.float32]:
    height, width = plane.shape
    full = np.pad(plane, [(0, -height % steps[0]), (0, -width % steps[1])], mode="edge")
    blocks = full.reshape(full.shape[0] // steps[0], steps[0], full.shape[1] // steps[1], steps[1])
    mean: NDArray[np.float32] = blocks.mean(axis=(1, 3), dtype=np.float32)
    return mean


def _strongest(planes: CellPlane, steps: tuple[int, int]) -> NDArray[np.float32]:
    """Return the smallest value of every cell of the grid, NaN left out."""
    known = planes.map(lambda values: np.where(np.isnan(values), np.float32(np.inf), values))
    return np.asarray(known.smallest(steps), np.float32)


def _padded(mask: NDArray[np.bool_], margin: tuple[int, int]) -> NDArray[np.uint8]:
    # A closing near the border would else be cut off by it.
    return np.pad(mask.astype(np.uint8), [(margin[0], margin[0]), (margin[1], margin[1])])


def _dilate(grid: _Grid, mask: NDArray[np.bool_], mm: float) -> NDArray[np.bool_]:
    import cv2

    return np.asarray(cv2.dilate(mask.astype(np.uint8), grid.kernel(mm)), bool)


def _ring(grid: _Grid, area: NDArray[np.bool_], everywhere: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the surroundings of an area: goods of the load near it that raise no alarm themselves."""
    near = _dilate(grid, area, RING_MM[0])
    around = _dilate(grid, area, RING_MM[1]) & ~near & grid.load & ~everywhere & np.isfinite(grid.density)
    # The rim of the load is half air and stands for no goods.
    import cv2

    inner = np.asarray(cv2.erode(grid.load.astype(np.uint8), grid.kernel(RING_MM[0])), bool)
    return around & inner if (around & inner).sum() >= 0.5 * around.sum() else around


def _outline(grid: _Grid, area: NDArray[np.bool_], everywhere: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the object's outline: where the excess over the surroundings is at least half of its peak.

    An alarm is blurred by the model's view of a place. Areal density is not, so where it shows a clear contrast it draws
    the edges; else the alarmed area stands.
    """
    import cv2

    around = _ring(grid, area, everywhere)
    if around.sum() < 8:
        return area
    level = float(np.median(grid.density[around]))
    spread = 1.4826 * float(np.median(np.abs(grid.density[around] - level)))
    near = _dilate(grid, area, GAP_MM) & grid.load
    excess = grid.density - np.float32(level)
    lost = np.isnan(excess)
    # What lets nothing through is at least as dense as the densest that was measured beside it.
    excess[lost] = max(0.0, float(np.max(excess[near & ~lost], initial=0.0)))
    smooth = np.asarray(cv2.blur(excess, (3, 3)), np.float32)
    inside = smooth[area]
    peak = (
        float(np.quantile(inside, 0.9)) if abs(inside.max()) >= abs(inside.min()) else float(np.quantile(inside, 0.1))
    )
    if abs(peak) < 3 * spread:
        return area
    strong = (smooth * math.copysign(1.0, peak) >= abs(peak) / 2) & near
    _, labels = cv2.connectedComponents(strong.astype(np.uint8), connectivity=8)
    keep = np.unique(labels[area & strong])
    outline = np.isin(labels, keep[keep > 0])
    low, high = _OUTLINE_RANGE
    return outline if low * area.sum() <= outline.sum() <= high * area.sum() else area


def _clutter(grid: _Grid, area: NDArray[np.bool_], around: NDArray[np.bool_]) -> float:
    """Return the robust spread of means over boxes of the area's size, taken around it, g/cm²."""
    import cv2

    if around.sum() < 8:
        return 0.0
    rows, columns = np.flatnonzero(area.any(axis=1)), np.flatnonzero(area.any(axis=0))
    size = (int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1)
    weight = around.astype(np.float32)
    share = np.asarray(cv2.blur(weight, size), np.float32)
    total = np.asarray(cv2.blur(np.where(around, grid.density, np.float32(0)), size), np.float32)
    means = np.asarray(total / np.maximum(share, np.float32(1e-3)), np.float32)
    whole = around & (share > 0.25)
    values = means[whole] if whole.sum() >= 8 else grid.density[around]
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))
