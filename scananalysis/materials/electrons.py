"""Grams per electron as a function of atomic number, and what its steps from element to element do to errors.

Per electron, cross sections are smooth in the atomic number; grams per electron, A/Z, are not: argon stands above potassium. An areal
density read with an uncertain Z therefore scatters by those steps. For Z normal with standard deviation σ, the slope that counts is
s = cov(A/Z, Z)/σ² and what is left is a scatter of variance r²σ² (statistical linearisation: Gelb, Applied Optimal Estimation, MIT Press
1974, chapter 6.2). As σ goes to 0 the slope is the local one.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from scananalysis.physics import SYMBOLS, electrons_per_gram

PER_Z = 16
"""Nodes per unit of Z in `grams_image`; integers are nodes."""
BORDER = 2
"""Repeated rows and columns at the end of an image: on its last two OpenCV looks up four times slower."""
SIGMA_ROWS = 24
SIGMA_SCALE = 3.0
"""Row of a σ_Z in `grams_image`: (SIGMA_ROWS − 1) σ / (σ + SIGMA_SCALE)."""


def grams_per_electron(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return A/Z, g/mol, of fractional atomic numbers; the log of A is linear between elements, as in `physics`.

    Examples
    --------
    >>> grams_per_electron(np.array([1.0, 26.0])).round(3)
    array([1.008, 2.148])
    """
    number = np.arange(1, len(SYMBOLS) + 1)
    weight = number / np.array([electrons_per_gram(symbol) for symbol in SYMBOLS])
    found: NDArray[np.float64] = np.exp(np.interp(z, number, np.log(weight))) / z
    return found


@functools.cache
def grams_image() -> NDArray[np.float32]:
    """Return A/Z, its slope s and scatter r and a zero by (σ_Z, Z) as an image of four channels, laid out for OpenCV."""
    z = np.linspace(1, 92, 91 * PER_Z + 1)
    row = np.arange(SIGMA_ROWS)
    with np.errstate(divide="ignore"):
        sigma = SIGMA_SCALE * row / (SIGMA_ROWS - 1 - row)
    # σ of 0 and infinity stand for very small and very large ones.
    sigma = np.clip(sigma, 1 / 64, 200.0)
    at = np.linspace(-4, 4, 49)
    weight = np.exp(-(at**2) / 2)
    weight /= weight.sum()
    image = np.zeros((SIGMA_ROWS, z.size, 4), np.float32)
    image[..., 0] = grams_per_electron(z)
    for i, spread in enumerate(sigma):
        # Outside 1 to 92 there is no element: A/Z stays at its last value, as an estimate of Z does.
        values = grams_per_electron(np.clip(z[:, None] + spread * at, 1, 92))
        mean = values @ weight
        slope = values @ (weight * at) / (weight @ at**2)
        left = np.maximum((values - mean[:, None]) ** 2 @ weight - slope**2, 0)
        image[i, :, 1] = slope / spread
        image[i, :, 2] = np.sqrt(left) / spread
    return np.pad(image, ((0, BORDER), (0, BORDER), (0, 0)), mode="edge")
