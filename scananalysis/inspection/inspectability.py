"""Which part of the load can be judged at all, and whether the calibration fits the scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scananalysis.core import UNUSABLE, Quality, has
from scananalysis.detectors import scanner as find_scanner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.core import AnomalyMap, MaterialMap

_LEAST_MATTER = 6.0
"""Areal density, g/cm², that air and two container walls (about 3 g/cm²) stay below."""

_BAD_ELEMENT = Quality.DEAD | Quality.HOT | Quality.UNCORRECTABLE
_WORKING_MM = 15.0
_SMALLEST_MM = 5.0
"""Edge of the smallest area that is asked to be clear of noise: finer pixels than this are averaged by the eye."""


def load_area(materials: MaterialMap, anomalies: AnomalyMap | None) -> NDArray[np.bool_]:
    """Return where the load is, (y, x).

    The anomaly model knows goods from structure. Where none ran, or where it found no goods because everything is dark, it
    is all matter denser than container walls, with what is starved.
    """
    if anomalies is not None and anomalies.load.any():
        return anomalies.load
    dense = np.nan_to_num(materials.areal_density, nan=0.0) > _LEAST_MATTER
    matter = dense | has(materials.quality, Quality.STARVED)
    # Dead rows and single pixels of noise are no matter.
    return _opened(matter, materials.pixel_mm)


def _opened(matter: NDArray[np.bool_], pixel_mm: tuple[float, float]) -> NDArray[np.bool_]:
    import cv2

    size = tuple(2 * max(1, round(_WORKING_MM / mm)) + 1 for mm in pixel_mm)
    opened = cv2.morphologyEx(matter.astype(np.uint8), cv2.MORPH_OPEN, np.ones(size, np.uint8))
    return np.asarray(opened, bool)


def blind(materials: MaterialMap, load: NDArray[np.bool_], largest_noise: float) -> NDArray[np.bool_]:
    """Return the places of the load where something of concern could be hidden unseen, (y, x).

    Starved, saturated, denser than the scanner's material map reaches, or letting so little through that the attenuation
    of one pixel, or of 5 × 5 mm where pixels are smaller, is noisier than ``largest_noise``.
    """
    scanner = find_scanner(materials.scanner)
    too_dense = ~(materials.areal_density < np.float32(scanner.largest_areal_density))
    no_signal = has(materials.quality, UNUSABLE | Quality.SATURATED)
    # Binned scans are judged by the noise that one unbinned pixel would have had.
    native = max(scanner.pixel_mm[0] * scanner.pixel_mm[1], _SMALLEST_MM**2)
    here = materials.pixel_mm[0] * materials.pixel_mm[1]
    too_noisy = ~(materials.radiograph.variance[0] <= np.float32(largest_noise**2 * native / here))
    return np.asarray(load & (no_signal | too_dense | too_noisy))


def measure(materials: MaterialMap, load: NDArray[np.bool_], hidden: NDArray[np.bool_]) -> dict[str, float]:
    """Return ``inspectable_share``, ``starved_share``, ``saturated_share`` (of the load), ``bad_share`` and ``open_beam``.

    A scan without a load, such as an empty container, is inspectable throughout.
    """
    pixels = max(1, int(np.count_nonzero(load)))

    def share(flag: Quality) -> float:
        return float(np.count_nonzero(load & has(materials.quality, flag))) / pixels

    found = {
        "inspectable_share": 1.0 - float(np.count_nonzero(hidden)) / pixels,
        "starved_share": share(Quality.STARVED),
        "saturated_share": share(Quality.SATURATED),
        "bad_share": float((has(materials.quality, _BAD_ELEMENT).mean(axis=1) > 0.5).mean()),
    }
    beam = open_beam(materials)
    if beam is not None:
        found["open_beam"] = beam
    return found


def open_beam(materials: MaterialMap) -> float | None:
    """Return the median attenuation of the open beam, of the channel that is furthest from 0; None if none is in view.

    The uppermost rows of a scan look over the load. Where more than half of them is brighter than a tenth of α, they are
    open beam.
    """
    alpha = materials.radiograph.attenuation
    rows = max(1, alpha.shape[1] // 50)
    worst = None
    for plane, quality in zip(alpha[:, :rows], materials.radiograph.quality[:, :rows], strict=True):
        good = plane[~has(quality, UNUSABLE) & np.isfinite(plane)]
        if good.size < 50 or float(np.mean(np.abs(good) < 0.25)) < 0.5:
            continue
        level = float(np.median(good))
        if worst is None or abs(level) > abs(worst):
            worst = level
    return worst
