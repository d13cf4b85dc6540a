"""A radiograph on a coarse lattice of cells: means of attenuation with their noise and their shared errors, for segmentation and tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import Radiograph, SystematicTerm
from scananalysis.materials.unbiased import NOISY, counted

_LEAST_USABLE = 0.5
"""Share of a cell's pixels that must be measurements."""


@dataclass(frozen=True, eq=False)
class Lattice:
    """Cells of an image.

    Parameters
    ----------
    cell : (int, int)
        Pixels of a cell, high and wide.
    alpha, variance : ndarray of float64, (channel, row, column)
        Mean attenuation and the noise variance of that mean.
    systematic : mapping of str to SystematicTerm
        Shared errors of the cells' means.
    usable : ndarray of bool, (row, column)
    fan_angle_rad : ndarray of float64, (row,)
        Distance from the beam axis, mean of the row's elements.
    """

    cell: tuple[int, int]
    alpha: NDArray[np.float64]
    variance: NDArray[np.float64]
    systematic: Mapping[str, SystematicTerm]
    usable: NDArray[np.bool_]
    fan_angle_rad: NDArray[np.float64]

    @property
    def separate(self) -> NDArray[np.float64]:
        """Variance of each cell against its neighbours: noise, and errors of its own elements and lines."""
        total = self.variance.copy()
        for term in self.systematic.values():
            if term.shared_along != "xy":
                total += np.broadcast_to(term.effect.astype(np.float64), total.shape) ** 2
        return total


def lattice(radiograph: Radiograph, cell: tuple[int, int]) -> Lattice:
    """Average a radiograph over cells; cells at the right and lower edge may be smaller.

    Parameters
    ----------
    radiograph : Radiograph
    cell : (int, int)
        Pixels, high and wide.
    """
    channels, height, width = radiograph.shape
    bad = ~counted(radiograph)
    good = np.where(bad, np.float32(0), np.float32(1))
    count = _sum(good, cell)
    per = np.maximum(count, 1)
    area = radiograph.noise_area.astype(np.float64)
    alpha, variance = np.empty((channels, *count.shape)), np.empty((channels, *count.shape))
    for c in range(channels):
        v = np.where(bad, 0, radiograph.variance[c])
        mean = np.where(bad, 0, radiograph.attenuation[c]) - v / 2
        alpha[c] = _sum(mean, cell) / per
        # Within a cell that many lines are correlated; between cells the rest of the noise area is, too.
        variance[c] = _sum(v, cell) / per**2 * area[c]
        noisy = (variance[c] * per > NOISY * area[c]) & (count > 0)
        if noisy.any():
            # Few quanta: the logarithm of the cell's mean transmission T, as σ² of a single one is drawn with its noise.
            transmission = np.exp(-np.where(bad, 0, radiograph.attenuation[c]))
            mean = np.maximum(_sum(transmission * good, cell) / per, 1e-12)
            relative = _sum(v * transmission**2, cell) / per**2 * area[c] / mean**2
            alpha[c] = np.where(noisy, -np.log(mean) - relative / 2, alpha[c])
            variance[c] = np.where(noisy, relative, variance[c])
    systematic = {name: _averaged(term, cell) for name, term in radiograph.systematic.items()}
    sizes = _sum(np.ones((height, width), np.float32), cell)
    rows = np.add.reduceat(np.abs(radiograph.fan_angle_rad).astype(np.float64), np.arange(0, height, cell[0]))
    return Lattice(
        cell,
        alpha,
        variance,
        systematic,
        count >= _LEAST_USABLE * sizes,
        rows / np.minimum(cell[0], height - np.arange(0, height, cell[0])),
    )


def _averaged(term: SystematicTerm, cell: tuple[int, int]) -> SystematicTerm:
    """Average an effect over cells: variables of several elements or lines of a cell add up in quadrature."""
    effect = term.effect
    high, wide = (cell[0] if effect.shape[1] > 1 else 1), (cell[1] if effect.shape[2] > 1 else 1)
    mean = np.stack([_mean(plane, (high, wide)) for plane in effect])
    own = {"x": cell[0], "y": cell[1], "xy": 1}[term.shared_along]
    return SystematicTerm((mean / np.sqrt(own)).astype(np.float32), term.shared_along)


def _mean(plane: NDArray[np.floating[Any]], cell: tuple[int, int]) -> NDArray[np.float64]:
    return np.asarray(_sum(plane, cell) / _sum(np.ones_like(plane), cell), np.float64)


def _sum(plane: NDArray[np.floating[Any]], cell: tuple[int, int]) -> NDArray[np.float64]:
    """Return sums over cells."""
    height, width = plane.shape
    rows = np.add.reduceat(plane, np.arange(0, height, cell[0]), axis=0, dtype=np.float64) if cell[0] > 1 else plane
    if cell[1] == 1:
        return np.asarray(rows, np.float64)
    return np.asarray(np.add.reduceat(rows, np.arange(0, width, cell[1]), axis=1, dtype=np.float64), np.float64)
