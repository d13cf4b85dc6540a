r"""Energy that one photon leaves in a scintillator: mean and mean square.

The model is analytic. A photon interacts with probability 1 − exp(−μ t); the first interaction is photoelectric, Compton
or pair production in proportion to their coefficients, and leaves

- photoelectric: E, less the K fluorescence that escapes,
- Compton: the recoil energy, distributed by Klein and Nishina (Z. Phys. 52 (1929) 853, doi:10.1007/BF01366453), plus the
  scattered photon where it is absorbed on its way out,
- pair: E − 2 mc², plus each annihilation quantum where it is absorbed.

A secondary photon of energy E' is absorbed with probability 1 − exp(−μ_en(E') d), where d is the mean way out of the element,
4 V / S for a convex body (Cauchy's theorem; e.g. doi:10.1119/1.1933975), with V / S taken from the element's edge and depth,
halved since the photon starts inside. Light yield is taken proportional to deposited energy.

Energy-integrating noise follows the compound Poisson law: variance = N ⟨D²⟩, mean = N ⟨D⟩ (Swank, J. Appl. Phys. 44 (1973)
4199, doi:10.1063/1.1662918).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scananalysis.core import ConfigurationError
from scananalysis.physics.attenuation import mass_attenuation
from scananalysis.physics.composition import material

_MC2 = 0.51099895
_COSINES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


@dataclass(frozen=True)
class Scintillator:
    """What an element of the array is made of.

    Parameters
    ----------
    material : str
        Name of the material.
    k_edge_mev, k_fluorescence_mev : float
        K edge and mean K line of the heaviest constituent (Bearden, Rev. Mod. Phys. 39 (1967) 78,
        doi:10.1103/RevModPhys.39.78).
    fluorescence_yield : float
        Probability that a K vacancy emits a photon (Krause, J. Phys. Chem. Ref. Data 8 (1979) 307,
        doi:10.1063/1.555594), times the K share of photoelectric absorption.
    """

    material: str
    k_edge_mev: float
    k_fluorescence_mev: float
    fluorescence_yield: float


SCINTILLATORS: Mapping[str, Scintillator] = {
    "CdWO4": Scintillator("cadmium tungstate", 0.06953, 0.0601, 0.958 * 0.80),
    "CsI": Scintillator("caesium iodide", 0.03598, 0.0311, 0.894 * 0.83),
    "GOS": Scintillator("gadolinium oxysulfide", 0.05024, 0.0434, 0.935 * 0.82),
    "NaI": Scintillator("sodium iodide", 0.03317, 0.0287, 0.884 * 0.83),
}
"""Known scintillators by their usual short names."""


def _klein_nishina(energy: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scattered energies and their normalised probabilities over scattering angles, (k, angle)."""
    ratio = 1 / (1 + energy[:, None] / _MC2 * (1 - _COSINES))
    density = ratio**2 * (ratio + 1 / ratio - (1 - _COSINES**2)) * _WEIGHTS
    return energy[:, None] * ratio, density / density.sum(axis=1, keepdims=True)


def deposited_energy(
    scintillator: str,
    thickness_mm: float,
    energy_mev: ArrayLike,
    *,
    edge_mm: float | None = None,
    filter: Mapping[str, float] | None = None,  # noqa: A002 - the field's word for what stands in the beam
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the mean square of the energy that an incident photon deposits.

    Parameters
    ----------
    scintillator : str
        One of `SCINTILLATORS`.
    thickness_mm : float
        Depth of the element along the beam, mm.
    energy_mev : array-like, (k,)
        Photon energies, MeV.
    edge_mm : float, optional
        Smaller edge of the element across the beam, mm; 5 by default.
    filter : mapping of str to float, optional
        What the photon crosses before: {material: areal density in g/cm²}, e.g. the front layer and the copper
        between two layers.

    Returns
    -------
    mean : ndarray of float64, (k,)
        MeV per incident photon.
    mean_square : ndarray of float64, (k,)
        MeV² per incident photon.

    Raises
    ------
    ConfigurationError
        Unknown scintillator or a thickness that is not positive.

    Examples
    --------
    >>> mean, square = deposited_energy("CdWO4", 30.0, [0.1, 1.0, 6.0])
    >>> mean.round(2)
    array([0.1 , 0.44, 2.64])
    """
    if scintillator not in SCINTILLATORS:
        raise ConfigurationError(f"scintillator {scintillator!r}", expected=f"one of {', '.join(SCINTILLATORS)}")
    edge = 5.0 if edge_mm is None else edge_mm
    if not (thickness_mm > 0 and edge > 0):
        raise ConfigurationError(f"element of {edge:g} × {thickness_mm:g} mm", expected="sizes above 0 mm")
    crystal = SCINTILLATORS[scintillator]
    density = material(crystal.material).density_g_cm3
    energy = np.atleast_1d(np.asarray(energy_mev, np.float64))
    photo, compton, pair = (
        mass_attenuation(crystal.material, energy, process) for process in ("photoelectric", "incoherent", "pair")
    )
    total = photo + compton + pair
    interacts = -np.expm1(-total * density * thickness_mm / 10)
    # V / S of an edge × edge × thickness block, mm; the mean chord is 4 V / S, and half of it from a point inside.
    way_cm = 2 * edge * thickness_mm / (2 * edge + 4 * thickness_mm) / 10

    def absorbed(secondary: NDArray[np.float64]) -> NDArray[np.float64]:
        kept = np.clip(secondary, 1e-3, None)
        coefficient = mass_attenuation(crystal.material, kept, "photoelectric")
        coefficient = coefficient + 0.5 * mass_attenuation(crystal.material, kept, "incoherent")
        share: NDArray[np.float64] = -np.expm1(-coefficient * density * way_cm)
        return share

    fluorescence = np.where(energy > crystal.k_edge_mev, crystal.fluorescence_yield, 0.0)
    escape = fluorescence * (1 - absorbed(np.array([crystal.k_fluorescence_mev]))[0])
    less = np.maximum(energy - crystal.k_fluorescence_mev, 0)
    photo_1 = (1 - escape) * energy + escape * less
    photo_2 = (1 - escape) * energy**2 + escape * less**2

    scattered, probability = _klein_nishina(energy)
    kept = absorbed(scattered)
    recoil = energy[:, None] - scattered
    compton_1 = (probability * (recoil + kept * scattered)).sum(axis=1)
    compton_2 = (probability * ((1 - kept) * recoil**2 + kept * energy[:, None] ** 2)).sum(axis=1)

    quantum = absorbed(np.array([_MC2]))[0]
    base = np.maximum(energy - 2 * _MC2, 0)
    chances = ((1 - quantum) ** 2, 2 * quantum * (1 - quantum), quantum**2)
    pair_1 = sum(p * (base + n * _MC2) for n, p in enumerate(chances))
    pair_2 = sum(p * (base + n * _MC2) ** 2 for n, p in enumerate(chances))

    passes = np.ones_like(energy)
    for name, areal_density in (filter or {}).items():
        passes = passes * np.exp(-areal_density * mass_attenuation(name, energy))
    weight = passes * interacts / total
    mean = weight * (photo * photo_1 + compton * compton_1 + pair * pair_1)
    square = weight * (photo * photo_2 + compton * compton_2 + pair * pair_2)
    return mean, square
