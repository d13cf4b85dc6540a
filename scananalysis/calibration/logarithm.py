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
_MANY = 8
"""Of one element in so many it is quicker to look at every pixel than to pick."""


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
    limit = np.float32(limits.starved_sigmas) * zero_noise
    some = _elements(transmission.min(axis=0) < limit) if limit.ndim == 1 else slice(None)
    if some is not None:
        _flag(quality, some, transmission[:, some] < (limit[some] if limit.ndim == 1 else limit), _STARVED)


def _elements(wanted: NDArray[np.bool_]) -> slice | NDArray[np.intp] | None:
    """Return where a few elements stand, all of them where there are many, None where there is none."""
    found = np.flatnonzero(wanted)
    if found.size == 0:
        return None
    return found if _MANY * found.size < wanted.size else slice(None)


def _flag(
    quality: NDArray[np.uint32], some: slice | NDArray[np.intp], where: NDArray[np.bool_], flag: np.uint32
) -> None:
    if isinstance(some, slice):
        np.bitwise_or(quality, flag, out=quality, where=where)
    else:
        quality[:, some] |= where * flag


def attenuate(
    transmission: Float32,
    variance: Float32,
    quality: NDArray[np.uint32],
    zero_noise: Float32,
    limits: Logarithm,
    shared: tuple[Float32, Float32] | None = None,
) -> tuple[Float32, Float32]:
    """Return the attenuation and one over transmission, and turn the variance of transmission into that of attenuation in place.

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
    attenuation, inverse : ndarray of float32, (line, element)
        α = −ln T with variance σ²(T)/T², and 1/T.

    Notes
    -----
    Where transmission is below half a σ of the noise without beam (such a pixel is `STARVED`, see `mark_starved`), α stands at
    that level, a lower limit. A pixel brighter than the open beam by more than ``negative_sigmas`` is `NEGATIVE`.

    Examples
    --------
    >>> from scananalysis.calibration.recipe import Logarithm
    >>> T, variance = np.array([[1.1, 0.1, 0.0]], np.float32), np.full((1, 3), 1e-6, np.float32)
    >>> quality = np.zeros((1, 3), np.uint32)
    >>> attenuate(T, variance, quality, np.full(3, 1e-4, np.float32), Logarithm())[0].round(1), quality == _NEGATIVE
    (array([[-0.1,  2.3,  9.9]], dtype=float32), array([[ True, False, False]]))
    """
    import cv2

    floor = np.maximum(zero_noise / 2, np.float32(1e-9))
    low = _elements(transmission.min(axis=0) < floor) if floor.ndim == 1 else slice(None)
    if low is not None:
        transmission[:, low] = np.maximum(transmission[:, low], floor[low] if floor.ndim == 1 else floor)
    inverse: Float32 = np.reciprocal(transmission)
    variance *= inverse
    variance *= inverse
    # Most elements are settled by their brightest and their surest pixel.
    most = np.float32(1) - inverse.min(axis=0)
    beyond = np.float32(limits.negative_sigmas**2)
    some = _elements((most > 0) & (most * most > beyond * variance.min(axis=0)))
    if some is not None:
        above = np.float32(1) - inverse[:, some]
        above *= np.abs(above)
        known = variance[:, some]
        if shared is not None:
            gain, pulse = shared
            known = known + gain[some] ** 2 + pulse[:, None] ** 2
        _flag(quality, some, above > beyond * known, _NEGATIVE)
    # The vectorised logarithm of OpenCV gives the same bits wherever in a block a pixel stands; a test holds it to that.
    alpha: Float32 = np.asarray(cv2.log(inverse), np.float32).reshape(inverse.shape)
    return alpha, inverse
