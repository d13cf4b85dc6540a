"""What the inversion of a raw pair costs, beside a memory copy and plain NumPy and SciPy.

Run:  OMP_NUM_THREADS=1 python -m benchmarks.tasks.materials [--rows 2000] [--no-record]

Raw counts of both energies, 2000 × 4000, with 1 % noise go to α and its variance (dark, air, logarithm) and on to λ, Z, σ_λ, σ_Z and
flags, every row at its own fan angle. Beside it in the same run: one copy of the same raw pair and of all planes read and written; the
same chain in float64 NumPy with `scipy.ndimage.map_coordinates` on the same tables. The rate of a published χ² search in every pixel is
held against it as a figure of its own and not run again. Times are processor time of this process.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from benchmarks.record import record
from scananalysis.detectors import scanner
from scananalysis.materials import DualEnergyModel
from scananalysis.materials.electrons import grams_per_electron
from scananalysis.materials.inversion import Inverted
from scananalysis.materials.tables import COARSE, DENSE, InverseTable, build_table

AIR, DARK, WIDTH = 50_000.0, 900.0, 4000
CLOCK_S = 0.2
QUANTUM = 5.0
"""Counts per absorbed photon."""
PUBLISHED_MPX_S = 0.024
"""Megapixels per second of a published χ² search in every pixel (semiZ), measured apart from this run."""


def raw_pair(model: DualEnergyModel, rows: int) -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    """Return counts (2, y, x), the fan angle of every row of a load."""
    rng = np.random.default_rng(0)
    depth = rng.uniform(5, 90, WIDTH)
    z = rng.choice([6.0, 7.0, 8.0, 13.0, 26.0], WIDTH)
    angle = np.linspace(-0.1, 0.42, rows)
    counts = np.empty((2, rows, WIDTH), np.uint16)
    for y in range(0, rows, 50):
        for c, alpha in enumerate(model.forward(depth, z, abs(float(angle[y])))):
            photons = AIR / QUANTUM * np.exp(-alpha)
            noise = np.sqrt(photons) * rng.standard_normal((min(50, rows - y), WIDTH))
            counts[c, y : y + 50] = np.clip(DARK + QUANTUM * (photons + noise), 0, 65535)
    return counts, angle[np.arange(rows) // 50 * 50]


def attenuation(counts: NDArray[np.uint16]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return α and its variance, (2, y, x), in blocks of rows."""
    import cv2

    alpha, variance = (np.empty(counts.shape, np.float32) for _ in range(2))
    for c in range(2):
        for y in range(0, counts.shape[1], 8):
            signal = counts[c, y : y + 8].astype(np.float32)
            signal -= np.float32(DARK)
            np.maximum(signal, np.float32(1), out=signal)
            np.divide(np.float32(QUANTUM), signal, out=variance[c, y : y + 8])
            signal *= np.float32(1 / AIR)
            cv2.log(signal, alpha[c, y : y + 8])
            np.negative(alpha[c, y : y + 8], out=alpha[c, y : y + 8])
    return alpha, variance


def ours(model: DualEnergyModel, counts: NDArray[np.uint16], angle: NDArray[np.float64]) -> Inverted:
    """Raw counts to λ, Z, σ and flags."""
    alpha, variance = attenuation(counts)
    return model.invert(alpha[0], alpha[1], variance[0], variance[1], angle)


def plain(table: InverseTable, counts: NDArray[np.uint16], angle: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
    """Do the same with whole arrays in NumPy and SciPy: the first branch only, its σ without the steps of A/Z, no twins."""
    signal = np.maximum(counts.astype(np.float64) - DARK, 1)
    high, low = -np.log(signal / AIR)
    var_high, var_low = QUANTUM / signal
    column = np.sqrt(np.maximum(high, 0)) * table.last_column / table.root_limit
    node = np.interp(np.abs(angle), table.angle, np.arange(table.angle.size))[:, None] + np.zeros_like(column)

    def read(image: NDArray[Any], *at: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(map_coordinates(image, at, order=1, mode="nearest"))

    edge = [read(table.edges[..., k], node * DENSE, column) for k in range(3)]
    place = (low / high - edge[0]) / edge[1]
    row = np.sqrt(np.clip(place, 0, 1)) * table.last_row
    electrons, z, by_z, along = (read(table.planes[0][..., k], node, row, column) for k in range(4))
    bend, thickness = (read(table.slopes[0][..., k], node, row / COARSE, column / COARSE) for k in range(2))
    grams = grams_per_electron(z)
    noise = var_low + along**2 * var_high
    sigma_z = np.sqrt(noise) / np.abs(by_z * high)
    across = bend / by_z
    sigma = grams * np.sqrt((thickness - across * along) ** 2 * var_high + across**2 * var_low)
    outside = (place < 0) | (place > 1)
    return electrons * high * grams, z, sigma, sigma_z, outside


def cost(run: Callable[[], object], repeats: int) -> float:
    """Return the least processor time of a call, s; short calls are repeated until the clock can resolve them."""
    best = float("inf")
    for _ in range(repeats):
        start, calls = time.process_time(), 0
        while calls == 0 or time.process_time() - start < CLOCK_S:
            run()
            calls += 1
        best = min(best, (time.process_time() - start) / calls)
    return best


def main() -> None:
    """Measure, print, record."""
    import cv2

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    model = DualEnergyModel.nominal(scanner("cargo-6-4mv"))
    table = build_table(model)
    model.invert(1.0, 1.1)
    build = cost(lambda: build_table(model), options.repeats)
    counts, angle = raw_pair(model, options.rows)
    pixels = counts[0].size
    target, moved = np.empty_like(counts), np.ones((6, *counts.shape[1:]), np.float32)
    copied = np.empty_like(moved)
    copy = cost(lambda: np.copyto(target, counts), options.repeats)
    copy_all = copy + cost(lambda: np.copyto(copied, moved), options.repeats)
    mine = cost(lambda: ours(model, counts, angle), options.repeats)
    alpha_only = cost(lambda: attenuation(counts), options.repeats)
    some = slice(0, max(options.rows // 20, 50))
    theirs = cost(lambda: plain(table, counts[:, some], angle[some]), 1) * pixels / counts[0, some].size
    figures = {
        "pixels": pixels,
        "raw_pair_to_maps_s": mine,
        "of_which_dark_air_logarithm_s": alpha_only,
        "megapixels_per_s": pixels / mine / 1e6,
        "copies_of_the_raw_pair": mine / copy,
        "copies_of_all_bytes_in_and_out": mine / copy_all,
        "times_faster_than_numpy_scipy": theirs / mine,
        "times_the_published_chi2_search": pixels / mine / 1e6 / PUBLISHED_MPX_S,
        "table_building_s": build,
    }
    print(json.dumps(figures, indent=2))
    if not options.no_record:
        record("materials", figures)


if __name__ == "__main__":
    main()
