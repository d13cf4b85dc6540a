"""Smallest added areal density that would be noticed at each place.

A hidden object must stand out from the noise *and* from the clutter of honest goods. Over the 2·10⁴ places of a scan,
0.4 % false alarms at 95 % detection need a contrast of 6.7 standard deviations (normal quantiles of 1 − 0.004/2·10⁴ and
of 0.95: 5.07 + 1.64).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    shown = _box(good, size) >= np.float32(0.5)
    density = np.where(good, materials.areal_density, np.float32(0))
    variance = np.where(good, materials.sigma_areal_density, np.float32(0))
    variance *= variance
    found = np.full(good.shape, np.inf, np.float32)
    for part in (np.ones_like(good),) if load is None else (load, ~load):
        asked = part & shown
        if asked.any():
            np.copyto(found, _noticed((density, variance), good & part, asked, size, wide), where=asked)
    return found


def _noticed(
    goods: tuple[NDArray[np.float32], NDArray[np.float32]],
    mask: NDArray[np.bool_],
    asked: NDArray[np.bool_],
    size: tuple[int, int],
    wide: tuple[int, int],
) -> NDArray[np.float32]:
    """Return the contrast that is noticed among the places of a mask, right where it is asked for."""
    import cv2

    density, variance = (np.where(mask, plane, np.float32(0)) for plane in goods)
    share = np.maximum(_box(mask, size), np.float32(1e-3))
    mean = _box(density, size)
    mean /= share
    # Running sums may end a rounding error below zero.
    noise = np.maximum(_box(variance, size), 0)
    share *= share
    share *= np.float32(size[0] * size[1])
    noise /= share
    # Cells at the rim hold goods and air; an object's surroundings are windows that hold none of them.
    clear = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1)
    whole = _box(clear.view(np.bool_), size) > np.float32(0.999)
    within = _box(whole, wide)
    clutter = _spread(mean, whole, within, wide)
    reach = within * np.float32(wide[0] * wide[1]) > np.float32(0.5)
    if not reach[asked].all():
        # Where the part is too narrow for that, its windows serve as they are.
        np.copyto(clutter, _spread(mean, mask, _box(mask, wide), wide), where=~reach)
    noise += clutter
    np.sqrt(noise, out=noise)
    noise *= np.float32(CONTRAST_SIGMAS)
    return noise


def _spread(
    mean: NDArray[np.float32], where: NDArray[np.bool_], share: NDArray[np.float32], wide: tuple[int, int]
) -> NDArray[np.float32]:
    """Return the variance of object-sized means about their surroundings, of which ``share`` counts: what an object has to beat."""
    weight, share = where.astype(np.float32), np.maximum(share, np.float32(1e-6))
    work = weight * mean
    centre = _box(work, wide)
    centre /= share
    np.subtract(mean, centre, out=work)
    work *= work
    work *= weight
    spread = np.maximum(_box(work, wide), 0)
    spread /= share
    return spread


def _box(plane: NDArray[np.float32] | NDArray[np.bool_], edge: tuple[int, int]) -> NDArray[np.float32]:
    import cv2

    source: NDArray[Any] = plane.view(np.uint8) if plane.dtype == np.bool_ else plane
    # OpenCV names the width first.
    found = cv2.boxFilter(source, cv2.CV_32F, (edge[1], edge[0]), borderType=cv2.BORDER_REFLECT)
    return np.asarray(found, np.float32)
