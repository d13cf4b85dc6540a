"""Builds the tables in ``detectors/spectra/``.

Run:  pip install spekpy && python scripts/build_spectra.py

Megavolt tables come from `scananalysis.physics.spectra`; tube tables from SpekPy (MIT licence; Poludniowski et al., Med. Phys. 48
(2021) 3630, doi:10.1002/mp.14945); gamma lines from the Decay Data Evaluation Project (Co-60: doi:10.1051/bipm monographie 5,
1.173228 and 1.332492 MeV; Cs-137: 0.661657 MeV).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from scananalysis import __version__
from scananalysis.physics.spectra import Target, bremsstrahlung

FOLDER = Path(__file__).parents[1] / "detectors" / "spectra"
ANGLES_RAD = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
BINS = 60
# Tungsten of about a range and copper behind it: the common build of a transmission target.
TARGET = Target(3.0, {"Cu": 5.0})
LOWEST_MEV = 0.1


def write(name: str, lines: list[str], energy: np.ndarray, angle: np.ndarray, photons: np.ndarray) -> None:
    """Write one table, each column normalised to the axis' sum."""
    photons = photons / photons[0].sum()
    head = [
        f"# {line}"
        for line in [*lines, f"Photons per bin; columns: angle from the beam axis, rad. scananalysis {__version__}"]
    ]
    rows = [",".join(["energy_mev", *(f"{a:g}" for a in angle)])]
    rows += [",".join([f"{e:.6g}", *(f"{p:.5e}" for p in column)]) for e, column in zip(energy, photons.T, strict=True)]
    (FOLDER / f"{name}.csv").write_text("\n".join(head + rows) + "\n", encoding="utf-8")
    print(name, photons.shape)


def megavolt(endpoint: float) -> None:
    """Write the bremsstrahlung of one endpoint."""
    edges = np.geomspace(LOWEST_MEV, endpoint, BINS + 1)
    energy = np.sqrt(edges[1:] * edges[:-1])
    spectrum = bremsstrahlung(endpoint, energy, ANGLES_RAD, TARGET) * np.diff(edges)
    write(
        f"bremsstrahlung-{endpoint:g}mv",
        [
            f"Bremsstrahlung of {endpoint:g} MeV electrons in {TARGET.thickness_g_cm2:g} g/cm2 of tungsten behind {dict(TARGET.filter)}",
            "(g/cm2), by scripts/build_spectra.py; formula: Koch and Motz, doi:10.1103/RevModPhys.31.920",
        ],
        energy,
        ANGLES_RAD,
        spectrum,
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
            f"Tungsten tube, {kilovolt} kV, anode angle 20 degrees, {aluminium_mm:g} mm Al, by SpekPy (doi:10.1002/mp.14945)"
        ],
        middle[keep] / 1e3,
        np.zeros(1),
        photons[None, keep],
    )


def lines(name: str, title: str, energy_mev: list[float], per_decay: list[float]) -> None:
    """Write a gamma source."""
    write(name, [title], np.array(energy_mev), np.zeros(1), np.array([per_decay]))


def main() -> None:
    """Write all tables, or those whose names are given."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for endpoint in (4.0, 6.0, 9.0, 10.0):
        megavolt(endpoint)
    lines(
        "co-60",
        "Co-60 gamma lines per decay, DDEP evaluation (BIPM Monographie 5)",
        [1.173228, 1.332492],
        [0.9985, 0.9998],
    )
    lines("cs-137", "Cs-137 gamma line per decay, DDEP evaluation (BIPM Monographie 5)", [0.661657], [0.8499])
    if "--without-tubes" not in sys.argv:
        for kilovolt, aluminium in ((100, 3.0), (140, 3.0), (160, 3.0), (225, 3.0)):
            tube(kilovolt, aluminium)


if __name__ == "__main__":
    main()
