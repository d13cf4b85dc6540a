"""Linearity: electronics that fall short at high signal.

reading V = S (1 − c S / F) above the offset, with the signal S, the full scale F and the curvature c; the correction is its exact inverse.
c is stated by the scanner or the recipe, or measured from readings of one open beam at two or more doses (`fit_curvature`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scananalysis.core import CalibrationError


def linearise(reading: NDArray[np.floating], curvature: float, full_scale: int) -> None:
    """Turn readings above the offset into signals, in place.

    S = 2 V / (1 + √(1 − 4 c V / F)). A reading above F / 4c comes from no signal and stands at the highest one.

    Parameters
    ----------
    reading : ndarray of float, any shape
        Counts above the offset.
    curvature : float
        Relative loss at full scale; 0 changes nothing.
    full_scale : int

    Examples
    --------
    >>> reading = np.array([0.0, 50_000 * (1 - 0.02 * 50_000 / 65_535)])
    >>> linearise(reading, 0.02, 65_535)
    >>> reading.round(6)
    array([    0., 50000.])
    """
    if curvature == 0:
        return
    kind = reading.dtype.type
    root = reading * kind(-4 * curvature / full_scale)
    root += kind(1)
    np.maximum(root, kind(0), out=root)
    np.sqrt(root, out=root)
    root += kind(1)
    reading /= root
    reading *= kind(2)


def bend(signal: NDArray[np.floating], curvature: float, full_scale: int) -> NDArray[np.floating]:
    """Return the readings that signals give: the inverse of `linearise`.

    Examples
    --------
    >>> bend(np.array([50_000.0]), 0.02, 65_535).round(0)
    array([49237.])
    """
    found: NDArray[np.floating] = signal * (1 - curvature / full_scale * signal)
    return found


def fit_curvature(reading: ArrayLike, sigma: ArrayLike, dose: ArrayLike, full_scale: int) -> tuple[float, float]:
    """Return the curvature and its 1-σ error from readings of the open beam at several doses.

    V/d is a straight line in the dose d with intercept k and slope −c k² / F, one k per element and one c for the array.

    Parameters
    ----------
    reading, sigma : array-like of float, (n, element)
        Mean counts above the offset and their error at each dose.
    dose : array-like of float, (n,)
        Dose relative to any fixed one, e.g. the beam monitor's reading; at least two different ones.
    full_scale : int

    Raises
    ------
    CalibrationError
        Fewer than two doses, or no element that sees the beam.

    Examples
    --------
    >>> k, dose = np.array([[40_000.0, 44_000.0]]), np.array([[0.25], [0.5], [1.0]])
    >>> c, error = fit_curvature(bend(k * dose, 0.03, 65_535), np.full((3, 2), 2.0), dose[:, 0], 65_535)
    >>> round(c, 3), error < 0.001
    (0.03, True)
    """
    seen, error, doses = (np.asarray(a, np.float64) for a in (reading, sigma, dose))
    if seen.ndim != 2 or error.shape != seen.shape or doses.shape != seen.shape[:1]:
        raise CalibrationError(
            f"readings {seen.shape}, errors {error.shape}, doses {doses.shape}", expected="(n, element) twice and (n,)"
        )
    if np.unique(doses).size < 2 or np.any(doses <= 0):
        raise CalibrationError(f"doses {doses.tolist()}", expected="at least two different positive ones")
    lit = np.all((seen > 5 * error) & (error > 0), axis=0)
    if not lit.any():
        raise CalibrationError("no element sees the beam at every dose", expected="open-beam readings")
    ratio, weight = seen[:, lit] / doses[:, None], (doses[:, None] / error[:, lit]) ** 2
    total = weight.sum(axis=0)
    centre = (weight * doses[:, None]).sum(axis=0) / total
    off = doses[:, None] - centre
    inertia = (weight * off**2).sum(axis=0)
    slope = (weight * off * ratio).sum(axis=0) / inertia
    level = (weight * ratio).sum(axis=0) / total - slope * centre
    each, variance = -slope * full_scale / level**2, (full_scale / level**2) ** 2 / inertia
    best = float((each / variance).sum() / (1 / variance).sum())
    return best, float(1 / np.sqrt((1 / variance).sum()))
