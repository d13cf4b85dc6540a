"""How well the material curves of our own beams fit, and predict, step wedges that somebody else simulated or measured.

Run:  python -m benchmarks.tasks.wedge WEDGE.csv

The table has the columns beam_mv, z, areal_density_g_cm2, alpha and relative_sigma (of the transmission); lines that begin with # are
skipped. Beams on axis, of the tables in ``detectors/spectra`` and the crystals of ``cargo-6-4mv``. Each beam is fitted on all steps, then
once without each element, which is predicted. Residuals count from 20 g/cm².
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.record import record
from scananalysis.calibration import StepWedge
from scananalysis.core import FormatError
from scananalysis.detectors import scanner
from scananalysis.materials import DualEnergyModel
from scananalysis.physics import Beam

SCANNER = "cargo-6-4mv"
COLUMNS = ("beam_mv", "z", "areal_density_g_cm2", "alpha", "relative_sigma")
LEAST_G_CM2 = 20.0


def read_wedge(path: Path) -> dict[int, NDArray[np.float64]]:
    """Return rows of (Z, areal density, α, σ of α) by endpoint in MV."""
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(line for line in stream if not line.startswith("#"))
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise FormatError(f"columns {reader.fieldnames}", source=path, expected=", ".join(COLUMNS))
        found: dict[int, list[list[float]]] = {}
        for row in reader:
            found.setdefault(int(row["beam_mv"]), []).append([float(row[name]) for name in COLUMNS[1:]])
    return {mv: np.array(rows) for mv, rows in found.items()}


def beam_of(mv: int) -> Beam:
    """Return the beam of an endpoint in MV."""
    device = scanner(SCANNER)
    channel = device.channels[0].model_copy(update={"spectrum": f"bremsstrahlung-{mv}mv"})
    return device.model_copy(update={"channels": (channel, device.channels[1])}).beams()[0]


def fitted(beam: Beam, rows: NDArray[np.float64]) -> DualEnergyModel:
    """Fit one beam; the model wants two, so it is given twice."""
    z, depth, alpha, sigma = rows.T
    return DualEnergyModel.fit((beam, beam), StepWedge(z, depth, [alpha] * 2, [sigma**2] * 2))


def rms_percent(model: DualEnergyModel, rows: NDArray[np.float64]) -> float:
    """Return the relative residuals of α, root mean square, %."""
    z, depth, alpha, _ = rows[rows[:, 1] >= LEAST_G_CM2].T
    predicted = np.asarray(model.forward(depth, z)[0])
    return float(100 * np.sqrt(np.mean((predicted / alpha - 1) ** 2)))


def main() -> None:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wedge", type=Path, metavar="WEDGE.csv")
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args()
    figures = {}
    for mv, rows in read_wedge(options.wedge).items():
        beam = beam_of(mv)
        model = fitted(beam, rows)
        left_out = {
            f"{z:g}": round(rms_percent(fitted(beam, rows[rows[:, 0] != z]), rows[rows[:, 0] == z]), 3)
            for z in np.unique(rows[:, 0])
        }
        figures[f"{mv} MV"] = {
            "points": len(rows),
            "reduced_chi2": round(float(model.reduced_chi2[0]), 2),
            "rms_percent": round(rms_percent(model, rows), 3),
            "rms_percent_of_z_left_out": left_out,
        }
    print(json.dumps(figures, indent=1))
    if not options.no_record:
        print(record("wedge", figures))


if __name__ == "__main__":
    main()
