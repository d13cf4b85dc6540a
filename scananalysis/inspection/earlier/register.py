"""Registers an earlier scan of a container with a new one.

All elements of a line see the container at one place of its travel, so along the travel the two scans differ by one smooth function of the
line (start, speed, and how the speed wavers), whatever the height. Across it the container may stand higher or lower, nearer or
farther, or tilted: three numbers. Both are first found coarsely (correlation at every shift and at many speeds) and then refined by
least squares on the pictures' own edges (Gauss–Newton on the mean of both gradients; Lucas and Kanade 1981; Benhimane and Malis
2004, doi:10.1109/IROS.2004.1389474), from a coarse to a fine scale. What changed between the scans gets no weight (Tukey's biweight).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.core import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.inspection.earlier.picture import Picture

LEAST_CORRELATION = 0.6
"""Correlation of the registered pictures below which they are not taken for the same container."""

_LARGEST_ALPHA = 6.0
"""Attenuation above which noise, not matter, makes the picture."""

_BAND_CELLS = 40.0
_BAND = 8.0
"""Wavelengths longer than about so many cells when a place is looked for, and so many times the blur when it is refined, are taken
out: how a load falls off to one end says little about its place."""

_COARSE_CELLS = 4
_SPEEDS = np.exp(np.linspace(-0.5, 0.5, 51))
_MOST_ACROSS_CELLS = 6
"""Coarse cells by which a container may stand higher or lower, about 30 cm."""

_STAGES = ((5.0, 200.0, 12), (2.5, 100.0, 10), (1.25, 50.0, 10), (0.75, 30.0, 12))
"""Blur (cells), distance of the points between which the travel is interpolated (cells), and steps at most, from coarse to fine."""

_BEND_PER_CELL = 6e-4
"""1-σ second difference of the travel per squared cell: a speed that wavers by some per cent over two metres."""

_ALIKE = 50.0
"""Cells whose residuals are alike: blur and packages join them, so that so many count as one."""

_FOLLOW_BLUR, _FOLLOW_CELLS, _WINDOW_CELLS, _STRAY_CELLS = 4.0, 25, 101, 24
"""Blur of the pictures in which a wavering speed is followed, distance of its points, length of the window around each, and how far
the travel may stray from an even speed (half a metre)."""

_BEND = 0.02
"""Correlation that a change of the stray by one cell from point to point (of speed by 4 %) must gain."""

_DONE_CELLS = 0.005
_TUKEY = 4.7


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
    """

    columns: NDArray[np.float64]
    rows: NDArray[np.float64]
    correlation: float

    @property
    def speed(self) -> NDArray[np.float64]:
        """Columns of the earlier scan per column of the new one, (x,)."""
        found: NDArray[np.float64] = np.gradient(self.columns)
        return found

    def bring(self, plane: NDArray[np.float32], outside: float = 0.0) -> NDArray[np.float32]:
        """Bring a plane of the earlier scan, (y, x), to the cells of the new one."""
        return _sample(plane, self.columns, self.rows, outside)


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
    found = _refine(now, earlier, _find(now, earlier))
    if not found.correlation >= LEAST_CORRELATION:
        raise InputError(
            f"cannot be registered with the new scan (correlation {found.correlation:.2f})",
            expected=f"a scan of the same container, with a correlation of at least {LEAST_CORRELATION:g}",
            remedy="check that both scans show the same container and that it moved the same way",
        )
    return found


def _blur(plane: NDArray[np.float32], cells: float) -> NDArray[np.float32]:
    import cv2

    blurred = cv2.GaussianBlur(plane, (0, 0), sigmaX=cells, sigmaY=cells, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, np.float32)


def _feature(alpha: NDArray[np.float32], weight: NDArray[np.float32], blur: float, band: float) -> NDArray[np.float32]:
    """Return attenuation between two scales in cells; places without weight take the mean of their surroundings."""
    seen = np.clip(alpha, np.float32(-0.1), np.float32(_LARGEST_ALPHA)) * weight

    def mean(cells: float) -> NDArray[np.float32]:
        if cells <= 0:
            return np.asarray(seen / np.maximum(weight, np.float32(1e-3)), np.float32)
        blurred = _blur(seen, cells) / np.maximum(_blur(weight, cells), np.float32(1e-3))
        return np.asarray(blurred, np.float32)

    return np.asarray(mean(blur) - mean(band), np.float32)


