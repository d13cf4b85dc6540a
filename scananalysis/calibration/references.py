"""What the references say of every element: offset, gain, noise, and what one quantum is worth in counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import CalibrationError, RawScan, sha256_array

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Values of every element with their errors, and where they came from.

    Parameters
    ----------
    scanner : str
    binning : (int, int)
    offset, offset_sigma : ndarray of float64, (channel, element)
        Mean reading without beam and the error of that mean, counts.
    dark_noise : ndarray of float64, (channel, element)
        1-σ noise of one dark reading, counts.
    gain, gain_sigma : ndarray of float64, (channel, element)
        Open-beam signal above the offset at monitor 1, and the error of that mean, counts.
    quantum : ndarray of float64, (channel,)
        Variance over mean of the open-beam signal, counts: what one detected quantum is worth.
    monitor_sigma : ndarray of float64, (channel,)
        Relative 1-σ error of one monitor reading; 0 without a monitor.
    air_monitor : ndarray of float64, (channel,)
        Mean monitor reading of the open-beam lines; 1 without a monitor.
    curves : mapping of str to ndarray, or None
        Material curves that were measured with it.
    inputs : mapping of str to str
        sha256 of the references by role.
    metadata : mapping
    """

    scanner: str
    binning: tuple[int, int]
    offset: Float64
    offset_sigma: Float64
    dark_noise: Float64
    gain: Float64
    gain_sigma: Float64
    quantum: Float64
    monitor_sigma: Float64
    air_monitor: Float64
    curves: Mapping[str, NDArray[Any]] | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_references(cls, scan: RawScan) -> Calibration:
        """Build the calibration from the dark and open-beam lines inside a scan.

        Offset and gain are medians of blocks of lines averaged (robust against a stray line) with the error of a mean;
        noise of the open beam is judged after the fluctuation common to all elements of a line is taken off.

        Raises
        ------
        CalibrationError
            A reference is missing or too short.
        """
        missing = [name for name in ("dark", "air") if getattr(scan, name) is None]
        if scan.dark is None or scan.air is None:
            raise CalibrationError(
                f"no {' and no '.join(missing)} reference in the scan",
                expected="dark and open-beam lines",
                remedy="give a calibration set that was built for this scanner",
            )
        if min(scan.dark.shape[1], scan.air.shape[1]) < 8:
            raise CalibrationError(
                f"{scan.dark.shape[1]} dark and {scan.air.shape[1]} open-beam lines", expected="at least 8 of each"
            )
        dark = scan.dark.astype(np.float64)
        offset, dark_noise = robust_mean(dark), dark.std(axis=1, ddof=1)
        offset_sigma = dark_noise / np.sqrt(dark.shape[1]) * _MEAN_LOSS
        signal = scan.air.astype(np.float64) - offset[:, None]
        monitor = None if scan.air_monitor is None else scan.air_monitor.astype(np.float64)
        air_monitor = np.ones(signal.shape[0]) if monitor is None else monitor.mean(axis=1)
        line = common_mode(signal)
        flat = signal / line[:, :, None]
        gain = robust_mean(flat)
        noise = flat.std(axis=1, ddof=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            quantum = np.nanmedian((noise**2 - dark_noise**2) / np.where(gain > 0, gain, np.nan), axis=1)
        if monitor is None:
            # Without a monitor the fluctuation of the beam cannot be told from its level: the spread of the lines is its error.
            level = line.mean(axis=1)
            monitor_sigma = line.std(axis=1, ddof=1) / level
        else:
            ratio = line / (monitor / air_monitor[:, None])
            level = ratio.mean(axis=1)
            monitor_sigma = ratio.std(axis=1, ddof=1) / level
        gain_sigma = noise / np.sqrt(signal.shape[1]) * _MEAN_LOSS * level[:, None]
        return cls(
            scan.scanner,
            scan.binning,
            offset,
            offset_sigma,
            dark_noise,
            gain * level[:, None],
            gain_sigma,
            np.maximum(quantum, 0),
            monitor_sigma,
            air_monitor,
            inputs={"dark": sha256_array(scan.dark), "air": sha256_array(scan.air)},
        )

    def check_fits(self, scan: RawScan) -> None:
        """Refuse a scan of another scanner, binning or element count.

        Raises
        ------
        CalibrationError
        """
        found = (scan.scanner, tuple(scan.binning), (scan.shape[0], scan.shape[2]))
        expected = (self.scanner, tuple(self.binning), self.offset.shape)
        for name, a, b in zip(("scanner", "binning", "channels and elements"), found, expected, strict=True):
            if a != b:
                raise CalibrationError(
                    f"scan has {name} {a}", expected=f"{b} as the calibration set", remedy="use a set of this scanner"
                )


_GROUPS = 8
_MEAN_LOSS = 1.2
"""Error of a median of 8 block means over that of the plain mean, for normal noise: √(π/2) less the finite-sample gain
(Monte Carlo in ``tests/unit/calibration/test_references.py``)."""


def robust_mean(lines: Float64) -> Float64:
    """Return the median over 8 block means along axis 1: one stray line moves it by less than its error."""
    blocks = np.array_split(lines, _GROUPS, axis=1)
    middle: Float64 = np.median(np.stack([block.mean(axis=1) for block in blocks]), axis=0)
    return middle


def common_mode(signal: Float64) -> Float64:
    """Return each line's level relative to all lines, (channel, n), from the median over elements."""
    mean = signal.mean(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(mean > 0.05 * np.median(mean, axis=2, keepdims=True), signal / mean, np.nan)
    # The median over elements has its own noise, σ/√E, far below one element's.
    level: Float64 = np.nanmedian(ratio, axis=2)
    return level
