"""Regions decide atomic number: pixels of an area are pooled in transmission and inverted once, shared errors counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import ConfigurationError, Quality, Radiograph
from scananalysis.materials.discriminate import Model
from scananalysis.materials.dualenergy import DualEnergyModel
from scananalysis.materials.labelled import means
from scananalysis.materials.measure import solve, with_model_error
from scananalysis.materials.unbiased import STARVED_SHARE


@dataclass(frozen=True)
class Pooled:
    """One area measured as one.

    Parameters
    ----------
    areal_density, sigma_areal_density : float
        g/cm²; σ counts noise, shared errors and the model's own error.
    z_eff, sigma_z : float
        NaN for single energy.
    correlation : float
        Of the two errors.
    alpha : ndarray of float64, (channel,)
        Pooled attenuation.
    covariance : ndarray of float64, (channel, channel)
        Of ``alpha``.
    quality : int
        Flags of the pooled inversion.
    pixels : int
        Usable pixels.
    """

    areal_density: float
    sigma_areal_density: float
    z_eff: float
    sigma_z: float
    correlation: float
    alpha: NDArray[np.float64]
    covariance: NDArray[np.float64]
    quality: int
    pixels: int


def pool(
    radiograph: Radiograph, model: Model, mask: NDArray[np.bool_], weights: NDArray[np.float32] | None = None
) -> Pooled:
    """Measure an area as one material.

    Parameters
    ----------
    radiograph : Radiograph
    model : DualEnergyModel or SingleEnergyModel
    mask : ndarray of bool, (y, x)
    weights : ndarray of float32, (y, x), optional
        Weights of the mean; equal by default.

    Returns
    -------
    Pooled

    Raises
    ------
    ConfigurationError
        No usable pixel in the area.
    """
    found = means(radiograph, mask.astype(np.int32), weights)
    if not found.pixels.sum():
        raise ConfigurationError("area without a usable pixel", expected="at least one that is not starved or dead")
    covariance = found.independent + found.shared
    starved = np.uint32(Quality.STARVED.value if found.starved[0] > STARVED_SHARE else 0)
    if isinstance(model, DualEnergyModel):
        angles = radiograph.fan_angle_rad.astype(np.float64)
        covariance = with_model_error(model, found.alpha, covariance, angles, found.rows)
        solved = solve(model, found.alpha, covariance, angles, found.rows)
        depth, z, quality = solved.areal_density[0], solved.z_eff[0], solved.quality[0]
        sigma_depth, sigma_z, correlation = solved.sigma_areal_density[0], solved.sigma_z[0], solved.correlation[0]
    else:
        inverted = model.invert(found.alpha[0, 0], covariance[0, 0, 0])
        depth, quality = float(inverted.areal_density), np.uint32(inverted.quality)
        sigma_depth = np.hypot(float(inverted.sigma_areal_density), float(model.spread(found.alpha[0, 0])) * depth)
        z, sigma_z, correlation = np.nan, np.nan, np.nan
    return Pooled(
        float(depth),
        float(sigma_depth),
        float(z),
        float(sigma_z),
        float(correlation),
        found.alpha[0],
        covariance[0],
        int(quality | starved),
        int(found.pixels[0]),
    )
