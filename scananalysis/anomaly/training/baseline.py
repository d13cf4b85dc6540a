"""Fits the components of the Mahalanobis baseline to labelled features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.cluster.vq import kmeans2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from numpy.typing import NDArray

_RIDGE = 0.02
"""Added to every standard deviation of a feature: a family seen in few scans must not look too certain."""


def fit_components(
    features: Mapping[int, NDArray[np.float32]], components: Sequence[int], *, seed: int = 0
) -> dict[str, NDArray[np.float32]]:
    """Describe each class by Gaussian components.

    Parameters
    ----------
    features : mapping of int to ndarray of float32, (n, feature)
        Samples by class.
    components : sequence of int
        Number of components of each class, by class index.
    seed : int

    Returns
    -------
    dict of ndarray
        ``mean``, ``whitening``, ``log_weight`` and ``owner`` as `MahalanobisModel` reads them.
    """
    rng = np.random.default_rng(seed)
    mean, whitening, log_weight, owner = [], [], [], []
    for label in sorted(features):
        samples = features[label].astype(np.float64)
        width = samples.shape[1]
        scale = samples.std(axis=0) + _RIDGE
        count = max(1, min(components[label], samples.shape[0] // (20 * width)))
        _, member = kmeans2(samples / scale, count, minit="++", seed=rng)
        for k in range(count):
            group = samples[member == k]
            if group.shape[0] <= 2 * width:
                continue
            covariance = np.cov(group.T) + np.eye(width) * _RIDGE**2
            # x → L⁻¹ (x − μ) with Σ = L Lᵀ has unit covariance, so its squared length is the distance.
            lower = np.linalg.cholesky(covariance)
            mean.append(group.mean(axis=0))
            whitening.append(np.linalg.inv(lower))
            log_weight.append(np.log(group.shape[0] / samples.shape[0]) - np.log(np.diag(lower)).sum())
            owner.append(label)
    return {
        "mean": np.array(mean, np.float32),
        "whitening": np.array(whitening, np.float32),
        "log_weight": np.array(log_weight, np.float32),
        "owner": np.array(owner, np.int64),
    }


def save_components(path: str | PathLike[str], weights: Mapping[str, NDArray[np.float32]]) -> None:
    """Write components as an ``.npz`` without objects."""
    np.savez(
        path,
        mean=weights["mean"],
        whitening=weights["whitening"],
        log_weight=weights["log_weight"],
        owner=weights["owner"],
    )
