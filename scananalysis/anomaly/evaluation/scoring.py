"""Scores one simulated scan with every model of a study, and keeps what the tables need of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scananalysis.anomaly.campaign import Prepared, Task, any_of_cells, clean_twin, prepare
from scananalysis.anomaly.evaluation.localise import Cells, Mark, histograms, marks
from scananalysis.anomaly.evaluation.objects import Wrong, needs_twin, on_stride, whats_wrong
from scananalysis.anomaly.grid import working_map
from scananalysis.anomaly.model import DECLARED, STRIDE
from scananalysis.anomaly.store import load
from scananalysis.calibration import calibrate
from scananalysis.cargo import commodity, read_declaration, steps_apart
from scananalysis.datasets import declaration_of
from scananalysis.detectors import scanner as find_scanner
from scananalysis.io import read, read_truth
from scananalysis.materials import discriminate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.anomaly.model import AnomalyModel
    from scananalysis.core import AnomalyMap, Declaration
    from scananalysis.datasets import Listed

CLEAN = "none"
WRONG = "wrong papers"
"""Kind of a scan that is declared right, and of the same scan under another scan's declaration."""

NEAR_MM = 200.0
"""How far beside an object a mark or alarm still counts as one of the object: scores are averaged over windows about as wide."""

_APART_MM = 600.0
_PARCEL_SHRINK = 6.0
_SOUGHT = 20
"""Samples that are looked through for papers without a family in common."""


class Scoring(NamedTuple):
    """Which sample to make, and which models, by label and folder, are to score it."""

    task: Task
    models: tuple[tuple[str, Path], ...]


class Seen(NamedTuple):
    """What a model says of one scan.

    Parameters
    ----------
    p_values : mapping
        By head, and combined.
    highest_declared : float or None
        Highest score of the head that knows the declaration.
    at_object : float or None
        Combined p-value within `NEAR_MM` of what is wrong.
    noticed : float or None
        Median over the object of the added areal density that the model says would be noticed there, g/cm².
    cells : Cells
    marks : tuple of Mark
    """

    p_values: Mapping[str, float]
    highest_declared: float | None
    at_object: float | None
    noticed: float | None
    cells: Cells
    marks: tuple[Mark, ...]


class Scan(NamedTuple):
    """One scored scan.

    Parameters
    ----------
    kind : str
        `CLEAN`, `WRONG` or a kind of fraud.
    scanner : str
    family : str
        Of the declared item with the largest weight.
    load_g_cm2 : float or None
        Median areal density of the load.
    wrong : mapping
        Numbers of what is wrong; see `Wrong.to_dict`.
    apart : float or None
        How far undeclared goods lie from the nearest declared ones, at most over all undeclared goods; see `apart`.
    labels : mapping
        Of the scene.
    models : mapping of str to Seen
    """

    kind: str
    scanner: str
    family: str
    load_g_cm2: float | None
    wrong: Mapping[str, Any]
    apart: float | None
    labels: Mapping[str, object]
    models: Mapping[str, Seen]

    def to_dict(self) -> dict[str, Any]:
        """Return what a reader may want to count anew as plain values."""
        return {
            "kind": self.kind,
            "family": self.family,
            "load_g_cm2": self.load_g_cm2,
            "wrong": dict(self.wrong),
            "apart": self.apart,
            "labels": dict(self.labels),
            "p_values": {name: dict(seen.p_values) for name, seen in self.models.items()},
            "p_value_at_object": {name: seen.at_object for name, seen in self.models.items()},
            "highest_declared": {name: seen.highest_declared for name, seen in self.models.items()},
        }


def score(job: Scoring) -> list[Scan]:
    """Score a sample, and a clean one once more under other papers."""
    models = {label: load(folder) for label, folder in job.models}
    first = next(iter(models.values()))
    made = prepare(job.task)
    declared = first.declared_families(made.declaration)
    twin = clean_twin(job.task, made.factors) if needs_twin(made.fraud) else None
    found = [_scored(models, made, made.declaration, made.fraud, whats_wrong(made, declared, twin))]
    if made.fraud == CLEAN:
        other = _other_papers(first, job.task, made.declaration)
        nothing = Wrong(np.zeros(made.truth["load"].shape, bool))
        found += [] if other is None else [_scored(models, made, other, WRONG, nothing)]
    return found


class FileScoring(NamedTuple):
    """Which labelled scan to read, and which models are to score it."""

    listed: Listed
    models: tuple[tuple[str, Path], ...]


