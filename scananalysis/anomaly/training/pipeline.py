"""From a recipe to calibrated models: examples, baseline, network, false alarms. Every stage resumes where it was interrupted."""

from __future__ import annotations

import platform
import shutil
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from scananalysis import cargo
from scananalysis._version import __version__
from scananalysis.anomaly.alarms import AlarmCalibrator, uncalibrated
from scananalysis.anomaly.campaign import Task, prepare
from scananalysis.anomaly.features import PLANES
from scananalysis.anomaly.grid import working_scale
from scananalysis.anomaly.mahalanobis import NUISANCE, MahalanobisModel
from scananalysis.anomaly.metadata import Metadata, write_metadata
from scananalysis.anomaly.model import DECLARED, INSERT, AnomalyModel, CellScores
from scananalysis.anomaly.network import NetworkModel
from scananalysis.anomaly.store import load
from scananalysis.anomaly.training.baseline import fit_components, save_components
from scananalysis.anomaly.training.cache import Crops, Source, fill
from scananalysis.anomaly.training.export import export_onnx
from scananalysis.anomaly.training.fit import Schedule, class_weights, train
from scananalysis.anomaly.training.network import DeclaredCargoNetwork
from scananalysis.core import ConfigurationError, sha256_file, sha256_json
from scananalysis.core.parallel import in_parallel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scananalysis.datasets import Recipe

    Progress = Callable[[str, int, int], None]

PITCH_MM = (40 / 3, 20.0)
"""Height and width of a working cell at the object plane."""

COMPONENTS, NUISANCE_COMPONENTS = 4, 8
"""Gaussian components of the baseline per family, and for structure and air."""


@dataclass(frozen=True)
class Plan:
    """How much to simulate and how long to train.

    Parameters
    ----------
    examples : int
        Scans of the recipe's split ``train``.
    schedule : Schedule
        Of the network.
    batch : int
        Crops per step.
    crop : (int, int)
        Rows and columns of a crop in working cells, multiples of 16.
    tune : int
        Clean scans per scanner, of the split ``tune``, that standardise scores.
    clean : mapping of str to int
        Clean scans of the split ``calibration`` by scanner; scanners that are not named are left uncalibrated.
    """

    examples: int = 2000
    schedule: Schedule = field(default_factory=Schedule)
    batch: int = 8
    crop: tuple[int, int] = (192, 256)
    tune: int = 100
    clean: Mapping[str, int] = field(default_factory=dict)


def build(
    recipe: Recipe, plan: Plan, folder: Path, *, workers: int | None = None, progress: Progress | None = None
) -> list[Path]:
    """Train and calibrate the network and its baseline.

    Parameters
    ----------
    recipe : Recipe
        With the splits ``train``, ``tune`` and ``calibration``.
    plan : Plan
    folder : Path
        Work folder; keeps examples and checkpoints, so that an interrupted build goes on. A folder begun with another recipe or
        plan is refused.
    workers : int, optional
        Processes that simulate, one per core by default; their number changes no result.
    progress : callable, optional
        Called with (stage, done, total).

    Returns
    -------
    list of Path
        Folders of the finished models: ``mahalanobis`` and ``network``.

    Raises
    ------
    ConfigurationError
        The folder belongs to another build, or the plan names a scanner that the recipe does not have.
    """
    unknown = set(plan.clean) - {each.name for each in recipe.scanners}
    if unknown:
        raise ConfigurationError(
            f"recipe {recipe.name} has no scanner {', '.join(sorted(unknown))}",
            expected=", ".join(each.name for each in recipe.scanners),
        )
    tell = progress or (lambda *_: None)
    _claim(folder, recipe, plan)
    families = len(cargo.families())
    stems = fill(
        [Source(recipe, "train", plan.examples, families, PITCH_MM)],
        folder / "examples",
        workers=workers,
        progress=lambda done, total: tell("examples", done, total),
    )
    baseline_folder, network_folder = folder / "models" / "mahalanobis", folder / "models" / "network"
    for each in (baseline_folder, network_folder):
        each.mkdir(parents=True, exist_ok=True)
    classes = families + len(NUISANCE)
    components = _fit_baseline(stems, classes, baseline_folder)
    exported, parity = _fit_network(stems, classes, plan, folder / "run", tell)
    weights = network_folder / exported.name
    shutil.copyfile(exported, weights)
    origin = _origin(recipe, plan)
    trained = origin | {
        "steps": plan.schedule.steps,
        "seed": plan.schedule.seed,
        "batch": plan.batch,
        "crop": plan.crop,
        "torch": torch.__version__,
        "onnxruntime": version("onnxruntime"),
        "parity": parity,
    }
    models: list[AnomalyModel] = [
        MahalanobisModel(baseline_folder, _metadata("mahalanobis", components, (DECLARED,), origin)),
        NetworkModel(network_folder, _metadata("network", weights, (DECLARED, INSERT), trained)),
    ]
    calibrate_models(models, recipe, plan, workers, tell)
    return [baseline_folder, network_folder]


