"""How many elements that fail after the references are found in the scan itself, and how many good ones are taken for bad.

    python -m benchmarks.tasks.failed [--scanner cargo-6-4mv] [--binning 4] [--scans 20] [--cut] [--no-record]

Loads are drawn and rendered with every imperfection of the scanner, references and all; then one element of the first channel for each
kind of failure is spoilt in the scan alone. Kinds: dead (dark level and noise), stuck (one count throughout), midway (dead from the middle
of the scan), weaker (0.7 of its signal), jumps (8 % of the lines, by 8 times its open-beam noise), noisy (2.5 times its open-beam noise
added), and a board of 16 dead elements. ``--cut`` keeps the lines from a quarter to 70 % of the scan: none is left before or behind the
vehicle.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.record import record
from scananalysis.calibration import Calibration, Recipe
from scananalysis.calibration.failed import find_failed
from scananalysis.calibration.plan import plans_of
from scananalysis.core import RawScan
from scananalysis.detectors import Scanner
from scananalysis.detectors import scanner as find_scanner
from scananalysis.simulation import container_scene, render

KINDS = ("dead", "stuck", "midway", "weaker", "jumps", "noisy")
BOARD = 16


class Judged:
    """A scan with its references, and what is found in readings in place of its own."""

    def __init__(self, scan: RawScan, device: Scanner) -> None:
        self.recipe = Recipe.for_scanner(device)
        self.used = Calibration.from_references(scan, recipe=self.recipe)
        self.plans = plans_of(self.used, device, 0.0, self.recipe)

    def flagged(self, counts: NDArray[np.uint16]) -> NDArray[np.bool_]:
        """Return which elements are taken for failed, (channel, element)."""
        found: NDArray[np.bool_] = find_failed(counts, self.plans, self.used.dark_noise, self.recipe.defects) != 0
        return found

    def good(self) -> NDArray[np.intp]:
        """Return elements of the first channel without a defect and away from the ends."""
        flags = self.plans[0].repair.flags
        found: NDArray[np.intp] = 3 + np.flatnonzero(flags[3 : -BOARD - 2] == 0)
        return found


def spoilt(
    kind: str, seen: NDArray[np.float64], e: int, used: Calibration, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the readings of one element, (line,), after it failed."""
    offset, dark, air = used.offset[0, e], max(float(used.dark_noise[0, e]), 0.3), float(used.air_noise[0, e])
    nothing = rng.normal(offset, dark, seen.size)
    readings: dict[str, NDArray[np.float64]] = {
        "dead": nothing,
        "stuck": np.full(seen.size, rng.integers(0, 60_000), np.float64),
        "midway": np.where(np.arange(seen.size) < seen.size // 2, seen, nothing),
        "weaker": offset + 0.7 * (seen - offset),
        "jumps": seen + 8 * air * (rng.random(seen.size) < 0.08),
        "noisy": seen + rng.normal(0, 2.5 * air, seen.size),
    }
    return readings[kind]


def measure(name: str, binning: int, scans: int, *, cut: bool, seed: int = 0) -> dict[str, Any]:
    """Return what is found and what is false over some scans."""
    device = find_scanner(name).binned(binning, binning)
    rng = np.random.default_rng(seed)
    found = dict.fromkeys((*KINDS, "board"), 0)
    false, good = 0, 0
    for i in range(scans):
        scan = render(container_scene(seed + i, device).scene, device, seed=i).scan
        if cut:
            part = slice(scan.shape[1] // 4, scan.shape[1] * 7 // 10)
            monitor = None if scan.monitor is None else scan.monitor[:, part]
            scan = replace(scan, counts=scan.counts[:, part], monitor=monitor, position_mm=None, time_s=None)
        judged = Judged(scan, device)
        before = judged.flagged(scan.counts)
        false, good = false + int(before.sum()), good + before.size
        elements = judged.good()
        for kind, e in zip(KINDS, rng.choice(elements[::6], len(KINDS), replace=False), strict=True):
            counts = scan.counts.copy()
            counts[0, :, e] = np.clip(
                np.rint(spoilt(kind, counts[0, :, e].astype(float), e, judged.used, rng)), 0, 65_535
            )
            found[kind] += int(judged.flagged(counts)[0, e])
        first = int(rng.choice(elements))
        counts = scan.counts.copy()
        for e in range(first, first + BOARD):
            counts[0, :, e] = np.rint(spoilt("dead", counts[0, :, e].astype(float), e, judged.used, rng))
        found["board"] += int(judged.flagged(counts)[0, first : first + BOARD].sum())
    shares = {kind: n / (scans * (BOARD if kind == "board" else 1)) for kind, n in found.items()}
    return {
        "scanner": name,
        "binning": binning,
        "scans": scans,
        "cut": cut,
        "found": shares,
        "false": false,
        "good": good,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scanner", default="cargo-6-4mv")
    parser.add_argument("--binning", type=int, default=4)
    parser.add_argument("--scans", type=int, default=20)
    parser.add_argument("--cut", action="store_true", help="no lines before or behind the vehicle")
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args()
    figures = measure(options.scanner, options.binning, options.scans, cut=options.cut)
    shares = ", ".join(f"{kind} {share:.2f}" for kind, share in figures["found"].items())
    print(f"found of {options.scans} scans each: {shares}")
    # Rule of three where none was false.
    upper = max(3.0, figures["false"] + 2 * figures["false"] ** 0.5) / figures["good"]
    print(f"false: {figures['false']} of {figures['good']} good elements (below {upper:.1e} with 95 % confidence)")
    if not options.no_record:
        print(record("failed", figures))


if __name__ == "__main__":
    main()
