r"""Energy that one photon leaves in a scintillator: mean and mean square.

The model is analytic and meant for the elements of a line array: rectangular blocks. A photon interacts along the beam with
probability 1 − exp(−μ t) (coherent scattering left out: it takes no energy). Its first interaction is photoelectric, Compton or
pair production in proportion to their coefficients and leaves

- photoelectric: E, less the K fluorescence that escapes,
- Compton: the recoil energy, distributed by Klein and Nishina (Z. Phys. 52 (1929) 853, doi:10.1007/BF01366453), plus what the
  scattered photon leaves on its way out,
- pair: E − 2 mc², plus what the two annihilation quanta leave,

each less the bremsstrahlung of its electrons that escapes. What a secondary photon leaves depends on the depth and the
direction in which it starts (`scananalysis.physics.escape`). Electrons stop where they are released: what crosses into
neighbours of the same kind comes back from them on average. The radiative share of an electron's energy T is
6·10⁻⁴ Z T / (1 + 6·10⁻⁴ Z T) (Turner, Atoms, Radiation, and Radiation Protection, 3rd ed. 2007, section 6.5), its quanta follow
Kramers' thick-target spectrum dN/dk ∝ (T − k)/k (Philos. Mag. 46 (1923) 836, doi:10.1080/14786442308565244). Light yield is
taken proportional to deposited energy, and light collection uniform.

Energy-integrating noise follows the compound Poisson law: variance = N ⟨D²⟩, mean = N ⟨D⟩ (Swank, J. Appl. Phys. 44 (1973)
4199, doi:10.1063/1.1662918).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scananalysis.core import ConfigurationError
from scananalysis.physics.attenuation import mass_attenuation
from scananalysis.physics.composition import SYMBOLS, composition, material
from scananalysis.physics.escape import ISOTROPIC, MC2_MEV, Block, klein_nishina

_Array = NDArray[np.float64]
_DEFAULT_EDGE_MM = 5.0
_RADIATIVE_PER_Z_MEV = 6e-4


@dataclass(frozen=True)
class Fluorescence:
    """K radiation of one constituent.

    Parameters
    ----------
    edge_mev : float
        K edge.
    line_mev : float
        Mean energy of the K lines by their intensity (Bearden, Rev. Mod. Phys. 39 (1967) 78,
        doi:10.1103/RevModPhys.39.78; intensities of Scofield, At. Data Nucl. Data Tables 14 (1974) 121,
        doi:10.1016/S0092-640X(74)80019-7).
    vacancy_yield : float
        Probability that a K vacancy emits a photon (Krause, J. Phys. Chem. Ref. Data 8 (1979) 307, doi:10.1063/1.555594).
    """

    edge_mev: float
    line_mev: float
    vacancy_yield: float


@dataclass(frozen=True)
class Scintillator:
    """What an element of the array is made of.

    Parameters
    ----------
    material : str
        Name of the material.
    fluorescence : tuple of Fluorescence
        K radiation of the heavy constituents, by rising edge.
    """

    material: str
    fluorescence: tuple[Fluorescence, ...]


_CAESIUM = Fluorescence(0.03598, 0.03167, 0.894)
_IODINE = Fluorescence(0.03317, 0.02924, 0.882)
SCINTILLATORS: Mapping[str, Scintillator] = {
    "CdWO4": Scintillator(
        "cadmium tungstate", (Fluorescence(0.02671, 0.02364, 0.842), Fluorescence(0.06953, 0.06065, 0.954))
    ),
    "CsI": Scintillator("caesium iodide", (_IODINE, _CAESIUM)),
    "GOS": Scintillator("gadolinium oxysulfide", (Fluorescence(0.05024, 0.04399, 0.932),)),
    "NaI": Scintillator("sodium iodide", (_IODINE,)),
}
"""Known scintillators by their usual short names."""


def deposited_energy(
    scintillator: str,
    thickness_mm: float,
    energy_mev: ArrayLike,
    *,
    edge_mm: float | tuple[float, float] | None = None,
    filter: Mapping[str, float] | None = None,  # noqa: A002 - the field's word for what stands in the beam
) -> tuple[_Array, _Array]:
    """Return the mean and the mean square of the energy that an incident photon deposits.

    Against a photon Monte Carlo of the same blocks the mean is within 1.3 % and the mean square within 2 % (CdWO4 50 keV to
    9 MeV, CsI and GOS from their K edges; ``docs/theory/attenuation.md`` has the table).

    Parameters
    ----------
    scintillator : str
        One of `SCINTILLATORS`.
    thickness_mm : float
        Depth of the element along the beam, mm.
    energy_mev : array-like, (k,)
        Photon energies, MeV.
    edge_mm : float or (float, float), optional
        Edge of the element's square face, mm, or both edges of a rectangular one; 5 by default.
    filter : mapping of str to float, optional
        What the photon crosses before: {material: areal density in g/cm²}, e.g. the front layer and the copper
        between two layers. What scatters there is taken as lost.

    Returns
    -------
    mean : ndarray of float64, (k,)
        MeV per incident photon.
    mean_square : ndarray of float64, (k,)
        MeV² per incident photon.

    Raises
    ------
    ConfigurationError
        Unknown scintillator, or sizes or areal densities that are not possible.

    Examples
    --------
    >>> mean, square = deposited_energy("CdWO4", 30.0, [0.1, 1.0, 6.0])
    >>> mean.round(2)
    array([0.09, 0.45, 2.5 ])
    """
    edge = _DEFAULT_EDGE_MM if edge_mm is None else edge_mm
    face = edge if isinstance(edge, tuple) else (edge, edge)
    if scintillator not in SCINTILLATORS:
        raise ConfigurationError(f"scintillator {scintillator!r}", expected=f"one of {', '.join(SCINTILLATORS)}")
    if not all(0 < size < np.inf for size in (thickness_mm, *face)):
        raise ConfigurationError(
            f"element of {face[0]:g} × {face[1]:g} × {thickness_mm:g} mm", expected="sizes above 0 mm"
        )
    energy = np.atleast_1d(np.asarray(energy_mev, np.float64))
    passes = np.ones_like(energy)
    for name, areal_density in (filter or {}).items():
        if not 0 <= areal_density < np.inf:
            raise ConfigurationError(f"filter of {areal_density:g} g/cm² {name}", expected="0 g/cm² or more")
        passes = passes * np.exp(-areal_density * mass_attenuation(name, energy))
    block = _block(scintillator, float(thickness_mm), (float(face[0]), float(face[1])))
    depth, weight = block.first_depths(energy)
    photo, compton, pair = block.coefficients(energy)
    total = photo + compton + pair
    passes = -passes * np.expm1(-total * block.depth_cm)
    kinds = (
        (photo, _photoelectric(block, scintillator, energy, depth)),
        (compton, _compton(block, scintillator, energy, depth)),
        (pair, _pair(block, scintillator, energy, depth)),
    )
    mean = sum(share / total * (moments[0] @ weight) for share, moments in kinds)
    square = sum(share / total * (moments[1] @ weight) for share, moments in kinds)
    return passes * mean, passes * square


@functools.lru_cache(maxsize=32)
def _block(scintillator: str, thickness_mm: float, face_mm: tuple[float, float]) -> Block:
    """Return the element with its coefficients and K radiation."""
    crystal = SCINTILLATORS[scintillator]
    density = material(crystal.material).density_g_cm3

    def coefficients(energy: _Array) -> tuple[_Array, _Array, _Array]:
        photo, compton, pair = (
            density * mass_attenuation(crystal.material, energy, process)
            for process in ("photoelectric", "incoherent", "pair")
        )
        return photo, compton, pair

    # The share of photoelectric absorptions in a K shell is what its edge adds.
    near = np.array([[line.edge_mev * 0.995, line.edge_mev * 1.005] for line in crystal.fluorescence])
    beside = mass_attenuation(crystal.material, near, "photoelectric") * near**2.8
    k_shell = 1 - beside[:, 0] / beside[:, 1]

    def fluorescence(energy: _Array) -> tuple[tuple[_Array, float], ...]:
        lines = []
        rest = np.ones_like(energy)
        for line, share in reversed(list(zip(crystal.fluorescence, k_shell, strict=True))):
            here = np.where(energy > line.edge_mev, rest * share, 0.0)
            rest = rest - here
            lines.append((here * line.vacancy_yield, line.line_mev))
        return tuple(lines)

    return Block((face_mm[0] / 10, face_mm[1] / 10), thickness_mm / 10, coefficients, fluorescence)


@functools.lru_cache(maxsize=32)
def _atomic_number(material_name: str) -> float:
    """Mean atomic number for bremsstrahlung: weighted by the electrons that each constituent has."""
    parts = composition(material_name)
    number = {symbol: SYMBOLS.index(symbol) + 1 for symbol in parts}
    return sum(weight * number[symbol] for symbol, weight in parts.items())


def _electron(block: Block, scintillator: str, kinetic: _Array) -> tuple[_Array, _Array]:
    """Return mean and variance of what an electron leaves once some of its bremsstrahlung has escaped."""
    slope = _RADIATIVE_PER_Z_MEV * _atomic_number(SCINTILLATORS[scintillator].material)
    share = slope * kinetic / (1 + slope * kinetic)
    # Kramers' spectrum with ∫ k dN = share · T has dN = 2 share (T − k)/(T k) dk.
    nodes, weights = np.polynomial.legendre.leggauss(24)
    part = (nodes + 1) / 2
    quantum = np.maximum(kinetic[..., None] * part, 1e-6)
    left, left_square = block.left_anywhere(quantum)
    spectrum = share[..., None] * (1 - part) * weights
    lost = (spectrum * kinetic[..., None] * (1 - left / quantum)).sum(axis=-1)
    # Quanta are few and independent: Poisson, so the variance is the sum of mean squares of what escapes.
    escaped_square = quantum**2 - 2 * quantum * left + left_square
    variance = (spectrum / part * escaped_square).sum(axis=-1)
    return kinetic - lost, variance


def _photoelectric(block: Block, scintillator: str, energy: _Array, depth: _Array) -> tuple[_Array, _Array]:
    """Return mean and mean square of a photoelectric absorption, (k, depth)."""
    whole, spread = _electron(block, scintillator, energy)
    mean = np.broadcast_to(whole[:, None], depth.shape).copy()
    square = np.broadcast_to((whole**2 + spread)[:, None], depth.shape).copy()
    for share, line in block.fluorescence(energy):
        if not share.any():
            continue
        caught = block.caught(np.full((energy.size, 1), line), depth) @ ISOTROPIC
        first, second = block.left_by_interaction(line)
        rest = np.maximum(energy - line, 0)[:, None]
        mean += share[:, None] * (caught * first - line)
        square += share[:, None] * (rest**2 + 2 * rest * caught * first + caught * second - energy[:, None] ** 2)
    return mean, square


def _compton(block: Block, scintillator: str, energy: _Array, depth: _Array) -> tuple[_Array, _Array]:
    """Return mean and mean square of a Compton scattering, (k, depth)."""
    scattered, probability = klein_nishina(energy)
    caught = block.caught(scattered, depth)
    first, second = block.left_by_interaction(scattered)
    recoil, spread = _electron(block, scintillator, energy[:, None] - scattered)
    probability, first, second, recoil, spread = (
        values[:, None, :] for values in (probability, first, second, recoil, spread)
    )
    mean = (probability * (recoil + caught * first)).sum(axis=2)
    square = (probability * (recoil**2 + spread + 2 * recoil * caught * first + caught * second)).sum(axis=2)
    return mean, square


def _pair(block: Block, scintillator: str, energy: _Array, depth: _Array) -> tuple[_Array, _Array]:
    """Return mean and mean square of a pair production, (k, depth)."""
    half = np.maximum(energy / 2 - MC2_MEV, 0)
    electron, spread = _electron(block, scintillator, half)
    caught = block.caught(np.full((energy.size, 1), MC2_MEV), depth) @ ISOTROPIC
    first, second = block.left_by_interaction(MC2_MEV)
    mean = 2 * electron[:, None] + 2 * caught * first
    variance = 2 * spread[:, None] + 2 * (caught * second - (caught * first) ** 2)
    return mean, mean**2 + variance
