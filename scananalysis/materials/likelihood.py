"""How well every element explains a measured pair of attenuations: the whole likelihood in Z, folds and twins included.

For an element, both attenuations follow one curve as its areal density grows. A measured pair misses that curve by
r = α_low − f(α_high; Z), whose variance is σ_low² − 2 s σ_low,high + s² σ_high² with s = ∂f/∂α_high. So χ²(Z) = r² / var(r) is the best
that any areal density reaches, and no branch of the folded map is lost.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scananalysis.materials.dualenergy import DualEnergyModel

Z = np.concatenate([np.arange(1.0, 30.0, 0.1), np.arange(30.0, 92.01, 0.25)])
"""Atomic numbers at which likelihoods are stated."""

_NODES = np.concatenate([np.arange(1.0, 20.0, 0.5), np.arange(20.0, 92.01, 1.0)])
_DEPTHS = 160
_WIDEST = 0.0125
"""Largest step between fan angles, rad."""
_TABLES = 4
_AT_ONCE = 256
"""Pairs that are looked up together; all elements of one angle with them take some megabytes."""


@dataclass(frozen=True, eq=False)
class Explained:
    """Pairs of attenuations against every element.

    Parameters
    ----------
    z : ndarray of float64, (z,)
        Atomic numbers.
    residual, sigma : ndarray of float64, (n, z)
        α_low beyond the element's curve, and its 1-σ error.
    areal_density : ndarray of float64, (n, z)
        At which the element gives the measured α_high, g/cm².
    slope : ndarray of float64, (n, z)
        ∂α_low/∂α_high along the curve.
    depth_slope : ndarray of float64, (n, z)
        ∂λ/∂α_high along the curve, g/cm².
    """

    z: NDArray[np.float64]
    residual: NDArray[np.float64]
    sigma: NDArray[np.float64]
    areal_density: NDArray[np.float64]
    slope: NDArray[np.float64]
    depth_slope: NDArray[np.float64]

    @property
    def chi2(self) -> NDArray[np.float64]:
        """χ² of every element, (n, z)."""
        return np.asarray((self.residual / self.sigma) ** 2, np.float64)


def explain(
    model: DualEnergyModel,
    alpha: NDArray[np.float64],
    covariance: NDArray[np.float64],
    fan_angle_rad: NDArray[np.float64] | float = 0.0,
    *,
    weights: NDArray[np.float64] | None = None,
    between: tuple[float, float] = (1.0, 92.0),
) -> Explained:
    """Compare pairs of attenuations with every element of `Z`, or with those of a part of it.

    Parameters
    ----------
    model : DualEnergyModel
    alpha : ndarray of float64, (n, 2)
        High and low energy.
    covariance : ndarray of float64, (n, 2, 2)
    fan_angle_rad : ndarray of float64, (n,) or (m,), or float
        One angle per pair, or with ``weights`` the angles that each pair is a mean over.
    weights : ndarray of float64, (n, m), optional
        Share of each angle in each pair. A mean angle would not do: the beam softens to both sides of the axis.
    between : (float, float)
        Least and greatest atomic number.

    Examples
    --------
    >>> from scananalysis.detectors import scanner
    >>> model = DualEnergyModel.nominal(scanner("cargo-6-4mv"))
    >>> steel = np.array(model.forward(100.0, 26.0))
    >>> found = explain(model, steel[None], np.diag([1e-6, 1e-6])[None])
    >>> float(Z[found.chi2[0].argmin()].round(1))
    26.0
    """
    curves = _curves(model)
    z = Z[(between[0] <= Z) & (between[1] >= Z)]
    first = max(int(np.searchsorted(_NODES, z[0], side="right")) - 1, 0)
    last = min(int(np.searchsorted(_NODES, z[-1])), _NODES.size - 1)
    shares = _shares(curves.angle, np.asarray(fan_angle_rad, np.float64), weights, alpha.shape[0])
    found = np.zeros((_TABLES, last - first + 1, alpha.shape[0]))
    for node in range(curves.angle.size):
        share = shares[:, node]
        rows = np.flatnonzero(share)
        high, tables = curves.high[node, first : last + 1], curves.tables[:, node, first : last + 1]
        for some in np.array_split(rows, -(-rows.size // _AT_ONCE)) if rows.size else ():
            found[:, :, some] += share[some] * _along(high, tables, alpha[some, 0])
    place = np.interp(z, _NODES[first : last + 1], np.arange(last - first + 1))
    low = np.clip(place.astype(int), 0, max(last - first - 1, 0))
    part = (place - low)[:, None]
    above = np.minimum(low + 1, last - first)
    ratio, slope, per_alpha, depth_slope = ((table[low] * (1 - part) + table[above] * part).T for table in found)
    residual = alpha[:, 1:] - ratio * alpha[:, :1]
    variance = covariance[:, 1, 1, None] - 2 * slope * covariance[:, 0, 1, None] + slope**2 * covariance[:, 0, 0, None]
    # Interpolation of the curves is good to about 1e-6 of α; a smaller stated error would make that count.
    floor = (1e-6 * np.abs(alpha[:, 1:]) + 1e-9) ** 2
    return Explained(z, residual, np.sqrt(np.maximum(variance, floor)), per_alpha * alpha[:, :1], slope, depth_slope)


def _along(high: NDArray[np.float64], tables: NDArray[np.float64], alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate tables (table, element, depth) where each element's curve ``high`` (element, depth) reaches α, (table, element, n)."""
    # A search per element would be thousands of calls for one pair; counting the nodes below is one.
    below = (high[:, :, None] < alpha).sum(axis=1)
    low = np.clip(below - 1, 0, high.shape[1] - 2)
    start, stop = (np.take_along_axis(high, at, axis=1) for at in (low, low + 1))
    part = np.clip((alpha - start) / (stop - start), 0, 1)
    values = [np.take_along_axis(tables, at[None], axis=2) for at in (low, low + 1)]
    return np.asarray(values[0] * (1 - part) + values[1] * part, np.float64)


