"""Runs a sample of a recipe through calibration and materials, ready to be scored by any number of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from scananalysis.anomaly.grid import working_map
from scananalysis.calibration import calibrate
from scananalysis.datasets import sample
from scananalysis.materials import discriminate

if TYPE_CHECKING:
    from scananalysis.core import Declaration, MaterialMap
    from scananalysis.datasets import Recipe


class Prepared(NamedTuple):
    """A sample on the working grid.

    Parameters
    ----------
    cells : MaterialMap
    declaration : Declaration
    fraud : str
    labels : mapping
        Of the scene.
    """

    cells: MaterialMap
    declaration: Declaration
    fraud: str
    labels: dict[str, object]


class Task(NamedTuple):
    """Which sample to prepare."""

    recipe: Recipe
    split: str
    number: int
    fraud: str | None
    scanner: str | None
    pitch_mm: tuple[float, float]


def prepare(task: Task) -> Prepared:
    """Simulate one sample and bring it to the working grid."""
    made = sample(task.recipe, task.split, task.number, fraud=task.fraud, scanner=task.scanner)
    cells, _ = working_map(discriminate(calibrate(made.simulated.scan)), task.pitch_mm)
    return Prepared(cells, made.declaration, made.fraud, dict(made.simulated.labels))