def _claim(folder: Path, recipe: Recipe, plan: Plan) -> None:
    """Mark the folder as this build's; what may grow later (calibration) is not part of the mark."""
    marks = {"recipe": recipe.model_dump(mode="json"), "plan": asdict(replace(plan, tune=0, clean={}))}
    mark = f"{__version__} {sha256_json(marks)}\n"
    path = folder / "build.txt"
    if path.is_file():
        if path.read_text(encoding="utf-8") != mark:
            raise ConfigurationError(
                "holds a build with another recipe, plan or version",
                source=folder,
                expected="an empty folder, or the same build to go on with",
                remedy="name another folder",
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(mark, encoding="utf-8")


def _origin(recipe: Recipe, plan: Plan) -> dict[str, Any]:

    return {
        "recipe": recipe.name,
        "recipe_seed": recipe.seed,
        "examples": plan.examples,
        "simulated": True,
        "simulator": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def _metadata(name: str, weights: Path, heads: tuple[str, ...], training: Mapping[str, Any]) -> Metadata:

    return Metadata.model_validate(
        {
            "name": name,
            "version": __version__,
            "kind": name,
            "file": weights.name,
            "sha256": sha256_file(weights),
            "families": cargo.families(),
            "heads": heads,
            "pitch_mm": PITCH_MM,
            "training": training,
            "calibration": {},
        }
    )


def _fit_baseline(stems: list[Path], classes: int, folder: Path) -> Path:
    rows = np.concatenate([np.load(f"{stem}.cells.npy", allow_pickle=False) for stem in stems])
    features = {int(c): rows[rows[:, 0] == c, 1:] for c in np.unique(rows[:, 0])}
    counts = [COMPONENTS] * (classes - len(NUISANCE)) + [NUISANCE_COMPONENTS] * len(NUISANCE)
    path = folder / "components.npz"
    save_components(path, fit_components(features, counts, seed=0))
    return path


def _fit_network(stems: list[Path], classes: int, plan: Plan, folder: Path, tell: Progress) -> tuple[Path, float]:
    """Train and export; return the file and the largest difference to the trained network."""
    counts = np.zeros(classes)
    for stem in stems[::4]:
        label = np.load(f"{stem}.label.npy", allow_pickle=False)[0]
        counts += np.bincount(label[label < classes], minlength=classes)
    torch.manual_seed(plan.schedule.seed)
    crops = Crops(stems, plan.crop, plan.batch, plan.schedule.seed)
    network = train(
        DeclaredCargoNetwork(len(PLANES), classes),
        crops,
        class_weights(counts),
        plan.schedule,
        folder,
        progress=lambda step, steps, loss: tell(f"training, loss {loss:.2f}", step, steps),
    )
    path = folder / "network.onnx"
    return path, export_onnx(network, path, list(crops[0][0]))


class _Scoring(NamedTuple):
    """Which sample to make and which models, by folder, are to score it."""

    task: Task
    models: tuple[Path, ...]
    scale: float


def _raw_scores(job: _Scoring) -> list[CellScores]:
    made = prepare(job.task)
    state = uncalibrated("", job.scale)
    models = [load(folder) for folder in job.models]
    return [model.cell_scores(made.cells, model.declared_families(made.declaration), state) for model in models]


def calibrate_models(
    models: list[AnomalyModel], recipe: Recipe, plan: Plan, workers: int | None, tell: Progress
) -> None:
    """Calibrate every model on the same clean scans of every scanner, and write the metadata after each."""
    calibrations: dict[str, dict[str, object]] = {model.name: {} for model in models}
    for model in models:
        write_metadata(model.folder, model.metadata)
    folders = tuple(model.folder for model in models)
    for scanner, count in plan.clean.items():
        source = (
            f"simulated: recipe {recipe.name}, split calibration, {count} scans (tuned on {plan.tune} of split tune)"
        )
        scale = working_scale(scanner)
        found = [AlarmCalibrator(model, scale=scale, source=source) for model in models]
        tasks = [
            _Scoring(Task(recipe, split, i, "none", scanner, PITCH_MM), folders, scale)
            for split, number in (("tune", plan.tune), ("calibration", count))
            for i in range(number)
        ]
        for done, scores in enumerate(in_parallel(_raw_scores, tasks, workers), start=1):
            for one, own in zip(found, scores, strict=True):
                if done <= plan.tune:
                    one.tune_scores(own)
                else:
                    one.add_scores(own)
            if done == plan.tune:
                for one in found:
                    one.finish_tuning()
            tell(f"clean scans of {scanner}", done, len(tasks))
        for model, one in zip(models, found, strict=True):
            calibrations[model.name][scanner] = one.result()
            write_metadata(
                model.folder, model.metadata.model_copy(update={"calibration": dict(calibrations[model.name])})
            )
