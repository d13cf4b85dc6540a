"""Labelled examples on the working grid, made from simulated scans and their truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scananalysis.anomaly.features import cell_features, network_planes
from scananalysis.anomaly.grid import working_map
from scananalysis.anomaly.mahalanobis import NUISANCE
from scananalysis.anomaly.model import STRIDE
from scananalysis.calibration import calibrate
from scananalysis.materials import discriminate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.core import MaterialMap
    from scananalysis.simulation import Simulated

IGNORE = 255
"""Label of cells whose class is not taught: an insert among goods is the insert head's business."""


@dataclass(frozen=True)
class Example:
    """One simulated scan as the models see it, with what is really there.

    Parameters
    ----------
    cells : MaterialMap
        On the working grid.
    label : ndarray of uint8, (y, x)
        Class of every `STRIDE`-th cell: family, then structure, then air; `IGNORE` at inserts.
    insert : ndarray of bool, (y, x)
        Where a hidden object or void covers a cell of the same grid.
    """

    cells: MaterialMap
    label: NDArray[np.uint8]
    insert: NDArray[np.bool_]

    def planes(self, scale: float) -> NDArray[np.float32]:
        """Return the network's planes, (plane, y, x)."""
        return network_planes(self.cells, scale=scale)

    def features(self) -> NDArray[np.float32]:
        """Return the baseline's features of every `STRIDE`-th cell, (feature, y, x)."""
        return cell_features(self.cells)[:, ::STRIDE, ::STRIDE]


def example(simulated: Simulated, families: int, pitch_mm: tuple[float, float]) -> Example:
    """Run a simulated scan through calibration and materials, and bring its truth to the same grid.

    Parameters
    ----------
    simulated : Simulated
    families : int
        Number of families; the classes behind them are `NUISANCE`.
    pitch_mm : (float, float)
        Height and width of a working cell.

    Returns
    -------
    Example
    """
    materials = discriminate(calibrate(simulated.scan))
    cells, factors = working_map(materials, pitch_mm)
    steps = (factors[0] * STRIDE, factors[1] * STRIDE)
    truth = simulated.truth
    middle = np.s_[steps[0] // 2 :: steps[0], steps[1] // 2 :: steps[1]]
    shape = tuple(-(-n // STRIDE) for n in cells.shape)

    def at_cells(plane: NDArray[np.generic]) -> NDArray[np.generic]:
        found = plane[middle]
        pad = [(0, shape[0] - found.shape[0]), (0, shape[1] - found.shape[1])]
        return np.pad(found, pad, mode="edge")

    family = at_cells(truth["family"]).astype(np.int64)
    structure = at_cells(truth["structure"]).astype(bool)
    insert = at_cells(truth["insert"]).astype(bool)
    label = np.where(structure, families + NUISANCE.index("structure"), families + NUISANCE.index("air"))
    label = np.where(family >= 0, family, label)
    label[insert] = IGNORE
    return Example(cells, label.astype(np.uint8), insert)
