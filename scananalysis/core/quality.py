"""Quality flags: one bit each in a ``uint32`` plane beside every image. Steps set bits and never clear them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Quality(IntFlag):
    """Why a pixel must be read with care. ``0`` is a pixel without reservation."""

    GOOD = 0
    STARVED = 1 << 0
    """Signal below what the electronics can tell from zero: the attenuation is a lower limit or noise."""
    SATURATED = 1 << 1
    """The converter was at full scale: the attenuation is an upper limit."""
    CLIPPED_AIR = 1 << 2
    """The file stores nothing above its air level, so transmission near 1 is one-sided."""
    DEAD = 1 << 3
    """The element gives no usable signal; the value shown is not a measurement."""
    HOT = 1 << 4
    """The element reads far too high in the dark."""
    NOISY = 1 << 5
    """The element's noise is far above its neighbours'."""
    FLICKERING = 1 << 6
    """The element changes its level from time to time."""
    DROPPED_LINE = 1 << 7
    """The line was lost or repeated by the readout."""
    INTERPOLATED = 1 << 8
    """The value was computed from neighbours; it carries no information of its own."""
    AIR_ESTIMATED = 1 << 9
    """No air reference: the open beam was estimated from the image itself."""
    NO_DARK = 1 << 10
    """No dark reference: the offset was already taken off, or is not known."""
    NO_MONITOR = 1 << 11
    """Pulse-to-pulse fluctuation could not be corrected on this line."""
    UNCORRECTABLE = 1 << 12
    """A defect with too few good neighbours to interpolate (cluster kernel pixel)."""
    NOMINAL_CURVES = 1 << 13
    """Material curves are the scanner's nominal ones: no step wedge was measured."""
    AMBIGUOUS = 1 << 14
    """Two different materials explain the pixel within its noise."""
    EXTRAPOLATED = 1 << 15
    """The pair of attenuations lies outside the material map."""
    STATED_MATERIAL = 1 << 16
    """Single energy: areal density holds for a stated material; there is no atomic number."""
    MIXED = 1 << 17
    """A region that is probably not one material."""
    NEGATIVE = 1 << 18
    """Transmission above 1: brighter than the open beam beyond noise."""
    NOT_FINITE = 1 << 19
    """The input was not a finite number."""
    OUTSIDE_LOAD = 1 << 20
    """Not part of the load: air, container structure or vehicle."""
    NOT_INSPECTABLE = 1 << 21
    """Something of concern could be hidden here unseen."""


UNUSABLE = (
    Quality.STARVED | Quality.DEAD | Quality.HOT | Quality.DROPPED_LINE | Quality.UNCORRECTABLE | Quality.NOT_FINITE
)
"""Flags that say the attenuation itself is not a measurement."""


def count_flags(quality: NDArray[np.uint32]) -> Mapping[str, int]:
    """Count the pixels that carry each flag.

    Parameters
    ----------
    quality : ndarray of uint32, any shape
        Quality plane.

    Returns
    -------
    dict of str to int
        Name of each flag that occurs, with its number of pixels.

    Examples
    --------
    >>> count_flags(np.array([[1, 3], [0, 0]], np.uint32))
    {'STARVED': 2, 'SATURATED': 1}
    """
    counts = {}
    for flag in Quality:
        n = int(np.count_nonzero(quality & np.uint32(flag.value)))
        if n:
            counts[str(flag.name)] = n
    return counts


def has(quality: NDArray[np.uint32], flag: Quality) -> NDArray[np.bool_]:
    """Return where any bit of ``flag`` is set.

    Parameters
    ----------
    quality : ndarray of uint32, any shape
    flag : Quality

    Returns
    -------
    ndarray of bool, same shape

    Examples
    --------
    >>> has(np.array([1, 2, 3], np.uint32), Quality.SATURATED)
    array([False,  True,  True])
    """
    found: NDArray[np.bool_] = (quality & np.uint32(flag.value)) != 0
    return found


def mark(quality: NDArray[np.uint32], where: Any, flag: Quality) -> None:
    """Set ``flag`` in place on the pixels ``where`` (mask or index); other bits stay.

    Parameters
    ----------
    quality : ndarray of uint32
    where : index expression
    flag : Quality

    Examples
    --------
    >>> plane = np.zeros(3, np.uint32)
    >>> mark(plane, [0, 2], Quality.DEAD)
    >>> plane
    array([8, 0, 8], dtype=uint32)
    """
    quality[where] |= np.uint32(flag.value)
