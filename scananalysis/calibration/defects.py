"""Elements that cannot be trusted, found in the references, and their interpolation in transmission.

Cluster rule after ASTM E2698 (method only; no conformity is claimed): a pixel with fewer than five good neighbours out of eight
cannot be corrected. In a line array the pixels of one bad element are bad in every line, so two bad elements side by side leave three.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from scananalysis.core import Quality

if TYPE_CHECKING:
    from scananalysis.calibration.recipe import Defects
    from scananalysis.calibration.references import Calibration

_NEIGHBOURHOOD = 31


def find_defects(calibration: Calibration, limits: Defects) -> NDArray[np.uint32]:
    """Return flags of every element.

    Parameters
    ----------
    calibration : Calibration
    limits : Defects

    Returns
    -------
    ndarray of uint32, (channel, element)
        `DEAD`, `HOT` and `NOISY` bits.
    """
    flags = np.zeros(calibration.offset.shape, np.uint32)
    if not limits.enabled:
        return flags
    for channel in range(len(flags)):
        gain = calibration.gain[channel]
        around = median_filter(gain, _NEIGHBOURHOOD, mode="nearest")
        # An element that counts no quanta has only its electronics' noise in the open beam.
        flags[channel][gain < limits.dead_share * around] |= np.uint32(Quality.DEAD.value)
        offset = calibration.offset[channel]
        spread = 1.4826 * np.median(np.abs(offset - np.median(offset))) + calibration.dark_noise[channel].min()
        flags[channel][offset > np.median(offset) + limits.hot_sigmas * spread] |= np.uint32(Quality.HOT.value)
        noise = calibration.dark_noise[channel]
        flags[channel][noise > limits.noisy_ratio * np.median(noise)] |= np.uint32(Quality.NOISY.value)
    return flags


def interpolate_defects(
    transmission: NDArray[np.float32],
    variance: NDArray[np.float32],
    quality: NDArray[np.uint32],
    flags: NDArray[np.uint32],
) -> None:
    """Fill bad elements of one channel in place from their neighbours, and flag them.

    Parameters
    ----------
    transmission, variance : ndarray of float32, (element, line)
    quality : ndarray of uint32, (element, line)
    flags : ndarray of uint32, (element,)
        From `find_defects`.
    """
    bad = flags != 0
    if not bad.any():
        return
    quality[bad] |= flags[bad, None]
    good = np.flatnonzero(~bad)
    if good.size == 0:
        quality |= np.uint32(Quality.UNCORRECTABLE.value)
        return
    for row in np.flatnonzero(bad):
        after = int(np.searchsorted(good, row))
        low, high = good[max(after - 1, 0)], good[min(after, good.size - 1)]
        share = 0.5 if low == high else (row - low) / (high - low)
        transmission[row] = (1 - share) * transmission[low] + share * transmission[high]
        # Half the step between the neighbours is what the interpolation may miss.
        step = (transmission[high] - transmission[low]) / 2
        variance[row] = (variance[low] + variance[high]) / 2 + step**2
        quality[row] |= np.uint32(Quality.INTERPOLATED.value)
        if high - low != 2:
            quality[row] |= np.uint32(Quality.UNCORRECTABLE.value)
