"""Conformal test martingales: evidence, scan after scan, that scans are no longer like those before them.

The p-value of a scan among *all* scans so far, ties broken at random, is uniform and independent of the earlier ones as long as scans are
exchangeable (Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005, doi:10.1007/b106715, section 8.2). Betting against
uniformity then is a fair game, so capital reaches 1/δ with probability at most δ, however long one plays (Ville's inequality). The bets
are those of the simple jumper (Vovk, Petej, Nouretdinov, Ahlberg, Carlsson, Gammerman, "Retrain or not retrain", COPA 2021, PMLR 152:191;
the use for change points: Volkhonskiy et al., COPA 2017, PMLR 60:132).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass, field

BETS = (-1.0, 0.0, 1.0)
"""Slopes ε of the betting functions 1 + ε (p − 1/2): on small p-values, on nothing, on large ones."""

JUMP = 0.01
"""Share of the capital that is spread over all bets before each scan."""


@dataclass
class Pool:
    """Values seen so far, sorted, among which a new one is ranked.

    Parameters
    ----------
    values : list of float
        Ascending.

    Examples
    --------
    >>> pool = Pool.of([3.0, 1.0, 2.0])
    >>> pool.rank(2.5, 0.5), pool.rank(2.0, 0.5)
    (0.375, 0.5)
    """

    values: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, values: Iterable[float]) -> Pool:
        """Sort a collection of values."""
        return cls(sorted(values))

    def rank(self, value: float, tie: float) -> float:
        """Return the smoothed p-value of a value: the share of values above it, itself and its ties counted ``tie`` times.

        Parameters
        ----------
        value : float
        tie : float
            Uniform between 0 and 1, drawn for this value.
        """
        above = len(self.values) - bisect_right(self.values, value)
        equal = len(self.values) - above - bisect_left(self.values, value)
        return (above + tie * (equal + 1)) / (len(self.values) + 1)

    def add(self, value: float) -> None:
        """Keep a value."""
        insort(self.values, value)


@dataclass
class Martingale:
    """Capital of a player who bets that p-values are not uniform.

    Parameters
    ----------
    contamination : float
        Share of scans that may be anything, since not every scan that passes is clean. Every bet is paid out less, by 1 + 1.5 times this
        share: half for such a scan itself, whose bet pays at most 1.5, and once for the shift of later ranks by such scans among those so
        far. To first order in the share; 0 makes the game exactly fair.
    shares : list of float
        Of the capital on each of `BETS`.
    log_capital, log_peak : float
        Natural logarithms of the capital, from 1 at the start, and of its largest value.

    Examples
    --------
    >>> game = Martingale()
    >>> for _ in range(30):
    ...     game.bet(0.05)
    >>> game.peak > 100, game.leaning
    (True, -1.0)
    """

    contamination: float = 0.0
    shares: list[float] = field(default_factory=lambda: [1 / len(BETS)] * len(BETS))
    log_capital: float = 0.0
    log_peak: float = 0.0

    def bet(self, p_value: float) -> None:
        """Play one round.

        Parameters
        ----------
        p_value : float
        """
        fee = 1 + 1.5 * self.contamination
        spread = [(1 - JUMP) * share + JUMP / len(BETS) for share in self.shares]
        won = [
            share * (1 + slope * (p_value - 0.5)) / (fee if slope else 1.0)
            for share, slope in zip(spread, BETS, strict=True)
        ]
        total = sum(won)
        self.shares = [each / total for each in won]
        self.log_capital += math.log(total)
        self.log_peak = max(self.log_peak, self.log_capital)

    @property
    def capital(self) -> float:
        """Capital, from 1 at the start."""
        return _exp(self.log_capital)

    @property
    def peak(self) -> float:
        """Largest capital so far."""
        return _exp(self.log_peak)

    @property
    def leaning(self) -> float:
        """Slope of the bet that holds most capital: −1 where p-values are too small, 1 where too large."""
        return BETS[max(range(len(BETS)), key=lambda i: self.shares[i])]


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))
