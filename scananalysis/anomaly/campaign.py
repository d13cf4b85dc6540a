"""Runs a sample of a recipe through calibration and materials, ready to be scored by any number of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scananalysis.anomaly.grid import Factors, cell_pixels, working_map
from scananalysis.calibration import calibrate
from scananalysis.datasets import sample
from scananalysis.materials import discriminate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from scananalysis.core import Declaration, MaterialMap
    from scananalysis.datasets import Recipe

_TRUTHS = ("areal_density", "cargo_areal_density", "object_areal_density", "family", "insert", "load")


class Prepared(NamedTuple):
    """A sample on the working grid.

    Parameters
    ----------
    cells : MaterialMap
    declaration : Declaration
    fraud : str
    labels : mapping
        Of the scene.
    truth : mapping of str to ndarray, (y, x)
        Of the cells: means of densities (g/cm²), whether any pixel holds an insert, family of the middle pixel, whether most hold goods;
        ``attenuation``, mean of the ideal scanner's first channel.
    factors : (int, int)
        Pixels of the scan per cell.
    """

    cells: MaterialMap
    declaration: Declaration
    fraud: str
    labels: dict[str, object]
    truth: Mapping[str, NDArray[Any]]
    factors: Factors


class Task(NamedTuple):
    """Which sample to prepare."""

    recipe: Recipe
    split: str
    number: int
    fraud: str | None
    scanner: str | None
    pitch_mm: tuple[float, float]
    shift: str | None = None


def prepare(task: Task) -> Prepared:
    """Simulate one sample and bring it to the working grid."""
    made = sample(task.recipe, task.split, task.number, fraud=task.fraud, scanner=task.scanner, shift=task.shift)
    cells, factors = working_map(discriminate(calibrate(made.simulated.scan)), task.pitch_mm)
    return Prepared(
        cells,
        made.declaration,
        made.fraud,
        dict(made.simulated.labels),
        truth_of_cells(made.simulated.truth, factors),
        factors,
    )


def clean_twin(task: Task, factors: Factors) -> Mapping[str, NDArray[Any]]:
    """Return the truth, on working cells, of the same load when nothing is wrong with it."""
    made = sample(task.recipe, task.split, task.number, fraud="none", scanner=task.scanner, shift=task.shift)
    return truth_of_cells(made.simulated.truth, factors)


def truth_of_cells(truth: Mapping[str, NDArray[Any]], factors: Factors) -> dict[str, NDArray[Any]]:
    """Bring the maps of a simulated scan to cells of several pixels each.

    Examples
    --------
    >>> maps = {name: np.zeros((4, 4), bool) for name in _TRUTHS} | {"transmission": np.ones((1, 4, 4))}
    >>> maps["insert"][0, 1] = True
    >>> truth_of_cells(maps, (2, 2))["insert"].tolist()
    [[True, False], [False, False]]
    """
    fy, fx = factors

    found: dict[str, NDArray[Any]] = {}
    for name in _TRUTHS:
        plane = cell_pixels(truth[name], factors)
        if name == "insert":
            found[name] = any_of_cells(truth[name], factors)
        elif name == "family":
            found[name] = plane[:, fy // 2, :, fx // 2]
        elif name == "load":
            found[name] = np.asarray(plane.mean(axis=(1, 3)) >= 0.5)
        else:
            found[name] = plane.mean(axis=(1, 3), dtype=np.float32)
    seen = cell_pixels(truth["transmission"][0], factors).mean(axis=(1, 3))
    found["attenuation"] = -np.log(np.maximum(seen, 1e-9)).astype(np.float32)
    return found


def any_of_cells(plane: NDArray[Any], factors: Factors) -> NDArray[np.bool_]:
    """Return the cells of which any pixel is set.

    Examples
    --------
    >>> any_of_cells(np.array([[False, False, True]]), (1, 2)).tolist()
    [[False, True]]
    """
    return np.asarray(cell_pixels(plane.astype(bool), factors).any(axis=(1, 3)))
