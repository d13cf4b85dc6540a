"""Where two registered scans differ beyond chance.

Means of the difference of attenuation over boxes of several sizes are held against their σ: noise of both scans, errors that each scan's
rows, lines or all of its pixels share, and what is left of the registration. That is a share of how much attenuation varies
from cell to cell, gradient times registration error; the share is measured on the two scans themselves, on all edges, so that views
from another distance (parallax) count too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scananalysis.core import SystematicTerm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.inspection.earlier.picture import Picture
    from scananalysis.inspection.earlier.register import Registration
    from scananalysis.inspection.earlier.shared import Shared

BOXES = (3, 5, 9, 17, 33)
"""Edges of the boxes in rows of cells; along the travel they have the same length in mm."""

_LEAST_SHARE, _MOST_SHARE = 0.06, 0.8
"""Bounds of what registration leaves, as a share of how α varies to the next cells along and across the travel. Roof and floor are seen at
other angles where a container stands elsewhere, and a sheet thinner than a cell reads otherwise where it falls between two of them: no
shift of the picture mends that, so rows and columns have shares of their own."""

_NEAR = 6
"""Rows, or columns, to both sides from whose edges a row's or a column's share is taken."""

_IN_BOTH = 0.25
"""Least ratio of both scans' variation at an edge that is there in both: one that is new does not tell of the registration."""

VIEW_SIGMA = (0.004, 0.005)
"""1-σ of α, and its share of α, by which like goods read otherwise from another place: rays run through them at other angles (estimate;
of simulated pairs whose place differs by up to 10 cm, see docs/earlier.md)."""

_TINY = np.float32(1e-6)
_MUCH = 3.0
"""Variation along one axis over that along the other from which an edge counts for that axis alone."""

_EDGE_SIGMAS = 8.0
"""Noise that the variation at an edge must exceed before it tells of the registration."""

_ROW_SHARE, _LEVEL_SHARE, _LEVEL_RAD = 0.05, 0.15, 0.05
"""Change of α along a whole row, as a share of it, that a view from another height may make. Where rays run level within the angle,
the gaps between layers of packages line up with them or do not."""

_DARK_BEYOND, _DARK_FOLLOWS = 1.0, 0.3
"""How much more α has to be at least where no signal comes through any more, to count, and to belong to what counts."""

OTHER_SIDE_BOXES, _OTHER_SIDE = BOXES[4:], 3.0
"""Boxes that count where the picture was mirrored, and by how much their σ is widened at least. A container that was turned shows its
other side: what stood near the source is far from it, and lies up to a fifth higher or lower and is larger or smaller by as much
(of simulated pairs that were turned, see docs/earlier.md)."""

_INNER, _INNER_SIGMAS = 0.8, 1.28
"""Share of the places whose mean differences tell how far views from both sides differ, and what chance makes of it."""

_OVERLAP = 4.0
"""Boxes overlap: how many tries one place without overlap stands for."""

_FOLLOW_SIGMAS = 2.5
_LEAST_FILLED = 0.5
_LEAST_EDGES = 50
_JOINED_CELLS = 3


@dataclass(frozen=True, eq=False)
class Difference:
    """Two scans on the cells of the new one.

    Parameters
    ----------
    before : ndarray of float32, (channel, y, x)
        α of the earlier scan.
    noise_before : ndarray of float32, (channel, y, x)
        Its noise power per cell of the new scan.
    systematic_before : dict of str to SystematicTerm
    difference, noise, edges : ndarray of float32, (y, x)
        α now less α before, of the first channel (a limit where ``dark`` is not 0); noise power of both; 1-σ of α that registration
        leaves.
    compared : ndarray of bool, (y, x)
    dark : ndarray of int8, (y, x)
        1 where signal came through before and does not now, −1 where it does now and did not before; such places are not compared.
    shares : (ndarray of float32 (x,), ndarray of float32 (y,))
        What registration leaves of the variation to the next cells, 1 σ: along the travel by column, and across it by row.
    """

    before: NDArray[np.float32]
    noise_before: NDArray[np.float32]
    systematic_before: dict[str, SystematicTerm]
    difference: NDArray[np.float32]
    noise: NDArray[np.float32]
    edges: NDArray[np.float32]
    compared: NDArray[np.bool_]
    dark: NDArray[np.int8]
    shares: tuple[NDArray[np.float32], NDArray[np.float32]]


