"""Is an area one material? A χ² test of its parts against one atomic number, with the errors that parts share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import chi2

from scananalysis.materials.dualenergy import DualEnergyModel
from scananalysis.materials.labelled import binned
from scananalysis.materials.lattice import Lattice
from scananalysis.materials.likelihood import Z, explain

_PARTS = 81
"""Most parts of an area that are compared; more cells are averaged to so many."""


def p_one_material(
    model: DualEnergyModel, cells: Lattice, labels: NDArray[np.int32], z_eff: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the p-value of every area being one material, whatever its thickness does.

    Parameters
    ----------
    model : DualEnergyModel
    cells : Lattice
    labels : ndarray of int32, (y, x)
        Of the pixels.
    z_eff : ndarray of float64, (label,)
        Near which each area's common atomic number is sought.

    Returns
    -------
    ndarray of float64, (label,)
        NaN for areas of fewer than four whole cells.
    """
    owner = _owner(labels, cells)
    found = np.full(z_eff.size, np.nan)
    order = np.argsort(owner.ravel(), kind="stable")
    ends = np.searchsorted(owner.ravel()[order], np.arange(1, z_eff.size + 2))
    columns = owner.shape[1]
    for k in range(z_eff.size):
        inside = order[ends[k] : ends[k + 1]]
        if inside.size >= 4 and np.isfinite(z_eff[k]):
            found[k] = _p_value(model, cells, inside // columns, inside % columns, float(z_eff[k]))
    return found


def _owner(labels: NDArray[np.int32], cells: Lattice) -> NDArray[np.int32]:
    """Label of cells that lie, with their neighbours, wholly inside one area; 0 elsewhere."""
    high, wide = cells.cell
    height, width = labels.shape
    rows, columns = np.arange(0, height, high), np.arange(0, width, wide)
    ends = [ufunc.reduceat(ufunc.reduceat(labels, rows, axis=0), columns, axis=1) for ufunc in (np.minimum, np.maximum)]
    own = np.where((ends[0] == ends[1]) & cells.usable, ends[0], 0)
    padded = np.pad(own, 1)
    shape = own.shape
    same = np.ones(shape, bool)
    for i in range(3):
        for j in range(3):
            same &= padded[i : i + shape[0], j : j + shape[1]] == own
    # Areas that are too slim to have such cells are tested with the ones they have.
    kept = np.bincount(own[same].ravel(), minlength=int(own.max(initial=0)) + 1)
    return np.where(same | (kept[own] < 4), own, 0).astype(np.int32)


def _p_value(
    model: DualEnergyModel, cells: Lattice, row: NDArray[np.int64], column: NDArray[np.int64], z: float
) -> float:
    step = max(1, int(np.ceil(np.sqrt(row.size / _PARTS))))
    _, part = np.unique((row // step) * 100_000 + column // step, return_inverse=True)
    parts = int(part.max()) + 1
    if parts < 2:
        return float("nan")
    share = 1 / np.bincount(part)[part]
    alpha = np.stack([binned(part, share * plane[row, column], parts) for plane in cells.alpha], axis=1)
    noise = np.stack([binned(part, share**2 * plane[row, column], parts) for plane in cells.variance], axis=1)
    height = cells.fan_angle_rad.size
    rows = binned(part * height + row, share, parts * height).reshape(parts, height)
    z = float(np.clip(z, Z[0] + 1, Z[-1] - 1))
    diagonal = np.stack([np.diag(v) for v in noise])
    found = explain(model, alpha, diagonal, cells.fan_angle_rad, weights=rows, between=(z - 1, z + 1))
    near = int(np.clip(np.searchsorted(found.z, z), 1, found.z.size - 2))
    slope = found.slope[:, near]
    tilt = (found.residual[:, near + 1] - found.residual[:, near - 1]) / (found.z[near + 1] - found.z[near - 1])
    covariance = np.diag(noise[:, 1] + slope**2 * noise[:, 0])
    size = cells.usable.shape
    for term in cells.systematic.values():
        effect = np.broadcast_to(term.effect, (alpha.shape[1], *size))
        cell, count = {"x": (row, size[0]), "y": (column, size[1]), "xy": (np.zeros_like(row), 1)}[term.shared_along]
        # The residual is α_low − slope · α_high, so an error of both enters it so.
        mixed = share * (effect[1, row, column] - slope[part] * effect[0, row, column])
        sums = binned(part * count + cell, mixed, parts * count).reshape(parts, count)
        covariance += sums @ sums.T
    factor = cho_factor(covariance)
    solved = cho_solve(factor, np.stack([found.residual[:, near], tilt], axis=1))
    rr, rt, tt = found.residual[:, near] @ solved[:, 0], tilt @ solved[:, 0], tilt @ solved[:, 1]
    return float(chi2.sf(max(rr - rt**2 / max(tt, 1e-300), 0), parts - 1))
