"""Measures models as the field does: detection per kind of fraud at stated false-alarm rates, with exact intervals."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.stats import beta, binomtest, rankdata

from scananalysis.anomaly.campaign import Prepared, Task, prepare
from scananalysis.anomaly.model import DECLARED
from scananalysis.anomaly.store import load
from scananalysis.core.parallel import in_parallel
from scananalysis.datasets import declaration_of, possible_frauds

if TYPE_CHECKING:
    from scananalysis.anomaly.model import AnomalyModel
    from scananalysis.core import Declaration
    from scananalysis.datasets import Recipe

CLEAN = "none"
WRONG = "wrong papers"
"""Kind of a scan that is declared right, and of the same scan under another scan's declaration."""


def clopper_pearson(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact confidence interval of a rate (Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404).

    Examples
    --------
    >>> tuple(round(v, 3) for v in clopper_pearson(95, 100))
    (0.887, 0.984)
    """
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else float(beta.ppf(tail, hits, trials - hits + 1))
    high = 1.0 if hits == trials else float(beta.ppf(1 - tail, hits + 1, trials - hits))
    return low, high


@dataclass(frozen=True)
class Rate:
    """Detected scans of some kind."""

    hits: int
    trials: int

    def to_dict(self) -> dict[str, Any]:
        """Return rate and interval as plain values."""
        low, high = clopper_pearson(self.hits, self.trials)
        return {"hits": self.hits, "trials": self.trials, "rate": self.hits / self.trials, "low": low, "high": high}


def auroc(low: Sequence[float], high: Sequence[float]) -> float:
    """Return the probability that a value of ``high`` exceeds one of ``low``, ties counting half.

    Mann and Whitney (Ann. Math. Stat. 18 (1947) 50, doi:10.1214/aoms/1177730491).

    Examples
    --------
    >>> auroc([0.0, 1.0], [1.0, 2.0])
    0.875
    """
    ranks = rankdata([*low, *high])
    n, m = len(low), len(high)
    return float((ranks[n:].sum() - m * (m + 1) / 2) / (n * m))


def evaluate(  # noqa: PLR0913 - an experiment has that many settings, all by keyword
    models: Sequence[AnomalyModel],
    recipe: Recipe,
    split: str,
    *,
    scanner: str,
    clean: int,
    per_fraud: int,
    rates: Sequence[float] = (0.01, 0.05),
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Score the same simulated scans with every model.

    Parameters
    ----------
    models : sequence of AnomalyModel
    recipe : Recipe
    split : str
        Disjoint from everything the models have seen.
    scanner : str
    clean, per_fraud : int
        Scans declared right, and scans of each kind of fraud. Every clean scan is scored a second time under the declaration of
        another one with no family in common.
    rates : sequence of float
        Nominal false-alarm rates per scan.
    workers : int, optional
        Processes, one per core by default.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    dict
        ``rates[model][rate][kind]``: a scan counts as detected when its combined p-value is at most the rate; for ``none`` that is the
        realised false-alarm rate. ``auroc[model]``: right against wrong declaration on the same pixels, by the highest score of the
        head that knows the declaration. ``against[model][rate]``: with two models, McNemar's exact two-sided p-value by kind.
        ``scans``: every scan's p-values.
    """
    frauds = list(possible_frauds(recipe, split, scanner))
    pitch = models[0].metadata.pitch_mm
    kinds = [CLEAN] * clean + [fraud for fraud in frauds for _ in range(per_fraud)]
    folders = tuple(model.folder for model in models)
    jobs = [_Scoring(Task(recipe, split, i, kind, scanner, pitch), folders) for i, kind in enumerate(kinds)]
    scans: list[dict[str, Any]] = []
    for done, found in enumerate(in_parallel(_score, jobs, workers), start=1):
        scans += found
        if progress is not None:
            progress(done, len(jobs))
    table = {model.name: {f"{rate:g}": _rates(scans, model.name, rate) for rate in rates} for model in models}
    return {
        "simulated": True,
        "recipe": recipe.name,
        "split": split,
        "scanner": scanner,
        "models": {
            model.name: {"version": model.metadata.version, "sha256": model.metadata.sha256} for model in models
        },
        "rates": table,
        "auroc": {model.name: _separation(scans, model.name) for model in models},
        "against": _against(scans, [model.name for model in models], rates),
        "scans": scans,
    }


class _Scoring(NamedTuple):
    """Which sample to make and which models, by folder, are to score it."""

    task: Task
    models: tuple[Path, ...]


def _score(job: _Scoring) -> list[dict[str, Any]]:
    """Score a sample, and a clean one once more under other papers."""
    models = [load(folder) for folder in job.models]
    made = prepare(job.task)
    scans = [_scored(models, made, made.declaration, made.fraud)]
    if made.fraud == CLEAN:
        other = _other_papers(models[0], job.task, made.declaration)
        scans += [] if other is None else [_scored(models, made, other, WRONG)]
    return scans


def _scored(models: Sequence[AnomalyModel], made: Prepared, declaration: Declaration, kind: str) -> dict[str, Any]:
    p_values, highest = {}, {}
    for model in models:
        found = model.score(made.cells, declaration)
        p_values[model.name] = dict(found.scan_p_value)
        plane = found.score[found.heads.index(DECLARED)]
        highest[model.name] = float(np.nanmax(plane)) if np.isfinite(plane).any() else None
    return {"kind": kind, "p_values": p_values, "highest_declared": highest, "labels": made.labels}


def _other_papers(model: AnomalyModel, task: Task, own: Declaration) -> Declaration | None:
    """Return the declaration of one of the samples before this one that shares no family with the scan's own."""
    families = model.declared_families(own) or frozenset()
    for number in range(task.number - 1, max(task.number - 1 - _SOUGHT, -1), -1):
        papers = declaration_of(task.recipe, task.split, number, scanner=task.scanner)
        if not families & (model.declared_families(papers) or families):
            return papers
    return None


def _rates(scans: Sequence[Mapping[str, Any]], model: str, rate: float) -> dict[str, Any]:
    found: dict[str, list[bool]] = {}
    for scan in scans:
        found.setdefault(scan["kind"], []).append(scan["p_values"][model]["combined"] <= rate)
    return {kind: Rate(sum(hits), len(hits)).to_dict() for kind, hits in found.items()}


def _separation(scans: Sequence[Mapping[str, Any]], model: str) -> float | None:
    right, wrong = (
        [scan["highest_declared"][model] for scan in scans if scan["kind"] == kind] for kind in (CLEAN, WRONG)
    )
    known = [[value for value in values if value is not None] for values in (right, wrong)]
    return auroc(*known) if all(known) else None


def _against(scans: Sequence[Mapping[str, Any]], models: Sequence[str], rates: Sequence[float]) -> dict[str, Any]:
    """Compare the first model with each other one on the same scans (McNemar, Psychometrika 12 (1947) 153)."""
    found: dict[str, Any] = {}
    for other in models[1:]:
        for rate in rates:
            counts: dict[str, list[int]] = {}
            for scan in scans:
                first, second = (scan["p_values"][name]["combined"] <= rate for name in (models[0], other))
                only = counts.setdefault(scan["kind"], [0, 0])
                only[0] += first and not second
                only[1] += second and not first
            found.setdefault(other, {})[f"{rate:g}"] = {
                kind: {
                    f"only_{models[0]}": a,
                    f"only_{other}": b,
                    "p_value": float(binomtest(a, a + b).pvalue) if a + b else 1.0,
                }
                for kind, (a, b) in counts.items()
            }
    return found


def table(result: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of the table: one row per kind of scan, one column per rate and model."""
    models, rates = list(result["rates"]), list(next(iter(result["rates"].values())))
    first = result["rates"][models[0]][rates[0]]
    head = ["scans", "n", *(f"{model}, at {float(rate):.2g}" for rate in rates for model in models)]
    rows = []
    for kind in first:
        cells = [_NAMES.get(kind, kind), str(first[kind]["trials"])]
        for rate in rates:
            for model in models:
                r = result["rates"][model][rate][kind]
                cells.append(f"{r['rate']:.3f} ({r['low']:.2f} to {r['high']:.2f})")
        rows.append(cells)
    return head, rows


def markdown(result: Mapping[str, Any]) -> str:
    """Return the table as Markdown, with what was compared."""
    head, rows = table(result)
    about = (
        f"Simulated scans of {result['scanner']}, recipe {result['recipe']}, split {result['split']}. Share of scans that alarm "
        "at a false-alarm rate per scan, with 95 % Clopper-Pearson intervals."
    )
    lines = [
        about,
        "",
        "| " + " | ".join(head) + " |",
        "|---|" + "---:|" * (len(head) - 1),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]
    lines += [
        f"Right against wrong declaration on the same pixels, AUROC of {model}: {value:.3f}."
        for model, value in result["auroc"].items()
        if value is not None
    ]
    for other, by_rate in result["against"].items():
        for rate, kinds in by_rate.items():
            better = [_NAMES.get(k, k) for k, v in kinds.items() if k != CLEAN and v["p_value"] < _SIGNIFICANT]
            lines.append(
                f"Differences to {other} at {rate} beyond chance (McNemar, p < {_SIGNIFICANT:g}): {', '.join(better) or 'none'}."
            )
    return "\n".join(lines) + "\n"


def save_evaluation(result: Mapping[str, Any], folder: Path) -> None:
    """Write ``evaluation.md`` and ``evaluation.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("evaluation.md", markdown(result)),
        ("evaluation.json", json.dumps(result, indent=1, allow_nan=False) + "\n"),
    ):
        part = folder / f"{name}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(folder / name)


_NAMES = {CLEAN: "declared right (false alarms)", WRONG: "another scan's declaration"}
_SIGNIFICANT = 0.05
_SOUGHT = 20
"""Samples that are looked through for papers without a family in common."""
