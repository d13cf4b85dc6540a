"""Trains and calibrates the models that ship with the package, from their seed.

Run:  pip install -e '.[train]' && python scripts/train_shipped_model.py out/training

Every stage keeps what it has made below the folder and goes on from there after an interruption: examples, checkpoints,
exported weights. Afterwards ``scananalysis evaluate`` rebuilds the table of the model cards.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from scananalysis import __version__, cargo
from scananalysis.anomaly.alarms import AlarmCalibrator
from scananalysis.anomaly.campaign import Task, prepared
from scananalysis.anomaly.features import PLANES
from scananalysis.anomaly.grid import working_scale
from scananalysis.anomaly.mahalanobis import NUISANCE, MahalanobisModel
from scananalysis.anomaly.metadata import Metadata, write_metadata
from scananalysis.anomaly.model import DECLARED, INSERT, AnomalyModel
from scananalysis.anomaly.network import NetworkModel
from scananalysis.anomaly.store import MODELS
from scananalysis.anomaly.training.baseline import fit_components, save_components
from scananalysis.anomaly.training.cache import Crops, Source, fill
from scananalysis.anomaly.training.export import export_onnx
from scananalysis.anomaly.training.fit import Schedule, class_weights, train
from scananalysis.anomaly.training.network import DeclaredCargoNetwork
from scananalysis.core import sha256_file
from scananalysis.datasets import Recipe, read_recipe

PITCH_MM = (40 / 3, 20.0)
CROP = (192, 256)
BATCH = 8
COMPONENTS, NUISANCE_COMPONENTS = 4, 8


def say(text: str) -> None:
    """Print with the time since the start."""
    print(f"[{time.monotonic() - START:7.0f} s] {text}", flush=True)


def fit_baseline(stems: list[Path], classes: int, folder: Path) -> Path:
    """Fit the Mahalanobis components to the cells that the examples kept."""
    rows = np.concatenate([np.load(f"{stem}.cells.npy", allow_pickle=False) for stem in stems])
    features = {int(c): rows[rows[:, 0] == c, 1:] for c in np.unique(rows[:, 0])}
    counts = [COMPONENTS] * (classes - len(NUISANCE)) + [NUISANCE_COMPONENTS] * len(NUISANCE)
    path = folder / "components.npz"
    save_components(path, fit_components(features, counts, seed=0))
    return path


def fit_network(stems: list[Path], classes: int, folder: Path, schedule: Schedule) -> tuple[Path, float]:
    """Train the network and export it; return the file and the largest difference to the trained one."""
    counts = np.zeros(classes)
    for stem in stems[::4]:
        label = np.load(f"{stem}.label.npy", allow_pickle=False)[0]
        counts += np.bincount(label[label < classes], minlength=classes)
    torch.manual_seed(schedule.seed)
    network = DeclaredCargoNetwork(len(PLANES), classes)
    network = train(
        network,
        Crops(stems, CROP, BATCH, schedule.seed),
        class_weights(counts),
        schedule,
        folder,
        progress=lambda step, steps, loss: say(f"step {step}/{steps}, loss {loss:.3f}") if step % 50 == 0 else None,
    )
    path = folder / "network.onnx"
    return path, export_onnx(network, path)


def metadata(name: str, kind: str, weights: Path, heads: tuple[str, ...], training: dict[str, object]) -> Metadata:
    """Describe weights that are not calibrated yet."""
    return Metadata.model_validate(
        {
            "name": name,
            "version": __version__,
            "kind": kind,
            "file": weights.name,
            "sha256": sha256_file(weights),
            "families": cargo.families(),
            "heads": heads,
            "pitch_mm": PITCH_MM,
            "training": training,
            "calibration": {},
        }
    )


def calibrate(models: list[AnomalyModel], recipe: Recipe, tune: int, clean: dict[str, int]) -> None:
    """Calibrate every model on clean scans of every scanner, and write the metadata."""
    calibrations: dict[str, dict[str, object]] = {model.name: {} for model in models}
    for scanner, count in clean.items():
        source = f"simulated: recipe {recipe.name}, split calibration, {count} scans (tuned on {tune} of split tune)"
        found = [AlarmCalibrator(model, scale=working_scale(scanner), source=source) for model in models]
        for made in prepared([Task(recipe, "tune", i, "none", scanner, PITCH_MM) for i in range(tune)]):
            for one in found:
                one.tune(made.cells, made.declaration)
        for one in found:
            one.finish_tuning()
        for made in prepared([Task(recipe, "calibration", i, "none", scanner, PITCH_MM) for i in range(count)]):
            for one in found:
                one.add(made.cells, made.declaration)
        for model, one in zip(models, found, strict=True):
            calibrations[model.name][scanner] = one.result()
            write_metadata(
                model.folder, model.metadata.model_copy(update={"calibration": dict(calibrations[model.name])})
            )
        say(f"calibrated on {count} clean scans of {scanner}")


def main() -> None:
    """Run all stages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--tune", type=int, default=100)
    parser.add_argument("--clean", type=int, default=1000, help="clean scans of cargo-6-4mv")
    parser.add_argument("--clean-others", type=int, default=300, help="clean scans of each other scanner")
    parser.add_argument("--install", action="store_true", help="copy the result into the package")
    options = parser.parse_args()
    recipe = read_recipe("declared-cargo")
    classes = len(cargo.families()) + len(NUISANCE)
    source = Source(recipe, "train", options.examples, len(cargo.families()), PITCH_MM)
    stems = fill(
        [source], options.folder / "examples", progress=lambda d, n: say(f"example {d}/{n}") if d % 100 == 0 else None
    )
    origin = {
        "recipe": recipe.name, "recipe_seed": recipe.seed, "examples": options.examples, "simulated": True, "simulator": __version__,
        "python": platform.python_version(), "numpy": np.__version__,
    }  # fmt: skip
    results = options.folder / "models"
    baseline_folder, network_folder = results / "mahalanobis", results / "network"
    for folder in (baseline_folder, network_folder):
        folder.mkdir(parents=True, exist_ok=True)
    components = fit_baseline(stems, classes, baseline_folder)
    say("fitted the baseline")
    schedule = Schedule(steps=options.steps)
    run = options.folder / "run"
    exported, parity = fit_network(stems, classes, run, schedule)
    weights = network_folder / exported.name
    shutil.copyfile(exported, weights)
    say(f"trained and exported the network; largest difference {parity:.1e}")
    trained = origin | {
        "steps": schedule.steps, "seed": schedule.seed, "batch": BATCH, "crop": CROP, "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__, "parity": parity,
    }  # fmt: skip
    models: list[AnomalyModel] = [
        MahalanobisModel(baseline_folder, metadata("mahalanobis", "mahalanobis", components, (DECLARED,), origin)),
        NetworkModel(network_folder, metadata("network", "network", weights, (DECLARED, INSERT), trained)),
    ]
    clean = {s.name: options.clean_others for s in recipe.scanners} | {"cargo-6-4mv": options.clean}
    calibrate(models, recipe, options.tune, clean)
    if options.install:
        shutil.copytree(results, MODELS, dirs_exist_ok=True)
    say("done")


START = time.monotonic()

if __name__ == "__main__":
    main()
