"""Mass of an area from element-equivalent areal density.

At megavolt energies attenuation counts electrons, so areal density is right for the element it names and reads high where there is
hydrogen, by the ratio of moles of electrons per gram. Mass = Σ λ · area · (Z/A of the element) / (Z/A of the composition).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import UNUSABLE, MaterialMap, Quality, has, mean_covariance
from scananalysis.detectors import scanner as find_scanner
from scananalysis.materials.discriminate import model_for
from scananalysis.materials.dualenergy import DualEnergyModel
from scananalysis.physics import SYMBOLS, electrons_per_gram

UNKNOWN_FACTOR, UNKNOWN_SIGMA = 0.95, 0.05
"""Mean and 1-σ spread of the hydrogen factor when the composition is unknown: from 1 (metals, minerals) over 0.94 (cellulose) and
0.90 (water) to 0.80 (polyethylene); an estimate, weighted to common goods."""

_ORGANIC_Z = 9.5
"""Element-equivalent atomic number above which goods hold no hydrogen to speak of."""


_OPAQUE, _OPAQUE_SIGMA = 0.7, 0.5
"""Areal density where nothing comes through, in units of the largest that a scanner maps, and its relative 1-σ spread: stacks of paper,
grain and coffee come to 0.5 to 0.75 of it, cement and machinery to 0.9, coils of steel to 1.7 (simulated loads; an estimate)."""


@dataclass(frozen=True)
class Mass:
    """Mass of an area.

    Parameters
    ----------
    kg : float
    sigma_kg : float
        All errors together.
    noise_kg, shared_kg, composition_kg, magnification_kg, opaque_kg : float
        1-σ parts of it; the last is what may be where nothing comes through.
    unusable_share : float
        Share of the area whose pixels are no measurement. Starved ones are taken for the dense goods they are, with half of that as
        σ; others, like those of dead elements, for the mean of the area's pixels.
    """

    kg: float
    sigma_kg: float
    noise_kg: float
    shared_kg: float
    composition_kg: float
    magnification_kg: float
    opaque_kg: float
    unusable_share: float


def hydrogen_factor(composition: Mapping[str, float] | str, z: float) -> float:
    """Return the true over the element-equivalent areal density of a composition.

    Parameters
    ----------
    composition : mapping of str to float, or str
        As `physics.composition` takes it.
    z : float
        Atomic number of the element that gives the same attenuations.

    Examples
    --------
    >>> round(1 / hydrogen_factor("H2O", 7.0), 2)
    1.11
    """
    at = np.arange(1, len(SYMBOLS) + 1)
    per_gram = np.array([electrons_per_gram(symbol) for symbol in SYMBOLS])
    return float(np.interp(z, at, per_gram) / electrons_per_gram(composition))


def mass(
    materials: MaterialMap,
    mask: NDArray[np.bool_],
    *,
    composition: Mapping[str, float] | str | None = None,
    composition_sigma: float = 0.01,
) -> Mass:
    """Weigh an area.

    Parameters
    ----------
    materials : MaterialMap
    mask : ndarray of bool, (y, x)
    composition : mapping or str, optional
        What is there; unknown by default, and then its spread is part of σ.
    composition_sigma : float
        Relative 1-σ error of the hydrogen factor of a known composition.

    Returns
    -------
    Mass
    """
    usable = mask & ~has(materials.quality, UNUSABLE) & np.isfinite(materials.areal_density)
    total, count = int(mask.sum()), int(usable.sum())
    if count == 0:
        return Mass(0.0, float("inf"), 0.0, 0.0, 0.0, 0.0, 0.0, 1.0 if total else 0.0)
    area_cm2 = materials.pixel_mm[0] * materials.pixel_mm[1] / 100
    depth = materials.areal_density
    opaque = int((mask & ~usable & has(materials.quality, Quality.STARVED)).sum())
    scanner = find_scanner(materials.scanner)
    behind = opaque * _OPAQUE * scanner.largest_areal_density * area_cm2 / 1000
    # What was seen stands for itself and for what was lost to defects.
    stands_for = (total - opaque) / count
    raw = float(depth[usable].sum(dtype=np.float64)) * area_cm2 / 1000 * stands_for + behind
    factor, spread = _factor(materials, usable, composition, composition_sigma)
    kg = raw * factor
    squares = (materials.sigma_areal_density[usable].astype(np.float64) ** 2).sum()
    noise = float(np.sqrt(squares * materials.radiograph.noise_area.max()))
    noise *= area_cm2 / 1000 * factor * stands_for
    shared = _shared(materials, usable) * area_cm2 / 1000 * count * factor * stands_for
    # Height scales with the distance at which the load stands; length is set by its travel.
    magnification = abs(kg) * scanner.geometry.source_to_object_sigma_mm / scanner.geometry.source_to_object_mm
    composed = abs(raw) * spread
    hidden = behind * factor * _OPAQUE_SIGMA
    sigma = float(np.sqrt(noise**2 + shared**2 + magnification**2 + composed**2 + hidden**2))
    return Mass(kg, sigma, noise, shared, composed, magnification, hidden, 1 - count / total)


def _factor(
    materials: MaterialMap, usable: NDArray[np.bool_], composition: Mapping[str, float] | str | None, sigma: float
) -> tuple[float, float]:
    known = usable & np.isfinite(materials.z_eff) & np.isfinite(materials.sigma_z) & (materials.sigma_z > 0)
    if known.any():
        weight = materials.areal_density[known] / np.maximum(materials.sigma_z[known], 0.3) ** 2
        z = float(np.average(materials.z_eff[known], weights=np.maximum(weight, 1e-9)))
    else:
        z = 26.0 if composition is None else 12.0
    if composition is not None:
        factor = hydrogen_factor(composition, z)
        return factor, sigma * factor
    if known.any() and z > _ORGANIC_Z:
        return 1.0, 0.02
    return UNKNOWN_FACTOR, UNKNOWN_SIGMA


def _shared(materials: MaterialMap, usable: NDArray[np.bool_]) -> float:
    """1-σ error of the mean areal density that the pixels share: calibration and material model."""
    radiograph = materials.radiograph
    _, shared = mean_covariance(
        np.zeros_like(radiograph.variance), radiograph.systematic, radiograph.noise_area, usable
    )
    mean = float(materials.areal_density[usable].mean(dtype=np.float64))
    alpha = float(radiograph.attenuation[0][usable].mean(dtype=np.float64))
    slope = mean / alpha if alpha > 0.01 else 20.0
    model, _ = model_for(radiograph)
    own = model.relative_sigma if isinstance(model, DualEnergyModel) else float(model.spread(alpha))
    return float(np.hypot(slope * np.sqrt(max(shared[0, 0], 0.0)), own * abs(mean)))
