"""Which pixels make up a mean, and what each adds to it, so that noise does not bias the mean.

Two choices bias a mean of attenuations where little arrives. A pixel that is left out because its own signal is small takes its noise
with it, and the rest look brighter than the place is: so pixels flagged `STARVED` count, unless the place as a whole is starved. And
the logarithm of a noisy transmission T is high by σ²/2, while σ² itself is drawn with the noise: so where noise is large the logarithm
is that of the mean T over the neighbourhood, and the pixel adds its own T to first order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import UNUSABLE, Quality, Radiograph, has

NO_INFORMATION = UNUSABLE | Quality.INTERPOLATED
"""Flags of pixels that add nothing to a mean: no measurement, or computed from neighbours that are in it already. `STARVED` ones count
where their surroundings are not, see `counted`."""

NOISY = 0.01
"""Relative variance of transmission from which the noise bias of a logarithm needs more than its first term."""

STARVED_SHARE = 0.2
"""Share of starved pixels from which an area's attenuation is only a lower limit: transmission is cut off below half the noise of the
electronics, and the mean of what is left is high by 0.1 % here, by 1 % at half."""

_PLACE = 15
_STARVED_PLACE = 0.35
"""Side in pixels, and share of starved ones among them, of a place that is starved: far from what noise makes of a share of 0.2."""

_NEIGHBOURHOOD = 5
"""Pixels; areas are measured two pixels away from their edges, so it holds no other area's."""


def counted(radiograph: Radiograph) -> NDArray[np.bool_]:
    """Return the pixels that make up means, (y, x).

    Parameters
    ----------
    radiograph : Radiograph

    Examples
    --------
    >>> import scananalysis as sa
    >>> from scananalysis.simulation import Box, Matter, Piece, Scene, render
    >>> block = Piece(Box((400, 1000), (1000, 2000), (5800, 6200)), Matter.of("Fe"), 4.3)
    >>> scan = render(Scene((block,), 1400.0), sa.scanner("cargo-6-4mv"), seed=1).scan
    >>> radiograph = sa.calibrate(scan)
    >>> starved = has(radiograph.quality, Quality.STARVED).any(axis=0)
    >>> bool(starved.any()), bool(counted(radiograph)[starved].mean() > 0.5)
    (True, True)
    """
    import cv2

    good = ~np.asarray(has(radiograph.quality, NO_INFORMATION & ~Quality.STARVED).any(axis=0))
    starved = np.asarray(has(radiograph.quality, Quality.STARVED).any(axis=0)) & good
    if starved.any():
        share, of = (
            np.asarray(cv2.blur(plane.astype(np.float32), (_PLACE, _PLACE), borderType=cv2.BORDER_CONSTANT))
            for plane in (starved, good)
        )
        # All pixels of the place or none: the bright ones among starved ones are bright by noise.
        good &= share <= np.float32(_STARVED_PLACE) * of
    return good


def unbiased(
    radiograph: Radiograph, channel: int, usable: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what each pixel adds to a mean attenuation, and its variance, (y, x) each.

    Parameters
    ----------
    radiograph : Radiograph
    channel : int
    usable : ndarray of bool, (y, x)
        See `counted`.
    """
    import cv2

    alpha, variance = radiograph.attenuation[channel], radiograph.variance[channel]
    plain = alpha - variance / 2
    if not (usable & (variance > NOISY)).any():
        return np.asarray(plain, np.float32), np.asarray(variance, np.float32)
    side = (_NEIGHBOURHOOD, _NEIGHBOURHOOD)
    zero = np.float32(0)
    share = np.maximum(np.asarray(cv2.blur(np.where(usable, np.float32(1), zero), side)), np.float32(1e-6))
    transmission = np.exp(-np.where(usable, alpha, zero))
    # The variance of T is linear in T, so its mean is not drawn with the noise; that of −ln T is.
    spread = np.where(usable, variance * transmission**2, zero)
    transmission = np.where(usable, transmission, zero)
    mean, noise = (np.asarray(cv2.blur(plane, side)) / share for plane in (transmission, spread))
    met = share * (_NEIGHBOURHOOD**2) / float(radiograph.noise_area[channel])
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = noise / mean**2
        better = -np.log(mean) - relative / (2 * met) - (transmission / mean - 1)
        own = spread / mean**2
    noisy = usable & (relative > NOISY) & (mean > 0)
    return (
        np.asarray(np.where(noisy, better, plain), np.float32),
        np.asarray(np.where(noisy, own, variance), np.float32),
    )
