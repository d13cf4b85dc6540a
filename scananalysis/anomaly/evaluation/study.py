"""Measures models as the field does: every model scores the same simulated scans, at the same false-alarm rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scananalysis.anomaly.campaign import Task
from scananalysis.anomaly.evaluation.scoring import CLEAN, FileScoring, Scan, Scoring, score, score_file
from scananalysis.anomaly.evaluation.summary import summarise
from scananalysis.core import ConfigurationError, FormatError
from scananalysis.core.parallel import in_parallel
from scananalysis.datasets import possible_frauds, read_manifest

if TYPE_CHECKING:
    from scananalysis.anomaly.model import AnomalyModel
    from scananalysis.datasets import Recipe


def evaluate(  # noqa: PLR0913 - an experiment has that many settings, all by keyword
    models: Sequence[AnomalyModel] | Mapping[str, AnomalyModel],
    recipe: Recipe,
    split: str,
    *,
    scanner: str,
    clean: int,
    per_fraud: int,
    rates: Sequence[float] = (0.01, 0.05),
    shift: str | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Score the same simulated scans with every model.

    Parameters
    ----------
    models : sequence or mapping of AnomalyModel
        By label; by name where none is given.
    recipe : Recipe
    split : str
        Disjoint from everything the models have seen.
    scanner : str
    clean, per_fraud : int
        Scans declared right, and scans of each kind of fraud. Every clean scan is scored a second time under the declaration of
        another one with no family in common.
    rates : sequence of float
        Nominal false-alarm rates per scan.
    shift : str, optional
        A way in which the scans differ from those that the models know; one of the recipe's.
    workers : int, optional
        Processes, one per core by default.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    dict
        ``rates[model][rate][kind]``: a scan counts as detected when its combined p-value is at most the rate; for ``none`` that is the
        realised false-alarm rate. ``located``: the same for alarms at what is wrong. ``groups[model][rate][by][group]``: located frauds
        by family, background, added density, mass, clutter and contrast. ``false_alarms[model][rate]``: realised against nominal, by
        head and family. ``auroc[model]``: right against wrong declaration on the same pixels, by the highest score of the head that
        knows the declaration. ``pixels[model]``: average precision and AUPIMO by kind. ``froc[model]``, ``pod[model][rate]``.
        ``against[model][rate]``: with two models, McNemar's exact two-sided p-value by kind. ``scans``: every scan's p-values.

    Raises
    ------
    ConfigurationError
        Models of one name without labels.
    """
    named = _labelled(models)
    pitch = next(iter(named.values())).metadata.pitch_mm
    frauds = list(possible_frauds(recipe, split, scanner, shift))
    kinds = [CLEAN] * clean + [fraud for fraud in frauds for _ in range(per_fraud)]
    scans = run(
        {label: model.folder for label, model in named.items()},
        [Task(recipe, split, number, kind, scanner, pitch, shift) for number, kind in enumerate(kinds)],
        workers=workers,
        progress=progress,
    )
    about = {"simulated": True, "recipe": recipe.name, "split": split, "scanner": scanner, "shift": shift}
    return about | _tables(scans, named, rates)


def _tables(scans: Sequence[Scan], models: Mapping[str, AnomalyModel], rates: Sequence[float]) -> dict[str, Any]:
    sizes = {label: calibration_sizes(model, scans[0].scanner) for label, model in models.items()}
    return {
        "models": {
            label: {
                "version": model.metadata.version,
                "sha256": model.metadata.sha256,
                "calibration_scans": sizes[label],
            }
            for label, model in models.items()
        },
        **summarise(scans, sizes, rates),
        "scans": [scan.to_dict() for scan in scans],
    }


def evaluate_files(
    models: Sequence[AnomalyModel] | Mapping[str, AnomalyModel],
    manifest: Path,
    *,
    rates: Sequence[float] = (0.01, 0.05),
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Score the labelled scans of a manifest with every model.

    Parameters
    ----------
    models : sequence or mapping of AnomalyModel
        By label; by name where none is given.
    manifest : Path
        Written by `scananalysis.datasets.import_scans` or `generate`; all scans are of one scanner.
    rates, workers, progress
        As for `evaluate`.

    Returns
    -------
    dict
        As `evaluate` returns it; what only a simulation knows, such as densities of objects, is left out.

    Raises
    ------
    FormatError
        No scans, scans of several scanners, or files that are not those of the manifest.
    """
    listed = list(read_manifest(manifest))
    scanners = sorted({each.scanner for each in listed})
    if len(scanners) != 1:
        raise FormatError(
            f"lists scans of {', '.join(scanners) or 'no scanner'}", source=manifest, expected="scans of one scanner"
        )
    if all(each.kind != CLEAN for each in listed):
        raise FormatError(
            "lists no scan that is declared right",
            source=manifest,
            expected="some of kind none: they show false alarms",
        )
    named = _labelled(models)
    for model in named.values():
        calibration_sizes(model, scanners[0])
    jobs = [FileScoring(each, tuple((label, model.folder) for label, model in named.items())) for each in listed]
    scans: list[Scan] = []
    for done, found in enumerate(in_parallel(score_file, jobs, workers), start=1):
        scans += found
        if progress is not None:
            progress(done, len(jobs))
    about = {"simulated": False, "recipe": manifest.stem, "split": "", "scanner": scanners[0], "shift": None}
    return about | _tables(scans, named, rates)


def _labelled(models: Sequence[AnomalyModel] | Mapping[str, AnomalyModel]) -> dict[str, AnomalyModel]:
    """Return models by label; two of one name would be one in every table."""
    if isinstance(models, Mapping):
        return dict(models)
    named = {model.name: model for model in models}
    if len(named) < len(models):
        raise ConfigurationError(
            f"{len(models)} models with {len(named)} names",
            expected="models of different names",
            remedy="give them in a mapping, by labels of your own",
        )
    return named


def run(
    models: Mapping[str, Path],
    tasks: Sequence[Task],
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Scan]:
    """Score samples in several processes, in their order.

    Parameters
    ----------
    models : mapping of str to Path
        Folders by label.
    tasks : sequence of Task
    workers : int, optional
        Processes, one per core by default.
    progress : callable, optional
        Called with (done, total).
    """
    jobs = [Scoring(task, tuple(models.items())) for task in tasks]
    found: list[Scan] = []
    for done, scans in enumerate(in_parallel(score, jobs, workers), start=1):
        found += scans
        if progress is not None:
            progress(done, len(jobs))
    return found


def calibration_sizes(model: AnomalyModel, scanner: str) -> dict[str, int]:
    """Return how many clean scans stand behind each head of a model."""
    return {head: len(values) for head, values in model.metadata.scanner(scanner).maxima.items()}
