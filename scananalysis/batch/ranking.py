"""The queue: which scans deserve a second look first, and the points that put each of them there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.batch.history import History, history
from scananalysis.batch.rules import FIELDS, Ranking, meets

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    import pyarrow as pa
    from numpy.typing import NDArray

    from scananalysis.batch.results import Results

_NEEDED = frozenset({
    "path", "status", "verdict", "scan_p_value", "mass_p_value", "inspectable_share", "hazard_classes", "consignor", "headings",
    "route", "date",
})  # fmt: skip

FULL_ANOMALY = 4.0
"""A p-value of 10 to the minus this gives the factor's full points."""

FULL_MASS = 6.0
"""The same for the mass: its p-value is from a normal law and goes much lower."""

FULL_RATE = 8.0
"""A group that alarms this many times as often as the archive gives the factor's full points."""

HAZARD = {
    "1": 1.0, "1.1": 1.0, "1.2": 1.0, "1.3": 0.9, "1.4": 0.6, "1.5": 1.0, "1.6": 0.9, "2.1": 0.6, "2.2": 0.2, "2.3": 0.9, "3": 0.5,
    "4.1": 0.4, "4.2": 0.6, "4.3": 0.6, "5.1": 0.6, "5.2": 0.7, "6.1": 0.7, "6.2": 0.8, "7": 1.0, "8": 0.4, "9": 0.2,
}  # fmt: skip
"""Share of the points by IMDG class: an assumption, ordered by what an undeclared or misdeclared load of it can do."""


@dataclass(frozen=True, slots=True)
class Factor:
    """Points, and the sentence that says what they are for."""

    name: str
    points: float
    because: str


@dataclass(frozen=True, slots=True)
class Ranked:
    """A scan of the queue."""

    rank: int
    path: str
    score: float
    status: str
    verdict: str | None
    factors: tuple[Factor, ...]
    row: dict[str, Any]


@dataclass(frozen=True)
class Scores:
    """Points of all scans.

    Parameters
    ----------
    results : Results
    table : Table
        The columns that the scores come from.
    points : dict of str to ndarray of float64, (scan,)
        By factor; rules stand as ``rule: name``.
    order : ndarray of int64, (scan,)
        Scans from the highest score; equal scores in the order of the plan.
    histories : dict of str to History
    """

    results: Results
    table: pa.Table
    points: dict[str, NDArray[np.float64]]
    order: NDArray[np.int64]
    histories: dict[str, History]

    @property
    def total(self) -> NDArray[np.float64]:
        """Sum of the factors."""
        return np.asarray(np.sum(list(self.points.values()), axis=0), np.float64)


def score(results: Results, ranking: Ranking | None = None) -> Scores:
    """Score every scan of a run.

    The score is a plain sum, so that every place in the queue can be explained and argued with. It is no probability.

    Parameters
    ----------
    results : Results
    ranking : Ranking, optional
        Weights and rules.
    """
    import pyarrow.compute as pc

    chosen = ranking or Ranking()
    weights = chosen.weights
    # Of millions of scans only what is needed is held; sentences are read for those that are shown.
    ruled = {name for rule in chosen.rule for name in rule.when}
    table = results.table("scans", [name for name in FIELDS if name in _NEEDED or name in ruled])
    done = pc.equal(table["status"], "done").to_numpy().astype(bool)
    verdict = pc.fill_null(table["verdict"], "").to_numpy(zero_copy_only=False)
    alarmed, judged = verdict == "inspect", done & (verdict != "not-inspectable")
    points: dict[str, NDArray[np.float64]] = {
        "anomaly": weights.anomaly * _evidence(numbers(table, "scan_p_value"), FULL_ANOMALY),
        "mass": weights.mass * _evidence(numbers(table, "mass_p_value"), FULL_MASS),
        "inspectability": weights.inspectability
        * np.where(verdict == "not-inspectable", 1.0, 1 - np.nan_to_num(numbers(table, "inspectable_share"), nan=1.0)),
        "hazard": weights.hazard * _hazard(table),
    }
    points["inspectability"] = np.where(done, points["inspectability"], 0.0)
    histories = {}
    for name, column in (("consignor", "consignor"), ("commodity", "headings"), ("route", "route")):
        found = history(groups_of(table, column), alarmed, judged)
        histories[name] = found
        points[name] = float(getattr(weights, name)) * _excess(found)
    points["failed"] = weights.failed * (~done).astype(np.float64)
    for rule in chosen.rule:
        points[f"rule: {rule.name}"] = np.where(meets(rule, table), rule.points, 0.0)
    total = np.sum(list(points.values()), axis=0)
    # A stable sort: equal scores stay in the order of the plan, which of a folder is that of paths.
    order = np.argsort(-total.round(9), kind="stable")
    return Scores(results, table, points, order, histories)


