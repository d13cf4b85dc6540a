"""Measures models as the field does: detection per kind of fraud at stated false-alarm rates, with exact intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scipy.stats import beta

from scananalysis.anomaly.campaign import Task, prepared

if TYPE_CHECKING:
    from scananalysis.anomaly.model import AnomalyModel
    from scananalysis.datasets import Recipe


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
        Scans declared right, and scans of each kind of fraud.
    rates : sequence of float
        Nominal false-alarm rates per scan.
    workers : int, optional
        Processes, one per core by default.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    dict
        ``rates[model][rate][kind]``: a scan counts as detected when its combined p-value is at most the rate; for ``none`` that
        is the realised false-alarm rate. ``scans``: every scan's p-values.
    """
    frauds = list(recipe.split(split).frauds)
    pitch = models[0].metadata.pitch_mm
    kinds = ["none"] * clean + [fraud for fraud in frauds for _ in range(per_fraud)]
    tasks = [Task(recipe, split, i, kind, scanner, pitch) for i, kind in enumerate(kinds)]
    scans = []
    for done, made in enumerate(prepared(tasks, workers), start=1):
        p_values = {}
        for model in models:
            p_values[model.name] = dict(model.score(made.cells, made.declaration).scan_p_value)
        scans.append({"fraud": made.fraud, "p_values": p_values, "labels": made.labels})
        if progress is not None:
            progress(done, len(tasks))
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
        "scans": scans,
    }


def _rates(scans: Sequence[Mapping[str, Any]], model: str, rate: float) -> dict[str, Any]:
    found: dict[str, list[bool]] = {}
    for scan in scans:
        found.setdefault(scan["fraud"], []).append(scan["p_values"][model]["combined"] <= rate)
    return {kind: Rate(sum(hits), len(hits)).to_dict() for kind, hits in found.items()}


def markdown(result: Mapping[str, Any]) -> str:
    """Return the table as Markdown: one row per kind of fraud, one column per model and rate."""
    models, rates = list(result["rates"]), list(next(iter(result["rates"].values())))
    head = ["scans", *(f"{model}, {float(rate):.0%} false alarms" for rate in rates for model in models)]
    kinds = list(result["rates"][models[0]][rates[0]])
    lines = [
        f"Simulated scans of {result['scanner']}, recipe {result['recipe']}, split {result['split']}.",
        "Share of scans that alarm, with 95 % Clopper-Pearson intervals.",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    for kind in kinds:
        cells = [f"{_NAMES.get(kind, kind)} (n = {result['rates'][models[0]][rates[0]][kind]['trials']})"]
        for rate in rates:
            for model in models:
                r = result["rates"][model][rate][kind]
                cells.append(f"{r['rate']:.3f} ({r['low']:.2f} to {r['high']:.2f})")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


_NAMES = {"none": "declared right (false alarms)"}
