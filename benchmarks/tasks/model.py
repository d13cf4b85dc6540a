"""What the anomaly model adds to the bare ONNX Runtime calls on the same tiles, in time and memory, on a scan of full size.

    python -m benchmarks.tasks.model [--elements 1378] [--lines 2295] [--repeats 5]

A simulated 40 ft container, two energies. "Model" is ``model.score(materials, declaration)``: from the material map in pixels to
scores, p-values and families, which are kept as cells; "with every plane in pixels" also has all of them brought to pixels, as saving a
report does. "Bare calls" are the calls of ONNX Runtime that it makes, same session, same tiles, nothing
around them. Both alternate in one process, so that a slow spell of the machine meets both; ratios are of processor time and of wall
time, the median over repeats. The stages of the model are timed on the same scan. Memory: what the model allocates above the scan that is
already there (ONNX Runtime's own is not among it), and the resident peak of the whole process, before and with the model.

Where the ``benchmarks`` extra is installed, the peer of ``benchmarks.tasks.peer`` scores the same working cells in the same run,
drawn, cut and compared; its memory bank comes from this one scan, as large as that of 100 scans would be, since only its time counts.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.record import record
from scananalysis.anomaly import load
from scananalysis.anomaly.grid import rebin, working_map
from scananalysis.calibration import calibrate
from scananalysis.core import AnomalyMap, Declaration, MaterialMap
from scananalysis.detectors import scanner as find_scanner
from scananalysis.materials import discriminate, model_for
from scananalysis.simulation import container_scene, render

SCANNER = "cargo-6-4mv"
TARGET = 1.3
TARGET_BYTES = 1_500_000_000
PATCHES = 2000
"""Patches in the peer's memory bank: 1 % of those of 100 scans."""


def made(lines: int, elements: int) -> tuple[MaterialMap, Declaration]:
    """Return the material map of a simulated scan of full size, elements along y and lines along x."""
    device = find_scanner(SCANNER)
    load_ = container_scene(3, device, size="42G1")
    scan = render(load_.scene, device, 3).scan
    if scan.shape[1] < lines or scan.shape[2] != elements:
        raise SystemExit(f"the simulated scan has {scan.shape[1]} lines of {scan.shape[2]} elements")
    series = {name: getattr(scan, name)[:, :lines] for name in ("counts", "monitor", "position_mm", "time_s")}
    return discriminate(calibrate(replace(scan, **series))), load_.declaration


def timed(job: Callable[[], Any]) -> tuple[float, float]:
    """Return wall and processor time of a call, s."""
    wall, cpu = time.perf_counter(), time.process_time()
    job()
    return time.perf_counter() - wall, time.process_time() - cpu


def session_calls(job: Callable[[], Any]) -> list[tuple[Any, Any, Any]]:
    """Return (session, names of outputs, inputs) of every ONNX Runtime call that a job makes."""
    import onnxruntime

    own = onnxruntime.InferenceSession.run
    calls: list[tuple[Any, Any, Any]] = []

    def kept(session: Any, names: Any, feed: Any, options: Any = None) -> Any:
        calls.append((session, names, feed))
        return own(session, names, feed, options)

    onnxruntime.InferenceSession.run = kept
    try:
        job()
    finally:
        onnxruntime.InferenceSession.run = own
    return calls


def resident_peak() -> int:
    """Return the largest resident size of this process, bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def allocated_by(job: Callable[[], Any]) -> int:
    """Return the largest memory that Python and NumPy allocate during a call, bytes; ONNX Runtime's own is not among it."""
    import tracemalloc

    tracemalloc.start()
    try:
        job()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def in_pixels(anomalies: AnomalyMap) -> list[NDArray[Any]]:
    """Return every plane of a result in pixels."""
    return [getattr(anomalies, name) for name in ("score", "p_value", "family", "minimum_detectable", "load")]


