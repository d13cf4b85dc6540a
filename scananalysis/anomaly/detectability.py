"""Smallest added areal density that would be noticed at each place.

A hidden object must stand out from the noise *and* from the clutter of honest goods. Over the 2·10⁴ places of a scan,
0.4 % false alarms at 95 % detection need a contrast of 6.7 standard deviations (normal quantiles of 1 − 0.004/2·10⁴ and
of 0.95: 5.07 + 1.64).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scananalysis.anomaly.features import usable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.core import MaterialMap

CONTRAST_SIGMAS = 6.7
"""Contrast over noise and clutter that is noticed nearly always at few false alarms."""


def minimum_detectable(
    materials: MaterialMap,
    load: NDArray[np.bool_] | None = None,
    *,
    object_mm: float = 100.0,
    surroundings_mm: float = 600.0,
) -> NDArray[np.float32]:
    """Return the smallest added areal density that would be noticed, by place.

    Parameters
    ----------
    materials : MaterialMap
        On the working grid.
    load : ndarray of bool, (y, x), optional
        Where goods are. The step from goods to air is no clutter: inside the load only goods count, outside only what is
        outside. Without it every usable place counts.
    object_mm : float
        Edge of the square object, mm.
    surroundings_mm : float
        Edge of the neighbourhood whose clutter counts, mm.

    Returns
    -------
    ndarray of float32, (y, x)
        g/cm²; infinite where too little is usable.
    """
    size, wide = (
        (max(least, round(edge / materials.pixel_mm[0])), max(least, round(edge / materials.pixel_mm[1])))
        for edge, least in ((object_mm, 1), (surroundings_mm, 3))
    )
    good = usable(materials)
    if load is None:
        found = _noticed(materials, good, size, wide)
    else:
        inside, outside = (_noticed(materials, good & part, size, wide) for part in (load, ~load))
        found = np.where(load, inside, outside)
    share = _box(good.astype(np.float32), size)
    return np.where(share >= 0.5, found, np.float32(np.inf)).astype(np.float32)


def _noticed(
    materials: MaterialMap, mask: NDArray[np.bool_], size: tuple[int, int], wide: tuple[int, int]
) -> NDArray[np.float32]:
    """Return the contrast that is noticed among the places of a mask."""
    import cv2

    part = mask.astype(np.float32)
    density = np.where(mask, materials.areal_density, 0).astype(np.float32)
    variance = np.where(mask, materials.sigma_areal_density, 0).astype(np.float32) ** 2
    share = np.maximum(_box(part, size), np.float32(1e-3))
    mean = (_box(density, size) / share).astype(np.float32)
    # Running sums may end a rounding error below zero.
    noise = np.maximum(_box(variance, size), 0) / share**2 / (size[0] * size[1])
    # Cells at the rim hold goods and air; an object's surroundings are windows that hold none of them.
    clear = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1).astype(np.float32)
    whole = (_box(clear, size) > np.float32(0.999)).astype(np.float32)
    # Where the part is too narrow for that, its windows serve as they are.
    reach = (_box(whole, wide) * (wide[0] * wide[1]) > np.float32(0.5)).astype(np.float32)
    clutter = [_spread(mean, weight.astype(np.float32), wide) for weight in (whole, part)]
    return np.asarray(np.float32(CONTRAST_SIGMAS) * np.sqrt(noise + np.where(reach > 0, *clutter)), np.float32)


def _spread(mean: NDArray[np.float32], weight: NDArray[np.float32], wide: tuple[int, int]) -> NDArray[np.float32]:
    """Return the variance of object-sized means about their surroundings: what an object has to beat."""
    share = np.maximum(_box(weight, wide), np.float32(1e-6))
    centre = (_box((weight * mean).astype(np.float32), wide) / share).astype(np.float32)
    spread = np.maximum(_box((weight * (mean - centre) ** 2).astype(np.float32), wide), 0) / share
    return spread.astype(np.float32)


def _box(plane: NDArray[np.float32], edge: tuple[int, int]) -> NDArray[np.float32]:
    import cv2

    # OpenCV names the width first.
    return np.asarray(cv2.boxFilter(plane, -1, (edge[1], edge[0]), borderType=cv2.BORDER_REFLECT), np.float32)
