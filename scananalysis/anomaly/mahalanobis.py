"""Baseline: squared Mahalanobis distance of physics features to the declared families.

Each family (and container structure, and air) is a few Gaussian components in the space of `features.FEATURES`. A cell
is as strange as its distance to the nearest component of what was declared (Mahalanobis 1936; as an anomaly score on
features: Rippel, Mertens, Merhof, ICPR 2020, doi:10.1109/ICPR48806.2021.9412109).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scananalysis.anomaly.features import FEATURES, cell_features, usable
from scananalysis.anomaly.model import DECLARED, STRIDE, AnomalyModel, CellScores
from scananalysis.anomaly.outline import load_area
from scananalysis.core import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.anomaly.metadata import Metadata, ScannerCalibration
    from scananalysis.core import MaterialMap

NUISANCE = ("structure", "air")
"""Classes beside the families: container and vehicle, and open beam."""


class MahalanobisModel(AnomalyModel):
    """Per-family Mahalanobis distance; weights are an ``.npz`` without objects.

    The file holds ``mean`` (component, feature), ``whitening`` (component, feature, feature), ``log_weight``
    (component,) with the determinant included, and ``owner`` (component,): the class of each component, families
    first, then `NUISANCE`.
    """

    def __init__(self, folder: Path, metadata: Metadata) -> None:
        super().__init__(folder, metadata)
        with np.load(folder / metadata.file, allow_pickle=False) as weights:
            self._mean = weights["mean"].astype(np.float32)
            self._whitening = weights["whitening"].astype(np.float32)
            self._log_weight = weights["log_weight"].astype(np.float32)
            self._owner = weights["owner"].astype(np.int64)
        if self._mean.shape[1] != len(FEATURES) or self._owner.max() >= len(self.families) + len(NUISANCE):
            raise ModelError(
                f"weights with {self._mean.shape[1]} features for {self._owner.max() + 1} classes",
                source=folder / metadata.file,
                expected=f"{len(FEATURES)} features for {len(self.families) + len(NUISANCE)} classes",
            )

    def distances(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the squared Mahalanobis distance of (feature, y, x) to every component: (component, y, x)."""
        flat = features.reshape(features.shape[0], -1)
        found = np.empty((self._owner.size, flat.shape[1]), np.float32)
        for i in range(self._owner.size):
            white = self._whitening[i] @ (flat - self._mean[i][:, None])
            np.einsum("ij,ij->j", white, white, out=found[i])
        return found.reshape(-1, *features.shape[1:])

    def cell_scores(
        self,
        cells: MaterialMap,
        declared: frozenset[int] | None,
        calibration: ScannerCalibration,  # noqa: ARG002 - the interface; features of the baseline need no scale
    ) -> CellScores:
        """Score the working grid; see `AnomalyModel.cell_scores`."""
        import cv2
        from scipy import ndimage

        features = cell_features(cells)[:, ::STRIDE, ::STRIDE]
        distance = self.distances(features)
        likelihood = self._log_weight[:, None, None] - distance / 2
        best = self._owner[likelihood.argmax(axis=0)]
        families = len(self.families)
        load = load_area(best < families)
        family = np.where(load & (best < families), best, -1).astype(np.int16)
        scored = load & usable(cells)[::STRIDE, ::STRIDE]
        if declared is None:
            nothing = np.full(family.shape, np.nan, np.float32)
            return CellScores({DECLARED: nothing}, family, np.maximum(family, 0).astype(np.int16), load)
        air = families + NUISANCE.index("air")
        inner = np.isin(self._owner, [*declared, air])
        allowed = distance[inner].min(axis=0)
        own = np.isin(self._owner, [*declared])
        reference = (
            self._owner[own][distance[own].argmin(axis=0)].astype(np.int16) if own.any() else np.maximum(family, 0)
        )
        # Frame and posts overlap the rim of the load only; deep inside, what looks like a frame is an alarm.
        rim = load & ~ndimage.binary_erosion(load, np.ones((5, 5), bool), border_value=1)
        structure = distance[self._owner == families + NUISANCE.index("structure")].min(axis=0)
        allowed = np.where(rim, np.minimum(allowed, structure), allowed)
        smooth = np.asarray(cv2.boxFilter(np.sqrt(allowed), -1, (3, 3), borderType=cv2.BORDER_REFLECT), np.float32)
        return CellScores({DECLARED: np.where(scored, smooth, np.float32(np.nan))}, family, reference, load)
