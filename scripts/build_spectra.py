"""Builds the tables in ``detectors/spectra/``.

Run:  pip install spekpy && python scripts/build_spectra.py [--only NAME ...] [--bremsstrahlung-table BREMX.DAT]

Megavolt tables come from `scananalysis.physics.spectra`; tube tables from SpekPy (MIT licence; Poludniowski et al., Med. Phys. 48
(2021) 3630, doi:10.1002/mp.14945); gamma lines from the Decay Data Evaluation Project (Bé et al., Table of Radionuclides, BIPM
Monographie 5: Co-60 1.173228 and 1.332492 MeV, Cs-137 0.661657 MeV).

``--bremsstrahlung-table`` first rebuilds ``scananalysis/physics/data/bremsstrahlung-w.csv`` from the table of S. M. Seltzer (National
Bureau of Standards, 5 September 1984), the file ``openmc/data/BREMX.DAT`` of OpenMC (MIT licence).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from scananalysis import __version__
from scananalysis.physics.spectra import Target, bremsstrahlung

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "detectors" / "spectra"
ANGLES_RAD = np.array([0.0, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5])
BINS = 60
LOWEST_MEV = 0.1
ELECTRONS, SEED = 20_000, 1
# Tungsten of 0.6 to 0.9 of the electrons' range, which gives the most X-rays, on a backing of 5 mm of copper: the usual build of a
# transmission target. Within that, thicknesses were chosen to agree with independent Monte Carlo; see docs/theory/spectra.md.
BACKING = {"Cu": 4.48}
TARGETS = {4.0: Target(2.5, BACKING), 6.0: Target(3.0, BACKING), 9.0: Target(3.75, BACKING), 10.0: Target(4.0, BACKING)}
TUNGSTEN = 74


def write(name: str, lines: list[str], energy: np.ndarray, angle: np.ndarray, photons: np.ndarray) -> None:
    """Write one table, normalised to the axis' sum."""
    photons = photons / photons[0].sum()
    head = [
        f"# {line}"
        for line in [
            *lines,
            "energy_mev: MeV. Other columns: photons per bin at an angle from the beam axis in rad; the axis sums to 1.",
            f"scananalysis {__version__}, scripts/build_spectra.py",
        ]
    ]
    rows = [",".join(["energy_mev", *(f"{a:g}" for a in angle)])]
    rows += [",".join([f"{e:.6g}", *(f"{p:.5e}" for p in column)]) for e, column in zip(energy, photons.T, strict=True)]
    (FOLDER / f"{name}.csv").write_text("\n".join(head + rows) + "\n", encoding="utf-8")
    print(name, photons.shape)


def edges_mev(endpoint: float) -> np.ndarray:
    """Return the edges of a megavolt table's bins: equal steps in the logarithm."""
    return np.geomspace(LOWEST_MEV, endpoint, BINS + 1)


def megavolt(endpoint: float) -> None:
    """Write the bremsstrahlung of one endpoint."""
    edges, target = edges_mev(endpoint), TARGETS[endpoint]
    behind = ", ".join(f"{thickness:g} g/cm2 of {name}" for name, thickness in target.filter.items())
    write(
        f"bremsstrahlung-{endpoint:g}mv",
        [
            f"Bremsstrahlung of {endpoint:g} MeV electrons in {target.thickness_g_cm2:g} g/cm2 of tungsten behind {behind}",
            "Cross sections: Seltzer and Berger, doi:10.1016/0092-640X(86)90014-8; angles: doi:10.1103/RevModPhys.31.920",
        ],
        np.sqrt(edges[1:] * edges[:-1]),
        ANGLES_RAD,
        bremsstrahlung(endpoint, edges, ANGLES_RAD, target, electrons=ELECTRONS, seed=SEED),
    )


