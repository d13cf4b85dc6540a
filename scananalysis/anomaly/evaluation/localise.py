"""Measures where a model points: histograms of scores inside and outside objects, average precision, AUPIMO, FROC.

Scores of a whole study would fill memory, so every scan leaves two histograms over fixed bins, and a few marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 4096
"""Bins of a score histogram: 0.002 wide at a standardised score of 0, 0.07 at 20."""

_SOFT = 4.0
PIMO_BOUNDS = (1e-5, 1e-4)
"""Shared false-positive rates between which recall is averaged, as the paper proposes."""

_PIMO_POINTS = 300
MARKS = 30
"""Marks that are kept of a scan, highest first."""


class Cells(NamedTuple):
    """Score histograms of one scan, of the cells inside and outside what is wrong with it.

    Parameters
    ----------
    inside, outside : ndarray of int64, (bin,)
    """

    inside: NDArray[np.int64]
    outside: NDArray[np.int64]


class Mark(NamedTuple):
    """A place that a model points at, and whether something is wrong there."""

    score: float
    hit: bool


def bin_of(score: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return the bin of every score; nothing scored (NaN) is the lowest.

    Examples
    --------
    >>> bin_of(np.array([np.nan, -np.inf, 0.0, np.inf])).tolist()
    [0, 0, 2048, 4095]
    """
    score = np.clip(np.nan_to_num(np.asarray(score, np.float64), nan=-1e12), -1e12, 1e12)
    squeezed = score / (_SOFT + np.abs(score))
    found: NDArray[np.intp] = np.clip(((squeezed + 1) / 2 * BINS).astype(np.intp), 0, BINS - 1)
    return found


def histograms(score: NDArray[np.floating], wrong: NDArray[np.bool_]) -> Cells:
    """Return the histograms of one scan's cells.

    Parameters
    ----------
    score : ndarray, (y, x)
    wrong : ndarray of bool, (y, x)
    """
    bins = bin_of(score)
    return Cells(*(np.bincount(bins[part], minlength=BINS).astype(np.int64) for part in (wrong, ~wrong)))


