"""The interface of every anomaly model, and how cell scores become an `AnomalyMap`.

A model names what each cell looks like and how strange it is. The declaration is applied afterwards, so that one model
serves any declaration without being trained again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis import cargo
from scananalysis.anomaly.conformal import combine
from scananalysis.anomaly.detectability import minimum_detectable
from scananalysis.anomaly.grid import working_map
from scananalysis.core import AnomalyMap, Declaration, MaterialMap, ModelError
from scananalysis.core.cells import CellPlane

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.anomaly.metadata import Metadata, ScannerCalibration

STRIDE = 2
"""Scores stand on every second working cell along both axes: neighbouring cells share most of their surroundings."""

DECLARED = "declared"
"""Head that asks whether a place looks like any of the declared goods."""

INSERT = "insert"
"""Head that asks whether something is in (or missing from) otherwise uniform goods, whatever was declared."""


@dataclass(frozen=True)
class CellScores:
    """What a model says of every `STRIDE`-th working cell.

    Parameters
    ----------
    score : dict of str to ndarray of float32, (y, x)
        Raw score per head, NaN where nothing is scored.
    family : ndarray of int16, (y, x)
        Most likely family, −1 where none.
    reference : ndarray of int16, (y, x)
        Family whose clean scores a place is held against: the most likely of the declared ones, or of all without a declaration.
    load : ndarray of bool, (y, x)
    """

    score: dict[str, NDArray[np.float32]]
    family: NDArray[np.int16]
    reference: NDArray[np.int16]
    load: NDArray[np.bool_]


class AnomalyModel(ABC):
    """An anomaly model read from a folder with ``metadata.json`` and weights.

    Parameters
    ----------
    folder : Path
    metadata : Metadata
    """

    def __init__(self, folder: Path, metadata: Metadata) -> None:
        self.folder = folder
        self.metadata = metadata

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.metadata.name

    @property
    def families(self) -> tuple[str, ...]:
        """Radiographic families that the model tells apart."""
        return self.metadata.families

    @abstractmethod
    def cell_scores(
        self, cells: MaterialMap, declared: frozenset[int] | None, calibration: ScannerCalibration
    ) -> CellScores:
        """Score the working grid.

        Parameters
        ----------
        cells : MaterialMap
            On the working grid.
        declared : frozenset of int, or None
            Indices of declared families; None without a declaration, which leaves the head `DECLARED` unscored.
        calibration : ScannerCalibration
        """

    def declared_families(self, declaration: Declaration | None) -> frozenset[int] | None:
        """Return the indices of the families that the declared goods belong to.

        Raises
        ------
        ModelError
            The commodity table names a family that this model was not trained on.
        """
        if declaration is None:
            return None
        found = set()
        for item in declaration.items:
            for family in cargo.commodity(item.hs_code).families:
                if family not in self.families:
                    raise ModelError(
                        f"model {self.name} does not know the family {family!r} of heading {item.heading}",
                        expected=f"one of {', '.join(self.families)}",
                        remedy="use a model that was trained on the present commodity table",
                    )
                found.add(self.families.index(family))
        return frozenset(found)

    def score(self, materials: MaterialMap, declaration: Declaration | None = None) -> AnomalyMap:
        """Compare a material map with a declaration.

        Parameters
        ----------
        materials : MaterialMap
        declaration : Declaration, optional
            Without one only heads that need none are scored.

        Returns
        -------
        AnomalyMap
            On the pixels of ``materials``. ``score`` is standardised by clean scans; a pixel's p-value is the share
            of clean scans whose highest score anywhere reaches it.

        Raises
        ------
        ModelError
            The model has no clean scans of this scanner.
        """
        calibration = self.metadata.scanner(materials.scanner)
        cells, factors = working_map(materials, self.metadata.pitch_mm)
        scores = self.cell_scores(cells, self.declared_families(declaration), calibration)
        standard = standardised(scores, calibration)
        heads = tuple(standard)
        p_cells = {head: calibration.layer(head).p_value(standard[head]) for head in heads}
        scan_p = {head: float(p.min()) for head, p in p_cells.items() if np.isfinite(standard[head]).any()}
        scan_p = scan_p or dict.fromkeys(heads, 1.0)
        steps = (factors[0] * STRIDE, factors[1] * STRIDE)
        noticed = minimum_detectable(cells, _whole(scores.load, cells.shape))

        # As cells: whoever needs pixels gets them made, and most need few.
        planes: dict[str, Any] = {
            "score": CellPlane(np.stack([standard[head] for head in heads]), steps, materials.shape),
            "p_value": CellPlane(np.stack([p_cells[head] for head in heads]), steps, materials.shape),
            "family": CellPlane(scores.family.astype(np.int16, copy=False), steps, materials.shape),
            "minimum_detectable": CellPlane(noticed, factors, materials.shape),
            "load": CellPlane(scores.load.astype(np.bool_, copy=False), steps, materials.shape),
        }
        return AnomalyMap(
            heads=heads,
            families=self.families,
            scan_p_value={**scan_p, "combined": combine(scan_p)},
            model=f"{self.name} {self.metadata.version}",
            pixel_mm=materials.pixel_mm,
            metadata={"calibrated_on": calibration.source, "cell_pixels": list(steps)},
            provenance=materials.provenance.then(
                "anomaly.score",
                parameters={"model": self.name, "heads": list(heads)},
                inputs={"weights": self.metadata.sha256},
                version=self.metadata.version,
            ),
            **planes,
        )


def _whole(load: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the load on every working cell instead of every `STRIDE`-th."""
    return np.repeat(np.repeat(load, STRIDE, axis=0), STRIDE, axis=1)[: shape[0], : shape[1]]


def standardised(scores: CellScores, calibration: ScannerCalibration) -> dict[str, NDArray[np.float32]]:
    """Return each head's scores in units of the spread of clean scans' highest scores among the same goods."""
    return {
        head: calibration.standardise(head, score, scores.reference).astype(np.float32)
        for head, score in scores.score.items()
    }
