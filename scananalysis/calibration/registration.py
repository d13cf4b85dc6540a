"""Brings interlaced energies to the same positions.

The two energies fire on alternate pulses, so the low channel sees the load half a line later. Shifting one channel alone would blur it
and leave the other sharp, which draws false edges in atomic number. Both are therefore shifted towards each other by half of the
distance: linear interpolation with weights that mirror each other blurs both alike. Pixels are resampled this once, so the picture
stands a quarter of a line behind the high-energy pulses.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scananalysis.calibration.imagelag import lag_of_image
from scananalysis.core import CalibrationError, Quality, RawScan

_LARGEST_RECORDED = 1.25
_INTERPOLATED = np.uint32(Quality.INTERPOLATED.value)


def line_shift(scan: RawScan, *, interlaced: bool, line_pitch_mm: float, columns: int = 1) -> tuple[float, str]:
    """Return by how many lines the low channel lags, and where that is known from.

    Parameters
    ----------
    scan : RawScan
    interlaced : bool
        Whether the scanner fires its energies in turn.
    line_pitch_mm : float
    columns : int
        Lines that one pulse gives: the low energy fires half of the time between pulses later, that many half lines.

    Returns
    -------
    lag : float
        Positive where the low channel sees the load later.
    source : {"none", "positions", "image", "scanner"}
        Recorded positions; else, for an air-normalised image, whose direction of travel a file need not keep, the image
        itself; else the scanner's timing.

    Raises
    ------
    CalibrationError
        Recorded positions are more than a line and a quarter apart or not finite.
    """
    if scan.shape[0] != 2:
        return 0.0, "none"
    if scan.position_mm is not None:
        lag = float(np.median(scan.position_mm[1] - scan.position_mm[0]))
        # Two columns lag by one line, more or less where the load moves unevenly.
        if not np.isfinite(lag) or abs(lag) > _LARGEST_RECORDED * line_pitch_mm:
            raise CalibrationError(
                f"low-energy lines stand {lag:.1f} mm after the high-energy ones",
                expected=f"at most one line ({line_pitch_mm:g} mm) apart, and a quarter for uneven travel",
                remedy="check the recorded positions, or leave them out",
            )
        # A millionth of a line is below anything that matters; rounding makes a stream and a whole file agree to the bit.
        return round(lag / line_pitch_mm, 6), "positions"
    if not interlaced:
        return 0.0, "none"
    if scan.stage == "air-normalised":
        return round(lag_of_image(scan.counts), 3), "image"
    return 0.5 * columns, "scanner"


def noise_area(shift: float) -> float:
    """Return the noise power at zero frequency over the pixel variance after a shift by ``shift`` lines.

    Linear interpolation keeps the sum of a line of noise and lowers a pixel's variance to s² + (1 − s)² of what it was.

    Examples
    --------
    >>> noise_area(0.25), noise_area(0.0)
    (1.6, 1.0)
    """
    return 1.0 / (shift**2 + (1 - abs(shift)) ** 2)


def shift_lines(
    transmission: NDArray[np.float32], variance: NDArray[np.float32], quality: NDArray[np.uint32], shift: float
) -> None:
    """Move one channel along the lines in place, by linear interpolation in transmission.

    Parameters
    ----------
    transmission, variance : ndarray of float32, (line, element)
    quality : ndarray of uint32, (line, element)
        A resampled pixel carries the flags of both its sources; the outermost line, which has one source only, stays as it
        is and is flagged `INTERPOLATED`.
    shift : float
        Position at which the new samples stand, in lines after the old ones; between −1 and 1.
    """
    if shift == 0:
        return
    here, other, edge = _ends(shift)
    share = np.float32(abs(shift))
    for plane, far, near in ((transmission, share, 1 - share), (variance, share**2, (1 - share) ** 2)):
        _mix(plane, here, other, far, near)
    flags = quality[other].copy()
    quality[here] |= flags
    quality[edge] |= _INTERPOLATED


def shift_plane(plane: NDArray[np.float32], shift: float) -> None:
    """Move a plane along the lines in place as `shift_lines` moves transmission.

    Examples
    --------
    >>> plane = np.array([[0.0], [1.0], [2.0]], np.float32)
    >>> shift_plane(plane, 0.25)
    >>> plane.ravel()
    array([0.25, 1.25, 2.  ], dtype=float32)
    """
    if shift == 0:
        return
    here, other, _ = _ends(shift)
    share = np.float32(abs(shift))
    _mix(plane, here, other, share, 1 - share)


def _ends(shift: float) -> tuple[slice, slice, int]:
    later, earlier = slice(1, None), slice(None, -1)
    return (earlier, later, -1) if shift > 0 else (later, earlier, 0)


def _mix(plane: NDArray[np.float32], here: slice, other: slice, far: np.float32, near: np.float32) -> None:
    moved = plane[other] * far
    plane[here] *= near
    plane[here] += moved
