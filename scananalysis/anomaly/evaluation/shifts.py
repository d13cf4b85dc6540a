"""Shifted scans: what a model does on scans that differ from all it knows, before and after a site calibrates its false alarms anew."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from scananalysis.anomaly.alarms import AlarmCalibrator, uncalibrated
from scananalysis.anomaly.campaign import Task, prepare
from scananalysis.anomaly.evaluation.scoring import CLEAN
from scananalysis.anomaly.evaluation.study import calibration_sizes, evaluate
from scananalysis.anomaly.evaluation.text import markdown_table, write_json_and_markdown
from scananalysis.anomaly.grid import working_scale
from scananalysis.anomaly.site import TUNING_SHARE, save_model, tuning_count
from scananalysis.anomaly.store import load
from scananalysis.core.parallel import in_parallel

if TYPE_CHECKING:
    from scananalysis.anomaly.metadata import ScannerCalibration
    from scananalysis.anomaly.model import AnomalyModel, CellScores
    from scananalysis.datasets import Recipe

SITE_SCANS = 300
"""Clean scans with which a site calibrates anew."""

_SPLIT = "calibration"
BEFORE, AFTER = "as it came", "calibrated anew"


class _Raw(NamedTuple):
    """Which clean sample to make, and the model's folder."""

    task: Task
    model: Path


def _raw_scores(job: _Raw) -> CellScores:
    made = prepare(job.task)
    model = load(job.model)
    state = uncalibrated("", working_scale(made.cells.scanner))
    return model.cell_scores(made.cells, model.declared_families(made.declaration), state)


