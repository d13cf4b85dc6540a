"""Trains and calibrates the models that ship with the package, from their seed, and installs them.

Run:  pip install -e '.[train]' && python scripts/train_shipped_model.py out/training

An interrupted run goes on where it stopped. Afterwards ``scananalysis evaluate`` rebuilds the table of the model cards.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path

from scananalysis.anomaly.store import MODELS
from scananalysis.anomaly.training.fit import Schedule
from scananalysis.anomaly.training.pipeline import Plan, build
from scananalysis.datasets import read_recipe

MAIN_SCANNER = "cargo-6-4mv"


def main() -> None:
    """Run all stages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--examples", type=int, default=6000)
    parser.add_argument("--steps", type=int, default=Schedule().steps)
    parser.add_argument("--tune", type=int, default=200)
    parser.add_argument("--clean", type=int, default=3000, help=f"clean scans of {MAIN_SCANNER}")
    parser.add_argument("--clean-others", type=int, default=500, help="clean scans of each other scanner")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-install", action="store_true", help="leave the package's models as they are")
    options = parser.parse_args()
    recipe = read_recipe("declared-cargo")
    clean = {s.name: options.clean_others for s in recipe.scanners} | {MAIN_SCANNER: options.clean}
    plan = Plan(
        examples=options.examples,
        schedule=Schedule(steps=options.steps, seed=options.seed),
        tune=options.tune,
        clean=clean,
    )
    start = time.monotonic()

    def say(stage: str, done: int, total: int) -> None:
        if done % 100 == 0 or done == total:
            print(f"[{time.monotonic() - start:6.0f} s] {stage}: {done} of {total}", flush=True)

    for folder in build(recipe, plan, options.folder, progress=say):
        if not options.no_install:
            # The model card stays: it is written by hand from what `scananalysis evaluate` prints.
            shutil.copytree(folder, MODELS / folder.name, dirs_exist_ok=True)
    print(f"[{time.monotonic() - start:6.0f} s] done", flush=True)


if __name__ == "__main__":
    main()
