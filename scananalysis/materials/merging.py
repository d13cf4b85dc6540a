"""Cells to areas: neighbours that agree within noise and tolerance are joined, most alike first, until no two agree.

What a piece of goods does to its neighbourhood is not the same in both directions of the (α_high, α_low) plane. Along the curve of one
material goods vary in thickness, and that is tolerated; across it lies another material, and there only noise is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scananalysis.materials.lattice import Lattice


@dataclass(frozen=True)
class Tolerance:
    """When neighbouring areas are one.

    Parameters
    ----------
    thickness : float
        Relative 1-σ variation of the attenuation within one piece of goods.
    material : float
        Relative 1-σ variation of α_low at the same α_high within one material.
    absolute : float
        1-σ variation of α that is always tolerated.
    texture : float
        Largest relative variation that an area's own texture may add to ``thickness``.
    limit : float
        χ² below which two neighbours are one: 16 is 4 σ in one direction.
    """

    thickness: float = 0.03
    material: float = 0.001
    absolute: float = 0.003
    texture: float = 0.1
    limit: float = 16.0


_PLAINLY = 2.0
"""Limits beyond which two neighbours are never one: chance alone takes a pair of cells hardly that far."""


def merge(lattice: Lattice, where: NDArray[np.bool_], tolerance: Tolerance | None = None) -> NDArray[np.int32]:
    """Join cells to areas.

    Parameters
    ----------
    lattice : Lattice
    where : ndarray of bool, (row, column)
        Cells that take part.
    tolerance : Tolerance, optional

    Returns
    -------
    ndarray of int32, (row, column)
        0 outside ``where``, else 1 … n.

    Notes
    -----
    In each round every area names the neighbour most like it, and pairs that name each other are joined (mutual best
    neighbours, as in hierarchical stepwise segmentation: Beaulieu and Goldberg, IEEE Trans. PAMI 11 (1989) 150,
    doi:10.1109/34.16711), so all pairs of a round are joined in one pass over arrays.
    """
    held = tolerance or Tolerance()
    number = np.full(where.shape, -1)
    number[where] = np.arange(int(where.sum()))
    edges = np.concatenate([_pairs(number[:, :-1], number[:, 1:]), _pairs(number[:-1], number[1:])], axis=1)
    areas = _Areas(lattice, where)
    name = np.arange(areas.size)
    while edges.size:
        unlike = areas.unlike(edges, held)
        # A pair that is not quite alike now may be when both have grown; what is plainly unlike is an edge for good, however much
        # texture its sides are granted later.
        kept = unlike < _PLAINLY * held.limit
        edges, unlike = edges[:, kept], unlike[kept]
        alike = unlike < held.limit
        pairs = _mutual(edges[:, alike], unlike[alike], areas.size)
        if not pairs.size:
            break
        onto = np.arange(areas.size)
        onto[pairs[1]] = pairs[0]
        remain, dense = np.unique(onto, return_inverse=True)
        areas.join(dense, remain.size)
        name = dense[name]
        edges = np.sort(dense[edges], axis=0)
        edges = edges[:, edges[0] != edges[1]]
        key = np.unique(edges[0] * areas.size + edges[1])
        edges = np.stack([key // areas.size, key % areas.size])
    labels = np.zeros(where.shape, np.int32)
    labels[where] = name + 1
    return labels


def _pairs(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    both = (one >= 0) & (other >= 0)
    return np.stack([one[both], other[both]])


def _mutual(edges: NDArray[np.int64], unlike: NDArray[np.float64], size: int) -> NDArray[np.int64]:
    """Pairs that are each other's best neighbour, (2, n)."""
    count = unlike.size
    if not count:
        return edges
    # A rank without ties, so that every area has one best neighbour.
    order = np.argsort(unlike, kind="stable")
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count)
    best = np.full(size, count)
    np.minimum.at(best, edges[0], rank)
    np.minimum.at(best, edges[1], rank)
    mutual = (best[edges[0]] == rank) & (best[edges[1]] == rank)
    return edges[:, mutual]


class _Areas:
    """Sums over the cells of each area."""

    def __init__(self, lattice: Lattice, where: NDArray[np.bool_]) -> None:
        alpha, noise = lattice.alpha[:, where], lattice.separate[:, where]
        one = np.ones(alpha.shape[1])
        # Cells, α per channel, α_high², noise variance of the sum per channel.
        self.sums = np.concatenate([one[None], alpha, alpha[:1] ** 2, noise])
        self.channels = alpha.shape[0]

    @property
    def size(self) -> int:
        return int(self.sums.shape[1])

    def join(self, onto: NDArray[np.int64], size: int) -> None:
        self.sums = np.stack([np.bincount(onto, row, minlength=size) for row in self.sums])

    def unlike(self, edges: NDArray[np.int64], held: Tolerance) -> NDArray[np.float64]:
        """χ² between the areas of each edge."""
        n, channels = self.sums[0], self.channels
        mean = self.sums[1 : 1 + channels] / n
        noise = self.sums[2 + channels :] / n**2
        texture = np.maximum(self.sums[1 + channels] / n - mean[0] ** 2, 0)
        texture = np.minimum(texture, (held.texture * mean[0]) ** 2)
        a, b = edges
        both = (mean[:, a] + mean[:, b]) / 2
        apart = mean[:, a] - mean[:, b]
        seen = noise[:, a] + noise[:, b]
        along = seen[0] + (held.thickness * both[0]) ** 2 + held.absolute**2 + texture[a] + texture[b]
        found: NDArray[np.float64] = apart[0] ** 2 / along
        if channels == 2:
            slope = both[1] / np.maximum(both[0], 1e-3)
            across = seen[1] + slope**2 * seen[0] + (held.material * both[1]) ** 2 + (held.absolute / 3) ** 2
            found = found + (apart[1] - slope * apart[0]) ** 2 / across
        return found