def compare_pictures(
    now: Picture, earlier: Picture, found: Registration, domain: NDArray[np.bool_] | None = None
) -> Difference:
    """Return the difference of two registered pictures.

    Parameters
    ----------
    now, earlier : Picture
    found : Registration
    domain : ndarray of bool, (y, x), optional
        Where the container is; everywhere by default.

    Returns
    -------
    Difference
    """
    import cv2

    square = np.ones((3, 3), np.uint8)
    # The earlier scan's lines are closer where it was slower: then more of them, with less noise, make a cell. Interpolation does not
    # average them, so no more than one line's worth is counted.
    stretch = (1 / np.minimum(found.speed, 1.0)).astype(np.float32)
    before = np.stack([found.bring(_filled(a, earlier.usable)) for a in earlier.attenuation])
    noise_before = np.stack([found.bring(n) * stretch for n in earlier.noise])
    whole = found.bring(np.asarray(cv2.erode(earlier.usable.astype(np.float32), square), np.float32)) > 0.99
    compared = now.usable & whole
    if domain is not None:
        compared &= domain
    dark = np.zeros(now.shape, np.int8)
    dark[now.starved & whole] = 1
    dark[(found.bring(earlier.starved.astype(np.float32)) > 0.5) & now.usable] = -1
    if domain is not None:
        dark[~domain] = 0
    here = _filled(now.attenuation[0], now.usable)

    def varies(plane: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
        square = np.ones(size, np.uint8)
        return np.asarray(cv2.dilate(plane, square) - cv2.erode(plane, square), np.float32)

    both = [[varies(plane, size) for plane in (here, before[0])] for size in ((1, 3), (3, 1))]
    along, across = (np.float32(0.5) * (one + two) for one, two in both)
    kept = [np.minimum(one, two) > _IN_BOTH * np.maximum(one, two) for one, two in both]
    noise = now.noise[0] + noise_before[0]
    difference = np.where(compared, here - before[0], np.float32(0))
    # What a starved place reads is a lower limit of its attenuation.
    limit = now.attenuation[0] - found.bring(earlier.attenuation[0])
    difference = np.asarray(np.where(dark != 0, limit, difference), np.float32)
    told = compared & (np.maximum(along, across) > _EDGE_SIGMAS * np.sqrt(noise))
    upright, level = told & (along > _MUCH * across) & kept[0], told & (across * _MUCH > along) & kept[1]
    shares = (
        _shares((difference / np.maximum(along, _TINY)).T, upright.T),
        _shares(difference / np.maximum(across, _TINY), level),
    )
    systematic = {name: _brought(term, found, earlier.shape) for name, term in earlier.systematic.items()}
    edges = np.hypot(shares[0][None] * along, shares[1][:, None] * across)
    return Difference(before, noise_before, systematic, difference, noise, edges, compared, dark, shares)


def _shares(left: NDArray[np.floating], edges: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the 1-σ share of the variation that registration leaves, for each row."""
    size = np.abs(left)
    every = _quantiles(size[edges])
    found = np.full(left.shape[0], every, np.float32)
    for row in range(found.size):
        near = slice(max(0, row - _NEAR), row + _NEAR + 1)
        found[row] = max(every, _quantiles(size[near][edges[near]]))
    return found


def _quantiles(left: NDArray[np.floating]) -> float:
    """Return a 1-σ share from what is left at edges: most are well registered and some are not, so the wider of two quantiles."""
    if left.size < _LEAST_EDGES:
        return _LEAST_SHARE
    places = [share * (left.size - 1) for share in (0.68, 0.9)]
    ordered = np.partition(left, sorted({math.floor(p) + step for p in places for step in (0, 1)}))
    # As `numpy.quantile` interpolates, which takes ten times as long for so few numbers.
    inner, outer = (
        float(ordered[math.floor(p)] + (p % 1) * (ordered[math.floor(p) + 1] - ordered[math.floor(p)])) for p in places
    )
    return float(np.clip(max(inner, outer / 1.645), _LEAST_SHARE, _MOST_SHARE))


def _filled(plane: NDArray[np.float32], usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return a plane whose useless places take the median of their neighbours, so that they draw no edges."""
    import cv2

    smooth = cv2.medianBlur(np.ascontiguousarray(plane, np.float32), 5)
    return np.asarray(np.where(usable, plane, np.asarray(smooth, np.float32)), np.float32)


def _brought(term: SystematicTerm, found: Registration, shape: tuple[int, int]) -> SystematicTerm:
    planes = [found.bring(np.ascontiguousarray(np.broadcast_to(e, shape), np.float32)) for e in term.effect]
    return SystematicTerm(np.stack(planes), term.shared_along)


@dataclass(frozen=True, eq=False)
class Search:
    """Places that differ beyond chance.

    Parameters
    ----------
    labels : ndarray of int32, (y, x)
        Number of the region, 0 for none; a region has one sign.
    signs : tuple of int
        Of each region: 1 where there is more than before, −1 where there is less.
    largest : tuple of float
        Of each region: its largest mean difference in σ.
    sigma : ndarray of float32, (y, x)
        1-σ of the difference of α of one cell.
    threshold : float
        Standard deviations beyond which a box is beyond chance.
    tries : float
        Boxes that could have exceeded it by chance.
    strongest : float
        Largest mean difference of any box, in σ.
    widened : float
        What σ was multiplied with, as both scans show the goods from other sides; 1 where they do not.
    """

    labels: NDArray[np.int32]
    signs: tuple[int, ...]
    largest: tuple[float, ...]
    sigma: NDArray[np.float32]
    threshold: float
    tries: float
    strongest: float
    widened: float = 1.0

    def p_value(self, sigmas: float) -> float:
        """Return the chance that any place of two like scans shows a mean difference of so many σ."""
        from scipy.stats import norm

        return float(min(1.0, 2 * self.tries * norm.sf(abs(sigmas))))


def search(
    difference: Difference,
    terms: list[Shared],
    now: Picture,
    false_alarm_rate: float,
    *,
    mirrored: bool = False,
) -> Search:
    """Find connected places of one sign whose difference is beyond chance.

    Parameters
    ----------
    difference : Difference
    terms : list
        Of `shared_errors`.
    now : Picture
    false_alarm_rate : float
        Share of pairs of like scans that may show any.
    mirrored : bool
        The container moved the other way, and may show its other side: large places count only, against a wider σ.

    Returns
    -------
    Search
    """
    import cv2
    from scipy.stats import norm

    pixel_mm, angle_rad = now.pixel_mm, now.fan_angle_rad
    boxes = [(n, max(3, 2 * round((n * pixel_mm[0] / pixel_mm[1] - 1) / 2) + 1)) for n in BOXES]
    cells = float(difference.compared.sum())
    tries = max(1.0, _OVERLAP * sum(cells / (a * b) for a, b in boxes))
    threshold = float(norm.isf(false_alarm_rate / (2 * tries)))
    rows, lines, whole = _shared_variance(terms, difference.compared.shape)
    whole += np.float32(VIEW_SIGMA[0] ** 2) + (np.float32(VIEW_SIGMA[1]) * difference.before[0]) ** 2
    whole += _by_view(difference, angle_rad)[:, None] ** 2
    beyond = {sign: np.zeros(difference.compared.shape, bool) for sign in (1, -1)}
    follows = {sign: np.zeros(difference.compared.shape, bool) for sign in (1, -1)}
    strongest: NDArray[np.float32] = np.zeros(difference.compared.shape, np.float32)
    widened = 1.0
    for box in boxes[-len(OTHER_SIDE_BOXES) :] if mirrored else boxes:
        z = _box_z(difference, box, (rows, lines, whole))
        if mirrored:
            inner = float(np.quantile(np.abs(z[difference.compared]), _INNER)) / _INNER_SIGMAS
            z /= np.float32(_OTHER_SIDE * max(1.0, inner))
            widened = max(widened, _OTHER_SIDE * max(1.0, inner))
        strongest = np.where(np.abs(z) > np.abs(strongest), z, strongest)
        for sign in (1, -1):
            seeds = sign * z > threshold
            beyond[sign] |= seeds
            if box[0] <= BOXES[1] or mirrored:
                follows[sign] |= sign * z > _FOLLOW_SIGMAS
    # Where signal ends, the place of that end is known no better than any edge.
    around = np.asarray(cv2.dilate(difference.edges, np.ones((5, 5), np.uint8)), np.float32)
    beyond_edges = np.maximum(widened * threshold * np.hypot(around, np.sqrt(whole)), _DARK_BEYOND)
    for sign in (1, -1):
        turned = _without_specks((difference.dark == sign) & (sign * difference.difference > beyond_edges))
        beyond[sign] |= turned
        follows[sign] |= (difference.dark == sign) & (sign * difference.difference > _DARK_FOLLOWS)
        strongest = np.where(turned & (np.abs(strongest) < threshold), sign * np.float32(threshold), strongest)
    sigma = np.float32(widened) * np.sqrt(difference.noise + rows + lines + whole + difference.edges**2)
    labels, signs, largest = _regions(beyond, follows, strongest)
    return Search(
        labels,
        signs,
        largest,
        np.asarray(sigma, np.float32),
        threshold,
        tries,
        float(np.abs(strongest).max()),
        widened,
    )


def _shared_variance(
    terms: list[Shared], shape: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return the variance of errors that are one number per row, per line, and for all, (y, x) each."""
    total = {along: np.zeros(shape, np.float32) for along in ("x", "y", "xy")}
    for term in terms:
        total[term.along] += term.on_difference(0) ** 2
    return total["x"], total["y"], total["xy"]


def _by_view(difference: Difference, angle_rad: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the median change of α along each row, (y,), where it is so small that a view from another height may make it."""
    found = np.zeros(difference.compared.shape[0], np.float32)
    for row, inside in enumerate(difference.compared):
        if inside.sum() < _LEAST_EDGES:
            continue
        change = float(np.median(difference.difference[row][inside]))
        level = float(np.median(difference.before[0][row][inside]))
        most = _LEVEL_SHARE if abs(angle_rad[row]) <= _LEVEL_RAD else _ROW_SHARE
        found[row] = abs(change) if abs(change) <= most * max(level, 0.0) else 0.0
    return found


def _without_specks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    import cv2

    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return np.asarray(opened, bool)


def _box_z(
    difference: Difference,
    box: tuple[int, int],
    shared: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Return the mean difference over a box around each cell, in its σ; 0 where too little of the box was compared."""
    import cv2

    weight = difference.compared.astype(np.float32)
    filled = np.asarray(cv2.blur(weight, box[::-1], borderType=cv2.BORDER_CONSTANT), np.float32)

    def mean(plane: NDArray[np.float32]) -> NDArray[np.float32]:
        blurred = np.asarray(cv2.blur(plane * weight, box[::-1], borderType=cv2.BORDER_CONSTANT), np.float32)
        return np.asarray(blurred / np.maximum(filled, np.float32(1e-6)), np.float32)

    cells = np.maximum(filled * (box[0] * box[1]), 1)
    rows, lines, whole = shared
    variance = mean(difference.noise) / cells + mean(rows) / box[0] + mean(lines) / box[1] + mean(whole)
    variance += mean(difference.edges) ** 2
    z = mean(difference.difference) / np.sqrt(np.maximum(variance, 1e-12))
    return np.where(difference.compared & (filled >= _LEAST_FILLED), z, np.float32(0)).astype(np.float32)


def _regions(
    beyond: dict[int, NDArray[np.bool_]], follows: dict[int, NDArray[np.bool_]], strongest: NDArray[np.float32]
) -> tuple[NDArray[np.int32], tuple[int, ...], tuple[float, ...]]:
    """Return places beyond chance with what belongs to them, the largest excess first."""
    import cv2

    parts = []
    for sign, seeds in beyond.items():
        if not seeds.any():
            continue
        near = cv2.dilate((seeds | follows[sign]).astype(np.uint8), np.ones((_JOINED_CELLS, _JOINED_CELLS), np.uint8))
        count, labels = cv2.connectedComponents(near, connectivity=8)
        for part in range(1, count):
            mask = labels == part
            inside = mask & seeds
            if inside.any():
                parts.append((float(np.abs(strongest[inside]).max()), sign, mask))
    parts.sort(key=lambda each: -int(each[2].sum()))
    found = np.zeros(strongest.shape, np.int32)
    signs, largest = [], []
    for number, (sigmas, sign, mask) in enumerate(parts, start=1):
        found[mask & (found == 0)] = number
        signs.append(sign)
        largest.append(sigmas)
    return found, tuple(signs), tuple(largest)
