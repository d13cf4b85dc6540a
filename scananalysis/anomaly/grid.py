"""The working grid: anomaly models look at cells of a fixed size at the object plane, whatever the scanner's pitch.

Averaging transmission over a cell is unbiased where single pixels are starved, makes atomic number measurable (its σ
falls with the root of the number of pixels) and makes one model serve scanners of different pitch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.anomaly.cellmeans import cell_sums
from scananalysis.core import MaterialMap, Quality, Radiograph
from scananalysis.core.cells import CellPlane
from scananalysis.detectors import scanner as find_scanner
from scananalysis.materials import discriminate, model_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

Factors = tuple[int, int]


def working_factors(pixel_mm: tuple[float, float], pitch_mm: tuple[float, float]) -> Factors:
    """Return how many pixels a cell of about ``pitch_mm`` takes along y and x, at least 1.

    Examples
    --------
    >>> working_factors((3.33, 5.0), (13.3, 20.0))
    (4, 4)
    >>> working_factors((26.0, 20.0), (13.3, 20.0))
    (1, 1)
    """
    return max(1, round(pitch_mm[0] / pixel_mm[0])), max(1, round(pitch_mm[1] / pixel_mm[1]))


def cell_pixels(plane: NDArray[Any], factors: Factors) -> NDArray[Any]:
    """Return (y, pixel, x, pixel): the pixels of every cell, the last cells filled up with their edge.

    Examples
    --------
    >>> cell_pixels(np.array([[1, 2, 3]]), (1, 2)).mean(axis=(1, 3))
    array([[1.5, 3. ]])
    """
    fy, fx = factors
    full = np.pad(plane, [(0, -plane.shape[0] % fy), (0, -plane.shape[1] % fx)], mode="edge")
    return full.reshape(full.shape[0] // fy, fy, full.shape[1] // fx, fx)


def rebin(radiograph: Radiograph, factors: Factors) -> Radiograph:
    """Average a radiograph over cells, in transmission.

    Parameters
    ----------
    radiograph : Radiograph
    factors : (int, int)
        Pixels per cell along y and x.

    Returns
    -------
    Radiograph
        Unusable pixels are left out of the mean; a cell keeps the flags of unusable pixels only where they are the
        majority, and the other flags of any of its pixels. Shared errors are dropped: regions are measured on the
        original.
    """
    if factors == (1, 1):
        return radiograph
    transmission, spread, pixels, quality = cell_sums(radiograph, factors)
    mean = np.divide(transmission, pixels, out=transmission)
    dark = mean <= _FLOOR
    if dark.any():
        mean[dark] = _FLOOR
        quality[dark] |= np.uint32(Quality.STARVED.value)
    # Pixels have independent noise, so the variance of a mean is the mean variance over their number; that of α is relative.
    scale = np.multiply(mean, pixels, out=pixels)
    spread /= scale
    spread /= scale
    spread *= radiograph.noise_area[:, None, None]
    attenuation = np.log(mean, out=mean)
    angle = radiograph.fan_angle_rad
    rows = np.minimum(np.arange(mean.shape[1]) * factors[0] + factors[0] // 2, angle.size - 1)
    return replace(
        radiograph,
        attenuation=np.negative(attenuation, out=attenuation),
        variance=spread,
        quality=quality,
        systematic={},
        noise_area=np.ones_like(radiograph.noise_area),
        pixel_mm=(radiograph.pixel_mm[0] * factors[0], radiograph.pixel_mm[1] * factors[1]),
        fan_angle_rad=angle[rows],
    )


_FLOOR = np.float32(np.exp(-20.0))
"""Mean transmission of a cell below which nothing is told from nothing."""


def working_map(materials: MaterialMap, pitch_mm: tuple[float, float]) -> tuple[MaterialMap, Factors]:
    """Return the material map on the working grid, inverted anew from averaged transmissions, and the factors."""
    factors = working_factors(materials.pixel_mm, working_pitch(pitch_mm, materials.scanner))
    if factors == (1, 1):
        return materials, factors
    model, _ = model_for(materials.radiograph)
    return discriminate(rebin(materials.radiograph, factors), model), factors


def working_scale(scanner: str) -> float:
    """Return the areal density that counts as 1 in a network's planes: an eighth of what the scanner can map, g/cm².

    Examples
    --------
    >>> working_scale("cargo-6-4mv")
    50.0
    """
    return find_scanner(scanner).largest_areal_density / 8


def working_pitch(pitch_mm: tuple[float, float], scanner: str) -> tuple[float, float]:
    """Return the size of a working cell for a scanner, mm.

    Freight cells are centimetres; a tunnel scanner looks at parcels about six times smaller, with cells as much smaller.
    """
    shrink = _PARCEL_SHRINK if find_scanner(scanner).modality == "dual-energy-kv" else 1.0
    return pitch_mm[0] / shrink, pitch_mm[1] / shrink


_PARCEL_SHRINK = 6.0


def restore(planes: NDArray[Any], factors: Factors, shape: tuple[int, int]) -> NDArray[Any]:
    """Bring (…, y, x) cells back to pixels by repeating each, cut to ``shape``.

    Examples
    --------
    >>> restore(np.array([[1, 2]]), (2, 2), (2, 3))
    array([[1, 1, 2],
           [1, 1, 2]])
    """
    return CellPlane(planes, factors, shape).pixels
