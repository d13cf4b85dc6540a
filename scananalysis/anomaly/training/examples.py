"""Labelled examples on the working grid, made from simulated scans and their truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scananalysis.anomaly.features import cell_features, network_planes
from scananalysis.anomaly.grid import cell_pixels, working_map
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

_CLUTTER = 0.05
"""Texture of goods as a share of the transmission through them."""

_LEAST_NOISE = 1e-4
"""σ of transmission that electronics leave where no photon arrives."""


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
    visible : ndarray of float32, (y, x)
        How far the insert can be seen there, 0 to 1; see `visibility`.
    """

    cells: MaterialMap
    label: NDArray[np.uint8]
    insert: NDArray[np.bool_]
    visible: NDArray[np.float32]

    def planes(self, scale: float) -> NDArray[np.float32]:
        """Return the network's planes, (plane, y, x)."""
        return network_planes(self.cells, scale=scale)

    def features(self) -> NDArray[np.float32]:
        """Return the baseline's features of every `STRIDE`-th cell, (feature, y, x)."""
        return cell_features(self.cells)[:, ::STRIDE, ::STRIDE]


def example(
    simulated: Simulated, families: int, pitch_mm: tuple[float, float], *, twin: Simulated | None = None
) -> Example:
    """Run a simulated scan through calibration and materials, and bring its truth to the same grid.

    Parameters
    ----------
    simulated : Simulated
    families : int
        Number of families; the classes behind them are `NUISANCE`.
    pitch_mm : (float, float)
        Height and width of a working cell.
    twin : Simulated, optional
        The same load without the insert: only where both differ is there an insert to be learned. Without it, nothing of an insert
        counts as visible.

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
    visible = np.zeros(shape, np.float32)
    if twin is not None and insert.any():
        without, _ = working_map(discriminate(calibrate(twin.scan)), pitch_mm)
        means = [cell_pixels(one.truth["transmission"][0], steps).mean(axis=(1, 3)) for one in (simulated, twin)]
        noise = [_transmission_noise(one) for one in (cells, without)]
        visible = np.where(insert, visibility(means[0], means[1], np.hypot(*noise)), np.float32(0))
    return Example(cells, label.astype(np.uint8), insert, visible.astype(np.float32))


def visibility(
    with_insert: NDArray[np.float32], without: NDArray[np.float32], noise: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return how far a difference stands out of noise and clutter: 0 where not at all, 1 where plainly.

    An insert behind what lets nothing through, or as dense as the goods around it, cannot be seen. To demand it all the same would
    teach a network to alarm at what merely resembles the surroundings of inserts.

    Parameters
    ----------
    with_insert, without : ndarray of float32
        Noise-free transmission of both twins.
    noise : ndarray of float32
        σ of their measured difference.

    Returns
    -------
    ndarray of float32
        The contrast-to-noise ratio, with a clutter of 5 % of the transmission, between 1 (nothing) and 4 (plain).

    Examples
    --------
    >>> visibility(np.float32([0.50, 0.25, 0.0]), np.float32([0.51, 0.5, 1e-6]), np.float32([0.01, 0.01, 0.001]))
    array([0., 1., 0.], dtype=float32)
    """
    difference = np.abs(with_insert - without)
    ratio = difference / np.sqrt(np.square(noise) + np.square(_CLUTTER * without) + _LEAST_NOISE**2)
    return np.asarray(np.clip((ratio - 1) / 3, 0, 1), np.float32)


def _transmission_noise(cells: MaterialMap) -> NDArray[np.float32]:
    """Return the σ of transmission of every `STRIDE`-th cell; nothing where the signal is lost, and with it its noise."""
    attenuation, variance = (
        plane[0, ::STRIDE, ::STRIDE] for plane in (cells.radiograph.attenuation, cells.radiograph.variance)
    )
    transmission = np.exp(-np.nan_to_num(attenuation, nan=np.inf, posinf=np.inf, neginf=0.0))
    return np.asarray(np.sqrt(np.where(np.isfinite(variance), variance, 0)) * transmission, np.float32)
