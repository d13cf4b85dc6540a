"""Baseline: areal density that the surroundings and the declared family let expect, with the place itself hidden.

A square around each place is hidden. From what lies left, right, above and below it in the same load, each family's linear models
predict the logarithm of areal density there and how far clean goods of that family stray from it; the score is the distance in those
standard deviations. Families differ by how much they repeat themselves: rolls of steel stray far, sugar in sacks does not. What is
wrong as a whole looks like its own surroundings, so this baseline finds objects and voids rather than false declarations.

Predicting a hidden place from its surroundings: Pathak et al., CVPR 2016, doi:10.1109/CVPR.2016.278; for anomalies: Zavrtanik, Kristan,
Skočaj, Pattern Recognition 112 (2021) 107706, doi:10.1016/j.patcog.2020.107706. Variance as a log-linear function of regressors:
Harvey, Econometrica 44 (1976) 461, doi:10.2307/1913974.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scananalysis.anomaly.components import Components
from scananalysis.anomaly.features import usable
from scananalysis.anomaly.model import DECLARED, STRIDE, AnomalyModel, CellScores
from scananalysis.core import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.anomaly.metadata import Metadata, ScannerCalibration
    from scananalysis.core import MaterialMap

HIDDEN = 9
"""Scored cells along either side of the hidden square: 0.24 × 0.36 m at a working cell of 13 × 20 mm."""

BAND = 7
"""Scored cells by which the surroundings reach beyond the hidden square, on each of its four sides."""

MEAN_TERMS = ("one", "sides", "above_below", "sides_squared", "difference")
"""Regressors of the expected logarithm of areal density, in the order of `Context.mean_terms`."""

SPREAD_TERMS = ("one", "level", "roughness", "slope_x", "slope_y", "noise", "missing")
"""Regressors of the logarithm of its variance, in the order of `Context.spread_terms`."""

_FLOOR = 0.02
"""Areal density added before the logarithm, in units of the scanner's scale: 1 g/cm² at 6 MV, as noise of thin places."""

_WINDOW = 3
_LEAST_SHARE = 0.2
"""A side of which fewer cells belong to the load says nothing."""

_LARGEST = 30.0


class Context(NamedTuple):
    """What a scan shows at each scored cell and around it.

    Parameters
    ----------
    seen : ndarray of float32, (y, x)
        Logarithm of areal density over the scanner's scale, mean of 3 × 3 working cells.
    mean_terms, spread_terms : ndarray of float32, (term, y, x)
        In the order of `MEAN_TERMS` and `SPREAD_TERMS`; none knows the hidden square.
    known : ndarray of bool, (y, x)
        In the load, measured, and with surroundings on at least one side.
    """

    seen: NDArray[np.float32]
    mean_terms: NDArray[np.float32]
    spread_terms: NDArray[np.float32]
    known: NDArray[np.bool_]


def context(cells: MaterialMap, load: NDArray[np.bool_], scale: float) -> Context:
    """Return what is seen at every scored cell and what its surroundings say.

    Parameters
    ----------
    cells : MaterialMap
        On the working grid.
    load : ndarray of bool, (y, x)
        Scored cells of the load.
    scale : float
        Areal density that counts as 1, g/cm².

    Returns
    -------
    Context
    """
    good = usable(cells)
    density = np.where(good, np.nan_to_num(cells.areal_density) / np.float32(scale), np.float32(0))
    share = _box(good.astype(np.float32), (3, 3))
    near = _box(density, (3, 3)) / np.maximum(share, np.float32(1e-3))
    seen = np.log(np.maximum(near, 0) + np.float32(_FLOOR))[::STRIDE, ::STRIDE].astype(np.float32)
    relative = np.nan_to_num(cells.sigma_areal_density) / np.maximum(cells.areal_density, np.float32(1e-3) * scale)
    noise = np.log(np.clip(np.nan_to_num(relative, nan=1.0), 1e-3, 1.0))[::STRIDE, ::STRIDE].astype(np.float32)
    mask = load & good[::STRIDE, ::STRIDE]
    weight = mask.astype(np.float32)
    plane = np.where(mask, seen, np.float32(0))
    means, squares, shares = [], [], []
    for shape, offset in _SIDES:
        found = _box(weight, shape)
        total = np.maximum(found, np.float32(1e-6))
        mean, square = _box(plane, shape) / total, _box(plane * plane, shape) / total
        valid = found >= _LEAST_SHARE
        shares.append(_shifted(valid, offset))
        means.append(_shifted(mean, offset))
        squares.append(_shifted(square, offset))
    there = np.stack(shares)
    level = np.where(there, means, np.float32(0))
    count = there.sum(axis=0)
    middle = level.sum(axis=0) / np.maximum(count, 1)
    # A side without goods is taken to look like the others.
    left, right, above, below = np.where(there, level, middle)
    variance = np.where(there, np.asarray(squares) - np.square(means), np.float32(0)).sum(axis=0) / np.maximum(count, 1)
    sides, column = (left + right) / 2, (above + below) / 2
    one = np.ones_like(middle)
    return Context(
        seen,
        np.stack([one, sides, column, sides**2, (left - right) ** 2 - (above - below) ** 2]).astype(np.float32),
        np.stack(
            [
                one,
                middle,
                np.log(np.sqrt(np.maximum(variance, 0)) + np.float32(0.01)),
                np.log(np.abs(left - right) + np.float32(0.02)),
                np.log(np.abs(above - below) + np.float32(0.02)),
                noise,
                (4 - count) / 4,
            ]
        ).astype(np.float32),
        mask & (count > 0),
    )