def _shares(
    nodes: NDArray[np.float64], angles: NDArray[np.float64], weights: NDArray[np.float64] | None, count: int
) -> NDArray[np.float64]:
    """Share of each node in each of n pairs, (n, node)."""
    at = np.interp(np.abs(np.atleast_1d(angles)), nodes, np.arange(nodes.size))
    hat: NDArray[np.float64] = np.maximum(1 - np.abs(at[:, None] - np.arange(nodes.size)), 0)
    return np.broadcast_to(hat, (count, nodes.size)) if weights is None else weights @ hat


@dataclass(frozen=True, eq=False)
class _Curves:
    """Every element along its areal density, (angle, node, depth): α_high; tables of α_low/α_high, ∂α_low/∂α_high, λ/α_high, ∂λ/∂α_high."""

    angle: NDArray[np.float64]
    high: NDArray[np.float64]
    tables: NDArray[np.float64]


@functools.lru_cache(maxsize=8)
def _curves(model: DualEnergyModel) -> _Curves:
    known = np.unique(np.abs(np.concatenate([beam.fan_angle_rad for beam in model.beams])))
    known = known[known <= min(float(beam.fan_angle_rad[-1]) for beam in model.beams)]
    # Photons are linear between a beam's own angles, attenuation is not, and a mean over rows adds what an interpolation misses.
    parts = [
        np.linspace(a, b, int(np.ceil((b - a) / _WIDEST - 1e-6)), endpoint=False) for a, b in itertools.pairwise(known)
    ]
    angles = np.concatenate([*parts, known[-1:]])
    # Light elements need half as much again of areal density to reach the attenuation of the densest map entry.
    depth = 1.5 * model.largest_areal_density * np.linspace(1e-3, 1, _DEPTHS) ** 2
    size = (angles.size, _NODES.size, _DEPTHS)
    alpha = np.empty((2, *size))
    for beam in range(2):
        weights = np.atleast_2d(model.beams[beam].signal_weights(angles)).T
        for k, mu in enumerate(model.mass_attenuation(beam, _NODES)):
            least = mu.min()
            alpha[beam, :, k] = (depth[:, None] * least - np.log(np.exp(-np.outer(depth, mu - least)) @ weights)).T
    high, low = alpha
    rise = np.gradient(high, axis=2)
    slope, depth_slope = np.gradient(low, axis=2) / rise, np.gradient(depth) / rise
    return _Curves(angles, high, np.stack([low / high, slope, depth / high, depth_slope]))
