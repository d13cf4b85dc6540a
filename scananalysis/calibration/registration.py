"""Brings interlaced energies to the same positions.

The two energies fire on alternate pulses, so the low channel sees the load half a line later. Shifting one channel alone would blur it
and leave the other sharp, which draws false edges in atomic number. Both are therefore shifted towards each other by half of the
distance: linear interpolation with weights that mirror each other blurs both alike. Pixels are resampled this once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import Quality, RawScan


def line_shift(scan: RawScan, *, interlaced: bool, line_pitch_mm: float) -> float:
    """Return by how many lines the low channel lags, from the recorded positions or, failing those, the scanner's timing."""
    if scan.shape[0] != 2:
        return 0.0
    if scan.position_mm is not None:
        lag = float(np.median(scan.position_mm[1] - scan.position_mm[0]))
        return lag / line_pitch_mm
    return 0.5 if interlaced else 0.0


def noise_area(shift: float) -> float:
    """Return the noise power at zero frequency over the pixel variance after a shift by ``shift`` lines.

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
    transmission, variance : ndarray of float32, (element, line)
    quality : ndarray of uint32, (element, line)
        A resampled pixel carries the flags of both its sources; the outermost line, which has one source only, is
        flagged `INTERPOLATED`.
    shift : float
        Position at which the new samples stand, in lines after the old ones; between −1 and 1.
    """
    share = np.float32(abs(shift))
    if share == 0:
        return
    ahead = (slice(None), slice(None, -1)), (slice(None), slice(1, None))
    here, other = ahead if shift > 0 else ahead[::-1]
    edge = -1 if shift > 0 else 0
    moved = (1 - share) * transmission[here] + share * transmission[other]
    spread = (1 - share) ** 2 * variance[here] + share**2 * variance[other]
    flags = quality[here] | quality[other]
    transmission[here], variance[here], quality[here] = moved, spread, flags
    quality[:, edge] |= np.uint32(Quality.INTERPOLATED.value)
