"""Split-conformal p-values of scan maxima: how often a clean scan reaches such a score anywhere.

With n clean scans that were used for nothing else, p = (1 + #{maximum_i ≥ score}) / (n + 1) is at most α with
probability at most α on a further scan of the same kind (Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random
World", 2005, doi:10.1007/b106715; Bates et al., Ann. Stat. 51 (2023) 149, doi:10.1214/22-AOS2244). The guarantee ends
where the scanner or the goods differ from the calibration scans.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import ModelError


@dataclass(frozen=True)
class ScanMaxima:
    """Highest scores of clean calibration scans, one head.

    Parameters
    ----------
    maxima : ndarray of float, (n,)
        Sorted ascending.

    Examples
    --------
    >>> layer = ScanMaxima.of([3.0, 1.0, 2.0])
    >>> layer.p_value(np.array([0.0, 2.5, 9.0]))
    array([1.  , 0.5 , 0.25], dtype=float32)
    """

    maxima: NDArray[np.float64]

    @classmethod
    def of(cls, maxima: Any) -> ScanMaxima:
        """Sort and check a collection of maxima."""
        values = np.sort(np.asarray(maxima, np.float64))
        if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
            raise ModelError(
                f"scan maxima with shape {values.shape}", expected="a finite score for every calibration scan"
            )
        return cls(values)

    def p_value(self, score: Any) -> NDArray[np.float32]:
        """Return the p-value of any array of scores; NaN scores (nothing was scored) get 1."""
        score = np.asarray(score, np.float64)
        p = np.ones(score.shape, np.float32)
        # Most places of a scan have no score.
        scored = ~np.isnan(score)
        reached = self.maxima.size - np.searchsorted(self.maxima, score[scored], side="left")
        p[scored] = (1 + reached) / (self.maxima.size + 1)
        return p

    def threshold(self, false_alarm_rate: float) -> float:
        """Return the lowest score whose p-value is at most ``false_alarm_rate``.

        Raises
        ------
        ModelError
            Too few calibration scans for so small a rate.
        """
        allowed = int(np.floor(false_alarm_rate * (self.maxima.size + 1))) - 1
        if allowed < 0:
            raise ModelError(
                f"{self.maxima.size} calibration scans cannot hold a false-alarm rate of {false_alarm_rate:g}",
                expected=f"at least {int(np.ceil(1 / false_alarm_rate)) - 1} scans",
                remedy="calibrate on more clean scans or allow more false alarms",
            )
        if allowed >= self.maxima.size:
            return -np.inf
        return float(np.nextafter(self.maxima[-allowed - 1], np.inf))


def combine(p_values: Mapping[str, float]) -> float:
    """Return one p-value for several heads: the smallest times their number (Bonferroni), at most 1.

    Valid however the heads depend on each other.

    Examples
    --------
    >>> combine({"declared": 0.004, "insert": 0.3})
    0.008
    """
    return min(1.0, min(p_values.values()) * len(p_values))
