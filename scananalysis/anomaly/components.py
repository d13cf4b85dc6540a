"""Gaussian components of physics features, by class: which family a cell looks like, or whether it is structure or air.

The baselines share them: one measures distances to them, both find the load with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scananalysis.anomaly.features import FEATURES, cell_features, usable
from scananalysis.anomaly.heights import height_odds
from scananalysis.anomaly.model import STRIDE
from scananalysis.anomaly.outline import load_area
from scananalysis.core import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.core import MaterialMap

NUISANCE = ("structure", "air")
"""Classes beside the families: container and vehicle, and open beam."""

LEAST_GOODS = 0.16
"""Areal density from which a cell can be goods, in units of the scanner's scale: 8 g/cm² at 6 MV, more than two container walls."""

_ODDS = 2.0
"""Log-odds from which a place counts as goods: frame, vehicle and air cover more of a scan than any family does."""

_STRONGEST = 6.0
"""Log-odds beyond which neither a single cell nor a height is believed."""


class Named(NamedTuple):
    """What the components say of every `STRIDE`-th working cell.

    Parameters
    ----------
    distance : ndarray of float32, (component, y, x)
        Squared Mahalanobis distances.
    family : ndarray of int16, (y, x)
        Most likely family, −1 where none.
    load : ndarray of bool, (y, x)
    """

    distance: NDArray[np.float32]
    family: NDArray[np.int16]
    load: NDArray[np.bool_]


class Components(NamedTuple):
    """Each family, container structure and air as a few Gaussians in the space of `features.FEATURES`.

    Parameters
    ----------
    mean : ndarray of float32, (component, feature)
    whitening : ndarray of float32, (component, feature, feature)
        Makes the covariance of a component the unit matrix.
    log_weight : ndarray of float32, (component,)
        With the determinant included.
    owner : ndarray of int64, (component,)
        Class of each component: families first, then `NUISANCE`.

    Examples
    --------
    >>> one = np.eye(7, dtype=np.float32)
    >>> found = Components(np.zeros((1, 7), np.float32), 2 * one[None], np.zeros(1, np.float32), np.array([4]))
    >>> found.distances(one[:, :1, None])
    array([[[4.]]], dtype=float32)
    """

    mean: NDArray[np.float32]
    whitening: NDArray[np.float32]
    log_weight: NDArray[np.float32]
    owner: NDArray[np.int64]

    @classmethod
    def read(cls, weights: Mapping[str, Any], families: int, source: Path) -> Components:
        """Take components from the arrays of an ``.npz``.

        Raises
        ------
        ModelError
            They are of other features or classes.
        """
        mean, whitening, log_weight = (weights[name].astype(np.float32) for name in ("mean", "whitening", "log_weight"))
        owner = weights["owner"].astype(np.int64)
        if mean.shape[1] != len(FEATURES) or owner.max() >= families + len(NUISANCE):
            raise ModelError(
                f"weights with {mean.shape[1]} features for {owner.max() + 1} classes",
                source=source,
                expected=f"{len(FEATURES)} features for {families + len(NUISANCE)} classes",
            )
        return cls(mean, whitening, log_weight, owner)

    def distances(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the squared Mahalanobis distance of (feature, y, x) to every component: (component, y, x)."""
        flat = features.reshape(features.shape[0], -1)
        found = np.empty((self.owner.size, flat.shape[1]), np.float32)
        for i in range(self.owner.size):
            white = self.whitening[i] @ (flat - self.mean[i][:, None])
            np.einsum("ij,ij->j", white, white, out=found[i])
        return found.reshape(-1, *features.shape[1:])

    def name(self, cells: MaterialMap, families: int, scale: float) -> Named:
        """Tell the load of a scan from container, vehicle and air, and name its families.

        Parameters
        ----------
        cells : MaterialMap
            On the working grid.
        families : int
        scale : float
            Areal density that counts as 1, g/cm².
        """
        import cv2

        at = np.s_[::STRIDE, ::STRIDE]
        distance = self.distances(cell_features(cells)[:, *at])
        likelihood = self.log_weight[:, None, None] - distance / 2
        goods = self.owner < families
        odds = likelihood[goods].max(axis=0) - likelihood[~goods].max(axis=0)
        odds = cv2.boxFilter(np.clip(odds, -_STRONGEST, _STRONGEST), -1, (3, 3), borderType=cv2.BORDER_REFLECT)
        odds = odds + np.clip(height_odds(cells), -_STRONGEST, _STRONGEST)[::STRIDE, None]
        # Open beam is so even that any family seen with gaps has a component that fits it; goods take matter.
        matter = matters(cells, scale)
        load = load_area((odds > _ODDS) & matter[at])
        best = self.owner[likelihood.argmax(axis=0)]
        return Named(distance, np.where(load & (best < families), best, -1).astype(np.int16), load)


def matters(cells: MaterialMap, scale: float) -> NDArray[np.bool_]:
    """Return where there is more than the walls of a container, or nothing was measured: (y, x)."""
    found: NDArray[np.bool_] = ~usable(cells) | (np.nan_to_num(cells.areal_density) > LEAST_GOODS * scale)
    return found
