"""Quantum noise behind matter: the mean energy per detected quantum grows as the beam hardens.

Compound Poisson statistics: variance = N ⟨D²⟩, mean = N ⟨D⟩ (Swank, J. Appl. Phys. 44 (1973) 4199, doi:10.1063/1.1662918), so
what one quantum is worth, ⟨D²⟩/⟨D⟩, depends on the spectrum behind the load. Its growth is taken along steel of the same attenuation,
a few per cent from that along other materials.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scananalysis.calibration.planes import logarithm
from scananalysis.detectors import scanner as find_scanner
from scananalysis.physics import Beam, mass_attenuation

if TYPE_CHECKING:
    from scananalysis.calibration.blocks import ChannelPlan

Float32 = NDArray[np.float32]

_DEGREE = 4
LEAST_TRANSMISSION = 1e-7
"""Transmission below which a quantum is taken to be worth no more: far below what any readout can tell from nothing."""
_FLAT = 1e-4


@functools.lru_cache(maxsize=32)
def growth_polynomial(beam: Beam) -> tuple[float, ...]:
    """Return how much more a quantum is worth behind matter, as a polynomial of the attenuation.

    Parameters
    ----------
    beam : Beam

    Returns
    -------
    tuple of float
        Coefficients, highest power first; 1 in the open beam; within 1 % of the curve down to `LEAST_TRANSMISSION`. The constant
        alone for a beam of one energy.

    Examples
    --------
    >>> growth_polynomial(find_scanner("cargo-6-4mv").beams()[0])[-1]
    1.0
    >>> growth_polynomial(find_scanner("gamma-cs137").beams()[0])
    (1.0,)
    """
    attenuation, worth = growth(beam)
    fitted = attenuation <= -np.log(LEAST_TRANSMISSION)
    attenuation, worth = attenuation[fitted].astype(np.float64), worth[fitted].astype(np.float64)
    if np.ptp(worth) < _FLAT:
        return (1.0,)
    # Without a constant term: it is exact in the open beam, where most pixels are.
    powers = np.stack([attenuation**k for k in range(1, _DEGREE + 1)], axis=1)
    around, *_ = np.linalg.lstsq(powers, worth - 1.0, rcond=None)
    return (*(float(v) for v in around[::-1]), 1.0)


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
    if len(plan.growth) > 1:
        # In ln T: odd powers change their sign against that in the attenuation.
        degree = len(plan.growth) - 1
        signed = [coefficient * (-1) ** (degree - k) for k, coefficient in enumerate(plan.growth)]
        worth = _polynomial(signed, logarithm(positive))
        worth *= positive
        worth *= plan.quantum
    else:
        worth = positive * plan.quantum
    # The errors of the readout, then everything by the pulse once more.
    worth += plan.dark_variance * inverse_pulse[:, None]
    worth *= inverse_pulse[:, None]
    return worth


def relative_noise_of(
    plan: ChannelPlan, alpha: Float32, inverse_signal: Float32, least: Float32, out: Float32 | None = None
) -> Float32:
    """Return the variance of the attenuation, (line, element), where no line or element was mixed with another.

    It is σ²(T)/T² with the σ²(T) of `noise_of`, in half as many passes: with u = 1/(T · pulse), the ``inverse_signal``,
    σ²(α) = u · (quantum · growth(α) + σ²(dark) · u).
    """
    if len(plan.growth) > 1:
        if least.min() < LEAST_TRANSMISSION:
            alpha = np.minimum(alpha, np.float32(-np.log(LEAST_TRANSMISSION)))
        worth = _polynomial(plan.growth, alpha, out)
        worth *= plan.quantum
        worth += inverse_signal * plan.dark_variance
    else:
        worth = np.multiply(inverse_signal, plan.dark_variance, out=out)
        worth += plan.quantum
    worth *= inverse_signal
    return worth


def _polynomial(coefficients: Sequence[float], x: Float32, out: Float32 | None = None) -> Float32:
    """Evaluate a polynomial of the first degree or higher, highest power first."""
    first, *others = (np.float32(coefficient) for coefficient in coefficients)
    value: Float32 = np.multiply(x, first, out=out)
    for coefficient in others[:-1]:
        value += coefficient
        value *= x
    value += others[-1]
    return value
