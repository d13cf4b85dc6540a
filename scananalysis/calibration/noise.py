"""Quantum noise behind matter: the mean energy per detected quantum grows as the beam hardens.

Compound Poisson statistics: variance = N ⟨D²⟩, mean = N ⟨D⟩ (Swank, J. Appl. Phys. 44 (1973) 4199, doi:10.1063/1.1662918), so
what one quantum is worth, ⟨D²⟩/⟨D⟩, depends on the spectrum behind the load. Its growth is taken along steel of the same attenuation,
a few per cent from that along other materials.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from scananalysis.detectors import scanner as find_scanner
from scananalysis.physics import Beam, mass_attenuation


@functools.lru_cache(maxsize=32)
def quantum_growth(scanner: str, channel: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return attenuations and the worth of a quantum there over that in the open beam.

    Parameters
    ----------
    scanner : str
    channel : int

    Returns
    -------
    attenuation, growth : ndarray of float32, (n,)
        To be interpolated; the first pair is (0, 1).
    """
    return growth(find_scanner(scanner).beams()[channel])


def growth(beam: Beam) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the growth for a beam, see `quantum_growth`."""
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
