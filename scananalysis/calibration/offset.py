"""Offset: the reading without beam, from dark lines.

Mean readings are medians over block means, so one stray line (a pulse that leaked into the dark reference) moves them by less than
their own error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

_GROUPS = 8
MEAN_LOSS = 1.15
"""Error of a median of 8 block means over that of the plain mean, for normal noise: below √(π/2), the limit of many blocks
(Monte Carlo in ``tests/unit/calibration/test_offset.py``)."""


@dataclass(frozen=True, eq=False)
class DarkLevel:
    """Reading of every element without beam, counts.

    Parameters
    ----------
    offset, sigma : ndarray of float64, (channel, element)
        Mean reading and its 1-σ error.
    noise : ndarray of float64, (channel, element)
        1-σ noise of one reading.
    outliers : ndarray of float64, (channel, element)
        Share of readings far off the element's own median, see `outlier_share`.
    """

    offset: Float64
    sigma: Float64
    noise: Float64
    outliers: Float64


def dark_level(dark: NDArray[np.unsignedinteger]) -> DarkLevel:
    """Return offset and electronic noise from dark lines.

    Parameters
    ----------
    dark : ndarray of unsigned integer, (channel, n, element)

    Returns
    -------
    DarkLevel

    Examples
    --------
    >>> lines = np.tile(np.array([900, 950], np.uint16), (1, 16, 1))
    >>> dark_level(lines).offset
    array([[900., 950.]])
    """
    lines = dark.astype(np.float64)
    noise = lines.std(axis=1, ddof=1)
    sigma = noise / np.sqrt(lines.shape[1]) * MEAN_LOSS
    return DarkLevel(robust_mean(lines), sigma, noise, outlier_share(lines))


def robust_mean(lines: Float64) -> Float64:
    """Return the median over 8 block means along axis 1: one stray line moves it by less than its error."""
    blocks = np.array_split(lines, min(_GROUPS, lines.shape[1]), axis=1)
    middle: Float64 = np.median(np.stack([block.mean(axis=1) for block in blocks]), axis=0)
    return middle


def outlier_share(lines: Float64, sigmas: float = 4.0) -> Float64:
    """Return the share of readings more than ``sigmas`` robust σ from their element's median, (channel, element).

    Normal noise has 6·10⁻⁵ of them; an element that jumps between two levels has as many as it spends time on the other.
    The σ is at least half a count, the rounding of the converter, and 0.7 of what is usual in the array: that of one element from few
    lines is often far too small.
    """
    off = np.abs(lines - np.median(lines, axis=1, keepdims=True))
    spread = 1.4826 * np.median(off, axis=1, keepdims=True)
    spread = np.maximum(spread, np.maximum(0.7 * np.median(spread, axis=2, keepdims=True), 0.5))
    share: Float64 = (off > sigmas * spread).mean(axis=1)
    return share
