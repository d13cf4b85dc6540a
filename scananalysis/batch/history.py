"""What the archive itself says of a consignor, a commodity or a route: alarm rates, drawn towards the whole where little is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_STRENGTH, MOST_STRENGTH = 4.0, 1e6
"""Bounds on how many scans the archive's own rate counts for."""


@dataclass(frozen=True)
class History:
    """Alarm rates of groups, as every scan's *other* scans show them.

    Parameters
    ----------
    rate : ndarray of float64, (scan,)
        Shrunk rate of the scan's group without the scan itself; the archive's rate where there is no group.
    alarms, scans : ndarray of int64, (scan,)
        Of the scan's group without the scan itself.
    archive : float
        Alarm rate of the whole archive.
    strength : float
        How many scans the archive's rate counts for.
    """

    rate: NDArray[np.float64]
    alarms: NDArray[np.int64]
    scans: NDArray[np.int64]
    archive: float
    strength: float


def history(group: NDArray[np.int64], alarmed: NDArray[np.bool_], judged: NDArray[np.bool_]) -> History:
    """Return shrunk alarm rates.

    A beta prior around the archive's rate, as wide as the groups differ beyond chance. Its width comes from the method of moments for
    proportions of unequal counts (Kleinman 1973, Journal of the American Statistical Association 68, 46-54), with the weights of
    DerSimonian and Laird (1986, doi:10.1016/0197-2456(86)90046-2). A scan does not count in its own history.

    Parameters
    ----------
    group : ndarray of int64, (scan,)
        Number of the group, −1 for none.
    alarmed : ndarray of bool, (scan,)
    judged : ndarray of bool, (scan,)
        Scans that could be judged; the others count neither way.

    Returns
    -------
    History

    Examples
    --------
    >>> group = np.repeat([0, 1], [200, 200])
    >>> alarmed = np.arange(400) % 20 == 0
    >>> alarmed[:60] = True
    >>> found = history(group, alarmed, np.ones(400, bool))
    >>> float(found.rate[0].round(2)), float(found.rate[-1].round(2)), round(found.archive, 2)
    (0.33, 0.05, 0.19)
    """
    count = int(group.max(initial=-1)) + 1
    known = (group >= 0) & judged
    n = np.bincount(group[known], minlength=count).astype(np.int64)
    a = np.bincount(group[known], weights=alarmed[known], minlength=count).astype(np.int64)
    total = int(judged.sum())
    archive = float((alarmed & judged).sum() / total) if total else 0.0
    strength = _strength(n[n > 0].astype(np.float64), a[n > 0].astype(np.float64))
    own = np.where(group >= 0, group, 0)
    has = group >= 0 if count else np.zeros(len(group), bool)
    others = np.where(has, n[own] if count else 0, 0) - (known & has)
    hits = np.where(has, a[own] if count else 0, 0) - (known & has & alarmed)
    rate = (hits + strength * archive) / (others + strength)
    return History(rate, hits, others, archive, strength)


def _strength(n: NDArray[np.float64], a: NDArray[np.float64]) -> float:
    total = n.sum()
    if len(n) < 2 or total == 0:
        return MOST_STRENGTH
    mean = a.sum() / total
    spread = mean * (1 - mean)
    if spread == 0:
        return MOST_STRENGTH
    between = (n * (a / n - mean) ** 2).sum() - (len(n) - 1) * spread
    variance = between / (total - (n**2).sum() / total)
    if variance <= 0:
        return MOST_STRENGTH
    return float(np.clip(spread / variance - 1, LEAST_STRENGTH, MOST_STRENGTH))