def _find(now: Picture, earlier: Picture) -> tuple[float, float, float]:
    """Return the speed, and the shifts along and across in cells of the new scan, at which both pictures correlate best."""
    import cv2

    height, width = (max(8, round(n / _COARSE_CELLS)) for n in now.shape)

    def small(picture: Picture, columns: int) -> NDArray[np.float64]:
        weight = picture.usable.astype(np.float32)
        planes = [
            np.asarray(cv2.resize(p, (columns, height), interpolation=cv2.INTER_AREA), np.float32)
            for p in (picture.attenuation[0] * weight, weight)
        ]
        alpha = np.asarray(planes[0] / np.maximum(planes[1], np.float32(1e-3)), np.float32)
        return _feature(alpha, planes[1], 0, _BAND_CELLS / _COARSE_CELLS).astype(np.float64)

    here = small(now, width)
    best = (-np.inf, 1.0, 0.0, 0.0)
    lines = earlier.shape[1] * earlier.pixel_mm[1] / now.pixel_mm[1]
    for speed in _SPEEDS:
        columns = max(8, round(lines / _COARSE_CELLS / speed))
        there = small(earlier, columns)
        length = 1 << int(np.ceil(np.log2(width + columns)))
        spectra = np.fft.rfft(here, length, axis=1).conj(), np.fft.rfft(there, length, axis=1)
        norm = np.sqrt((here**2).sum() * (there**2).sum()) + 1e-12
        for across in range(-_MOST_ACROSS_CELLS, _MOST_ACROSS_CELLS + 1):
            a = slice(max(0, -across), height - max(0, across))
            b = slice(max(0, across), height - max(0, -across))
            score = np.fft.irfft((spectra[0][a] * spectra[1][b]).sum(axis=0), length) / norm
            at = int(score.argmax())
            if score[at] > best[0]:
                best = (float(score[at]), float(speed), float(at if at < length // 2 else at - length), float(across))
    return best[1], best[2] * _COARSE_CELLS, best[3] * _COARSE_CELLS


def _sample(
    plane: NDArray[np.float32], columns: NDArray[np.float64], rows: NDArray[np.float64], outside: float | None = 0.0
) -> NDArray[np.float32]:
    """Return a plane at places between its cells; beyond its ends a value, or (None) that of the end."""
    import cv2

    across, down = np.broadcast_to(columns, rows.shape).astype(np.float32), rows.astype(np.float32)
    border = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    source = np.ascontiguousarray(plane, np.float32)
    found = cv2.remap(source, across, down, cv2.INTER_LINEAR, borderMode=border, borderValue=outside or 0.0)
    return np.asarray(found, np.float32)


class _Fit:
    """The registration while it is refined, on the cells of the new picture: a column for each column, and three numbers across."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.columns = np.arange(shape[1], dtype=np.float64)
        y, x = ((np.arange(n) - (n - 1) / 2) / (n / 2) for n in shape)
        self.across = np.zeros(3)
        self.shapes = tuple(
            np.asarray(np.broadcast_to(part, shape), np.float32) for part in (np.float32(1), y[:, None], x[None])
        )
        """How each of the three numbers moves the rows: all alike, by height, by travel."""

    @property
    def rows(self) -> NDArray[np.float64]:
        moved = np.asarray(sum(v * s for v, s in zip(self.across, self.shapes, strict=True)), np.float64)
        return np.arange(moved.shape[0])[:, None] + moved

    def bring(self, plane: NDArray[np.float32], outside: float | None = 0.0) -> NDArray[np.float32]:
        return _sample(plane, self.columns, self.rows, outside)

    def move(self, along: NDArray[np.float64], across: NDArray[np.float64]) -> None:
        self.columns = self.columns + along * np.gradient(self.columns)
        self.across = self.across + across


def _refine(now: Picture, earlier: Picture, start: tuple[float, float, float]) -> Registration:
    import cv2

    # The earlier picture is first brought to cells of the new one, so that both are blurred alike in mm.
    speed, along, across = start
    ratio = now.pixel_mm[0] / earlier.pixel_mm[0], now.pixel_mm[1] / earlier.pixel_mm[1]
    first_columns = np.asarray(speed * (np.arange(now.shape[1]) + 0.5 + along) * ratio[1] - 0.5, np.float64)
    first_rows = np.asarray((np.arange(now.shape[0]) + 0.5 + across) * ratio[0] - 0.5, np.float64)
    grid = np.broadcast_to(first_rows[:, None], now.shape)
    # A cell beside one that cannot be used is mixed with it by interpolation.
    square = np.ones((3, 3))
    useful = earlier.usable.astype(np.float32)
    # Before and after the earlier scan its ends go on, usually as air; they are looked at, and not compared.
    alphas = now.attenuation[0], _sample(earlier.attenuation[0], first_columns, grid, None)
    weights = now.usable.astype(np.float32), np.floor(_sample(useful, first_columns, grid, None) + 0.01)
    covered = np.floor(_sample(useful, first_columns, grid) + 0.01)
    whole = (
        np.asarray(cv2.erode(weights[0], square), np.float32),
        np.asarray(cv2.erode(covered, square), np.float32),
    )

    def features(blur: float) -> list[NDArray[np.float32]]:
        return [_feature(a, w, blur, _BAND * blur) for a, w in zip(alphas, weights, strict=True)]

    fit = _Fit(now.shape)
    fit.move(_stray(*features(_FOLLOW_BLUR)), np.zeros(3))
    for blur, distance, steps in _STAGES:
        here, there = features(blur)
        slopes = np.gradient(here), np.gradient(there)
        points = _between(now.shape[1], distance)
        for _ in range(steps):
            step = _step(fit, (here, there), slopes, whole, points)
            fit.move(points @ step[:-3], step[-3:])
            if np.abs(points @ step[:-3]).max() < _DONE_CELLS and np.abs(step[-3:]).max() < _DONE_CELLS:
                break
    here, there = features(_STAGES[-1][0])
    brought = fit.bring(there, None)
    inside = whole[0] * fit.bring(whole[1]) > 0.99
    a, b = here[inside].astype(np.float64), brought[inside].astype(np.float64)
    power = np.sqrt((a**2).sum() * (b**2).sum())
    correlation = float((a * b).sum() / power) if power > 0 else 0.0
    columns = speed * (fit.columns + 0.5 + along) * ratio[1] - 0.5
    return Registration(columns, (fit.rows + 0.5 + across) * ratio[0] - 0.5, correlation)


def _stray(here: NDArray[np.float32], there: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how far the travel strays from an even speed, cells of the new scan, (x,).

    Each window of the travel is correlated at every stray; the path with the best sum, bends paid for, is taken (Viterbi). So parts
    that look the same every so many centimetres, like corrugated walls, do not slip.
    """
    import cv2

    width = here.shape[1]
    at = np.arange(0, width, min(_FOLLOW_CELLS, max(1, width // 4)))
    strays = np.arange(-_STRAY_CELLS, _STRAY_CELLS + 1)

    def windows(line: NDArray[np.float64]) -> NDArray[np.float64]:
        size = (1, min(_WINDOW_CELLS, width))
        summed = cv2.boxFilter(line[None], -1, size[::-1], normalize=False, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(summed[0], np.float64)

    energy = windows((here.astype(np.float64) ** 2).sum(axis=0))
    other = np.pad((there.astype(np.float64) ** 2).sum(axis=0), _STRAY_CELLS)
    wide = np.pad(there, [(0, 0), (_STRAY_CELLS, _STRAY_CELLS)])
    scores = []
    for stray in strays:
        part = slice(_STRAY_CELLS + stray, _STRAY_CELLS + stray + width)
        both = windows((here * wide[:, part]).sum(axis=0, dtype=np.float64))
        scores.append(both / np.sqrt(np.maximum(energy * windows(other[part]), 1e-12)))
    # Windows with little in them say little.
    score = np.stack(scores)[:, at] * np.minimum(1, energy[at] / max(float(np.median(energy)), 1e-12))
    cost = _BEND * (strays[:, None] - strays) ** 2
    total, came = score[:, 0], []
    for i in range(1, at.size):
        options = total[None] - cost
        came.append(options.argmax(axis=1))
        total = options.max(axis=1) + score[:, i]
    path = [int(total.argmax())]
    for step in reversed(came):
        path.append(int(step[path[-1]]))
    return np.interp(np.arange(width), at, strays[path[::-1]].astype(np.float64))


def _between(width: int, distance: float) -> NDArray[np.float64]:
    """Return the weights that interpolate linearly from points about a distance apart to every column, (x, point)."""
    number = max(2, round(width / distance) + 1)
    at = np.linspace(0, width - 1, number)
    found: NDArray[np.float64] = np.maximum(1 - np.abs(np.arange(width)[:, None] - at) / (at[1] - at[0]), 0)
    return found


def _step(
    fit: _Fit,
    pictures: tuple[NDArray[np.float32], NDArray[np.float32]],
    slopes: tuple[Any, Any],
    whole: tuple[NDArray[np.float32], NDArray[np.float32]],
    points: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return how the points along the travel and the three numbers across move in one step of least squares."""
    here, there = pictures
    rest = here - fit.bring(there, None)
    # Slopes of the earlier picture are brought to cells of the new one, in which everything is measured.
    gy = 0.5 * (slopes[0][0] + fit.bring(slopes[1][0], None))
    gx = 0.5 * (slopes[0][1] + fit.bring(slopes[1][1], None) * np.gradient(fit.columns).astype(np.float32))
    inside = whole[0] * fit.bring(whole[1]) > 0.99
    number = points.shape[1]
    if not inside.any():
        return np.zeros(number + 3)
    # Rows differ: roof and floor are seen at other angles, walls fit to the noise. Each counts by what its residuals scatter.
    scale = _row_scale(rest, inside)[:, None]
    weight = inside * np.clip(1 - (rest / (_TUKEY * scale)) ** 2, 0, None) ** 2 / scale**2
    moves = [gy * shape for shape in fit.shapes]
    normal, right = np.zeros((number + 3, number + 3)), np.zeros(number + 3)
    normal[:number, :number] = points.T @ ((weight * gx * gx).sum(axis=0, dtype=np.float64)[:, None] * points)
    right[:number] = points.T @ (weight * gx * rest).sum(axis=0, dtype=np.float64)
    for i, one in enumerate(moves):
        both = points.T @ (weight * gx * one).sum(axis=0, dtype=np.float64)
        normal[:number, number + i] = normal[number + i, :number] = both
        right[number + i] = (weight * one * rest).sum(dtype=np.float64)
        for j, other in enumerate(moves):
            normal[number + i, number + j] = (weight * one * other).sum(dtype=np.float64)
    # Prior knowledge of the travel as a whole, not of the step: places without edges follow their neighbours.
    at = points.argmax(axis=0)
    bend = np.diff(np.eye(number), 2, axis=0)
    cost = _ALIKE / (_BEND_PER_CELL * float(at[1] - at[0]) ** 2) ** 2
    normal[:number, :number] += cost * (bend.T @ bend)
    right[:number] -= cost * (bend.T @ (bend @ fit.columns[at])) / float(np.gradient(fit.columns).mean())
    # What no edge speaks of stays where it is.
    normal += 1e-6 * (np.trace(normal) / (number + 3) + 1e-12) * np.eye(number + 3)
    found: NDArray[np.float64] = np.linalg.solve(normal, right)
    return found


def _row_scale(rest: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the robust 1-σ of each row's residuals, (y,), at least a third of the median row's; unknown rows take that of all."""
    known = np.where(inside, np.abs(rest), np.float32(np.nan))
    counts = inside.sum(axis=1)
    found = np.full(rest.shape[0], np.nan, np.float32)
    rows = counts > 0
    found[rows] = 1.4826 * np.nanmedian(known[rows], axis=1)
    middle = float(np.median(found[rows])) + 1e-5
    return np.asarray(np.maximum(np.where(rows, found, np.float32(middle)), np.float32(middle / 3)), np.float32)
