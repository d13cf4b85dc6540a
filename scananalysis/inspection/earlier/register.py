"""Registers an earlier scan of a container with a new one.

All elements of a line see the container at one place of its travel, so along the travel the two scans differ by one smooth function of the
line (start, speed, and how the speed wavers), whatever the height. Across it the container may stand higher or lower, nearer or
farther, or tilted: three numbers. Both are first found coarsely (correlation at every shift and at many speeds) and then refined.

The container may have been driven through the other way round: then the earlier picture is mirrored, and shows the goods from the
other side as well. Both directions are tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scananalysis.core import InputError
from scananalysis.inspection.earlier.features import feature, sample
from scananalysis.inspection.earlier.refine import refine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.inspection.earlier.picture import Picture

LEAST_CORRELATION = 0.6
"""Correlation of the registered pictures below which they are not taken for the same container."""

_CLEARLY = 0.6
"""Share of what is left (1 − correlation) below which the mirrored earlier scan fits clearly better than the straight one. Where the
direction is right the ratio is 0.3 at most, even where the container was turned and shows its other side."""

_NEAR_IT = 0.7
"""The same share of the coarse pictures, above which the direction that is behind is looked at closely, too."""

_BAND_CELLS = 40.0
"""Wavelengths longer than about so many cells are taken out where a place is looked for: how a load falls off to one end says little
about its place."""

_COARSE_CELLS = 4
_SPEEDS = np.exp(np.linspace(-0.5, 0.5, 51))
_MOST_ACROSS_CELLS = 6
"""Coarse cells by which a container may stand higher or lower, about 30 cm."""


@dataclass(frozen=True, eq=False)
class Registration:
    """Where each cell of the new scan lies in the earlier one.

    Parameters
    ----------
    columns : ndarray of float64, (x,)
        Column of the earlier picture at each column of the new one.
    rows : ndarray of float64, (y, x)
        Row of the earlier picture.
    correlation : float
        Of both pictures after registration, slow variation taken out.
    mirrored : bool
        The container moved the other way in the earlier scan: columns fall where those of the new scan rise.
    other : float
        Correlation at the other direction of travel; NaN where that was far behind from the start.
    """

    columns: NDArray[np.float64]
    rows: NDArray[np.float64]
    correlation: float
    mirrored: bool = False
    other: float = float("nan")

    @property
    def speed(self) -> NDArray[np.float64]:
        """Columns of the earlier scan per column of the new one, whichever way it moved, (x,)."""
        found: NDArray[np.float64] = np.abs(np.gradient(self.columns))
        return found

    @property
    def either_way(self) -> bool:
        """Whether both directions of travel fit about as well: the picture looks the same from both ends."""
        return self.other >= LEAST_CORRELATION and 1 - self.correlation > _CLEARLY * (1 - self.other)

    def bring(self, plane: NDArray[np.float32], outside: float = 0.0) -> NDArray[np.float32]:
        """Bring a plane of the earlier scan, (y, x), to the cells of the new one."""
        return sample(plane, self.columns, self.rows, outside)


def register(now: Picture, earlier: Picture) -> Registration:
    """Register an earlier picture with a new one.

    Parameters
    ----------
    now, earlier : Picture
        Of the same scanner.

    Returns
    -------
    Registration

    Raises
    ------
    InputError
        The two pictures do not show the same container.
    """
    starts = _find(now, earlier)
    best = max(start.score for start in starts)
    # The direction that is far behind from the start is not looked at closely.
    fits = [
        refine(now, earlier.mirrored() if way else earlier, (start.speed, start.along, start.across))
        if start.score == best or 1 - best > _NEAR_IT * (1 - start.score)
        else None
        for way, start in enumerate(starts)
    ]
    correlations = [float("nan") if fit is None else fit[2] for fit in fits]
    way = 1 if fits[0] is None or 1 - correlations[1] < _CLEARLY * (1 - correlations[0]) else 0
    fit = fits[way]
    assert fit is not None  # noqa: S101 - the direction with the better start is always refined
    columns, rows, correlation = fit
    if not correlation >= LEAST_CORRELATION:
        raise InputError(
            f"cannot be registered with the new scan, straight or mirrored (correlation {np.nanmax(correlations):.2f})",
            expected=f"a scan of the same container, with a correlation of at least {LEAST_CORRELATION:g}",
            remedy="check that both scans show the same container",
        )
    if way == 1:
        columns = earlier.shape[1] - 1 - columns
    return Registration(columns, rows, correlation, mirrored=way == 1, other=correlations[1 - way])


@dataclass(frozen=True)
class _Start:
    """Correlation of coarse pictures, and the speed and the shifts along and across in cells of the new scan where it is best."""

    score: float
    speed: float
    along: float
    across: float


def _find(now: Picture, earlier: Picture) -> tuple[_Start, _Start]:
    """Return where both pictures correlate best: the earlier one straight, and mirrored."""
    height, width = (max(8, round(n / _COARSE_CELLS)) for n in now.shape)
    here = _coarse(now, (height, width))
    best = [_Start(-np.inf, 1.0, 0.0, 0.0)] * 2
    lines = earlier.shape[1] * earlier.pixel_mm[1] / now.pixel_mm[1]
    for speed in _SPEEDS:
        columns = max(8, round(lines / _COARSE_CELLS / speed))
        there = _coarse(earlier, (height, columns))
        length = 1 << int(np.ceil(np.log2(width + columns)))
        norm = np.sqrt((here**2).sum() * (there**2).sum()) + 1e-12
        first = np.fft.rfft(here, length, axis=1).conj()
        for way, second in enumerate(np.fft.rfft(each, length, axis=1) for each in (there, there[:, ::-1])):
            for across in range(-_MOST_ACROSS_CELLS, _MOST_ACROSS_CELLS + 1):
                a = slice(max(0, -across), height - max(0, across))
                b = slice(max(0, across), height - max(0, -across))
                score = np.fft.irfft(np.einsum("ij,ij->j", first[a], second[b]), length) / norm
                at = int(score.argmax())
                if score[at] > best[way].score:
                    along = at if at < length // 2 else at - length
                    found = float(score[at]), float(speed), float(along * _COARSE_CELLS), float(across * _COARSE_CELLS)
                    best[way] = _Start(*found)
    return best[0], best[1]


def _coarse(picture: Picture, shape: tuple[int, int]) -> NDArray[np.float64]:
    import cv2

    weight = picture.usable.astype(np.float32)
    planes = [
        np.asarray(cv2.resize(p, shape[::-1], interpolation=cv2.INTER_AREA), np.float32)
        for p in (picture.attenuation[0] * weight, weight)
    ]
    alpha = np.asarray(planes[0] / np.maximum(planes[1], np.float32(1e-3)), np.float32)
    return feature(alpha, planes[1], 0, _BAND_CELLS / _COARSE_CELLS).astype(np.float64)
