"""The logarithm, with the flags that say where it is not a measurement.

A single starved pixel's α is biased by about half its variance even with a perfect calibration, since the logarithm is curved. It is
left as it is and flagged: means over regions are taken in transmission where that matters, and bias is judged there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import Quality

if TYPE_CHECKING:
    from scananalysis.calibration.recipe import Logarithm

Float32 = NDArray[np.float32]

_STARVED = np.uint32(Quality.STARVED.value)
_NEGATIVE = np.uint32(Quality.NEGATIVE.value)


def mark_starved(transmission: Float32, quality: NDArray[np.uint32], zero_noise: Float32, limits: Logarithm) -> None:
    """Flag pixels below ``starved_sigmas`` of the noise without beam as `STARVED`.

    It comes before registration: a resampled pixel carries the flags of both its sources.

    Parameters
    ----------
    transmission : ndarray of float32, (line, element)
    quality : ndarray of uint32, (line, element)
    zero_noise : ndarray of float32, (element,)
        1-σ noise of transmission without beam.
    limits : Logarithm
    """
    starved = transmission < np.float32(limits.starved_sigmas) * zero_noise
    if starved.any():
        quality[starved] |= _STARVED


def attenuate(
    transmission: Float32,
    variance: Float32,
    quality: NDArray[np.uint32],
    zero_noise: Float32,
    limits: Logarithm,
    shared: tuple[Float32, Float32] | None = None,
) -> Float32:
    """Return the attenuation, and turn the variance of transmission into that of attenuation in place.

    Parameters
    ----------
    transmission, variance : ndarray of float32, (line, element)
        ``variance`` is overwritten; ``transmission`` is raised to the level of the floor.
    quality : ndarray of uint32, (line, element)
        Flags are added.
    zero_noise : ndarray of float32, (element,)
        1-σ noise of transmission without beam.
    limits : Logarithm
    shared : (ndarray of float32 (element,), ndarray of float32 (line,)), optional
        Relative shared errors of gain and pulse; noise and these together say what is brighter than the open beam.

    Returns
    -------
    ndarray of float32, (line, element)
        α = −ln T with variance σ²(T)/T².

    Notes
    -----
    Where transmission is below half a σ of the noise without beam (such a pixel is `STARVED`, see `mark_starved`), α stands at
    that level, a lower limit. A pixel brighter than the open beam by more than ``negative_sigmas`` is `NEGATIVE`.

    Examples
    --------
    >>> from scananalysis.calibration.recipe import Logarithm
    >>> T, variance = np.array([[1.1, 0.1, 0.0]], np.float32), np.full((1, 3), 1e-6, np.float32)
    >>> quality = np.zeros((1, 3), np.uint32)
    >>> attenuate(T, variance, quality, np.full(3, 1e-4, np.float32), Logarithm()).round(1), quality == _NEGATIVE
    (array([[-0.1,  2.3,  9.9]], dtype=float32), array([[ True, False, False]]))
    """
    import cv2

    np.maximum(transmission, np.maximum(zero_noise / 2, np.float32(1e-9)), out=transmission)
    above = transmission - np.float32(1)
    above *= np.abs(above)
    too_bright = above > np.float32(limits.negative_sigmas**2) * variance
    if shared is not None and too_bright.any():
        gain, pulse = shared
        too_bright &= above > np.float32(limits.negative_sigmas**2) * (variance + gain**2 + pulse[:, None] ** 2)
    if too_bright.any():
        quality[too_bright] |= _NEGATIVE
    variance /= transmission
    variance /= transmission
    # The vectorised logarithm of OpenCV gives the same bits wherever in a block a pixel stands; a test holds it to that.
    alpha: Float32 = np.asarray(cv2.log(transmission), np.float32)
    return np.negative(alpha, out=alpha)
