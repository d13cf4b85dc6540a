"""Crosstalk: every element receives a share of its neighbours' signals; taken off by the exact inverse along the array.

Measured (1 − 2x) S(e) + x (S(e − 1) + S(e + 1)), and what leaves the array at its ends is lost. The inverse of this tridiagonal
matrix is the kernel h(k) = (−λ)^|k| / √(1 − 4x), λ = (1 − 2x − √(1 − 4x)) / 2x, over the signal continued beyond its ends with opposite
sign (the method of images).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_SMALLEST = 1e-8


@dataclass(frozen=True, eq=False)
class Unmixing:
    """Inverse of the crosstalk of an array.

    Parameters
    ----------
    share : float
        x.
    kernel : ndarray of float32, (2 reach + 1,)
    level, inverse_profile : ndarray of float32, (element,)
        Open beam with crosstalk, and one over that without.
    """

    share: float
    kernel: Float32
    level: Float32
    inverse_profile: Float32

    @classmethod
    def of(cls, share: float, profile: NDArray[np.float64]) -> Unmixing | None:
        """Return the inverse, or None where there is no crosstalk.

        Parameters
        ----------
        share : float
        profile : ndarray of float64, (element,)
            Open beam along the array, any unit.

        Examples
        --------
        >>> Unmixing.of(0.01, np.ones(9)).kernel[4:6].round(4)
        array([-0.0104,  1.0206], dtype=float32)
        """
        if share == 0:
            return None
        root = np.sqrt(1 - 4 * share)
        ratio = (1 - 2 * share - root) / (2 * share)
        reach = int(np.ceil(np.log(_SMALLEST) / np.log(ratio)))
        kernel = (-ratio) ** np.abs(np.arange(-reach, reach + 1)) / root
        around = np.pad(profile, 1)
        level = (1 - 2 * share) * profile + share * (around[:-2] + around[2:])
        return cls(share, kernel.astype(np.float32), level.astype(np.float32), (1 / profile).astype(np.float32))

    @property
    def noise_gain(self) -> float:
        """Variance of noise that does not cross over (electronics) after the correction over that before it."""
        return float((self.kernel.astype(np.float64) ** 2).sum())

    @property
    def smoothing(self) -> float:
        """Variance of quantum noise, which crosses over with the signal, with crosstalk over that without it.

        Examples
        --------
        >>> round(Unmixing.of(0.01, np.ones(9)).smoothing, 4)
        0.9606
        """
        return smoothing(self.share)


def smoothing(share: float) -> float:
    """Return the variance of quantum noise with crosstalk over that without it."""
    return (1 - 2 * share) ** 2 + 2 * share**2


def remove_crosstalk(unmixing: Unmixing, transmission: Float32) -> Float32:
    """Return transmission without crosstalk.

    Parameters
    ----------
    unmixing : Unmixing
    transmission : ndarray of float32, (line, element)
        Over the open beam, which lost the same share at the ends of the array; bad elements filled already.

    Examples
    --------
    >>> seen = np.array([[1.0, 0.91, 0.19, 0.1, 0.1]], np.float32)
    >>> remove_crosstalk(Unmixing.of(0.1, np.ones(5)), seen).round(5)
    array([[1. , 1. , 0.1, 0.1, 0.1]], dtype=float32)
    """
    import cv2

    lines, elements = transmission.shape
    reach = unmixing.kernel.size // 2
    wide = np.empty((lines, elements + 2 * reach), np.float32)
    inner = wide[:, reach : reach + elements]
    np.multiply(transmission, unmixing.level, out=inner)
    for columns in (np.arange(reach), np.arange(reach + elements, 2 * reach + elements)):
        # Images: S(−1) = S(E) = 0 and odd about both, with period 2 (E + 1).
        place = (columns - reach + 1) % (2 * (elements + 1))
        mirrored = place > elements
        source = np.where(mirrored, 2 * (elements + 1) - place, place) - 1
        sign = np.where(mirrored, -1, 1) * ((place != 0) & (place != elements + 1))
        wide[:, columns] = inner[:, np.clip(source, 0, elements - 1)] * sign.astype(np.float32)
    one = np.ones(1, np.float32)
    found = cv2.sepFilter2D(wide, cv2.CV_32F, unmixing.kernel, one, borderType=cv2.BORDER_CONSTANT)
    direct = np.asarray(found, np.float32).reshape(wide.shape)[:, reach : reach + elements]
    return np.multiply(direct, unmixing.inverse_profile)


def second_difference(transmission: Float32) -> Float32:
    """Return S(e − 1) − 2 S(e) + S(e + 1) along the array, which repeats at its ends: what a unit of crosstalk adds.

    Examples
    --------
    >>> second_difference(np.array([[0.0, 1.0, 0.0]], np.float32))
    array([[ 1., -2.,  1.]], dtype=float32)
    """
    step = np.diff(transmission, axis=1)
    found = np.zeros_like(transmission)
    found[:, :-1] += step
    found[:, 1:] -= step
    return found
