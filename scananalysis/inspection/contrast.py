"""What a region holds beyond its surroundings: areal density, atomic number and their σ.

Region and surroundings share calibration errors, which largely cancel in their difference. So the covariance of all their mean
attenuations is built as one matrix; draws from it go through the material model, which is anything but linear in Z.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scananalysis.core import UNUSABLE, ConfigurationError, Radiograph, has
from scananalysis.inspection.layered import added_layer
from scananalysis.materials import DualEnergyModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.materials.discriminate import Model


DRAWS = 400
"""Draws from the covariance: σ is then known to 4 %, far better than the errors that go into it."""


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
        What the region has more than its surroundings, g/cm², negative where something is missing.
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
        σ is half of the central 68 % of `DRAWS` draws from the joint covariance.

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
    # Spectra are the same on both sides of the axis, so an area across it lies off it.
    away = np.broadcast_to(np.abs(radiograph.fan_angle_rad)[:, None], usable.shape)
    angle = [float(np.mean(away[area])) for area in areas]
    channels = radiograph.shape[0]
    relative = model.relative_sigma if isinstance(model, DualEnergyModel) else float(model.spread(means[0]))
    for channel in range(channels):
        # The model's own error is one number per channel for region and surroundings alike.
        effect = np.zeros_like(means)
        effect[channel::channels] = relative * means[channel::channels]
        covariance += np.outer(effect, effect)
    around_density, around_z = (float(value[0]) for value in _invert(model, means[None, channels:], angle[1]))
    if clutter > 0 and around_density > 0:
        effect = np.zeros_like(means)
        effect[channels:] = clutter * _slope(model, around_density, around_z, angle[1])
        covariance += np.outer(effect, effect)
    return of_means(model, means, covariance, (angle[0], angle[1]))


def of_means(
    model: Model,
    means: NDArray[np.float64],
    covariance: NDArray[np.float64],
    angles: tuple[float, float],
    *,
    missing: bool = False,
) -> Contrast:
    """Return the contrast of two places from their mean attenuations and the covariance of these.

    Parameters
    ----------
    model : DualEnergyModel or SingleEnergyModel
    means : ndarray of float64, (2 channels,)
        Of the region, then of its surroundings.
    covariance : ndarray of float64, (2 channels, 2 channels)
    angles : (float, float)
        Fan angle of both, rad, not negative.
    missing : bool
        Where the region has less, give the atomic number of what is missing as ``z_added``.
    """
    channels = means.size // 2
    # The seed is fixed: the same scan gives the same figures.
    noise = np.random.default_rng(20).multivariate_normal(np.zeros(means.size), covariance, DRAWS, method="eigh")
    drawn = np.vstack([means, means + noise])
    here = _invert(model, drawn[:, :channels], angles[0])
    there = _invert(model, drawn[:, channels:], angles[1])
    added, z_added = _layer(
        model, (here, there), drawn[:, :channels] - drawn[:, channels:], float(np.mean(angles)), missing=missing
    )
    return Contrast(
        areal_density=float(here[0][0]),
        sigma_areal_density=_spread(here[0]),
        z_eff=float(here[1][0]),
        sigma_z=_spread(here[1]),
        surroundings=float(there[0][0]),
        added=float(added[0]),
        sigma_added=_spread(added),
        z_added=float(z_added[0]),
        sigma_z_added=_spread(z_added),
    )


def _slope(model: Model, areal_density: float, z: float, angle: float) -> NDArray[np.float64]:
    """Change of α per g/cm² of goods, (channel,)."""
    step = max(0.02 * areal_density, 1e-3)
    ends = np.array([areal_density - step, areal_density + step])
    if isinstance(model, DualEnergyModel):
        alpha = np.stack(model.forward(ends, float(np.clip(z, 1, 92)), angle))
    else:
        alpha = np.asarray(model.forward(ends), np.float64)[None]
    slope: NDArray[np.float64] = (alpha[:, 1] - alpha[:, 0]) / (2 * step)
    return slope


def _layer(
    model: Model,
    places: tuple[tuple[NDArray[np.float64], NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]],
    difference: NDArray[np.float64],
    angle: float,
    *,
    missing: bool = False,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Areal density of what the region has more (or, below 0, less) than its surroundings, and Z of what it has more."""
    here, there = places
    unknown = np.full(difference.shape[0], np.nan)
    if not isinstance(model, DualEnergyModel):
        return here[0] - there[0], unknown
    if difference[0, 0] >= 0:
        return added_layer(model, there, difference, angle)
    # Seen from the region, what is missing is a layer on top of it.
    gone, z_gone = added_layer(model, here, -difference, angle)
    return -gone, z_gone if missing else unknown


def _spread(drawn: NDArray[np.float64]) -> float:
    """Half of the central 68 % of the draws; unknown where many of them have no solution."""
    known = drawn[1:][np.isfinite(drawn[1:])]
    if known.size < 0.8 * DRAWS:
        return float("nan")
    low, high = np.quantile(known, [0.1587, 0.8413])
    return float(high - low) / 2


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


def _invert(model: Model, alpha: NDArray[np.float64], angle: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Areal density and atomic number of (n, channel) attenuations; NaN for the number at single energy."""
    if isinstance(model, DualEnergyModel):
        found = model.invert(alpha[:, 0], alpha[:, 1], None, None, angle, systematic=False)
        return found.areal_density.astype(np.float64), found.z_eff.astype(np.float64)
    density = np.asarray(model.invert(alpha[:, 0]).areal_density, np.float64)
    return density, np.full_like(density, np.nan)
