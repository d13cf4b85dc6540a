"""What a region holds beyond its surroundings: areal density, atomic number and their σ.

Region and surroundings share calibration errors, which largely cancel in their difference. So the covariance of both mean
attenuations is built as one matrix, and every result is propagated through the material model from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scananalysis.core import UNUSABLE, ConfigurationError, Radiograph, has
from scananalysis.materials import DualEnergyModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.materials.discriminate import Model


@dataclass(frozen=True, slots=True)
class Contrast:
    """A region against its surroundings.

    Parameters
    ----------
    areal_density, sigma_areal_density : float
        Of the region, g/cm².
    z_eff, sigma_z : float
        Of the region as a whole; NaN for single energy.
    surroundings : float
        Areal density around it, g/cm².
    added, sigma_added : float
        Difference, g/cm², negative where something is missing.
    z_added, sigma_z_added : float
        Atomic number of what was added, if it lies on top of goods like the surroundings; NaN where nothing can be said.
    """

    areal_density: float
    sigma_areal_density: float
    z_eff: float
    sigma_z: float
    surroundings: float
    added: float
    sigma_added: float
    z_added: float
    sigma_z_added: float


def contrast(
    radiograph: Radiograph,
    model: Model,
    region: NDArray[np.bool_],
    around: NDArray[np.bool_],
    *,
    clutter: float = 0.0,
) -> Contrast:
    """Measure a region against its surroundings.

    Parameters
    ----------
    radiograph : Radiograph
    model : DualEnergyModel or SingleEnergyModel
    region, around : ndarray of bool, (y, x)
    clutter : float
        1-σ variation of honest goods over areas of this size, g/cm²; it limits how well the surroundings stand for what
        would be here without the region.

    Returns
    -------
    Contrast
        Z of what was added follows from the mean of atomic numbers weighted by areal density, which is what attenuation by
        pair production and Compton scatter measures at megavolt energies; at kilovolt energies the weight grows as a
        power of Z near 3 (McCullough, Phys. Med. Biol. 20 (1975) 992, doi:10.1088/0031-9155/20/6/011).

    Raises
    ------
    ConfigurationError
        No usable pixel in the region or around it.
    """
    usable = ~has(radiograph.quality, UNUSABLE).any(axis=0)
    areas = [mask & usable for mask in (region, around)]
    if not all(area.any() for area in areas):
        raise ConfigurationError("region without usable pixels in or around it", expected="at least one each")
    means, covariance = _joint(radiograph, areas)
    angle = [float(np.mean(np.broadcast_to(radiograph.fan_angle_rad[:, None], usable.shape)[area])) for area in areas]
    channels = radiograph.shape[0]
    relative = model.relative_sigma if isinstance(model, DualEnergyModel) else float(model.spread(means[0]))
    for channel in range(channels):
        # The model's own error is one number per channel for region and surroundings alike.
        effect = np.zeros_like(means)
        effect[channel::channels] = relative * means[channel::channels]
        covariance += np.outer(effect, effect)
    power = 1.0 if _is_megavolt(radiograph) else 3.0
    surroundings = _invert(model, means[channels:], angle[1])[0]
    if clutter > 0 and surroundings > 0:
        effect = np.zeros_like(means)
        effect[channels:] = means[channels:] * clutter / surroundings
        covariance += np.outer(effect, effect)

    def results(alpha: NDArray[np.float64]) -> NDArray[np.float64]:
        here = _invert(model, alpha[:channels], angle[0])
        there = _invert(model, alpha[channels:], angle[1])
        return np.array([here[0], here[1], here[0] - there[0], _added_z(here, there, power)])

    at = results(means)
    spread = np.zeros(4)
    steps = np.sqrt(np.maximum(np.diag(covariance), 1e-12))
    jacobian = np.stack(
        [(results(means + step) - results(means - step)) / (2 * step.sum()) for step in np.diag(steps)], axis=1
    )
    known = np.isfinite(jacobian).all(axis=1) & np.isfinite(at)
    spread[known] = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", jacobian[known], covariance, jacobian[known]), 0))
    spread[~known] = np.nan
    at[~known] = np.nan
    return Contrast(
        areal_density=float(at[0]),
        sigma_areal_density=float(spread[0]),
        z_eff=float(at[1]),
        sigma_z=float(spread[1]),
        surroundings=surroundings,
        added=float(at[2]),
        sigma_added=float(spread[2]),
        z_added=float(at[3]),
        sigma_z_added=float(spread[3]),
    )


def _joint(radiograph: Radiograph, areas: list[NDArray[np.bool_]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean α of every area and channel, area by area, with the covariance of all of them."""
    channels, height, width = radiograph.shape
    means, noise = [], []
    for area in areas:
        for channel in range(channels):
            variance = radiograph.variance[channel][area].astype(np.float64)
            # The mean of −ln of a noisy transmission is high by half its relative variance.
            means.append(float((radiograph.attenuation[channel][area] - variance / 2).mean()))
            noise.append(float(radiograph.noise_area[channel]) * variance.sum() / variance.size**2)
    covariance = np.diag(noise)
    for term in radiograph.systematic.values():
        effect = np.broadcast_to(term.effect, (channels, height, width))
        cells = {"x": height, "y": width, "xy": 1}[term.shared_along]
        sums = []
        for area in areas:
            rows, columns = np.nonzero(area)
            cell = {"x": rows, "y": columns, "xy": np.zeros_like(rows)}[term.shared_along]
            sums += [np.bincount(cell, effect[c][area], minlength=cells) / rows.size for c in range(channels)]
        stacked = np.stack(sums)
        covariance = covariance + stacked @ stacked.T
    return np.array(means), covariance


def _invert(model: Model, alpha: NDArray[np.float64], angle: float) -> tuple[float, float]:
    if isinstance(model, DualEnergyModel):
        found = model.invert(alpha[0], alpha[1], None, None, angle)
        return float(found.areal_density), float(found.z_eff)
    return float(model.invert(alpha[0]).areal_density), float("nan")


def _added_z(here: tuple[float, float], there: tuple[float, float], power: float) -> float:
    added = here[0] - there[0]
    if added <= 0 or not np.isfinite(here[1]) or not np.isfinite(there[1]):
        return float("nan")
    mean = (here[1] ** power * here[0] - there[1] ** power * max(there[0], 0.0)) / added
    return float(np.sign(mean) * abs(mean) ** (1 / power))


def _is_megavolt(radiograph: Radiograph) -> bool:
    from scananalysis.detectors import scanner

    return scanner(radiograph.scanner).modality != "dual-energy-kv"
