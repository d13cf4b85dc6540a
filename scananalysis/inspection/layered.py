"""What lies on top of known goods: areal density and atomic number of an added layer, behind or in front of them.

Goods harden the beam. So the layer is not read off the difference of two inverted points, but solved with the spectrum that the
goods let through: α(goods and layer) − α(goods) = −ln Σ w' exp(−λ μ(Z)), w' ∝ w exp(−λ_goods μ(Z_goods)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.materials import DualEnergyModel

Z_GRID = np.concatenate([np.arange(2.0, 20.0, 1.0), np.arange(20.0, 40.0, 2.0), np.arange(40.0, 93.0, 4.0)])
"""Atomic numbers between which the layer's is interpolated."""

_NEWTON_STEPS = 8


def added_layer(
    model: DualEnergyModel,
    goods: tuple[NDArray[np.float64], NDArray[np.float64]],
    difference: NDArray[np.float64],
    fan_angle_rad: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return areal density and atomic number of a layer that adds to the attenuation of goods.

    Parameters
    ----------
    model : DualEnergyModel
    goods : (ndarray, ndarray) of float, (n,)
        Areal density, g/cm², and atomic number of the goods.
    difference : ndarray of float, (n, 2)
        Attenuation that the layer adds, high and low energy.
    fan_angle_rad : float

    Returns
    -------
    areal_density, z : ndarray of float, (n,)
        The solution with the smallest atomic number, since the map from material to attenuation folds at high Z; the end of
        `Z_GRID` that fits best where none fits. NaN where the layer does not attenuate the high energy, or the goods are not known.
    """
    count = difference.shape[0]
    depth = np.full((count, Z_GRID.size), np.nan)
    low = np.full_like(depth, np.nan)
    # Goods whose material is not known say nothing of a layer on top of them.
    adds = (difference[:, 0] > 1e-9) & np.isfinite(goods[0]) & np.isfinite(goods[1])
    if not adds.any():
        return np.full(count, np.nan), np.full(count, np.nan)
    known = goods[0][adds], goods[1][adds]
    weights = [_hardened(model, beam, known, fan_angle_rad) for beam in range(2)]
    depth[adds] = _solve(model.mass_attenuation(0, Z_GRID), weights[0], difference[adds, 0])
    low[adds] = _attenuation(model.mass_attenuation(1, Z_GRID), weights[1], depth[adds])[0]
    residual = low - difference[:, 1:2]
    place = _first_root(residual)
    index = np.clip(place.astype(int), 0, Z_GRID.size - 2)
    share = place - index
    at = np.arange(count)
    areal_density = (1 - share) * depth[at, index] + share * depth[at, index + 1]
    z = (1 - share) * Z_GRID[index] + share * Z_GRID[index + 1]
    return np.where(adds, areal_density, np.nan), np.where(adds, z, np.nan)


def _hardened(
    model: DualEnergyModel, beam: int, goods: tuple[NDArray[np.float64], NDArray[np.float64]], angle: float
) -> NDArray[np.float64]:
    """Share of every energy bin in the signal behind the goods, (n, k)."""
    depth, z = goods
    mu = model.mass_attenuation(beam, np.clip(z, 1.0, 92.0))
    exponent = np.maximum(depth, 0)[:, None] * (mu - mu.min(axis=1, keepdims=True))
    weights = model.beams[beam].signal_weights(angle) * np.exp(-exponent)
    shares: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return shares


def _attenuation(
    mu: NDArray[np.float64], weights: NDArray[np.float64], depth: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """α and its slope in depth for (n, z) depths, (z, k) coefficients and (n, k) weights."""
    least = mu.min(axis=1)
    passed = np.exp(-depth[..., None] * (mu - least[:, None])) * weights[:, None]
    total = passed.sum(axis=-1)
    return depth * least - np.log(total), (passed * mu).sum(axis=-1) / total


def _solve(mu: NDArray[np.float64], weights: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Depth at which α reaches the target, (n, z). α is concave, so Newton from below never overshoots."""
    start = (weights[:, None] * mu).sum(axis=-1)
    depth = target[:, None] / start
    for _ in range(_NEWTON_STEPS):
        alpha, slope = _attenuation(mu, weights, depth)
        depth = depth + (target[:, None] - alpha) / slope
    return np.asarray(depth, np.float64)


def _first_root(residual: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fractional index of the first change of sign along the last axis; the end nearer to zero where there is none."""
    changes = np.signbit(residual[:, 1:]) != np.signbit(residual[:, :-1])
    first = changes.argmax(axis=1)
    at = np.arange(residual.shape[0])
    left, right = residual[at, first], residual[at, first + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = first + left / (left - right)
    best = np.nan_to_num(np.abs(residual), nan=np.inf).argmin(axis=1)
    found: NDArray[np.float64] = np.where(changes.any(axis=1), inside, best.astype(np.float64))
    return np.asarray(np.nan_to_num(found), np.float64)