def stages(materials: MaterialMap, declaration: Declaration) -> dict[str, Callable[[], Any]]:
    """Return the parts of ``model.score`` that can be called alone."""
    model = load("network")
    calibration = model.metadata.scanner(materials.scanner)
    cells, factors = working_map(materials, model.metadata.pitch_mm)
    families = model.declared_families(declaration)
    curves, _ = model_for(materials.radiograph)
    averaged = rebin(materials.radiograph, factors)
    return {
        "averaging pixels over cells": lambda: rebin(materials.radiograph, factors),
        "material map of the cells": lambda: discriminate(averaged, curves),
        "network and declaration on cells": lambda: model.cell_scores(cells, families, calibration),
        "all of it on cells": lambda: model.score(cells, declaration),
    }


def peer_of(materials: MaterialMap) -> Callable[[], Any] | None:
    """Return what scores the working cells of a scan with the peer, or None where it is not installed."""
    if importlib.util.find_spec("anomalib") is None:
        return None
    from benchmarks.tasks.peer import PatchCore, drawn

    cells, _ = working_map(materials, load("network").metadata.pitch_mm)
    peer = PatchCore(pretrained=True, seed=0)
    squares = drawn(cells)
    patches = squares.shape[0] * (squares.shape[1] // 8) * (squares.shape[2] // 8)
    peer.train(iter([squares]), min(1.0, PATCHES / patches))
    nowhere = np.zeros(squares.shape[:3], bool)
    return lambda: peer.score(drawn(cells), nowhere)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=2295)
    parser.add_argument("--elements", type=int, default=1378)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import cv2

    cv2.setNumThreads(options.threads)
    figures = measure(*made(options.lines, options.elements), options.repeats)
    print(json.dumps(figures, indent=1))
    if not options.no_record:
        print(record("model", figures))


def measure(materials: MaterialMap, declaration: Declaration, repeats: int) -> dict[str, Any]:
    """Time the model, its bare calls, its stages and the peer, alternating."""
    model = load("network")
    before = resident_peak()
    calls = session_calls(lambda: model.score(materials, declaration))

    def bare() -> None:
        for session, names, feed in calls:
            session.run(names, feed)

    jobs: dict[str, Callable[[], Any]] = {
        "model": lambda: model.score(materials, declaration),
        "bare calls": bare,
        "model, with every plane in pixels": lambda: in_pixels(model.score(materials, declaration)),
        **stages(materials, declaration),
    }
    after = resident_peak()
    peer = peer_of(materials)
    if peer is not None:
        jobs["peer on cells"] = peer
    for job in jobs.values():
        job()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            found[name].append(timed(job))
    times = {name: np.array(values) for name, values in found.items()}
    ratio = np.median(times["model"] / times["bare calls"], axis=0)
    on_cells = np.median(times["all of it on cells"] / times["bare calls"], axis=0)
    pixels = np.median(times["model, with every plane in pixels"] / times["bare calls"], axis=0)
    allocated = allocated_by(lambda: in_pixels(model.score(materials, declaration)))
    return {
        "shape": list(materials.shape),
        "tiles": [list(next(iter(feed.values())).shape) for _, _, feed in calls],
        "seconds": {
            name: {"wall": float(np.median(t[:, 0])), "processor": float(np.median(t[:, 1]))}
            for name, t in times.items()
        },
        "model_over_bare_calls": {"wall": float(ratio[0]), "processor": float(ratio[1]), "target": TARGET},
        "with_every_plane_in_pixels_over_bare_calls": {"wall": float(pixels[0]), "processor": float(pixels[1])},
        "on_cells_over_bare_calls": {"wall": float(on_cells[0]), "processor": float(on_cells[1])},
        "allocated_by_the_model_bytes": allocated,
        "resident_peak_bytes": {"scan in memory": before, "with the model": after, "target": TARGET_BYTES},
        "peer": None if peer is not None else "not installed: pip install 'scananalysis[benchmarks]'",
    }


if __name__ == "__main__":
    main()
