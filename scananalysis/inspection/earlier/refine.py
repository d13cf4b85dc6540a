"""Refines a registration by least squares on the pictures' own edges.

Gauss–Newton on the mean of both gradients (Lucas and Kanade 1981; Benhimane and Malis 2004, doi:10.1109/IROS.2004.1389474), from a
coarse to a fine scale. What changed between the scans gets no weight (Tukey's biweight).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scananalysis.inspection.earlier.features import feature, sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.inspection.earlier.picture import Picture

_BAND = 8.0
"""Wavelengths longer than so many times the blur are taken out."""

_STAGES = ((5.0, 200.0, 12, 0.02), (2.5, 100.0, 10, 0.015), (1.25, 50.0, 10, 0.01), (0.75, 30.0, 12, 0.005))
"""Blur (cells), distance of the points between which the travel is interpolated (cells), steps at most, and the step (cells) that ends
them, from coarse to fine."""

_BEND_PER_CELL = 6e-4
"""1-σ second difference of the travel per squared cell: a speed that wavers by some per cent over two metres."""

_ALIKE = 50.0
"""Cells whose residuals are alike: blur and packages join them, so that so many count as one."""

_FOLLOW_BLUR, _FOLLOW_CELLS, _WINDOW_CELLS, _STRAY_CELLS = 4.0, 25, 101, 24
"""Blur of the pictures in which a wavering speed is followed, distance of its points, length of the window around each, and how far
the travel may stray from an even speed (half a metre)."""

_BEND = 0.02
"""Correlation that a change of the stray by one cell from point to point (of speed by 4 %) must gain."""

_TUKEY = 4.7


class _Fit:
    """The registration while it is refined, on the cells of the new picture: a column for each column, and three numbers across.

    The three numbers move the rows: all alike, by height (``y``), by travel (``x``).
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.columns = np.arange(shape[1], dtype=np.float64)
        self.y, self.x = (np.asarray((np.arange(n) - (n - 1) / 2) / (n / 2), np.float64) for n in shape)
        self.across = np.zeros(3)

    @property
    def rows(self) -> NDArray[np.float64]:
        shift, by_height, by_travel = self.across
        at: NDArray[np.float64] = np.arange(self.shape[0]) + shift + by_height * self.y
        return at[:, None] + by_travel * self.x

    def bring(self, plane: NDArray[np.float32], outside: float | None = 0.0) -> NDArray[np.float32]:
        return sample(plane, self.columns, self.rows, outside)

    def move(self, along: NDArray[np.float64], across: NDArray[np.float64]) -> None:
        self.columns = self.columns + along * np.gradient(self.columns)
        self.across = self.across + across


