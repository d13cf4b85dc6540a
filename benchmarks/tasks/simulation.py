"""What a simulated scan costs, beside the exponentials that a direct sum over 60 energies would take.

Run:  OMP_NUM_THREADS=1 python -m benchmarks.tasks.simulation [--repeats 3]

A loaded 40 ft container on its truck, 2300 lines of 1400 elements, two energies, every imperfection on, truth included. The yardstick
is one NumPy float32 exponential per pixel, energy bin (60) and beam, on a block that fits into the cache, which is the fastest that
NumPy can do. Times are processor time of this process, which other work on the machine changes little; with one thread and a quiet
machine that is the time one waits. The quarter-size scene is what a network is trained on; its memory is that of a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.record import record
from scananalysis.detectors import Scanner
from scananalysis.detectors import scanner as find_scanner
from scananalysis.simulation import Imperfections, Load, container_scene, render

SCANNER, SIZE, ELEMENTS, LINES, BINS = "cargo-6-4mv", "42G1", 1400, 2300, 60
FLAWS = Imperfections(dropped_line_share=0.001)


def made() -> tuple[Load, Scanner]:
    """Return the load, and the scanner with a line pitch such that the whole truck takes 2300 lines."""
    device = find_scanner(SCANNER).with_elements(ELEMENTS)
    load = container_scene(5, device, size=SIZE)
    geometry = device.geometry.model_copy(update={"line_pitch_mm": load.scene.length_mm / (LINES + 0.5)})
    return load, device.model_copy(update={"geometry": geometry})


def exponential_s(repeats: int = 5) -> float:
    """Return the least time of one float32 exponential of a pixel in one bin, s."""
    block = np.random.default_rng(0).uniform(-8, 0, 65_536).astype(np.float32)
    work, best = np.empty_like(block), float("inf")
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(200):
            np.exp(block, out=work)
        best = min(best, (time.process_time() - start) / 200 / block.size)
    return best


def render_s(load: Load, device: Scanner, repeats: int) -> float:
    """Return the least time of rendering, s."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        render(load.scene, device, 1, imperfections=FLAWS)
        times.append(time.process_time() - start)
    return min(times)


def peak_gb(binning: int) -> float:
    """Return the largest resident memory of a process that builds and renders the scene once, GB."""
    command = [sys.executable, "-m", "benchmarks.tasks.simulation", "--memory-of", str(binning)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def own_peak_gb() -> float:
    """Return this process's largest resident memory, GB; on Linux without what it inherited from its parent."""
    status = Path("/proc/self/status")
    if status.is_file():
        return float(status.read_text(encoding="ascii").partition("VmHWM:")[2].split()[0]) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    load, device = made()
    if options.memory_of:
        render(load.scene, device.binned(options.memory_of, options.memory_of), 1, imperfections=FLAWS)
        print(own_peak_gb())
        return
    sizes = {"full": (1, 1), "half the lines": (2, 1), "a quarter of the lines": (4, 1), "quarter size": (4, 4)}
    variants = {name: device.binned(*by) for name, by in sizes.items()}
    pixels = {}
    for name, variant in variants.items():
        # Once before timing: tables of attenuation and effective beams are made once per scanner and process.
        pixels[name] = render(load.scene, variant, 1, imperfections=FLAWS).scan.counts[0].size
    assert pixels["full"] == LINES * ELEMENTS
    best, exponential = dict.fromkeys(sizes, float("inf")), float("inf")
    for _ in range(options.repeats):
        # In turn, so that a slow spell of the machine meets all of them.
        exponential = min(exponential, exponential_s())
        for name, variant in variants.items():
            best[name] = min(best[name], render_s(load, variant, 1))
    yardstick = exponential * pixels["full"] * BINS * len(device.channels)
    # A straight line through the full scan and a quarter of its lines: what it meets at no lines is pieces and references.
    few = "a quarter of the lines"
    per_pixel = (best["full"] - best[few]) / (pixels["full"] - pixels[few])
    fixed = best["full"] - per_pixel * pixels["full"]
    half = "half the lines"
    start = time.process_time()
    container_scene(5, device, size=SIZE)
    figures = {
        "shape": [len(device.channels), LINES, ELEMENTS],
        "pieces": len(load.scene.pieces),
        "threads": os.environ.get("OMP_NUM_THREADS", "not set"),
        "build_scene_s": time.process_time() - start,
        "exponential_ns": exponential * 1e9,
        "exponentials_s": yardstick,
        "render_s": best["full"],
        "ratio_to_exponentials": best["full"] / yardstick,
        "quarter_size_s": best["quarter size"],
        "quarter_size_over_full": best["quarter size"] / best["full"],
        "ns_per_pixel": {name: best[name] / pixels[name] * 1e9 for name in sizes},
        "fixed_s": fixed,
        "half_over_straight_line": best[half] / (fixed + per_pixel * pixels[half]),
        "peak_memory_gb": {"full": peak_gb(1), "quarter size": peak_gb(4)},
    }
    print(json.dumps(figures, indent=1))
    print(record("simulation", figures))


if __name__ == "__main__":
    main()