def site_calibration(
    model: AnomalyModel,
    recipe: Recipe,
    shift: str | None,
    *,
    scanner: str,
    scans: int = SITE_SCANS,
    tuning_share: float = TUNING_SHARE,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ScannerCalibration:
    """Calibrate a model's false alarms on clean scans of a shift, as `scananalysis calibrate alarms` does on a site's own.

    Parameters
    ----------
    model : AnomalyModel
    recipe : Recipe
        Its split ``calibration`` gives the loads, which share no scan with the test split.
    shift : str or None
    scanner : str
    scans : int
        Clean scans in all.
    tuning_share : float
        Share of them that standardises scores.
    workers : int, optional
    progress : callable, optional
        Called with (done, total).
    """
    asked = _scanner(recipe, shift, scanner)
    tune = tuning_count(scans, tuning_share)
    source = f"simulated: recipe {recipe.name}, shift {shift}, {scans - tune} clean scans (tuned on {tune} others)"
    found = AlarmCalibrator(model, scale=working_scale(asked), source=source)
    jobs = [
        _Raw(Task(recipe, _SPLIT, i, CLEAN, scanner, model.metadata.pitch_mm, shift), model.folder)
        for i in range(scans)
    ]
    for done, scores in enumerate(in_parallel(_raw_scores, jobs, workers), start=1):
        if done <= tune:
            found.tune_scores(scores)
        else:
            found.add_scores(scores)
        if done == tune:
            found.finish_tuning()
        if progress is not None:
            progress(done, scans)
    return found.result()


def evaluate_shift(  # noqa: PLR0913 - an experiment has that many settings, all by keyword
    model: AnomalyModel,
    recipe: Recipe,
    shift: str,
    *,
    scanner: str,
    clean: int,
    per_fraud: int,
    rates: Sequence[float] = (0.01, 0.05),
    split: str = "test",
    site_scans: int = SITE_SCANS,
    workers: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Measure a model on shifted scans, with the false alarms it came with and with those of a site's clean scans.

    Parameters
    ----------
    model : AnomalyModel
    recipe : Recipe
    shift : str
        One of the recipe's.
    scanner : str
        Whose false alarms the model came with; a shift to another scanner is judged by these.
    clean, per_fraud, rates, split
        As for `evaluate`.
    site_scans : int
        Clean scans with which the false alarms are calibrated anew.
    workers : int, optional
    progress : callable, optional
        Called with (stage, done, total).

    Returns
    -------
    dict
        As `evaluate` returns it, with the models `BEFORE` and `AFTER`.
    """
    tell = progress or (lambda *_: None)
    asked = _scanner(recipe, shift, scanner)
    calibrated = site_calibration(
        model,
        recipe,
        shift,
        scanner=scanner,
        scans=site_scans,
        workers=workers,
        progress=lambda done, total: tell(f"clean scans of {shift}", done, total),
    )
    with tempfile.TemporaryDirectory(prefix="scananalysis-shift-") as folder:
        before, after = Path(folder) / "before", Path(folder) / "after"
        # The scanner that the model came calibrated for lends its scores' spread and maxima; the scale is the scans' own.
        lent = model.metadata.scanner(scanner).model_copy(update={"scale": working_scale(asked)})
        save_model(model, asked, lent, before)
        save_model(model, asked, calibrated, after)
        return evaluate(
            {BEFORE: load(before), AFTER: load(after)},
            recipe,
            split,
            scanner=scanner,
            clean=clean,
            per_fraud=per_fraud,
            rates=rates,
            shift=shift,
            workers=workers,
            progress=lambda done, total: tell(f"test scans of {shift}", done, total),
        ) | {"model": {"name": model.name, "calibration_scans": calibration_sizes(model, scanner)}}


def _scanner(recipe: Recipe, shift: str | None, scanner: str) -> str:
    """Return the scanner of the scans: that of the shift, else the one that is asked for."""
    return scanner if shift is None else recipe.shift(shift).scanner or scanner


def shift_table(results: Mapping[str, Mapping[str, Any]], rate: str) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of the table over several shifts at one rate: false alarms and detection, before and after.

    Parameters
    ----------
    results : mapping
        What `evaluate_shift` returned, by shift.
    rate : str
        As a key of the results.
    """
    head = ["shift", "clean scans"]
    for label in (BEFORE, AFTER):
        head += [f"false alarms, {label}", "no more than", "fits"]
    head += [f"found, {label}" for label in (BEFORE, AFTER)]
    rows = []
    for name, result in results.items():
        row = [name, str(result["rates"][BEFORE][rate][CLEAN]["trials"])]
        for label in (BEFORE, AFTER):
            one = result["false_alarms"][label][rate]
            combined = one["combined"]
            row += [
                f"{combined['hits']} ({combined['rate']:.3f})",
                str(combined["most"]),
                "yes" if one["consistent"] else "**no**",
            ]
        for label in (BEFORE, AFTER):
            kinds = {k: v for k, v in result["rates"][label][rate].items() if k not in (CLEAN, "wrong papers")}
            hits, trials = (sum(v[key] for v in kinds.values()) for key in ("hits", "trials"))
            row.append(f"{hits} of {trials} ({hits / max(trials, 1):.3f})")
        rows.append(row)
    return head, rows


def save_shifts(results: Mapping[str, Mapping[str, Any]], recipe: Recipe, folder: Path) -> None:
    """Write ``shifts.md`` and ``shifts.json`` over several shifts.

    Parameters
    ----------
    results : mapping
        What `evaluate_shift` returned, by shift.
    recipe : Recipe
    folder : Path
    """
    first = next(iter(results.values()))
    lines = [
        f"# Shifts: {first['model']['name']} on {first['scanner']}",
        "",
        (
            f'Simulated scans, recipe {recipe.name}, split {first["split"]}. "{AFTER.capitalize()}": false alarms calibrated on '
            "clean scans of the shift; weights are the same. A range fits (beta-binomial, simultaneous at 95 % over heads and "
            "families) or does not."
        ),
        "",
    ]
    for rate in first["rates"][BEFORE]:
        head, rows = shift_table(results, rate)
        lines += [f"## {100 * float(rate):g} % false alarms per scan", "", *markdown_table(head, rows)]
    lines += ["## What they are", "", *(f"- {name}: {recipe.shift(name).title}." for name in results)]
    write_json_and_markdown(folder, "shifts", results, lines)
