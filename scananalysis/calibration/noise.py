"""Quantum noise behind matter: the mean energy per detected quantum grows as the beam hardens.

Compound Poisson statistics: variance = N ⟨D²⟩, mean = N ⟨D⟩ (Swank, J. Appl. Phys. 44 (1973) 4199, doi:10.1063/1.1662918), so
what one quantum is worth, ⟨D²⟩/⟨D⟩, depends on the spectrum behind the load. Its growth is taken along steel of the same attenuation,
a few per cent from that along other materials.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scananalysis.calibration.planes import logarithm
from scananalysis.detectors import scanner as find_scanner
from scananalysis.physics import Beam, mass_attenuation

if TYPE_CHECKING:
    from scananalysis.calibration.blocks import ChannelPlan

Float32 = NDArray[np.float32]

LEAST_TRANSMISSION = 1e-7
"""Transmission down to which the curve is fitted: far below what any readout can tell from nothing."""
_FLAT = 1e-4


class Growth(NamedTuple):
    """What a quantum is worth behind matter, over the open beam: 1 + rise · α / (1 + bend · α).

    Parameters
    ----------
    rise, bend : float
        ``rise`` is 0 for a beam of one energy.
    """

    rise: float
    bend: float

    def at(self, attenuation: Float32, out: Float32 | None = None) -> Float32:
        """Return the worth at attenuations, in ``out`` where it is given; brighter than the open beam it goes on to fall.

        Examples
        --------
        >>> Growth(0.2, 0.1).at(np.array([0.0, 5.0], np.float32)).round(3)
        array([1.   , 1.667], dtype=float32)
        """
        # 1 + rise/bend − (rise/bend) / (1 + bend · α): a pass less.
        reach = self.rise / self.bend
        worth: Float32 = np.multiply(attenuation, np.float32(self.bend), out=out)
        worth += np.float32(1)
        np.divide(np.float32(-reach), worth, out=worth)
        worth += np.float32(1 + reach)
        return worth


@functools.lru_cache(maxsize=32)
def growth_curve(beam: Beam) -> Growth:
    """Return how much more a quantum is worth behind matter.

    Parameters
    ----------
    beam : Beam

    Returns
    -------
    Growth
        Exactly 1 in the open beam; within 1 % of the worth behind steel down to `LEAST_TRANSMISSION`.

    Examples
    --------
    >>> growth_curve(find_scanner("cargo-6-4mv").beams()[0])  # doctest: +ELLIPSIS
    Growth(rise=0.22..., bend=0.16...)
    >>> growth_curve(find_scanner("gamma-cs137").beams()[0])
    Growth(rise=0.0, bend=0.0)
    """
    from scipy.optimize import curve_fit

    attenuation, worth = growth(beam)
    fitted = attenuation <= -np.log(LEAST_TRANSMISSION)
    attenuation, worth = attenuation[fitted].astype(np.float64), worth[fitted].astype(np.float64)
    if np.ptp(worth) < _FLAT:
        return Growth(0.0, 0.0)
    (rise, bend), _ = curve_fit(
        lambda depth, rise, bend: 1 + rise * depth / (1 + bend * depth), attenuation, worth, (0.2, 0.2), sigma=worth
    )
    return Growth(float(rise), float(bend))


def growth(beam: Beam) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return attenuations behind steel, (n,), and the worth of a quantum there over that in the open beam, (n,)."""
    depth = np.linspace(0, 400, 81)
    behind = beam.photons() * np.exp(-depth[:, None] * mass_attenuation("Fe", beam.energy_mev))
    mean, square = behind @ beam.response, behind @ beam.response_square
    known = mean > mean[0] * 1e-12
    attenuation = -np.log(mean[known] / mean[0])
    worth = square[known] / mean[known]
    return attenuation.astype(np.float32), (worth / worth[0]).astype(np.float32)


def nominal_quantum(scanner: str, channel: int, air_level: float, binning: tuple[int, int]) -> float:
    """Return what one quantum is worth in counts by the catalogue's figures.

    Parameters
    ----------
    scanner : str
    channel : int
    air_level : float
        Open-beam signal, counts.
    binning : (int, int)
    """
    found = find_scanner(scanner).binned(*binning)
    beam = found.beams()[channel]
    photons = beam.photons()
    photons = photons / photons.sum() * found.channels[channel].photons_per_line
    return float(air_level * (photons @ beam.response_square) / (photons @ beam.response) ** 2)


def noise_of(plan: ChannelPlan, transmission: Float32, inverse_pulse: Float32, least: Float32 | None = None) -> Float32:
    """Return the variance of transmission, (line, element); ``least`` is that of every element, where it is known already.

    σ²(T) = σ²(dark) / (gain · pulse)² + quantum · growth(T) · T / (gain · pulse), with T not below zero.
    """
    positive = transmission
    # A maximum costs as much as a logarithm, and few blocks have such pixels.
    if (transmission if least is None else least).min() < LEAST_TRANSMISSION:
        positive = np.maximum(transmission, np.float32(LEAST_TRANSMISSION))
    if plan.growth.rise:
        depth = logarithm(positive)
        np.negative(depth, out=depth)
        worth = plan.growth.at(depth, depth)
        worth *= positive
        worth *= plan.quantum
    else:
        worth = positive * plan.quantum
    # The errors of the readout, then everything by the pulse once more.
    worth += plan.dark_variance * inverse_pulse[:, None]
    worth *= inverse_pulse[:, None]
    return worth


def relative_noise_of(
    plan: ChannelPlan, alpha: Float32, inverse_signal: Float32, out: Float32 | None = None
) -> Float32:
    """Return the variance of the attenuation, (line, element), where no line or element was mixed with another.

    It is σ²(T)/T² with the σ²(T) of `noise_of`, in half as many passes: with u = 1/(T · pulse), the ``inverse_signal``,
    σ²(α) = u · (quantum · growth(α) + σ²(dark) · u).
    """
    if plan.growth.rise:
        worth = plan.growth.at(alpha, out)
        worth *= plan.quantum
        worth += inverse_signal * plan.dark_variance
    else:
        worth = np.multiply(inverse_signal, plan.dark_variance, out=out)
        worth += plan.quantum
    worth *= inverse_signal
    return worth