def tube(kilovolt: int, aluminium_mm: float) -> None:
    """Write a tube spectrum on 2 keV bins."""
    import spekpy

    spek = spekpy.Spek(kvp=kilovolt, th=20, dk=0.5).filter("Al", aluminium_mm)
    energy_kev, fluence = spek.get_spectrum(edges=False)
    step = 2.0
    edges = np.arange(12.0, kilovolt + step, step)
    photons, _ = np.histogram(energy_kev, edges, weights=fluence)
    middle = (edges[1:] + edges[:-1]) / 2
    keep = photons > 0
    write(
        f"tube-{kilovolt}kv",
        [
            f"Tungsten tube, {kilovolt} kV, anode angle 20 degrees, {aluminium_mm:g} mm Al",
            f"SpekPy {spekpy.__version__}, doi:10.1002/mp.14945",
        ],
        middle[keep] / 1e3,
        np.zeros(1),
        photons[None, keep],
    )


def lines(name: str, title: str, energy_mev: list[float], per_decay: list[float]) -> None:
    """Write a gamma source."""
    write(name, [title], np.array(energy_mev), np.zeros(1), np.array([per_decay]))


def cross_sections(path: Path) -> None:
    """Write tungsten's rows of the scaled bremsstrahlung cross section from 0.01 to 20 MeV."""
    numbers = path.read_text(encoding="ascii").split("SEP 84.")[1].strip("\x1a\n ").split()
    rows, columns = int(numbers[0]), int(numbers[1])
    energy, share, values = np.split(np.array(numbers[2:], float), [rows, rows + columns])
    table = values.reshape(-1, rows, columns)[TUNGSTEN - 1]
    keep = (energy >= 0.01) & (energy <= 20)
    text = [
        "# Scaled bremsstrahlung cross section of tungsten, (beta/Z)^2 k dsigma/dk, mb, nucleus and atomic electrons",
        "# Rows: kinetic energy T of the electron, MeV. Columns: photon energy over T.",
        "# S. M. Seltzer, National Bureau of Standards, 5 Sep 1984; published as Seltzer and Berger,",
        "# At. Data Nucl. Data Tables 35 (1986) 345, doi:10.1016/0092-640X(86)90014-8",
        ",".join(["kinetic_mev", *(f"{x:g}" for x in share)]),
    ]
    text += [
        ",".join([f"{t:g}", *(f"{value:.5g}" for value in row)])
        for t, row in zip(energy[keep], table[keep], strict=True)
    ]
    target = ROOT / "scananalysis" / "physics" / "data" / "bremsstrahlung-w.csv"
    target.write_text("\n".join(text) + "\n", encoding="utf-8")
    print(target.name, table[keep].shape)


def main() -> None:
    """Write all tables, or those whose names are given."""
    parser = argparse.ArgumentParser(description="Build the tables in detectors/spectra/")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="tables to build, e.g. bremsstrahlung-6mv"
    )
    parser.add_argument(
        "--bremsstrahlung-table", type=Path, metavar="BREMX.DAT", help="rebuild the cross sections first"
    )
    options = parser.parse_args()
    if options.bremsstrahlung_table:
        cross_sections(options.bremsstrahlung_table)
    FOLDER.mkdir(parents=True, exist_ok=True)
    jobs = {f"bremsstrahlung-{endpoint:g}mv": (megavolt, (endpoint,)) for endpoint in TARGETS}
    jobs |= {f"tube-{kilovolt}kv": (tube, (kilovolt, 3.0)) for kilovolt in (100, 140, 160, 225)}
    source = "gamma lines per decay, DDEP evaluation (BIPM Monographie 5)"
    jobs["co-60"] = (lines, ("co-60", f"Co-60 {source}", [1.173228, 1.332492], [0.9985, 0.999826]))
    jobs["cs-137"] = (lines, ("cs-137", f"Cs-137 {source}", [0.661657], [0.8499]))
    if unknown := set(options.only) - set(jobs):
        parser.error(f"no table {', '.join(sorted(unknown))}; there are {', '.join(jobs)}")
    for name, (build, arguments) in jobs.items():
        if not options.only or name in options.only:
            build(*arguments)


if __name__ == "__main__":
    main()
