"""How long an inspection of a full-size scan takes, file to report, beside what its stages take on arrays in memory.

Run:  python -m benchmarks.tasks.inspection [--lines 2295] [--repeats 3]

A simulated 40 ft container, 1378 elements, two energies. "Stages" is calibrate + discriminate + score of the same scan already in
memory, nothing read, measured, drawn or written. "File to report" is what ``scananalysis inspect`` does: read, the same stages,
regions, masses, report, maps and figures written, in a process that has loaded the model. A scanner of 400 lines/s takes 2295 lines
in 5.7 s.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.record import record
from scananalysis.anomaly import find_anomalies
from scananalysis.calibration import calibrate
from scananalysis.core import Declaration, RawScan
from scananalysis.detectors import scanner as find_scanner
from scananalysis.inspection import inspect
from scananalysis.io import write
from scananalysis.materials import discriminate
from scananalysis.simulation import container_scene, render

SCANNER = "cargo-6-4mv"


def made(folder: Path, lines: int) -> tuple[RawScan, Declaration, Path]:
    """Simulate a scan of the wanted length and write it."""
    device = find_scanner(SCANNER)
    load = container_scene(3, device, size="42G1")
    scan = render(load.scene, device, 3).scan
    if scan.shape[1] < lines:
        raise SystemExit(f"the simulated scan has {scan.shape[1]} lines, fewer than {lines}")
    series = {name: getattr(scan, name)[:, :lines] for name in ("counts", "monitor", "position_mm", "time_s")}
    scan = replace(scan, **series)
    path = folder / "scan.h5"
    write(scan, path)
    return scan, load.declaration, path


def best(job: Callable[[], Any], repeats: int) -> float:
    """Return the least time of several runs, s."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=2295)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scan, declaration, path = made(folder, options.lines)

        def stages() -> None:
            find_anomalies(discriminate(calibrate(scan)), declaration)

        def whole() -> None:
            inspect(path, declaration).save(folder / "report")

        stages()
        whole()
        # Alternating, so that a slow spell of the machine meets both.
        pairs = [(best(stages, 1), best(whole, 1)) for _ in range(options.repeats)]
        inside, outside = (min(times) for times in zip(*pairs, strict=True))
        figures = {
            "shape": list(scan.shape),
            "stages_s": inside,
            "file_to_report_s": outside,
            "ratio": outside / inside,
            "scan_takes_s": options.lines / find_scanner(SCANNER).lines_per_s,
        }
    print(json.dumps(figures, indent=1))
    print(record("inspection", figures))


if __name__ == "__main__":
    main()