def top(scores: Scores, count: int | None = None) -> list[Ranked]:
    """Return the first scans of the queue with their factors in words.

    Parameters
    ----------
    scores : Scores
    count : int, optional
        All by default.
    """
    chosen = scores.order if count is None else scores.order[:count]
    paths = scores.table["path"].take(chosen).to_pylist()
    known = {row["path"]: row for row in scores.results.rows(paths)}
    rows = [known[path] for path in paths]
    total = scores.total
    found = []
    for rank, (index, row) in enumerate(zip(chosen.tolist(), rows, strict=True), start=1):
        factors = [
            Factor(name, round(float(points[index]), 3), _because(name, row, scores.histories, index))
            for name, points in scores.points.items()
            if abs(points[index]) >= 0.005
        ]
        factors.sort(key=lambda factor: -abs(factor.points))
        found.append(
            Ranked(rank, row["path"], round(float(total[index]), 3), row["status"], row["verdict"], tuple(factors), row)
        )
    return found


def numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    """Return a column of numbers, NaN where it has none."""
    return np.asarray(table[name].to_numpy(), np.float64)


def _evidence(p_value: NDArray[np.float64], full: float) -> NDArray[np.float64]:
    """Return 0 for p = 1 up to 1 for p = 10^-full; unknown gives 0."""
    bounded = np.clip(np.nan_to_num(p_value, nan=1.0), 10.0**-full, 1.0)
    return np.asarray(np.log10(1 / bounded) / full)


def _hazard(table: pa.Table) -> NDArray[np.float64]:
    import pyarrow.compute as pc

    found = np.zeros(len(table))
    column = table["hazard_classes"].combine_chunks()
    parents = pc.list_parent_indices(column).to_numpy()
    classes = pc.list_flatten(column).to_pylist()
    shares = np.array(
        [HAZARD.get(name, HAZARD.get(name[:3], HAZARD.get(name[:1], 0.2))) for name in classes], np.float64
    )
    np.maximum.at(found, parents, shares)
    return found


def groups_of(table: pa.Table, column: str) -> NDArray[np.int64]:
    """Return the number of every scan's group, −1 for none; of a list, its first entry is the group."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = table[column].combine_chunks()
    if pa.types.is_list(values.type):
        # Lists that are empty or missing have no first entry.
        has = pc.fill_null(pc.greater(pc.list_value_length(values), 0), fill_value=False)
        first = pc.list_element(values.filter(has), 0)
        codes = np.full(len(values), -1, np.int64)
        codes[has.to_numpy(zero_copy_only=False)] = first.dictionary_encode().indices.to_numpy()
        return codes
    return np.asarray(pc.fill_null(values.dictionary_encode().indices, -1).to_numpy(), np.int64)


def _excess(found: History) -> NDArray[np.float64]:
    """Return 0 at or below the archive's rate, 1 at `FULL_RATE` times it."""
    if found.archive <= 0:
        return np.zeros(len(found.rate))
    ratio = np.clip(found.rate / found.archive, 1.0, FULL_RATE)
    return np.asarray(np.log(ratio) / np.log(FULL_RATE))


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def _anomaly(row: dict[str, Any]) -> str:
    count = row["region_count"] or 0
    places = "one place" if count == 1 else f"{count} places"
    return f"p-value {row['scan_p_value']:.2g}; {places} marked"


def _mass(row: dict[str, Any]) -> str:
    apart = row["mass_difference_sigmas"] or 0.0
    return (
        f"measured {row['load_mass_kg'] or 0:,.0f} kg, declared {row['declared_mass_kg'] or 0:,.0f} kg, {abs(apart):.1f} σ "
        f"{'more' if apart > 0 else 'less'}"
    )


def _inspectability(row: dict[str, Any]) -> str:
    if row["verdict"] == "not-inspectable" and row["reasons"]:
        return str(row["reasons"][0]).rstrip(".")
    return f"{_percent(row['inspectable_share'] or 0.0)} of the load can be judged"


_WORDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "anomaly": _anomaly,
    "mass": _mass,
    "inspectability": _inspectability,
    "hazard": lambda row: f"declared dangerous goods of class {', '.join(row['hazard_classes'] or ())}",
    "failed": lambda row: f"could not be analysed: {row['reason']}",
}


def _because(name: str, row: dict[str, Any], histories: dict[str, History], index: int) -> str:
    if name in _WORDS:
        return _WORDS[name](row)
    if name in histories:
        found = histories[name]
        who = (row["headings"] or ["?"])[0] if name == "commodity" else row[name]
        return (
            f"{who}: {found.alarms[index]} of {found.scans[index]} other scans alarmed, {_percent(found.rate[index])} after "
            f"shrinkage against {_percent(found.archive)} of the archive"
        )
    return "rule of this site"


def write_csv(scores: Scores, path: str | PathLike[str]) -> None:
    """Write the whole queue as CSV, complete or not at all: rank, path, score, verdict, and the points of every factor."""
    import pyarrow as pa
    from pyarrow import csv

    from scananalysis.io.atomic import complete

    order = pa.array(scores.order)
    columns: dict[str, Any] = {
        "rank": pa.array(np.arange(1, len(order) + 1)),
        "path": scores.table["path"].take(order),
        "score": pa.array(scores.total[scores.order].round(3)),
        "status": scores.table["status"].take(order),
        "verdict": scores.table["verdict"].take(order),
    }
    columns |= {name: pa.array(points[scores.order].round(3)) for name, points in scores.points.items()}
    with complete(path) as part:
        csv.write_csv(pa.table(columns), part)
