"""Statistics of detected scans: exact intervals, separation, and whether realised false alarms fit the nominal rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import beta, betabinom, binomtest, rankdata


def clopper_pearson(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact confidence interval of a rate (Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404).

    Examples
    --------
    >>> tuple(round(v, 3) for v in clopper_pearson(95, 100))
    (0.887, 0.984)
    """
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else float(beta.ppf(tail, hits, trials - hits + 1))
    high = 1.0 if hits == trials else float(beta.ppf(1 - tail, hits + 1, trials - hits))
    return low, high


@dataclass(frozen=True)
class Rate:
    """Detected scans of some kind."""

    hits: int
    trials: int

    @classmethod
    def of(cls, outcomes: Sequence[bool]) -> Rate:
        """Count outcomes."""
        return cls(sum(map(bool, outcomes)), len(outcomes))

    def to_dict(self) -> dict[str, Any]:
        """Return rate and interval as plain values."""
        low, high = clopper_pearson(self.hits, self.trials)
        return {"hits": self.hits, "trials": self.trials, "rate": self.hits / self.trials, "low": low, "high": high}


def auroc(low: Sequence[float], high: Sequence[float]) -> float:
    """Return the probability that a value of ``high`` exceeds one of ``low``, ties counting half.

    Mann and Whitney (Ann. Math. Stat. 18 (1947) 50, doi:10.1214/aoms/1177730491).

    Examples
    --------
    >>> auroc([0.0, 1.0], [1.0, 2.0])
    0.875
    """
    ranks = rankdata([*low, *high])
    n, m = len(low), len(high)
    return float((ranks[n:].sum() - m * (m + 1) / 2) / (n * m))


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value that two models differ on the same scans (McNemar, Psychometrika 12 (1947) 153).

    Examples
    --------
    >>> round(mcnemar(9, 1), 4), mcnemar(0, 0)
    (0.0215, 1.0)
    """
    return float(binomtest(only_first, only_first + only_second).pvalue) if only_first + only_second else 1.0


def expected_alarms(rate: float, calibration: int, trials: int, confidence: float = 0.95) -> tuple[int, int]:
    """Return the range of alarms that fits a nominal rate: a finite calibration set makes the true rate itself random.

    With n calibration scans a head alarms from the k-th highest score on, k = ⌊rate·(n + 1)⌋. On exchangeable scans its true rate,
    given the calibration set, is Beta(k, n + 1 − k), and the number of alarms in m further scans is beta-binomial (Vovk, Mach. Learn.
    92 (2013) 349, doi:10.1007/s10994-013-5355-6; Angelopoulos and Bates, Found. Trends Mach. Learn. 16 (2023) 494,
    doi:10.1561/2200000101).

    Parameters
    ----------
    rate : float
        Nominal false-alarm rate of one head.
    calibration, trials : int
        Clean scans that calibrate, and those that were tried.
    confidence : float
        Of the central range.

    Returns
    -------
    (int, int)
        Lowest and highest number of alarms that is no surprise.

    Examples
    --------
    >>> expected_alarms(0.01, 1000, 1000)
    (3, 20)
    >>> expected_alarms(0.001, 500, 1000)
    (0, 0)
    """
    k = math.floor(rate * (calibration + 1) + 1e-9)
    if k == 0:
        # The smallest p-value is above the rate: no alarm is possible.
        return 0, 0
    if k > calibration:
        # No p-value is above the rate.
        return trials, trials
    found = betabinom(trials, k, calibration + 1 - k)
    tail = (1 - confidence) / 2
    low = int(found.ppf(tail))
    # ppf is the least count with at least that probability below or at it.
    return max(low, 0), int(found.ppf(1 - tail))


def realised(
    alarms: Mapping[str, Sequence[bool]], rate: float, calibration: int, *, confidence: float = 0.95
) -> dict[str, Any]:
    """Hold the false alarms of a head, in several groups of clean scans at once, against its nominal rate.

    Parameters
    ----------
    alarms : mapping of str to sequence of bool
        By group: whether each clean scan alarmed.
    rate : float
        Nominal, of the head.
    calibration : int
        Clean scans that calibrate the head.
    confidence : float
        That all groups together lie in their ranges (Bonferroni: valid although groups share the calibration set).

    Returns
    -------
    dict
        ``groups[name]`` with alarms, trials, rate and the range that fits; ``consistent``: whether all do.

    Examples
    --------
    >>> found = realised({"sugar": [False] * 100, "steel": [True] * 30 + [False] * 70}, 0.01, 1000)
    >>> found["groups"]["sugar"]["fits"], found["groups"]["steel"]["fits"], found["consistent"]
    (True, False, False)
    """
    each = 1 - (1 - confidence) / max(1, len(alarms))
    groups = {}
    for name, outcomes in alarms.items():
        count, trials = sum(map(bool, outcomes)), len(outcomes)
        low, high = expected_alarms(rate, calibration, trials, each)
        groups[name] = {
            "alarms": count,
            "trials": trials,
            "rate": count / trials,
            "least": low,
            "most": high,
            "fits": low <= count <= high,
        }
    return {
        "nominal": rate,
        "calibration_scans": calibration,
        "confidence": confidence,
        "groups": groups,
        "consistent": all(group["fits"] for group in groups.values()),
    }
