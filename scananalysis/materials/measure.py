"""Areal density and atomic number of areas from their mean attenuations, along the exact curves of the elements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import Quality
from scananalysis.materials.dualenergy import DualEnergyModel
from scananalysis.materials.likelihood import Explained, Z, explain

_TWIN_SIGMAS = 3.0
"""An element that explains an area within 1 σ and lies farther than this from the stated one is a twin."""

_LOCAL_SIGMA_Z = 0.4
"""σ_Z up to which areal density follows Z along its local slope."""

_WHOLE = 1e-6
_BRANCH_SIGMAS = 5.0
"""Elements so far from the stated one, in its σ, belong to its branch."""


@dataclass(frozen=True, eq=False)
class Solved:
    """Material of n areas.

    Parameters
    ----------
    areal_density, z_eff, sigma_areal_density, sigma_z, correlation : ndarray of float64, (n,)
    quality : ndarray of uint32, (n,)
        `AMBIGUOUS`, `EXTRAPOLATED`, `NOT_FINITE`.
    explained : Explained
        The likelihood that these figures are the summary of.
    """

    areal_density: NDArray[np.float64]
    z_eff: NDArray[np.float64]
    sigma_areal_density: NDArray[np.float64]
    sigma_z: NDArray[np.float64]
    correlation: NDArray[np.float64]
    quality: NDArray[np.uint32]
    explained: Explained


def with_model_error(
    model: DualEnergyModel,
    alpha: NDArray[np.float64],
    covariance: NDArray[np.float64],
    fan_angle_rad: NDArray[np.float64] | float = 0.0,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the covariance with the model's own error of each channel added, (n, 2, 2).

    Parameters
    ----------
    model : DualEnergyModel
    alpha : ndarray of float64, (n, 2)
    covariance : ndarray of float64, (n, 2, 2)
    fan_angle_rad, weights
        As for `solve`.

    Notes
    -----
    What the fit of the curves left open depends on the material, so that is found first.
    """
    first = solve(model, alpha, covariance, fan_angle_rad, weights)
    known = np.isfinite(first.areal_density)
    depth = np.where(known, first.areal_density, 1.0)
    number = np.clip(np.where(known, first.z_eff, 6.0), 1, 92)
    away = np.abs(np.atleast_1d(fan_angle_rad))
    angle = np.broadcast_to(away, depth.shape) if weights is None else weights @ away
    total = covariance.copy()
    for c, own in enumerate(model.systematic_variance(depth, number, angle, alpha=(alpha[:, 0], alpha[:, 1]))):
        total[:, c, c] += np.where(known, own, (model.relative_sigma * alpha[:, c]) ** 2)
    return total


