"""Probability of detection against how much an object adds: logistic curves for hits and misses, and what is found at 90 %.

Model and use as in non-destructive testing (MIL-HDBK-1823A, 2009, appendix G: hit/miss data), with Firth's penalty, which keeps the
fit finite where hits and misses do not overlap (Firth, Biometrika 80 (1993) 27, doi:10.1093/biomet/80.1.27; Heinze and Schemper,
Stat. Med. 21 (2002) 2409, doi:10.1002/sim.1047).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

LEAST_OF_EACH = 5
"""Hits and misses without which no curve is drawn."""

_STEPS, _CLOSE, _LARGEST_STEP = 200, 1e-6, 2.0
_ONE_SIDED = 1.6449
"""Normal quantile of 95 %."""


@dataclass(frozen=True)
class PodCurve:
    """logit POD = b₀ + b₁ ln(added) + b₂ ln(background), densities in g/cm².

    Parameters
    ----------
    coefficients : ndarray of float64, (3,)
    covariance : ndarray of float64, (3, 3)
    hits, misses : int
    """

    coefficients: NDArray[np.float64]
    covariance: NDArray[np.float64]
    hits: int
    misses: int

    def probability(self, added: ArrayLike, background: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of detection.

        Parameters
        ----------
        added, background : array_like
            g/cm².
        """
        design = _design(added, background)
        found: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(design @ self.coefficients, -700, 700)))
        return found

    def lower(self, added: ArrayLike, background: ArrayLike) -> NDArray[np.float64]:
        """Return the one-sided 95 % lower bound of the probability of detection (Wald, on the logit)."""
        design = _design(added, background)
        sigma = np.sqrt(np.maximum(np.einsum("...i,ij,...j->...", design, self.covariance, design), 0))
        found: NDArray[np.float64] = 1 / (
            1 + np.exp(-np.clip(design @ self.coefficients - _ONE_SIDED * sigma, -700, 700))
        )
        return found

    def smallest(self, background: float, *, probability: float = 0.9, most: float = 500.0) -> tuple[float, float]:
        """Return the added areal density that is found with a probability, and the one that is so with 95 % confidence.

        Parameters
        ----------
        background : float
            g/cm².
        probability : float
        most : float
            Largest added density that is looked at, g/cm².

        Returns
        -------
        (float, float)
            a₉₀ and a₉₀/₉₅ for a probability of 0.9, g/cm²; infinite beyond ``most``.
        """
        grid = np.geomspace(0.1, most, 600)
        around = np.full_like(grid, background)

        def first(values: NDArray[np.float64]) -> float:
            # From this density on, not only at it: a lower bound need not rise everywhere.
            below = np.flatnonzero(values < probability)
            if not below.size:
                return float(grid[0])
            return float(grid[below[-1] + 1]) if below[-1] + 1 < grid.size else float("inf")

        return first(self.probability(grid, around)), first(self.lower(grid, around))

    def to_dict(self) -> dict[str, Any]:
        """Return the curve as plain values."""
        return {
            "coefficients": [float(f"{v:.6g}") for v in self.coefficients],
            "covariance": [[float(f"{v:.6g}") for v in row] for row in self.covariance],
            "hits": self.hits,
            "misses": self.misses,
        }


def _design(added: ArrayLike, background: ArrayLike) -> NDArray[np.float64]:
    a, b = np.broadcast_arrays(np.asarray(added, np.float64), np.asarray(background, np.float64))
    return np.stack([np.ones_like(a), np.log(np.maximum(a, 1e-3)), np.log(np.maximum(b, 1.0))], axis=-1)


def fit_pod(added: Sequence[float], background: Sequence[float], hit: Sequence[bool]) -> PodCurve | None:
    """Fit a curve; None where hits or misses are too few, or more added matter is not found better.

    Parameters
    ----------
    added, background : sequence of float
        Of each object, g/cm².
    hit : sequence of bool

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> added = np.exp(rng.uniform(0, 4, 400))
    >>> hit = rng.random(400) < 1 / (1 + (8 / added) ** 3)
    >>> curve = fit_pod(added, np.full(400, 50.0), hit)
    >>> 12 < curve.smallest(50.0)[0] < 24, curve.smallest(50.0)[1] >= curve.smallest(50.0)[0]
    (True, True)
    """
    y = np.asarray(hit, np.float64)
    hits, misses = int(y.sum()), int((1 - y).sum())
    if min(hits, misses) < LEAST_OF_EACH:
        return None
    x = _design(added, background)
    # Centred, so that the steps are well scaled whatever the densities.
    shift = x.mean(axis=0)
    shift[0] = 0.0
    centred = x - shift
    beta = np.zeros(3)
    if np.ptp(x[:, 2]) < 1e-9:
        # One background only: its coefficient rests on nothing and stays 0.
        centred = centred[:, :2]
        beta = np.zeros(2)
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(centred @ beta, -30, 30)))
        weight = p * (1 - p)
        information = (centred * weight[:, None]).T @ centred
        inverse = np.linalg.pinv(information)
        leverage = weight * np.einsum("ij,jk,ik->i", centred, inverse, centred)
        step = inverse @ (centred.T @ (y - p + leverage * (0.5 - p)))
        step *= min(1.0, _LARGEST_STEP / max(float(np.abs(step).max()), 1e-12))
        beta = beta + step
        if float(np.abs(step).max()) < _CLOSE:
            break
    full, covariance = np.zeros(3), np.zeros((3, 3))
    size = beta.size
    full[:size], covariance[:size, :size] = beta, inverse
    if full[1] <= 0:
        return None
    # Back from centred variables: only the constant changes.
    back = np.eye(3)
    back[0, 1:] = -shift[1:]
    return PodCurve(back @ full, back @ covariance @ back.T, hits, misses)
