"""Empty containers told from loaded ones: false alarms on empty, detection of full loads, low ones and a single package."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scananalysis.anomaly.emptiness import (
    FALSE_ALARM_RATE,
    LEAST_ADDED,
    emptiness,
    empty_scores,
    heights,
    is_loaded,
)
from scananalysis.anomaly.evaluation.rates import Rate, expected_alarms
from scananalysis.anomaly.evaluation.text import markdown_table, write_json_and_markdown
from scananalysis.calibration import calibrate
from scananalysis.core import ConfigurationError
from scananalysis.core.parallel import in_parallel
from scananalysis.datasets import plan
from scananalysis.detectors import scanner as find_scanner
from scananalysis.materials import discriminate
from scananalysis.simulation import Box, Matter, Piece, Scene, container_scene, empty_scene, render

if TYPE_CHECKING:
    from scananalysis.core import RawScan
    from scananalysis.datasets import Recipe
    from scananalysis.simulation import Load

EMPTY, LOADED, LOW = "empty", "loaded", "goods to 12 % of the height"
PACKAGES_KG = (5.0, 10.0, 25.0, 50.0)
"""Masses of a single package among nothing, kg."""

_PACKAGE_DENSITY = 0.2
_LOW_FILL = 0.12
_FLOOR_MM = 1330.0


class Look(NamedTuple):
    """Which container to simulate and look into.

    Parameters
    ----------
    kind : str
        `EMPTY`, `LOADED`, `LOW`, or a single package by its mass.
    scanner : str
    binning : (int, int)
    seed : int
    pool : tuple of str
        Headings to load from; all by default.
    """

    kind: str
    scanner: str
    binning: tuple[int, int]
    seed: int
    pool: tuple[str, ...] = ()


def evaluate_empty(
    recipe: Recipe,
    split: str,
    *,
    scanner: str,
    count: int,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Simulate empty and loaded containers and count those that are called loaded.

    Parameters
    ----------
    recipe : Recipe
        Its goods and seeds; the empty containers that set the threshold are none of these.
    split : str
    scanner : str
    count : int
        Containers of each kind.
    workers : int, optional
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    dict
        ``kinds``: by kind, called loaded with the 95 % Clopper-Pearson interval and quantiles of the score; ``expected``: range of
        false alarms that fits the finite set of empty containers.

    Raises
    ------
    ConfigurationError
        A scanner for parcels.
    """
    if find_scanner(scanner).modality == "dual-energy-kv":
        raise ConfigurationError(f"empty container on {scanner}", expected="a scanner for containers")
    kinds = [EMPTY, LOADED, LOW, *(f"one package of {kg:g} kg" for kg in PACKAGES_KG)]
    jobs = []
    for number in range(count):
        one = plan(recipe, split, number, fraud="none", scanner=scanner)
        jobs += [Look(kind, one.scanner, one.binning, one.seed, recipe.headings) for kind in kinds]
    scores: dict[str, list[float]] = {kind: [] for kind in kinds}
    for done, (job, score) in enumerate(zip(jobs, in_parallel(look, jobs, workers), strict=True), start=1):
        scores[job.kind].append(score)
        if progress is not None:
            progress(done, len(jobs))
    size = empty_scores(scanner).maxima.size
    return {
        "simulated": True,
        "recipe": recipe.name,
        "split": split,
        "scanner": scanner,
        "false_alarm_rate": FALSE_ALARM_RATE,
        "least_added_g_cm2": LEAST_ADDED,
        "calibration_scans": size,
        "expected": list(expected_alarms(FALSE_ALARM_RATE, size, count)),
        "kinds": {kind: _counted(found, scanner) for kind, found in scores.items()},
    }


def _counted(found: list[float], scanner: str) -> dict[str, Any]:
    # A container that was not found is never called empty.
    called = [math.isnan(score) or is_loaded(score, scanner) for score in found]
    known = [score for score in found if not math.isnan(score)]
    quantiles = np.quantile(known, [0.0, 0.5, 1.0]).round(3).tolist() if known else None
    return Rate.of(called).to_dict() | {"not_found": len(found) - len(known), "score_quantiles": quantiles}


def look(job: Look) -> float:
    """Simulate a container and return its score; NaN where none was found."""
    device = find_scanner(job.scanner).binned(*job.binning)
    if job.kind in (LOADED, LOW):
        fill = _LOW_FILL if job.kind == LOW else None
        made = container_scene(job.seed, device, fill=fill, pool=job.pool or None)
    else:
        made = empty_scene(job.seed, device)
        if job.kind != EMPTY:
            made = _with_package(made, float(job.kind.split()[-2]), device.geometry.source_to_object_mm, job.seed)
    return score_of(render(made.scene, device, job.seed).scan, made.declaration.container_type)


def score_of(scan: RawScan, container_type: str | None) -> float:
    """Return the score of a scan; NaN where no container is in view."""
    materials = discriminate(calibrate(scan))
    rows = heights(scan.scanner, scan.binning, materials.shape[0])
    found = None if rows is None else emptiness(materials, rows, container_type)
    return math.nan if found is None else found.score


def _with_package(load: Load, kg: float, middle: float, seed: int) -> Load:
    """Put one carton of paper goods on the floor, anywhere between the ends."""
    rng = np.random.default_rng([seed, 4])
    edge = (kg / _PACKAGE_DENSITY * 1e6) ** (1 / 3)
    bounds = np.array([piece.solid.bounds for piece in load.scene.pieces])
    # The container's own frame reaches as high as anything; a tractor in front does not.
    tall = bounds[bounds[:, 3] > bounds[:, 3].max() - 150]
    start = float(rng.uniform(tall[:, 0].min() + 1300, tall[:, 1].max() - 1300 - edge))
    side = float(rng.uniform(middle - 1100, middle + 1100 - edge))
    carton = Piece(
        Box((start, start + edge), (_FLOOR_MM, _FLOOR_MM + edge), (side, side + edge)),
        Matter.of("paper", "cargo"),
        _PACKAGE_DENSITY,
    )
    scene = Scene((*load.scene.pieces, carton), load.scene.length_mm, load.scene.labels)
    return dataclasses.replace(load, scene=scene)


def save_empty(result: Mapping[str, Any], folder: Path) -> None:
    """Write ``empty.md`` and ``empty.json``."""
    low, high = result["expected"]
    lines = [
        f"# Empty containers on {result['scanner']}",
        "",
        (
            f"Simulated scans, recipe {result['recipe']}, split {result['split']}: share that is called loaded at "
            f"{100 * result['false_alarm_rate']:g} % false alarms, with 95 % Clopper-Pearson intervals. "
            f"{result['calibration_scans']} other empty containers set the threshold, and no less than "
            f"{result['least_added_g_cm2']:g} g/cm² alarms; {low} to {high} false alarms would fit the rate alone."
        ),
        "",
        *markdown_table(*empty_table(result)),
    ]
    write_json_and_markdown(folder, "empty", result, lines)


def empty_table(result: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of the table."""
    rows = []
    for kind, found in result["kinds"].items():
        quantiles = found["score_quantiles"]
        rows.append(
            [
                kind,
                str(found["trials"]),
                f"{found['rate']:.4f} ({found['low']:.3f} to {found['high']:.3f})",
                "–" if quantiles is None else " / ".join(f"{value:.2f}" for value in quantiles),
                str(found["not_found"]),
            ]
        )
    return ["container", "n", "called loaded", "added, g/cm²: least / median / most", "not found"], rows
