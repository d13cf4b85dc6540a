"""The working grid: anomaly models look at cells of a fixed size at the object plane, whatever the scanner's pitch.

Averaging transmission over a cell is unbiased where single pixels are starved, makes atomic number measurable (its σ
falls with the root of the number of pixels) and makes one model serve scanners of different pitch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.core import UNUSABLE, MaterialMap, Quality, Radiograph, has
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


def _block_mean(planes: NDArray[Any], factors: Factors) -> NDArray[np.float32]:
    """Mean over blocks of (…, y, x); the last blocks are filled up with zeros."""
    fy, fx = factors
    height, width = planes.shape[-2:]
    pad = [(0, 0)] * (planes.ndim - 2) + [(0, -height % fy), (0, -width % fx)]
    full = np.pad(planes, pad) if any(any(each) for each in pad) else planes
    # Rows first: they lie one after the other in memory, and what is left to add along them is a fraction.
    rows = full.reshape(*full.shape[:-2], full.shape[-2] // fy, fy, full.shape[-1]).sum(axis=-2, dtype=np.float32)
    total = rows.reshape(*rows.shape[:-1], rows.shape[-1] // fx, fx).sum(axis=-1)
    mean: NDArray[np.float32] = total / np.float32(fy * fx)
    return mean


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
    step = _CELL_ROWS * factors[0]
    parts = []
    for top in range(0, radiograph.attenuation.shape[1], step):
        at = np.s_[:, top : top + step]
        parts.append(_averaged(radiograph.attenuation[at], radiograph.variance[at], radiograph.quality[at], factors))
    mean, variance, quality = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    variance *= radiograph.noise_area[:, None, None]
    angle = radiograph.fan_angle_rad
    rows = np.minimum(np.arange(mean.shape[1]) * factors[0] + factors[0] // 2, angle.size - 1)
    return replace(
        radiograph,
        attenuation=-np.log(mean).astype(np.float32),
        variance=(variance / mean**2).astype(np.float32),
        quality=quality,
        systematic={},
        noise_area=np.ones_like(radiograph.noise_area),
        pixel_mm=(radiograph.pixel_mm[0] * factors[0], radiograph.pixel_mm[1] * factors[1]),
        fan_angle_rad=angle[rows],
    )


_CELL_ROWS = 16
"""Rows of cells that are averaged at a time: what is in between stays in the processor's cache."""


def _averaged(
    attenuation: NDArray[np.float32], noise: NDArray[np.float32], quality: NDArray[np.uint32], factors: Factors
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint32]]:
    """Return mean transmission, its variance and the flags of cells, (channel, y, x) each; pixels have independent noise."""
    unusable = has(quality, UNUSABLE)
    with np.errstate(over="ignore"):
        transmission = np.exp(-np.nan_to_num(attenuation, nan=np.inf, posinf=np.inf, neginf=-5.0))
    spread = np.where(np.isfinite(noise), noise, 0) * transmission**2
    pixels = factors[0] * factors[1]
    if unusable.any():
        good = (~unusable).astype(np.float32)
        # Where most pixels are unusable their own values say how dark it is, so they are kept there and flagged.
        majority = _block_mean(good, factors) >= 0.5
        among = np.repeat(np.repeat(majority, factors[0], 1), factors[1], 2)[:, : good.shape[1], : good.shape[2]]
        weight = np.where(among, good, np.float32(1))
        transmission, spread = weight * transmission, weight * spread
    else:
        weight = np.ones_like(transmission)
        majority = np.ones((), bool)
    total = np.maximum(_block_mean(weight, factors), np.float32(1e-6))
    floor = np.float32(np.exp(-20.0))
    mean = np.maximum(_block_mean(transmission, factors) / total, floor)
    variance = _block_mean(spread, factors) / total**2 / pixels
    flags = _any_flag(quality & ~np.uint32(UNUSABLE.value), factors)
    flags |= np.where(majority, np.uint32(0), _any_flag(quality & np.uint32(UNUSABLE.value), factors))
    flags |= np.where(mean <= floor, np.uint32(Quality.STARVED.value), np.uint32(0))
    return mean, variance, flags


def _any_flag(quality: NDArray[np.uint32], factors: Factors) -> NDArray[np.uint32]:
    fy, fx = factors
    channels, height, width = quality.shape
    full = np.pad(quality, [(0, 0), (0, -height % fy), (0, -width % fx)])
    rows = np.bitwise_or.reduce(full.reshape(channels, full.shape[1] // fy, fy, full.shape[2]), axis=2)
    merged: NDArray[np.uint32] = np.bitwise_or.reduce(rows.reshape(*rows.shape[:2], rows.shape[2] // fx, fx), axis=3)
    return merged


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
    rows = np.minimum(np.arange(shape[0]) // factors[0], planes.shape[-2] - 1)
    columns = np.minimum(np.arange(shape[1]) // factors[1], planes.shape[-1] - 1)
    # Columns while there are few rows; whole rows are then copied as they are.
    pixels: NDArray[Any] = planes.take(columns, axis=-1).take(rows, axis=-2)
    return pixels
