"""Fits what the baselines need beside components: where goods stand, and areal density by what surrounds it, on clean scans."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scananalysis.anomaly.campaign import Prepared, Task, prepare
from scananalysis.anomaly.components import Components, matters
from scananalysis.anomaly.expected import MEAN_TERMS, SPREAD_TERMS, context, inside
from scananalysis.anomaly.grid import working_scale
from scananalysis.anomaly.heights import BINS, row_bins
from scananalysis.anomaly.model import STRIDE
from scananalysis.core.parallel import in_parallel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.datasets import Recipe

    Progress = Callable[[int, int], None]

_CELLS_PER_SCAN = 400


class Cells(NamedTuple):
    """Some cells of clean scans: what is seen, and what is around.

    Parameters
    ----------
    family : ndarray of int64, (n,)
    seen : ndarray of float32, (n,)
    mean_terms, spread_terms : ndarray of float32, (n, term)
        As `expected.Context` has them.
    """

    family: NDArray[np.int64]
    seen: NDArray[np.float32]
    mean_terms: NDArray[np.float32]
    spread_terms: NDArray[np.float32]


class _Gather(NamedTuple):
    task: Task
    components: Components
    families: int


def learn_heights(
    recipe: Recipe,
    scans: int,
    pitch_mm: tuple[float, float],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> dict[str, list[float]]:
    """Return log-odds of goods against other matter by height, for every scanner that the scans hold.

    Parameters
    ----------
    recipe : Recipe
    scans : int
        Clean scans of the split ``train``.
    pitch_mm : (float, float)
        Working cell.
    workers : int, optional
        Processes, one per core by default.
    progress : callable, optional
        Called with (done, total).
    """
    tasks = [Task(recipe, "train", i, "none", None, pitch_mm) for i in range(scans)]
    counts: dict[str, NDArray[np.float64]] = {}
    for done, (scanner, found) in enumerate(in_parallel(_count, tasks, workers), start=1):
        counts[scanner] = counts.get(scanner, np.zeros((2, BINS))) + found
        if progress is not None:
            progress(done, len(tasks))
    return {name: log_odds(found) for name, found in sorted(counts.items())}


def _count(task: Task) -> tuple[str, NDArray[np.float64]]:
    return count_of(prepare(task))


def count_of(made: Prepared) -> tuple[str, NDArray[np.float64]]:
    """Return the scanner of a clean scan, and its counts of goods and of other matter by height."""
    at = np.s_[::STRIDE, ::STRIDE]
    matter = matters(made.cells, working_scale(made.cells.scanner))[at]
    return made.cells.scanner, count_heights(row_bins(made.cells)[::STRIDE], made.truth["load"][at], matter, BINS)


def gather(
    recipe: Recipe,
    scans: int,
    pitch_mm: tuple[float, float],
    components: Components,
    families: int,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Cells:
    """Simulate clean scans of the split ``train`` and return some cells of goods from each."""
    jobs = [_Gather(Task(recipe, "train", i, "none", None, pitch_mm), components, families) for i in range(scans)]
    parts = []
    for done, part in enumerate(in_parallel(_cells, jobs, workers), start=1):
        parts.append(part)
        if progress is not None:
            progress(done, len(jobs))
    return Cells(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _cells(job: _Gather) -> Cells:
    return cells_of(prepare(job.task), job.components, job.families, job.task.number)


def cells_of(made: Prepared, components: Components, families: int, number: int) -> Cells:
    """Return some cells of goods of a clean scan; ``number`` seeds which."""
    scale = working_scale(made.cells.scanner)
    load = components.name(made.cells, families, scale).load
    around = context(made.cells, load, scale)
    family = made.truth["family"][::STRIDE, ::STRIDE]
    at = np.flatnonzero((around.known & inside(load) & (family >= 0)).ravel())
    at = np.random.default_rng([11, number]).choice(at, min(_CELLS_PER_SCAN, at.size), replace=False)
    return Cells(
        family.ravel()[at].astype(np.int64),
        around.seen.ravel()[at],
        around.mean_terms.reshape(len(MEAN_TERMS), -1)[:, at].T,
        around.spread_terms.reshape(len(SPREAD_TERMS), -1)[:, at].T,
    )


_PRIOR_CELLS = 30.0
"""A family seen in n cells counts n/(n + this) itself, and otherwise like all families together."""

_TAIL = 0.98
"""Share of the cells above (or below) the median that the width of the upper (or lower) tail covers: 99 % of all."""

_ROUNDS = 60
_PASSES = 4
"""Times that the median and the widths, which weigh cells for it, are fitted in turn."""

_SMALLEST = 1e-3
"""Residual below which the pinball loss is rounded off, in logarithms."""


def fit_expected(cells: Cells, families: int) -> dict[str, NDArray[np.float32]]:
    """Fit each family's median of the logarithm of areal density, and the width of either tail, by quantile regression.

    Quantiles rather than a mean and a variance: gaps between packages make tails long and lopsided. Widths are fitted in logarithms,
    under which quantiles stay quantiles, so that none is negative. Families lean on all families together as far as they were seldom
    seen.

    Parameters
    ----------
    cells : Cells
        Of clean scans.
    families : int

    Returns
    -------
    dict of ndarray of float32
        ``expected`` (family, term), ``upper`` and ``lower`` (family, term).
    """
    family = cells.family
    x, u, y = (part.astype(np.float64) for part in (cells.mean_terms, cells.spread_terms, cells.seen))
    width = np.ones(len(y))
    for _ in range(_PASSES):
        # Even goods leave little room, so they decide where the median lies; a quantile of scaled values is the scaled quantile.
        expected = _quantile_by_family(x / width[:, None], y / width, family, 0.5, families)
        residual = y - np.einsum("ij,ij->i", x, expected[family])
        tails = {}
        for name, sign in (("upper", 1), ("lower", -1)):
            beyond = sign * residual > 0
            distance = np.log(sign * residual[beyond] + _SMALLEST)
            tails[name] = _quantile_by_family(u[beyond], distance, family[beyond], _TAIL, families)
        upper, lower = (np.einsum("ij,ij->i", u, tails[name][family]) for name in ("upper", "lower"))
        width = np.exp((upper + lower) / 2)
    return {name: found.astype(np.float32) for name, found in {"expected": expected, **tails}.items()}


def _quantile_by_family(
    x: NDArray[np.float64], y: NDArray[np.float64], family: NDArray[np.int64], quantile: float, families: int
) -> NDArray[np.float64]:
    """Return coefficients of a linear quantile, (family, term), each drawn towards those of all families together."""
    prior = x.T @ x / len(y) * _PRIOR_CELLS
    common = linear_quantile(x, y, quantile)
    found = np.tile(common, (families, 1))
    for each in np.unique(family):
        own = family == each
        found[each] = linear_quantile(x[own], y[own], quantile, start=common, prior=prior)
    return found


def linear_quantile(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    quantile: float,
    *,
    start: NDArray[np.float64] | None = None,
    prior: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the coefficients of a linear conditional quantile (Koenker and Bassett, Econometrica 46 (1978) 33, doi:10.2307/1913643).

    Majorise-minimise: each round solves a weighted least-squares problem that lies above the pinball loss and touches it (Hunter and
    Lange, J. Comput. Graph. Stat. 9 (2000) 60, doi:10.1080/10618600.2000.10474866).

    Parameters
    ----------
    x : ndarray, (n, term)
    y : ndarray, (n,)
    quantile : float
    start : ndarray, (term,), optional
        Coefficients to begin with, and towards which ``prior`` draws.
    prior : ndarray, (term, term), optional
        Precision of that pull.

    Examples
    --------
    >>> values = np.arange(1001.0)
    >>> round(float(linear_quantile(np.ones((1001, 1)), values, 0.9)[0]), -1)
    900.0
    """
    found = np.asarray(np.linalg.lstsq(x, y, rcond=None)[0] if start is None else start, np.float64)
    centre = found
    pull = np.zeros((x.shape[1], x.shape[1])) if prior is None else prior
    for _ in range(_ROUNDS):
        residual = y - x @ found
        weight = 1 / (_SMALLEST + np.abs(residual))
        square = x.T @ (weight[:, None] * x)
        # The pull is in units of the mean weight of a cell, so that it counts as so many cells.
        held = pull * weight.mean()
        side = x.T @ (weight * y + (2 * quantile - 1))
        found = np.linalg.solve(square + held, side + held @ centre)
    return found


_FEW = 20.0
"""Cells of either kind that every bin is given beforehand, so that what was never seen is not ruled out."""


def count_heights(
    rows: NDArray[np.int64], goods: NDArray[np.bool_], matter: NDArray[np.bool_], bins: int
) -> NDArray[np.float64]:
    """Return the counts of goods and of other matter by height, (2, bin); counts of several scans add up.

    Parameters
    ----------
    rows : ndarray of int64, (y,)
        Bin of every row.
    goods, matter : ndarray of bool, (y, x)
    bins : int
    """
    return np.stack(
        [
            np.bincount(rows, weights=(matter & kind).sum(axis=1), minlength=bins).astype(np.float64)
            for kind in (goods, ~goods)
        ]
    )


def log_odds(counts: NDArray[np.float64]) -> list[float]:
    """Return the logarithm of goods over other matter by bin.

    Examples
    --------
    >>> log_odds(np.array([[0.0, 980.0], [0.0, 30.0]]))
    [0.0, 3.0]
    """
    odds = np.log((counts[0] + _FEW) / (counts[1] + _FEW))
    return [round(float(each), 2) for each in odds]
