"""Gain: the signal in the open beam, what one quantum is worth in counts, and how well the monitor follows the beam.

Variance of a reading N above the offset: σ² = σ²(dark) + q·N with q = (σ²(air) − σ²(dark)) / mean(air), the photon transfer
relation (Janesick, *Photon Transfer*, SPIE 2007, doi:10.1117/3.725073). An element's q follows its own electronic gain, which differs
at random from its neighbours', while the beam changes smoothly over the array.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from scananalysis.calibration.offset import MEAN_LOSS, DarkLevel, outlier_share, robust_mean

Float64 = NDArray[np.float64]

SMOOTH_ELEMENTS = 31
"""Elements over which the beam's profile is taken as smooth."""


@dataclass(frozen=True, eq=False)
class OpenBeamLevel:
    """Open-beam signal of every element, counts above the offset.

    Parameters
    ----------
    gain, sigma : ndarray of float64, (channel, element)
        Signal at the mean monitor reading of the open-beam lines, and the error of that mean.
    noise : ndarray of float64, (channel, element)
        1-σ noise of one reading, the fluctuation that all elements of a line share taken off.
    outliers : ndarray of float64, (channel, element)
        Share of readings far off the element's own median.
    quantum, quantum_sigma : ndarray of float64, (channel,)
        Variance over mean in the open beam, typical of the channel's elements, and its relative 1-σ error.
    air_monitor : ndarray of float64, (channel,)
        Mean monitor reading; 1 without a monitor.
    monitor_sigma : ndarray of float64, (channel,)
        Relative 1-σ error of one monitor reading; without a monitor, the fluctuation of the beam from line to line.
    level_sigma : ndarray of float64, (channel,)
        Relative error of the level that all elements share.
    """

    gain: Float64
    sigma: Float64
    noise: Float64
    outliers: Float64
    quantum: Float64
    quantum_sigma: Float64
    air_monitor: Float64
    monitor_sigma: Float64
    level_sigma: Float64


def open_beam(
    air: NDArray[np.unsignedinteger],
    dark: DarkLevel,
    monitor: NDArray[np.floating] | None = None,
    correct: Callable[[Float64], float] | None = None,
) -> OpenBeamLevel:
    """Return gain and noise from open-beam lines.

    Parameters
    ----------
    air : ndarray of unsigned integer, (channel, n, element)
    dark : DarkLevel
    monitor : ndarray of float, (channel, n), optional
        Beam monitor reading of every line.
    correct : callable, optional
        Takes readings above the offset, (channel, n, element), to signals in place, and returns by how much that raises
        the variance of the electronic noise.

    Returns
    -------
    OpenBeamLevel

    Examples
    --------
    >>> from scananalysis.calibration.offset import dark_level
    >>> rng = np.random.default_rng(0)
    >>> dark = dark_level(np.full((1, 200, 50), 900, np.uint16))
    >>> air = (900 + rng.poisson(40_000 / 5, (1, 200, 50)) * 5).astype(np.uint16)
    >>> found = open_beam(air, dark)
    >>> bool(abs(found.gain.mean() - 40_000) < 20), bool(abs(found.quantum[0] - 5) < 0.3)
    (True, True)
    """
    signal = air.astype(np.float64) - dark.offset[:, None]
    electronic = dark.noise**2 * (1.0 if correct is None else correct(signal))
    lines = signal.shape[1]
    line = common_mode(signal)
    flat = signal / line[:, :, None]
    noise = flat.std(axis=1, ddof=1)
    gain = robust_mean(flat)
    if monitor is None:
        # Without a monitor the fluctuation of the beam cannot be told from its level: the spread of the lines is its error.
        air_monitor, ratio = np.ones(signal.shape[0]), line
    else:
        reading = monitor.astype(np.float64)
        air_monitor = reading.mean(axis=1)
        ratio = line / (reading / air_monitor[:, None])
    level = ratio.mean(axis=1)
    monitor_sigma = ratio.std(axis=1, ddof=1) / level
    with np.errstate(divide="ignore", invalid="ignore"):
        each = (noise**2 - electronic) / np.where(gain > 0, gain, np.nan)
    known = np.isfinite(each).sum(axis=1)
    quantum = np.array([np.nanmedian(row) if n else 0.0 for row, n in zip(each, known, strict=True)])
    # A variance from n lines is good to √(2/(n−1)); a median over elements loses √(π/2) against their mean.
    quantum_sigma = np.sqrt(2 / (lines - 1)) * 1.2533 / np.sqrt(np.maximum(known, 1))
    return OpenBeamLevel(
        gain * level[:, None],
        noise / np.sqrt(lines) * MEAN_LOSS * level[:, None],
        noise * level[:, None],
        outlier_share(flat),
        np.maximum(quantum, 0),
        quantum_sigma,
        air_monitor,
        monitor_sigma,
        monitor_sigma / np.sqrt(lines),
    )


def quantum_of_elements(quantum: Float64, gain: Float64) -> Float64:
    """Return the worth of a quantum for every element, (channel, element), counts.

    It follows the element's gain against the smooth profile of the beam.
    """
    size = min(SMOOTH_ELEMENTS, gain.shape[1])
    # Row by row: SciPy has a fast way in one dimension.
    smooth = np.stack([median_filter(row, size, mode="mirror") for row in gain])
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where((smooth > 0) & (gain > 0), gain / smooth, 1.0)
    found: Float64 = quantum[:, None] * relative
    return found


def common_mode(signal: Float64) -> Float64:
    """Return each line's level relative to all lines, (channel, n), from the median over elements."""
    mean = signal.mean(axis=1, keepdims=True)
    lit = mean > 0.05 * np.median(mean, axis=2, keepdims=True)
    level = np.ones(signal.shape[:2])
    for c in range(len(signal)):
        good = lit[c, 0] & (mean[c, 0] > 0)
        if good.any():
            # The median over elements has its own noise, σ/√E, far below one element's.
            level[c] = np.median(signal[c][:, good] / mean[c][:, good], axis=1)
    return level
