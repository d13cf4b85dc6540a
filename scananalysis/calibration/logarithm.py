"""Noise of transmission, and the logarithm.

A single starved pixel's α is biased by about half its variance even with a perfect calibration, since the logarithm is curved. It is
left as it is and flagged: means over regions are taken in transmission where that matters, and bias is judged there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import Quality, mark

if TYPE_CHECKING:
    from scananalysis.calibration.recipe import Logarithm

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Noise:
    """Noise of one channel.

    Parameters
    ----------
    dark : ndarray of float64, (element,)
        1-σ noise of a reading without beam, counts.
    quantum : float
        Variance over mean of the open-beam signal, counts.
    growth : (ndarray, ndarray)
        Attenuation and how much more a quantum is worth behind it.
    """

    dark: NDArray[np.float64]
    quantum: float
    growth: tuple[Float32, Float32]

    def variance(
        self, transmission: Float32, gain: NDArray[np.float64], pulse: Float32, rows: slice, out: Float32
    ) -> None:
        """Write the variance of transmission, (element, line), into ``out``.

        σ²(N) = σ²(dark) + quantum · growth(α) · N, over (gain · pulse)².
        """
        attenuation, growth = self.growth
        # Through −ln T on an even grid: one look-up, no search.
        even = np.linspace(0, attenuation[-1], 1024, dtype=np.float32)
        table = np.interp(even, attenuation, growth).astype(np.float32)
        positive = np.clip(np.nan_to_num(transmission, nan=1e-9), np.float32(1e-9), np.float32(1e9))
        at = np.clip(-np.log(positive) * np.float32(1023 / attenuation[-1]), 0, 1023).astype(np.int16)
        # An element without gain has no variance; it is interpolated, or flagged as not finite.
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = (1 / gain[:, None]).astype(np.float32) / pulse[None]
            np.multiply(positive, table[at], out=out)
            out *= np.float32(self.quantum)
            out *= scale
            out += (self.dark[rows, None] ** 2).astype(np.float32) * scale**2


def attenuate(
    transmission: Float32, variance: Float32, quality: NDArray[np.uint32], zero_noise: Float32, limits: Logarithm
) -> None:
    """Turn transmission and its variance into attenuation and its variance, in place, and flag.

    Parameters
    ----------
    transmission, variance : ndarray of float32, (element, line)
        Overwritten by α and its variance.
    quality : ndarray of uint32, (element, line)
    zero_noise : ndarray of float32, (element,)
        1-σ noise of transmission without beam.
    limits : Logarithm

    Notes
    -----
    A pixel below ``starved_sigmas`` of the noise is `STARVED`; where it is below half a σ, α stands at that level, a
    lower limit.
    """
    bad = ~np.isfinite(transmission)
    mark(quality, bad, Quality.NOT_FINITE)
    floor = np.maximum(zero_noise[:, None] / 2, np.float32(1e-9))
    mark(quality, transmission < np.float32(limits.starved_sigmas) * zero_noise[:, None], Quality.STARVED)
    mark(quality, transmission > 1 + np.float32(limits.negative_sigmas) * np.sqrt(variance), Quality.NEGATIVE)
    np.maximum(transmission, floor, out=transmission)
    variance /= transmission
    variance /= transmission
    np.log(transmission, out=transmission)
    np.negative(transmission, out=transmission)
    transmission[bad] = np.nan
    variance[bad] = np.inf
