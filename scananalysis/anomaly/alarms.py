"""Calibrates false alarms: what clean scans score, so that a score can be turned into a p-value.

Two disjoint sets of clean scans are needed: a tuning set gives, for each head and family of goods, where the highest scores of
clean loads lie and how far they spread; a calibration set gives the highest standardised score of every scan. Both must be
disjoint from training.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from scananalysis.anomaly.metadata import ScannerCalibration, Standardisation
from scananalysis.anomaly.model import AnomalyModel, CellScores, standardised
from scananalysis.core import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.core import Declaration, MaterialMap

NOTHING = -1e6
"""Highest score of a scan on which a head scored nothing (an empty container)."""

_LEAST_CELLS = 6
"""Goods of a family that cover fewer cells say nothing of the family."""

_LEAST_LOADS = 2
_LEAST_SCANS = 8
_PRIOR_SCANS = 5.0
"""A family seen in n scans counts n/(n + 5) itself, and otherwise like all families together."""

_LEAST_SCALE = 0.3
"""Smallest spread, in log-odds: a few scans that agree by chance must not make a family look certain."""


@dataclass
class ScoreSpread:
    """Gathers the highest raw scores of clean scans by family and turns them into a standardisation.

    Parameters
    ----------
    families : int
        Number of families.
    """

    families: int
    _maxima: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    def add(self, scores: CellScores) -> None:
        """Add the cells of one clean scan."""
        for head, plane in scores.score.items():
            known = np.isfinite(plane)
            values, family = plane[known], scores.reference[known]
            found = self._maxima.setdefault(head, [])
            for each in np.unique(family):
                own = values[family == each]
                if own.size >= _LEAST_CELLS:
                    found.append((int(each), float(own.max())))

    def standardisation(self) -> dict[str, Standardisation]:
        """Return location (median of the scans' maxima) and scale (80th percentile above it) by head and family.

        The tail decides false alarms, so the scale is taken above the median.

        Raises
        ------
        ModelError
            Too few scans had any goods.
        """
        tables = {}
        for head, found in self._maxima.items():
            if len(found) < _LEAST_LOADS:
                raise ModelError(
                    f"{len(found)} loads in clean scans that the model takes for goods",
                    expected=f"at least {_LEAST_LOADS}",
                    remedy="give more clean scans, or train the model longer",
                )
            family, highest = np.array([f for f, _ in found]), np.array([value for _, value in found])
            location, scale = (np.full(self.families, value) for value in _middle_and_spread(highest))
            for each in range(self.families):
                own = highest[family == each]
                if own.size >= _LEAST_SCANS:
                    weight = own.size / (own.size + _PRIOR_SCANS)
                    middle, spread = _middle_and_spread(own)
                    location[each] += weight * (middle - location[each])
                    scale[each] += weight * (spread - scale[each])
            scale = np.maximum(scale, _LEAST_SCALE)
            tables[head] = Standardisation(location=tuple(location.tolist()), scale=tuple(scale.tolist()))
        if not tables:
            raise ModelError("no clean scans", expected="at least one to standardise scores")
        return tables


def _middle_and_spread(values: NDArray[np.float64]) -> tuple[float, float]:
    middle, high = np.quantile(values, [0.5, 0.8])
    return float(middle), float(high - middle)


def scan_maxima(scores: dict[str, NDArray[np.float32]]) -> dict[str, float]:
    """Return the highest standardised score of each head; `NOTHING` where the head scored no cell."""
    return {head: float(np.nanmax(plane)) if np.isfinite(plane).any() else NOTHING for head, plane in scores.items()}


def uncalibrated(source: str, scale: float) -> ScannerCalibration:
    """Return the state in which a model scores scans that are to calibrate it."""
    return ScannerCalibration(standardisation={}, maxima={}, source=source, scale=scale)


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
        self._state = uncalibrated(source, scale)
        self._spread = ScoreSpread(len(model.families))
        self._maxima: dict[str, list[float]] = {}

    def tune(self, cells: MaterialMap, declaration: Declaration) -> None:
        """Add a scan of the tuning set, on the working grid."""
        self.tune_scores(self._scores(cells, declaration))

    def tune_scores(self, scores: CellScores) -> None:
        """Add a scan of the tuning set that the model has scored."""
        self._spread.add(scores)

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
        self.add_scores(self._scores(cells, declaration))

    def add_scores(self, scores: CellScores) -> None:
        """Add a scan of the calibration set that the model has scored."""
        for head, value in scan_maxima(standardised(scores, self._state)).items():
            self._maxima[head].append(value)

    def result(self) -> ScannerCalibration:
        """Return the calibration."""
        maxima = {head: tuple(sorted(values)) for head, values in self._maxima.items()}
        return ScannerCalibration(**{**self._state.model_dump(), "maxima": maxima})

    def _scores(self, cells: MaterialMap, declaration: Declaration) -> CellScores:
        return self._model.cell_scores(cells, self._model.declared_families(declaration), self._state)
