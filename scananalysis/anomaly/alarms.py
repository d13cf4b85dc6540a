"""Calibrates false alarms: what clean scans score, so that a score can be turned into a p-value.

Two disjoint sets of clean scans are needed: a tuning set gives location and scale of each head's scores by band of
areal density; a calibration set gives the highest standardised score of every scan. Both must be disjoint from training.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from scananalysis.anomaly.metadata import ScannerCalibration, Standardisation
from scananalysis.anomaly.model import STRIDE, AnomalyModel, CellScores, standardised
from scananalysis.core import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.core import Declaration, MaterialMap

EDGES = (5.0, 10.0, 20.0, 35.0, 50.0, 75.0, 100.0, 140.0, 200.0)
"""Inner edges of the bands of areal density, g/cm²."""

NOTHING = -1e6
"""Highest score of a scan on which a head scored nothing (an empty container)."""


@dataclass
class ScoreSpread:
    """Gathers raw scores of clean scans and turns them into a standardisation.

    Parameters
    ----------
    edges : tuple of float
        Inner edges of the bands of areal density, g/cm².
    """

    edges: tuple[float, ...] = EDGES
    _scores: dict[str, list[NDArray[np.float32]]] = field(default_factory=dict)
    _density: dict[str, list[NDArray[np.float32]]] = field(default_factory=dict)

    def add(self, scores: CellScores, cells: MaterialMap) -> None:
        """Add the cells of one clean scan."""
        density = np.nan_to_num(cells.areal_density[::STRIDE, ::STRIDE], nan=0.0)
        for head, plane in scores.score.items():
            known = np.isfinite(plane)
            self._scores.setdefault(head, []).append(plane[known])
            self._density.setdefault(head, []).append(density[known])

    def standardisation(self) -> dict[str, Standardisation]:
        """Return location (median) and scale (99th percentile above it) by head and band.

        The tail decides false alarms, so the scale is taken from the upper tail. Bands with few cells take the values
        of the nearest band that has enough.

        Raises
        ------
        ModelError
            No scores were added.
        """
        tables = {}
        for head, parts in self._scores.items():
            score, density = np.concatenate(parts), np.concatenate(self._density[head])
            band = np.digitize(density, self.edges)
            found: dict[int, tuple[float, float]] = {}
            for b in range(len(self.edges) + 1):
                values = score[band == b]
                if values.size >= 2000:
                    low, high = np.quantile(values, [0.5, 0.99])
                    found[b] = (float(low), float(max(high - low, 1e-3)))
            if not found:
                raise ModelError(
                    f"{score.size} scored cells of clean scans", expected="at least 2000 in one density band"
                )
            known = np.array(sorted(found))
            bands = np.arange(len(self.edges) + 1)
            nearest = known[np.abs(bands[:, None] - known[None]).argmin(axis=1)].tolist()
            tables[head] = Standardisation(
                location=tuple(found[b][0] for b in nearest), scale=tuple(found[b][1] for b in nearest)
            )
        if not tables:
            raise ModelError("no clean scans", expected="at least one to standardise scores")
        return tables


def scan_maxima(scores: dict[str, NDArray[np.float32]]) -> dict[str, float]:
    """Return the highest standardised score of each head; `NOTHING` where the head scored no cell."""
    return {head: float(np.nanmax(plane)) if np.isfinite(plane).any() else NOTHING for head, plane in scores.items()}


class AlarmCalibrator:
    """Turns clean scans of one scanner into a calibration, one scan after the other.

    Parameters
    ----------
    model : AnomalyModel
    scale : float
        Areal density that counts as 1 in the network's planes, g/cm².
    source : str
        Where the scans come from.
    """

    def __init__(self, model: AnomalyModel, *, scale: float, source: str) -> None:
        self._model = model
        self._state = ScannerCalibration(
            areal_density_edges=EDGES, standardisation={}, maxima={}, source=source, scale=scale
        )
        self._spread = ScoreSpread()
        self._maxima: dict[str, list[float]] = {}

    def tune(self, cells: MaterialMap, declaration: Declaration) -> None:
        """Add a scan of the tuning set, on the working grid."""
        self._spread.add(self._scores(cells, declaration), cells)

    def finish_tuning(self) -> None:
        """Fix location and scale; scans of the calibration set may follow.

        Raises
        ------
        ModelError
            Too few scored cells.
        """
        tables = self._spread.standardisation()
        self._state = self._state.model_copy(update={"standardisation": tables})
        self._maxima = {head: [] for head in tables}

    def add(self, cells: MaterialMap, declaration: Declaration) -> None:
        """Add a scan of the calibration set, on the working grid."""
        scores = standardised(self._scores(cells, declaration), cells, self._state)
        for head, value in scan_maxima(scores).items():
            self._maxima[head].append(value)

    def result(self) -> ScannerCalibration:
        """Return the calibration."""
        maxima = {head: tuple(sorted(values)) for head, values in self._maxima.items()}
        return ScannerCalibration(**{**self._state.model_dump(), "maxima": maxima})

    def _scores(self, cells: MaterialMap, declaration: Declaration) -> CellScores:
        return self._model.cell_scores(cells, self._model.declared_families(declaration), self._state)
