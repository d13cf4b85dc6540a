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
    materials: MaterialMap, *, object_mm: float = 100.0, surroundings_mm: float = 600.0
) -> NDArray[np.float32]:
    """Return the smallest added areal density that would be noticed, by place.

    Parameters
    ----------
    materials : MaterialMap
        On the working grid.
    object_mm : float
        Edge of the square object, mm.
    surroundings_mm : float
        Edge of the neighbourhood whose clutter counts, mm.

    Returns
    -------
    ndarray of float32, (y, x)
        g/cm²; infinite where too little is usable.
    """
    import cv2

    size = tuple(max(1, round(object_mm / p)) for p in materials.pixel_mm)
    wide = tuple(max(3, round(surroundings_mm / p)) for p in materials.pixel_mm)
    good = usable(materials).astype(np.float32)
    density = np.where(good > 0, materials.areal_density, 0).astype(np.float32)
    variance = np.where(good > 0, materials.sigma_areal_density, 0).astype(np.float32) ** 2

    def box(plane: NDArray[np.float32], edge: tuple[int, ...]) -> NDArray[np.float32]:
        # OpenCV names the width first.
        return np.asarray(cv2.boxFilter(plane, -1, (edge[1], edge[0]), borderType=cv2.BORDER_REFLECT), np.float32)

    share = np.maximum(box(good, size), np.float32(1e-3))
    mean = (box(density, size) / share).astype(np.float32)
    noise = box(variance, size) / share / (size[0] * size[1])
    share_wide = np.maximum(box(good, wide), np.float32(1e-3))
    centre = (box(good * mean, wide) / share_wide).astype(np.float32)
    # Deviation of object-sized means from their surroundings is what an object has to beat.
    clutter = box((good * (mean - centre) ** 2).astype(np.float32), wide) / share_wide
    found = np.float32(CONTRAST_SIGMAS) * np.sqrt(noise + clutter)
    return np.where(share >= 0.5, found, np.float32(np.inf)).astype(np.float32)
