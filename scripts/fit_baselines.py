"""Fits what the baselines need beside the components of ``train_shipped_model.py``, calibrates both and installs them.

Run:  pip install -e '.[train]' && python scripts/fit_baselines.py out/baselines

Heights of goods (``models/heights.json``, both baselines), masked expected density (its coefficients), and the clean scans that calibrate
both. Fitting takes seconds once the scans are simulated.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from scananalysis import cargo
from scananalysis._version import __version__
from scananalysis.anomaly import heights
from scananalysis.anomaly.components import Components
from scananalysis.anomaly.expected import ExpectedDensityModel
from scananalysis.anomaly.mahalanobis import MahalanobisModel
from scananalysis.anomaly.metadata import Metadata, read_metadata
from scananalysis.anomaly.model import DECLARED
from scananalysis.anomaly.store import MODELS
from scananalysis.anomaly.training.expected import fit_expected, gather, learn_heights
from scananalysis.anomaly.training.pipeline import PITCH_MM, Plan, calibrate_models
from scananalysis.core import sha256_file
from scananalysis.datasets import read_recipe

MAIN_SCANNER = "cargo-6-4mv"
RECIPE = "declared-cargo"


def main() -> None:
    """Run all stages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="work folder")
    parser.add_argument("--scans", type=int, default=400, help="clean scans that are fitted")
    parser.add_argument("--tune", type=int, default=100)
    parser.add_argument("--clean", type=int, default=600, help=f"clean scans of {MAIN_SCANNER}")
    parser.add_argument("--clean-others", type=int, default=300, help="clean scans of each other scanner")
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    recipe = read_recipe(RECIPE)
    start = time.monotonic()

    def say(stage: str, done: int, total: int) -> None:
        if done % 100 == 0 or done == total:
            print(f"[{time.monotonic() - start:6.0f} s] {stage}: {done} of {total}", flush=True)

    found = learn_heights(
        recipe,
        options.scans,
        PITCH_MM,
        workers=options.workers,
        progress=lambda done, total: say("heights", done, total),
    )
    missing = {each.name for each in recipe.scanners} - set(found)
    if missing:
        raise SystemExit(f"no scan of {', '.join(sorted(missing))} among {options.scans}; ask for more")
    about = {"recipe": recipe.name, "split": "train", "clean_scans": options.scans, "simulator": __version__}
    heights.FILE.write_text(json.dumps(about | {"log_odds": found}) + "\n", encoding="utf-8")
    folders = [options.folder / name for name in ("mahalanobis", "expected-density")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    plain = read_metadata(MODELS / "mahalanobis")
    shutil.copyfile(MODELS / "mahalanobis" / plain.file, folders[0] / plain.file)
    families = cargo.families()
    with np.load(folders[0] / plain.file, allow_pickle=False) as weights:
        components = Components.read(weights, len(families), folders[0] / plain.file)
    cells = gather(
        recipe,
        options.scans,
        PITCH_MM,
        components,
        len(families),
        workers=options.workers,
        progress=lambda done, total: say("clean scans", done, total),
    )
    begun = time.monotonic()
    path = folders[1] / "density.npz"
    arrays: dict[str, Any] = {**components._asdict(), **fit_expected(cells, len(families))}
    np.savez(path, **arrays)
    print(f"fitted {len(cells.seen)} cells in {time.monotonic() - begun:.1f} s", flush=True)
    made = Metadata.model_validate(
        {
            "name": "expected-density",
            "version": __version__,
            "kind": "expected-density",
            "file": path.name,
            "sha256": sha256_file(path),
            "families": families,
            "heads": (DECLARED,),
            "pitch_mm": PITCH_MM,
            "training": {
                "recipe": recipe.name,
                "recipe_seed": recipe.seed,
                "clean_scans": options.scans,
                "cells": len(cells.seen),
                "components": plain.sha256,
                "simulated": True,
                "simulator": __version__,
                "python": platform.python_version(),
                "numpy": np.__version__,
            },
            "calibration": {},
        }
    )
    clean = {each.name: options.clean_others for each in recipe.scanners} | {MAIN_SCANNER: options.clean}
    models = [
        MahalanobisModel(folders[0], plain.model_copy(update={"calibration": {}})),
        ExpectedDensityModel(folders[1], made),
    ]
    calibrate_models(list(models), recipe, Plan(tune=options.tune, clean=clean), options.workers, say)
    for folder in folders:
        # The model cards stay: they are written by hand.
        shutil.copytree(folder, MODELS / folder.name, dirs_exist_ok=True)
    print(f"[{time.monotonic() - start:6.0f} s] done", flush=True)


if __name__ == "__main__":
    main()
