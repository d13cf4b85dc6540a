"""Brings interlaced energies to the same positions.

The two energies fire on alternate pulses, so the low channel sees the load half a line later. Shifting one channel alone would blur it
and leave the other sharp, which draws false edges in atomic number. Both are therefore shifted towards each other by half of the
distance: linear interpolation with weights that mirror each other blurs both alike. Pixels are resampled this once, so the picture
stands a quarter of a line behind the high-energy pulses.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import Quality, RawScan

_INTERPOLATED = np.uint32(Quality.INTERPOLATED.value)


def line_shift(scan: RawScan, *, interlaced: bool, line_pitch_mm: float) -> float:
    """Return by how many lines the low channel lags, from the recorded positions or, failing those, the scanner's timing."""
    if scan.shape[0] != 2:
        return 0.0
    if scan.position_mm is not None:
        lag = float(np.median(scan.position_mm[1] - scan.position_mm[0]))
        # A millionth of a line is below anything that matters; rounding makes a stream and a whole file agree to the bit.
        return round(lag / line_pitch_mm, 6)
    return 0.5 if interlaced else 0.0


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
    later, earlier = slice(1, None), slice(None, -1)
    here, other, edge = (earlier, later, -1) if shift > 0 else (later, earlier, 0)
    share = np.float32(abs(shift))
    for plane, far, near in ((transmission, share, 1 - share), (variance, share**2, (1 - share) ** 2)):
        moved = plane[other] * far
        plane[here] *= near
        plane[here] += moved
    flags = quality[other].copy()
    quality[here] |= flags
    quality[edge] |= _INTERPOLATED