def _at_least(histogram: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many cells lie in a bin or above it."""
    summed: NDArray[np.int64] = np.cumsum(histogram[..., ::-1], axis=-1)[..., ::-1]
    return summed


def average_precision(scans: Sequence[Cells]) -> float | None:
    """Return the average precision of cells over all scans; None without a cell where something is wrong.

    Precision is summed over steps of recall, without interpolation (Boyd et al., ECML PKDD 2013, doi:10.1007/978-3-642-40994-3_29).
    A model that knows nothing reaches the share of cells that are inside.

    Examples
    --------
    >>> score = np.array([[3.0, 2.0], [1.0, 0.0]])
    >>> average_precision([histograms(score, score == 3.0)]), average_precision([histograms(score, score == 2.0)])
    (1.0, 0.5)
    """
    inside = _at_least(np.sum([scan.inside for scan in scans], axis=0)) if scans else np.zeros(BINS, np.int64)
    if not inside[0]:
        return None
    outside = _at_least(np.sum([scan.outside for scan in scans], axis=0))
    precision = inside / np.maximum(inside + outside, 1)
    gained = -np.diff(np.append(inside, 0)) / inside[0]
    return float((precision * gained).sum())


def aupimo(
    clean: Sequence[Cells], wrong: Sequence[Cells], bounds: tuple[float, float] = PIMO_BOUNDS
) -> list[float] | None:
    """Return the Area Under the Per-IMage Overlap of every scan with something wrong.

    Thresholds come from clean scans alone: the shared false-positive rate at a threshold is the mean over clean scans of the share of
    cells that reach it. The area of a scan is the share of its wrong cells that reach the threshold, averaged over the logarithm of that
    rate (Bertoldo, Ameln, Vaidya, Akçay, "AUPIMO", BMVC 2024, arXiv:2401.01984).

    Parameters
    ----------
    clean, wrong : sequence of Cells
    bounds : (float, float)
        Lowest and highest shared false-positive rate.

    Returns
    -------
    list of float, or None
        One per scan with wrong cells, 0 to 1; None where the clean scans hold too few cells for so low a rate.
    """
    cells = sum(int(scan.outside.sum()) for scan in clean)
    if not clean or cells * bounds[0] < 1:
        return None
    shared = np.mean([_at_least(scan.outside) / max(int(scan.outside.sum()), 1) for scan in clean], axis=0)
    rates = np.geomspace(*bounds, _PIMO_POINTS)
    # Shared rate falls with the bin; the lowest bin that keeps each rate.
    keeps = np.searchsorted(-shared, -rates, side="left")
    areas = []
    for scan in wrong:
        total = int(scan.inside.sum())
        if total == 0:
            continue
        recall = np.append(_at_least(scan.inside), 0)[keeps] / total
        areas.append(float(np.trapezoid(recall, np.log(rates)) / np.log(bounds[1] / bounds[0])))
    return areas


def marks(score: NDArray[np.floating], near: NDArray[np.bool_], apart: tuple[int, int]) -> tuple[Mark, ...]:
    """Return the places that a score plane points at: local maxima, a window apart, highest first.

    Parameters
    ----------
    score : ndarray, (y, x)
        NaN where nothing is scored.
    near : ndarray of bool, (y, x)
        What is wrong, and so much around it that a mark there counts as a hit.
    apart : (int, int)
        Rows and columns of the window in which a mark is the highest.

    Returns
    -------
    tuple of Mark
        At most `MARKS`.

    Examples
    --------
    >>> score = np.zeros((9, 9), np.float32)
    >>> score[1, 1], score[7, 7] = 5, 3
    >>> [tuple(m) for m in marks(score, score == 3, (5, 5))[:2]]
    [(5.0, False), (3.0, True)]
    """
    import cv2

    plane = np.nan_to_num(np.asarray(score, np.float32), nan=-np.inf)
    highest = cv2.dilate(plane, np.ones(apart, np.uint8), borderType=cv2.BORDER_REPLICATE)
    rows, columns = np.nonzero((plane == highest) & np.isfinite(plane))
    order = np.argsort(-plane[rows, columns], kind="stable")
    found: list[Mark] = []
    taken: list[tuple[int, int]] = []
    for i in order.tolist():
        place = int(rows[i]), int(columns[i])
        # On a plateau every cell is a maximum; one mark stands for it.
        if any(abs(place[0] - y) < apart[0] and abs(place[1] - x) < apart[1] for y, x in taken):
            continue
        taken.append(place)
        found.append(Mark(float(plane[place]), bool(near[place])))
        if len(found) == MARKS:
            break
    return tuple(found)


def froc(
    clean: Sequence[Sequence[Mark]], wrong: Sequence[Sequence[Mark]], false_marks: Sequence[float]
) -> list[float | None]:
    """Return the share of scans whose object is marked, at numbers of false marks per clean scan.

    Free-response operating characteristic with one object per scan and false marks counted on clean scans, so that what is beside an
    object is nobody's fault (Chakraborty, "Observer Performance Methods for Diagnostic Imaging", 2017, doi:10.1201/9781351228190).

    Parameters
    ----------
    clean, wrong : sequence of sequence of Mark
        Marks of every scan.
    false_marks : sequence of float
        Mean number of false marks per clean scan.

    Returns
    -------
    list of float or None
        None where the clean scans are too few for so small a number.

    Examples
    --------
    >>> clean = [[Mark(1.0, False)], [Mark(2.0, False)]]
    >>> wrong = [[Mark(3.0, True)], [Mark(0.5, True)]]
    >>> froc(clean, wrong, [0.1, 0.5, 1.0])
    [None, 0.5, 1.0]
    """
    noise = np.sort([mark.score for scan in clean for mark in scan])[::-1]
    best = np.array([max((mark.score for mark in scan if mark.hit), default=-np.inf) for scan in wrong])
    found: list[float | None] = []
    for each in false_marks:
        allowed = int(np.floor(each * len(clean) + 1e-9))
        if allowed < 1 or not best.size:
            found.append(None)
            continue
        # Everything above the first mark that would be one too many.
        threshold = noise[allowed] if allowed < noise.size else -np.inf
        found.append(float(np.mean(best > threshold)))
    return found