_REACH = (HIDDEN + BAND) // 2
_SIDES = (
    ((HIDDEN, BAND), (0, -_REACH)),
    ((HIDDEN, BAND), (0, _REACH)),
    ((BAND, HIDDEN), (-_REACH, 0)),
    ((BAND, HIDDEN), (_REACH, 0)),
)
"""Size (y, x) and middle of the rectangles left, right, above and below of the hidden square."""


def _box(plane: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    import cv2

    return np.asarray(cv2.boxFilter(plane, -1, shape[::-1], borderType=cv2.BORDER_CONSTANT), np.float32)


def _shifted(plane: NDArray[np.generic], offset: tuple[int, int]) -> NDArray[np.generic]:
    """Return the plane whose value at (y, x) is that of ``plane`` at (y, x) + offset; 0 beyond the image.

    Examples
    --------
    >>> _shifted(np.array([[1, 2, 3]]), (0, -1))
    array([[0, 1, 2]])
    """
    (dy, dx), (height, width) = offset, plane.shape
    padded = np.pad(plane, [(abs(dy), abs(dy)), (abs(dx), abs(dx))])
    moved: NDArray[np.generic] = padded[abs(dy) + dy :, abs(dx) + dx :][:height, :width]
    return moved


class ExpectedDensityModel(AnomalyModel):
    """Masked expected areal density per family; weights are an ``.npz`` without objects.

    The file holds ``expected`` (family, `MEAN_TERMS`), ``log_variance`` (family, `SPREAD_TERMS`), and the Gaussian components that tell
    goods from container and air, as `Components` reads them.
    """

    def __init__(self, folder: Path, metadata: Metadata) -> None:
        super().__init__(folder, metadata)
        path = folder / metadata.file
        with np.load(path, allow_pickle=False) as weights:
            self._components = Components.read(weights, len(self.families), path)
            self._expected = weights["expected"].astype(np.float32)
            self._upper, self._lower = weights["upper"].astype(np.float32), weights["lower"].astype(np.float32)
        for found, terms in ((self._expected, MEAN_TERMS), (self._upper, SPREAD_TERMS), (self._lower, SPREAD_TERMS)):
            if found.shape != (len(self.families), len(terms)):
                raise ModelError(
                    f"coefficients of shape {found.shape}", source=path, expected=f"{(len(self.families), len(terms))}"
                )

    def strangeness(self, around: Context, families: list[int]) -> NDArray[np.float32]:
        """Return (family, y, x): how far density is from what each family lets expect, in widths of its tails.

        Mean over 3 × 3 scored cells: 1 where all of them are as far off as one cell in a hundred of clean goods.
        """
        off = around.seen - np.tensordot(self._expected[families], around.mean_terms, axes=1)
        upper, lower = (
            np.tensordot(side[families], around.spread_terms, axes=1) for side in (self._upper, self._lower)
        )
        deviation = np.clip(off * np.exp(-np.where(off > 0, upper, lower)), -_LARGEST, _LARGEST).astype(np.float32)
        weight = around.known.astype(np.float32)
        share = np.maximum(_box(weight, (_WINDOW, _WINDOW)), np.float32(1e-6))
        return np.stack([np.abs(_box(each * weight, (_WINDOW, _WINDOW)) / share) for each in deviation])

    def cell_scores(
        self, cells: MaterialMap, declared: frozenset[int] | None, calibration: ScannerCalibration
    ) -> CellScores:
        """Score the working grid; see `AnomalyModel.cell_scores`."""
        _, family, load = self._components.name(cells, len(self.families), calibration.scale)
        own = sorted(declared or ())
        if not own:
            nothing = np.full(family.shape, np.nan, np.float32)
            return CellScores({DECLARED: nothing}, family, np.maximum(family, 0).astype(np.int16), load)
        around = context(cells, load, calibration.scale)
        strange = self.strangeness(around, own)
        nearest = strange.argmin(axis=0)
        score = np.where(around.known & inside(load), strange.min(axis=0), np.float32(np.nan))
        return CellScores({DECLARED: score}, family, np.array(own, np.int16)[nearest], load)


def inside(load: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the load without its outermost cells, where half of a cell may be air or frame."""
    import cv2

    return cv2.erode(load.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
