"""How many bad elements are found, and how many good ones are taken for bad, by kind and strength of the defect.

    python -m benchmarks.tasks.defects [--arrays 50] [--elements 256] [--density 0.01] [--no-record]

Arrays are drawn with that density of bad elements of one kind and strength, and judged from their dark and open-beam lines alone, as a
calibration set does it. Strengths: a flickering element is raised by so many σ of a dark reading for a share of the lines; a dead one
keeps a share of its neighbours' signal; a hot one's offset is raised by so many counts; a noisy one has so many times the dark noise.
Every cell pools all arrays; found and false are shares of the bad and of the good elements, with their binomial 1-σ.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.record import record
from scananalysis.calibration.defects import find_defects
from scananalysis.calibration.gain import open_beam
from scananalysis.calibration.offset import dark_level
from scananalysis.calibration.recipe import Defects
from scananalysis.calibration.references import Calibration

NOISE, QUANTUM, OFFSET, GAIN = 3.0, 5.0, 900.0, 40_000.0
LINES = 1000
CELLS: dict[str, tuple[dict[str, float], ...]] = {
    "flickering, 5 % of the time, by amplitude": tuple(
        {"kind": 3, "sigmas": sigmas, "share": 0.05} for sigmas in (2.0, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0)
    ),
    "flickering by 5 sigma, by share of the time": tuple(
        {"kind": 3, "sigmas": 5.0, "share": share} for share in (0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05)
    ),
    "flickering by 5 sigma, 5 % of the time, by lines": tuple(
        {"kind": 3, "sigmas": 5.0, "share": 0.05, "lines": lines} for lines in (50, 100, 200, 500, 1000)
    ),
    "dead, by share of the signal that is left": tuple(
        {"kind": 1, "left": left} for left in (0.0, 0.1, 0.15, 0.19, 0.21, 0.3)
    ),
    "hot, by counts of offset": tuple({"kind": 2, "counts": counts} for counts in (100, 200, 250, 300, 400, 15_000)),
    "noisy, by dark noise over the array's": tuple(
        {"kind": 4, "ratio": ratio} for ratio in (1.2, 1.4, 1.5, 1.6, 1.8, 2.0)
    ),
}


def references(
    rng: np.random.Generator, elements: int, density: float, cell: dict[str, float]
) -> tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.bool_]]:
    """Return dark and open-beam lines of an array, (1, line, element), and which of its elements are bad."""
    lines, kind = int(cell.get("lines", LINES)), int(cell["kind"])
    shape = (lines, elements)
    bad = rng.random(elements) < density
    offset = OFFSET + rng.normal(0, 20, elements)
    gain = GAIN * (1 + rng.normal(0, 0.02, elements))
    if kind == 1:
        gain[bad] *= cell["left"]
    if kind == 2:
        offset[bad] += cell["counts"]
    pulse = 1 + rng.normal(0, 0.01, (lines, 1))
    noise = np.where(bad & (kind == 4), NOISE * cell.get("ratio", 1.0), NOISE)
    dark = offset + noise * rng.standard_normal(shape)
    quanta = np.sqrt(QUANTUM * gain * pulse + noise**2)
    air = offset + gain * pulse + quanta * rng.standard_normal(shape)
    if kind == 3:
        # It flickers at all times, but beside the noise of quanta that shows without beam alone.
        for lit in (dark, air):
            lit[:, bad] += cell["sigmas"] * NOISE * (rng.random((lines, int(bad.sum()))) < cell["share"])
    dark, air = (np.clip(np.rint(lit), 0, 65_535).astype(np.uint16)[None] for lit in (dark, air))
    return dark, air, bad


def flagged(dark: NDArray[np.uint16], air: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Return which elements are taken for bad."""
    level = dark_level(dark)
    beam = open_beam(air, level)
    used = Calibration(
        scanner="",
        binning=(1, 1),
        offset=level.offset,
        offset_sigma=level.sigma,
        dark_noise=level.noise,
        dark_outliers=level.outliers,
        gain=beam.gain,
        gain_sigma=beam.sigma,
        air_noise=beam.noise,
        air_outliers=beam.outliers,
        quantum=beam.quantum,
        air_monitor=beam.air_monitor,
        monitor_sigma=beam.monitor_sigma,
        level_sigma=beam.level_sigma,
        reference_lines=(dark.shape[1], air.shape[1]),
    )
    found: NDArray[np.bool_] = find_defects(used, Defects())[0] != 0
    return found


def measure(cell: dict[str, float], arrays: int, elements: int, density: float, seed: int = 0) -> dict[str, Any]:
    """Return what is found and what is false in some arrays."""
    rng = np.random.default_rng(seed)
    hits, false = [], []
    for _ in range(arrays):
        dark, air, bad = references(rng, elements, density, cell)
        taken = flagged(dark, air)
        hits.append(taken[bad])
        false.append(taken[~bad])
    found, wrong = np.concatenate(hits), np.concatenate(false)

    def share(values: NDArray[np.bool_]) -> tuple[float, float]:
        # Never without an error: one more in as many.
        p = (values.sum() + 1) / (values.size + 2)
        return round(float(values.mean()), 5), round(float(np.sqrt(p * (1 - p) / values.size)), 5)

    return {**cell, "bad": found.size, "found": share(found), "good": wrong.size, "false": share(wrong)}


def curves(arrays: int, elements: int, density: float) -> dict[str, list[dict[str, Any]]]:
    """Return every cell's figures."""
    return {name: [measure(cell, arrays, elements, density) for cell in cells] for name, cells in CELLS.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arrays", type=int, default=50)
    parser.add_argument("--elements", type=int, default=256)
    parser.add_argument("--density", type=float, default=0.01)
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args()
    found = curves(options.arrays, options.elements, options.density)
    for name, rows in found.items():
        print(name)
        for row in rows:
            strength = {k: v for k, v in row.items() if k in {"sigmas", "share", "lines", "left", "counts", "ratio"}}
            shares = "found {:.3f} ± {:.3f}, false {:.5f} ± {:.5f}".format(*row["found"], *row["false"])
            print(f"  {json.dumps(strength):<52} {shares}  ({row['bad']} bad, {row['good']} good)")
    if not options.no_record:
        print(record("defects", {"arrays": options.arrays, "elements": options.elements, "curves": found}))


if __name__ == "__main__":
    main()