def solve(
    model: DualEnergyModel,
    alpha: NDArray[np.float64],
    covariance: NDArray[np.float64],
    fan_angle_rad: NDArray[np.float64] | float = 0.0,
    weights: NDArray[np.float64] | None = None,
) -> Solved:
    """Return the material of mean attenuations.

    Parameters
    ----------
    model : DualEnergyModel
    alpha : ndarray of float64, (n, 2)
    covariance : ndarray of float64, (n, 2, 2)
        All errors, the model's own included.
    fan_angle_rad, weights
        As for `explain`.

    Returns
    -------
    Solved
        Of several elements that fit, the lightest: twins are flagged.
    """
    finite = np.asarray(np.isfinite(alpha).all(axis=1) & np.isfinite(covariance).all(axis=(1, 2)))
    safe = np.where(finite[:, None], alpha, 1.0)
    found = explain(model, safe, np.where(finite[:, None, None], covariance, np.eye(2)), fan_angle_rad, weights=weights)
    index = np.arange(alpha.shape[0])
    turns = np.diff(np.signbit(found.residual), axis=1)
    crossed = turns.any(axis=1)
    nearest = np.clip(found.chi2.argmin(axis=1), 0, Z.size - 2)
    low = np.where(crossed, turns.argmax(axis=1), nearest)
    r0, r1 = found.residual[index, low], found.residual[index, low + 1]
    step = Z[low + 1] - Z[low]
    share = np.where(crossed, r0 / np.where(r0 == r1, 1, r0 - r1), 0.0)
    z = Z[low] + share * step

    def at(table: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(table[index, low] * (1 - share) + table[index, low + 1] * share, np.float64)

    depth, slope, depth_slope = at(found.areal_density), at(found.slope), at(found.depth_slope)
    # r(α_high, α_low, Z) = 0 defines Z; λ follows from α_high and Z.
    dr_dz = (r1 - r0) / step
    with np.errstate(divide="ignore", invalid="ignore"):
        dz = np.stack([slope / dr_dz, -1 / dr_dz], axis=1)
        depth_by_z = (found.areal_density[index, low + 1] - found.areal_density[index, low]) / step
        jacobian = np.stack([np.stack([depth_slope, np.zeros_like(z)], 1) + depth_by_z[:, None] * dz, dz], axis=1)
        spread = np.einsum("nij,njk,nlk->nil", jacobian, covariance, jacobian)
        sigma = np.sqrt(np.maximum(np.diagonal(spread, axis1=1, axis2=2), 0))
        correlation = spread[:, 0, 1] / (sigma[:, 0] * sigma[:, 1])
    coarse = sigma[:, 1] > _LOCAL_SIGMA_Z
    if coarse.any():
        depth[coarse], sigma[coarse, 0], correlation[coarse] = _over_elements(
            found, covariance[coarse], (z[coarse], sigma[coarse, 1]), coarse
        )
    twin = ((found.chi2 < 1) & (np.abs(Z - z[:, None]) > _TWIN_SIGMAS * sigma[:, 1:] + 1)).any(axis=1)
    quality = np.zeros(alpha.shape[0], np.uint32)
    quality[twin] |= np.uint32(Quality.AMBIGUOUS.value)
    quality[(~crossed | (depth > model.largest_areal_density)) & finite] |= np.uint32(Quality.EXTRAPOLATED.value)
    quality[~finite] |= np.uint32(Quality.NOT_FINITE.value)
    for column in (depth, z, sigma, correlation):
        column[~finite] = np.nan
    return Solved(depth, z, sigma[:, 0], sigma[:, 1], correlation, quality, found)


def _over_elements(
    found: Explained,
    covariance: NDArray[np.float64],
    number: tuple[NDArray[np.float64], NDArray[np.float64]],
    which: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Areal density, its σ and its correlation with Z, averaged over the elements that come into question.

    Grams per electron jump from element to element (argon stands above potassium), so where Z is known to no better than that, the slope at
    one Z says little. Only whole
    numbers count: between them grams per electron would be averages, which scatter less than elements do.
    """
    z, sigma_z = number
    slope = found.slope[which]
    with np.errstate(invalid="ignore"):
        weight = np.exp(-0.5 * found.chi2[which])
        weight *= np.abs(found.z - z[:, None]) <= _BRANCH_SIGMAS * sigma_z[:, None]
    weight *= np.abs(found.z - np.round(found.z)) < _WHOLE
    total = weight.sum(axis=1, keepdims=True)
    weight = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    variance = found.sigma[which] ** 2
    shared = covariance[:, 0, 1, None] - slope * covariance[:, 0, 0, None]
    # Were it this element, the likeliest true α_high would be the measured one less its share of the residual.
    steep = found.depth_slope[which]
    depth = found.areal_density[which] - steep * shared / variance * found.residual[which]
    rest = steep**2 * np.maximum(covariance[:, 0, 0, None] - shared**2 / variance, 0)
    mean, mean_z = (weight * depth).sum(axis=1), (weight * found.z).sum(axis=1)
    spread = (weight * ((depth - mean[:, None]) ** 2 + rest)).sum(axis=1)
    spread_z = (weight * (found.z - mean_z[:, None]) ** 2).sum(axis=1)
    both = (weight * (depth - mean[:, None]) * (found.z - mean_z[:, None])).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return mean, np.sqrt(spread), both / np.sqrt(spread * spread_z)
