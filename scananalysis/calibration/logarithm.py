"""The logarithm, with the flags that say where it is not a measurement.

A single starved pixel's α is biased by about half its variance even with a perfect calibration, since the logarithm is curved. It is
left as it is and flagged: means over regions are taken in transmission where that matters, and bias is judged there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scananalysis.calibration.planes import logarithm
from scananalysis.core import Quality

if TYPE_CHECKING:
    from scananalysis.calibration.recipe import Logarithm

Float32 = NDArray[np.float32]

_STARVED = np.uint32(Quality.STARVED.value)
_NEGATIVE = np.uint32(Quality.NEGATIVE.value)
_MANY = 8
"""Of one element in so many it is quicker to look at every pixel than to pick."""


def mark_starved(
    transmission: Float32,
    quality: NDArray[np.uint32],
    zero_noise: Float32,
    limits: Logarithm,
    least: Float32 | None = None,
) -> None:
    """Flag pixels below ``starved_sigmas`` of the noise without beam as `STARVED`.

    It comes before registration: a resampled pixel carries the flags of both its sources.

    Parameters
    ----------
    transmission : ndarray of float32, (line, element)
    quality : ndarray of uint32, (line, element)
    zero_noise : ndarray of float32, (element,)
        1-σ noise of transmission without beam.
    limits : Logarithm
    least : ndarray of float32, (element,), optional
        What no transmission of an element lies below, where it is known already.
    """
    limit = np.float32(limits.starved_sigmas) * zero_noise
    least = transmission.min(axis=0) if least is None else least
    some = _elements(least < limit) if limit.ndim == 1 else slice(None)
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
    transmission: Float32, zero_noise: Float32, least: Float32 | None = None, out: Float32 | None = None
) -> tuple[Float32, Float32]:
    """Return the attenuation α = −ln T and one over transmission.

    Parameters
    ----------
    transmission : ndarray of float32, (line, element)
        Is raised to the level of the floor in place.
    zero_noise : ndarray of float32, (element,) or (line, element)
        1-σ noise of transmission without beam.
    least : ndarray of float32, (element,), optional
        As in `mark_starved`.
    out : ndarray of float32, (line, element), optional
        Where the attenuation goes, in the memory order of ``transmission``.

    Returns
    -------
    attenuation, inverse : ndarray of float32, (line, element)

    Notes
    -----
    Where transmission is below half a σ of the noise without beam (such a pixel is `STARVED`, see `mark_starved`), α stands at
    that level, a lower limit.

    Examples
    --------
    >>> attenuate(np.array([[1.1, 0.1, 0.0]], np.float32), np.full(3, 1e-4, np.float32))[0].round(1)
    array([[-0.1,  2.3,  9.9]], dtype=float32)
    """
    floor = np.maximum(zero_noise / 2, np.float32(1e-9))
    if floor.ndim == 2:
        np.maximum(transmission, floor, out=transmission)
    else:
        least = transmission.min(axis=0) if least is None else least
        # Resampling may fall short of the least by rounding.
        low = _elements(least < floor * np.float32(1.0001))
        if low is not None:
            transmission[:, low] = np.maximum(transmission[:, low], floor[low])
    # Quicker than a reciprocal in NumPy, and the same bits.
    inverse: Float32 = np.divide(np.float32(1), transmission)
    return logarithm(inverse, out), inverse


def mark_negative(
    inverse: Float32,
    variance: Float32,
    quality: NDArray[np.uint32],
    limits: Logarithm,
    shared: tuple[Float32, Float32] | None = None,
    most: Float32 | None = None,
) -> None:
    """Flag pixels brighter than the open beam by more than ``negative_sigmas`` as `NEGATIVE`.

    Parameters
    ----------
    inverse, variance : ndarray of float32, (line, element)
        One over transmission, and the variance of the attenuation.
    quality : ndarray of uint32, (line, element)
        Flags are added.
    limits : Logarithm
    shared : (ndarray of float32 (element,), ndarray of float32 (line,)), optional
        Relative shared errors of gain and pulse; noise and these together say what is brighter than the open beam.
    most : ndarray of float32, (element,), optional
        What no transmission of an element lies above, where it is known already.

    Examples
    --------
    >>> from scananalysis.calibration.recipe import Logarithm
    >>> quality = np.zeros((1, 3), np.uint32)
    >>> inverse = np.array([[0.9, 1.0, 10.0]], np.float32)
    >>> mark_negative(inverse, np.full((1, 3), 1e-6, np.float32), quality, Logarithm())
    >>> quality == _NEGATIVE
    array([[ True, False, False]])
    """
    if most is not None and not (most > 1).any():
        return
    # Most elements are settled by their brightest pixel, and of the others most by their surest one.
    excess = np.float32(1) - inverse.min(axis=0)
    beyond = np.float32(limits.negative_sigmas**2)
    bright = np.flatnonzero(excess > 0)
    if bright.size == 0:
        return
    surest = (variance if _MANY * bright.size > excess.size else variance[:, bright]).min(axis=0)
    surest = surest[bright] if surest.size == excess.size else surest
    wanted = np.zeros(excess.size, bool)
    wanted[bright] = excess[bright] ** 2 > beyond * surest
    some = _elements(wanted)
    if some is None:
        return
    above = np.float32(1) - inverse[:, some]
    above *= np.abs(above)
    known = variance[:, some]
    if shared is not None:
        gain, pulse = shared
        known = known + gain[some] ** 2 + pulse[:, None] ** 2
    _flag(quality, some, above > beyond * known, _NEGATIVE)
