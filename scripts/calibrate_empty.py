"""Simulates empty containers on every scanner for containers and writes how high they score.

What `inspect` holds a container against that was declared empty.

Run:  python scripts/calibrate_empty.py [--count 240]
"""

from __future__ import annotations

import argparse
import json
import math

from scananalysis._version import __version__
from scananalysis.anomaly.emptiness import FILE
from scananalysis.anomaly.evaluation.empty import EMPTY, Look, look
from scananalysis.core.parallel import in_parallel
from scananalysis.datasets import read_recipe
from scananalysis.detectors import scanner


def main() -> None:
    """Simulate, score, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=240, help="empty containers per scanner, at least 199 for 0.5 %%")
    parser.add_argument("--workers", type=int, default=None)
    options = parser.parse_args()
    scores = {}
    for each in read_recipe("declared-cargo").scanners:
        if scanner(each.name).modality == "dual-energy-kv":
            continue
        jobs = [Look(EMPTY, each.name, each.binning, seed) for seed in range(options.count)]
        found = list(in_parallel(look, jobs, options.workers))
        if any(math.isnan(score) for score in found):
            raise SystemExit(f"{each.name}: {sum(map(math.isnan, found))} containers were not found")
        scores[each.name] = sorted(float(f"{score:.5g}") for score in found)
        print(f"{each.name}: {options.count} empty, {scores[each.name][0]:.3f} to {scores[each.name][-1]:.3f} g/cm²")
        about = f"simulated empty containers, seeds 0 to {options.count - 1} of each scanner, version {__version__}"
        FILE.write_text(json.dumps({"source": about, "scores": scores}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
