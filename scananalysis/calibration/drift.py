"""Drift: the open beam's level changes slowly along a scan.

A beam monitor and pulses that are read in the image follow it line by line. Where neither is there, the elements above the load, which
see the open beam throughout, show it: a straight line over the whole scan that starts at the level of the references, fitted with the
scanner's usual drift as what is expected beforehand (Gauss-Markov estimate). What is left of its uncertainty is a shared error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scananalysis.calibration.pulse import Levels, Pulses


@dataclass(frozen=True, eq=False)
class DriftFound:
    """Change of the open beam from the first line to the last.

    Parameters
    ----------
    change, sigma : float
        Relative change at the end of the scan, and its 1-σ error; 0 where pulses are known line by line.
    effect : ndarray of float32, (channel, line)
        1-σ relative error of each line's level; 0 on lines whose pulse is known.
    """

    change: float
    sigma: float
    effect: NDArray[np.float32]


def follow_drift(
    pulses: Pulses, levels: Levels | None, usual: float, fluctuation: NDArray[np.float64]
) -> tuple[Pulses, DriftFound]:
    """Give lines without a known pulse the level that the drift gives them.

    Parameters
    ----------
    pulses : Pulses
    levels : Levels or None
        What the elements above the load read; None where they were not looked at.
    usual : float
        1-σ relative drift of the scanner along a scan; 0 changes nothing.
    fluctuation : ndarray of float64, (channel,)
        Relative 1-σ fluctuation of the beam from line to line.

    Examples
    --------
    >>> from scananalysis.calibration.pulse import Levels, unknown
    >>> ramp = np.linspace(0, 0.02, 50, dtype=np.float32)[None]
    >>> seen = Levels(1 + ramp, np.full((1, 50), 1e-3, np.float32), np.ones((1, 50), bool))
    >>> _, found = follow_drift(unknown((1, 50), np.zeros(1)), seen, 0.02, np.zeros(1))
    >>> round(found.change, 3), found.sigma < 1e-3
    (0.02, True)
    """
    channels, lines = pulses.strength.shape
    nothing = DriftFound(0.0, 0.0, np.zeros((channels, lines), np.float32))
    blind = ~pulses.known if pulses.source != "steady" else np.ones_like(pulses.known)
    blind &= ~pulses.lost
    if usual == 0 or not blind.any():
        return pulses, nothing
    ramp = np.arange(lines) / max(lines - 1, 1)
    precision, pull = 1 / usual**2, 0.0
    if levels is not None:
        weight = levels.known / (levels.sigma.astype(np.float64) ** 2 + fluctuation[:, None] ** 2 + 1e-12)
        precision += float((weight * ramp**2).sum())
        pull = float((weight * ramp * (levels.strength.astype(np.float64) - 1)).sum())
    change, sigma = pull / precision, float(1 / np.sqrt(precision))
    strength = np.where(blind, pulses.strength * (1 + change * ramp), pulses.strength).astype(np.float32)
    effect = np.where(blind, sigma * ramp / (1 + change * ramp), 0).astype(np.float32)
    return replace(pulses, strength=strength), DriftFound(change, sigma, effect)
