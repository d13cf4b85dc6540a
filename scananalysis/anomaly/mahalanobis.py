"""Baseline: squared Mahalanobis distance of physics features to the declared families.

Each family (and container structure, and air) is a few Gaussian components in the space of `features.FEATURES`. A cell
is as strange as its distance to the nearest component of what was declared (Mahalanobis 1936; as an anomaly score on
features: Rippel, Mertens, Merhof, ICPR 2020, doi:10.1109/ICPR48806.2021.9412109).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scananalysis.anomaly.components import NUISANCE, Components
from scananalysis.anomaly.features import usable
from scananalysis.anomaly.model import DECLARED, STRIDE, AnomalyModel, CellScores

if TYPE_CHECKING:
    from scananalysis.anomaly.metadata import Metadata, ScannerCalibration
    from scananalysis.core import MaterialMap

__all__ = ["NUISANCE", "MahalanobisModel"]


class MahalanobisModel(AnomalyModel):
    """Per-family Mahalanobis distance; weights are an ``.npz`` without objects.

    The file holds the arrays of `Components`.
    """

    def __init__(self, folder: Path, metadata: Metadata) -> None:
        super().__init__(folder, metadata)
        path = folder / metadata.file
        with np.load(path, allow_pickle=False) as weights:
            self._components = Components.read(weights, len(self.families), path)

    def cell_scores(
        self, cells: MaterialMap, declared: frozenset[int] | None, calibration: ScannerCalibration
    ) -> CellScores:
        """Score the working grid; see `AnomalyModel.cell_scores`."""
        import cv2
        from scipy import ndimage

        families, owner = len(self.families), self._components.owner
        distance, family, load = self._components.name(cells, families, calibration.scale)
        scored = load & usable(cells)[::STRIDE, ::STRIDE]
        if declared is None:
            nothing = np.full(family.shape, np.nan, np.float32)
            return CellScores({DECLARED: nothing}, family, np.maximum(family, 0).astype(np.int16), load)
        air = families + NUISANCE.index("air")
        inner = np.isin(owner, [*declared, air])
        allowed = distance[inner].min(axis=0)
        own = np.isin(owner, [*declared])
        reference = owner[own][distance[own].argmin(axis=0)].astype(np.int16) if own.any() else np.maximum(family, 0)
        # Frame and posts overlap the rim of the load only; deep inside, what looks like a frame is an alarm.
        rim = load & ~ndimage.binary_erosion(load, np.ones((5, 5), bool), border_value=1)
        structure = distance[owner == families + NUISANCE.index("structure")].min(axis=0)
        allowed = np.where(rim, np.minimum(allowed, structure), allowed)
        smooth = np.asarray(cv2.boxFilter(np.sqrt(allowed), -1, (3, 3), borderType=cv2.BORDER_REFLECT), np.float32)
        return CellScores({DECLARED: np.where(scored, smooth, np.float32(np.nan))}, family, reference, load)