def refine(
    now: Picture, earlier: Picture, start: tuple[float, float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Refine a registration.

    Parameters
    ----------
    now, earlier : Picture
    start : (float, float, float)
        Speed, and shifts along and across in cells of the new scan, to begin with.

    Returns
    -------
    columns, rows : ndarray of float64, (x,) and (y, x)
        Where each cell of the new picture lies in the earlier one.
    correlation : float
        Of both pictures then.
    """
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
    alphas = now.attenuation[0], sample(earlier.attenuation[0], first_columns, grid, None)
    weights = now.usable.astype(np.float32), np.floor(sample(useful, first_columns, grid, None) + 0.01)
    covered = np.floor(sample(useful, first_columns, grid) + 0.01)
    whole = (
        np.asarray(cv2.erode(weights[0], square), np.float32),
        np.asarray(cv2.erode(covered, square), np.float32),
    )
    # Pictures go on beyond their ends, and what is compared does not.
    whole[1][[0, -1]] = whole[1][:, [0, -1]] = 0

    def features(blur: float) -> list[NDArray[np.float32]]:
        return [feature(a, w, blur, _BAND * blur) for a, w in zip(alphas, weights, strict=True)]

    fit = _Fit(now.shape)
    fit.move(_stray(*features(_FOLLOW_BLUR)), np.zeros(3))
    for blur, distance, steps, done in _STAGES:
        here, there = features(blur)
        # All that is brought along with it lies together, so that its place is worked out once.
        beside = np.stack([there, *np.gradient(there), whole[1]], axis=-1)
        slopes = list(np.gradient(here))
        points = _between(now.shape[1], distance)
        for _ in range(steps):
            step = _step(fit, here, slopes, whole[0], beside, points)
            travel = points @ step[:-3]
            fit.move(travel, step[-3:])
            if np.abs(travel).max() < done and np.abs(step[-3:]).max() < done:
                break
    here, there = features(_STAGES[-1][0])
    brought = fit.bring(there, None)
    inside = whole[0] * fit.bring(whole[1], None) > 0.99
    a, b = here[inside].astype(np.float64), brought[inside].astype(np.float64)
    power = np.sqrt((a**2).sum() * (b**2).sum())
    correlation = float((a * b).sum() / power) if power > 0 else 0.0
    columns = speed * (fit.columns + 0.5 + along) * ratio[1] - 0.5
    return columns, (fit.rows + 0.5 + across) * ratio[0] - 0.5, correlation


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
    here: NDArray[np.float32],
    slopes: list[NDArray[np.float32]],
    whole: NDArray[np.float32],
    beside: NDArray[np.float32],
    points: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return how the points along the travel and the three numbers across move in one step of least squares.

    ``beside`` holds the earlier picture, its slopes down and along, and where it is whole, (y, x, 4).
    """
    there, down, along, covered = np.moveaxis(fit.bring(beside, None), -1, 0)
    rest = here - there
    # Slopes of the earlier picture are brought to cells of the new one, in which everything is measured.
    gy = np.float32(0.5) * (slopes[0] + down)
    gx = np.float32(0.5) * (slopes[1] + along * np.gradient(fit.columns).astype(np.float32))
    inside = whole * covered > 0.99
    number = points.shape[1]
    if not inside.any():
        return np.zeros(number + 3)
    # Rows differ: roof and floor are seen at other angles, walls fit to the noise. Each counts by what its residuals scatter.
    scale = _row_scale(rest, inside)[:, None]
    weight = inside * np.maximum(1 - (rest / (np.float32(_TUKEY) * scale)) ** 2, np.float32(0)) ** 2 / scale**2
    normal, right = np.zeros((number + 3, number + 3)), np.zeros(number + 3)
    by_x, by_y = weight * gx, weight * gy
    normal[:number, :number] = points.T @ (_sums(by_x * gx)[0][:, None] * points)
    right[:number] = points.T @ _sums(by_x * rest)[0]
    # The rows move by 1, y and x: sums over the picture of a product with those are sums of its columns and rows.
    columns, rows, tilted = _sums(by_x * gy, fit.y)
    across = np.stack([columns, tilted, columns * fit.x])
    normal[:number, number:] = points.T @ across.T
    normal[number:, :number] = normal[:number, number:].T
    columns, rows, tilted = _sums(by_y * gy, fit.y)
    shapes = np.array(
        [
            [columns.sum(), tilted.sum(), columns @ fit.x],
            [0.0, rows @ fit.y**2, tilted @ fit.x],
            [0.0, 0.0, columns @ fit.x**2],
        ]
    )
    normal[number:, number:] = shapes + np.triu(shapes, 1).T
    columns, rows, tilted = _sums(by_y * rest, fit.y)
    right[number:] = columns.sum(), tilted.sum(), columns @ fit.x
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


def _sums(
    plane: NDArray[np.float32], by: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the sum of every column, that of every row, and that of every column with its rows weighted."""
    columns = plane.sum(axis=0, dtype=np.float64)
    if by is None:
        return columns, columns, columns
    return columns, plane.sum(axis=1, dtype=np.float64), by @ plane.astype(np.float64)


_SCALE_COLUMNS = 150
"""Columns of a row that tell the scale of its residuals, at least."""


def _row_scale(rest: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the robust 1-σ of each row's residuals, (y,), at least a third of the median row's; unknown rows take that of all."""
    every = slice(None, None, max(1, rest.shape[1] // _SCALE_COLUMNS))
    counted = inside[:, every]
    ordered = np.sort(np.where(counted, np.abs(rest[:, every]), np.float32(np.inf)), axis=1)
    counts = counted.sum(axis=1)
    rows = np.flatnonzero(counts)
    if not rows.size:
        return np.full(rest.shape[0], 1e-5, np.float32)
    low, high = ordered[rows, (counts[rows] - 1) // 2], ordered[rows, counts[rows] // 2]
    known = np.float32(1.4826 / 2) * (low + high)
    middle = np.float32(np.median(known) + 1e-5)
    found = np.full(rest.shape[0], middle, np.float32)
    found[rows] = known
    return np.maximum(found, middle / np.float32(3))