def score_file(job: FileScoring) -> list[Scan]:
    """Score a labelled scan of a manifest; what is wrong is where its truth says so, and its numbers are not known."""
    models = {label: load(folder) for label, folder in job.models}
    first = next(iter(models.values()))
    cells, factors = working_map(discriminate(calibrate(read(job.listed.scan))), first.metadata.pitch_mm)
    declaration = read_declaration(job.listed.declaration)
    insert = read_truth(job.listed.scan).get("insert")
    nothing = np.zeros(cells.shape, bool)
    mask = nothing if insert is None else any_of_cells(insert, factors)
    truth = {"load": nothing, "cargo_areal_density": np.zeros(cells.shape, np.float32)}
    made = Prepared(cells, declaration, job.listed.kind, {"file": job.listed.scan.name}, truth, factors)
    return [_scored(models, made, declaration, job.listed.kind, Wrong(mask))]


def _scored(
    models: Mapping[str, AnomalyModel], made: Prepared, declaration: Declaration, kind: str, wrong: Wrong
) -> Scan:
    goods = made.truth["cargo_areal_density"][made.truth["load"]]
    shrink = _PARCEL_SHRINK if find_scanner(made.cells.scanner).modality == "dual-energy-kv" else 1.0
    pitch = tuple(edge * STRIDE * shrink for edge in made.cells.pixel_mm)
    return Scan(
        kind,
        made.cells.scanner,
        _main_family(declaration),
        float(f"{np.median(goods):.4g}") if goods.size else None,
        wrong.to_dict(),
        apart(made.labels.get("true_headings"), declaration),
        made.labels,
        {
            label: _seen(model.score(made.cells, declaration), wrong.mask, (pitch[0], pitch[1]))
            for label, model in models.items()
        },
    )


def _seen(found: AnomalyMap, mask: NDArray[np.bool_], pitch_mm: tuple[float, float]) -> Seen:
    # Maps are on cells here, each score repeated over the cells it stands for.
    at = np.s_[:, ::STRIDE, ::STRIDE]
    scored = np.isfinite(found.score[at])
    plane = np.where(scored, found.score[at], -np.inf).max(axis=0)
    plane = np.where(scored.any(axis=0), plane, np.nan)
    coarse = on_stride(mask)
    declared = found.score[found.heads.index(DECLARED)] if DECLARED in found.heads else np.array([np.nan])
    at_object = noticed = None
    near = np.zeros_like(coarse)
    if mask.any():
        near = _grown(coarse, NEAR_MM, pitch_mm)
        heads = max(1, sum(head in found.scan_p_value for head in found.heads))
        at_object = min(1.0, float(found.p_value[at][:, near].min()) * heads)
        level = float(np.median(found.minimum_detectable[mask]))
        noticed = level if np.isfinite(level) else None
    window = (_odd(_APART_MM / pitch_mm[0]), _odd(_APART_MM / pitch_mm[1]))
    return Seen(
        dict(found.scan_p_value),
        float(np.nanmax(declared)) if np.isfinite(declared).any() else None,
        at_object,
        noticed,
        histograms(plane, coarse),
        marks(plane, near, window),
    )


def _grown(mask: NDArray[np.bool_], by_mm: float, pitch_mm: tuple[float, float]) -> NDArray[np.bool_]:
    import cv2

    kernel = np.ones((_odd(2 * by_mm / pitch_mm[0]), _odd(2 * by_mm / pitch_mm[1])), np.uint8)
    return cv2.dilate(mask.astype(np.uint8), kernel) > 0


def _odd(cells: float) -> int:
    return 2 * max(1, round(cells / 2)) + 1


def apart(true_headings: object, declaration: Declaration) -> float | None:
    """Return how far undeclared goods lie from the nearest declared ones, in steps of density and atomic number.

    Parameters
    ----------
    true_headings : sequence of str, or None where nobody knows
    declaration : Declaration

    Returns
    -------
    float or None
        The largest over the goods whose family the declaration does not name (`scananalysis.cargo.steps_apart`); None without such.
    """
    if not isinstance(true_headings, Sequence):
        return None
    declared = [commodity(item.hs_code) for item in declaration.items]
    families = {family for goods in declared for family in goods.families}
    strange = [goods for goods in map(commodity, true_headings) if goods.family not in families]
    return max((min(steps_apart(goods, each) for each in declared) for goods in strange), default=None)


def _main_family(declaration: Declaration) -> str:
    heaviest = max(declaration.items, key=lambda item: item.net_weight_kg or 0.0)
    return commodity(heaviest.hs_code).family


def _other_papers(model: AnomalyModel, task: Task, own: Declaration) -> Declaration | None:
    """Return the declaration of one of the samples before this one that shares no family with the scan's own."""
    families = model.declared_families(own) or frozenset()
    for number in range(task.number - 1, max(task.number - 1 - _SOUGHT, -1), -1):
        papers = declaration_of(task.recipe, task.split, number, scanner=task.scanner, shift=task.shift)
        if not families & (model.declared_families(papers) or families):
            return papers
    return None
