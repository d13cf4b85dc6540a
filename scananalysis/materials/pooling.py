"""Regions decide atomic number: pixels of an area are pooled in transmission and inverted once, shared errors counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import UNUSABLE, ConfigurationError, Radiograph, has
from scananalysis.materials.discriminate import Model
from scananalysis.materials.dualenergy import DualEnergyModel


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
    usable = mask & ~has(radiograph.quality, UNUSABLE).any(axis=0)
    if not usable.any():
        raise ConfigurationError("area without a usable pixel", expected="at least one that is not starved or dead")
    w = np.ones(int(usable.sum())) if weights is None else weights[usable].astype(np.float64)
    w = w / w.sum()
    # The mean of α is the mean of areal density to first order; its noise bias σ²/2 is taken off with the stated variance.
    alpha = np.array(
        [
            (radiograph.attenuation[c][usable] - radiograph.variance[c][usable] / 2) @ w
            for c in range(radiograph.shape[0])
        ]
    )
    independent, shared = radiograph.mean_covariance(usable, weights)
    covariance = independent + shared
    # The beam softens to both sides of its axis, so it is the distance from it that is averaged.
    away = np.abs(radiograph.fan_angle_rad)
    angle = float(np.average(np.broadcast_to(away[:, None], usable.shape)[usable], weights=w))
    if isinstance(model, DualEnergyModel):
        covariance = covariance + np.diag((model.relative_sigma * alpha) ** 2)
        found = model.invert(alpha[0], alpha[1], covariance[0, 0], covariance[1, 1], angle)
        jacobian = found.jacobian.reshape(2, 2).astype(np.float64)
        spread = jacobian @ covariance @ jacobian.T
        sigma = np.sqrt(np.maximum(np.diag(spread), 0))
        correlation = float(spread[0, 1] / (sigma[0] * sigma[1])) if sigma.min() > 0 else 0.0
        z, sigma_z = float(found.z_eff), float(sigma[1]) if np.isfinite(found.z_eff) else float("inf")
        sigma_depth = float(sigma[0])
    else:
        found = model.invert(alpha[0], covariance[0, 0])
        material = float(model.spread(alpha[0])) * float(found.areal_density)
        sigma_depth = float(np.hypot(found.sigma_areal_density, material))
        z, sigma_z, correlation = float("nan"), float("nan"), float("nan")
    return Pooled(
        float(found.areal_density),
        sigma_depth,
        z,
        sigma_z,
        correlation,
        alpha,
        covariance,
        int(found.quality),
        int(usable.sum()),
    )
