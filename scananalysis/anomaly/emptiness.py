"""Is a container that was declared empty empty? The highest areal density above its walls, against empty containers.

Between floor and roof an empty container shows its two side walls and nothing else: about 3 g/cm², 4 with a reefer's insulation. Whatever
stands inside adds to that, so the score is the largest mean over a small square, less the walls. How high empty containers score is known
from scans of such; a p-value follows as for any other score (see `conformal`).
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scananalysis.anomaly.conformal import ScanMaxima
from scananalysis.anomaly.features import usable
from scananalysis.core import ModelError, Quality, has
from scananalysis.detectors import scanner as find_scanner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from scananalysis.core import MaterialMap

WALLS_AT_MOST = 6.0
"""Areal density that two walls stay below, g/cm²: steel of 1.6 to 2 mm each, or an insulated reefer's."""

FALSE_ALARM_RATE = 0.005
"""Share of empty containers that may be called loaded."""

LEAST_ADDED = 1.0
"""What counts as something inside at least, g/cm² (1.3 mm of steel): real walls are patched and dented, simulated ones are not."""

_SQUARE_MM = 100.0
"""Edge of the square over which areal density is averaged."""

_MATTER = 1.5
"""Areal density from which a column shows walls, g/cm²."""

_FLOOR = 30.0
"""Areal density that a floor seen edge-on exceeds, g/cm²: 28 mm of plywood over the width of a container are more than 100."""

_FLOOR_BETWEEN_MM = (850.0, 1900.0)
"""Heights above the ground between which a floor is looked for."""

_SLANT = 0.42
"""Rows over which a floor is seen at a slant, over its distance in height from the source: 6 m/4.8 m − 6 m/7.2 m, between its near and
far edge."""

_FLOOR_MM, _LEVEL_MM = 60.0, 450.0
"""Thickness of a floor that is dense, and the height of the source above it up to which floors are seen about edge-on."""

_MOST_ABOVE_MM, _ROOM_MM = 260.0, 1800.0
"""How far above its dense part a floor fades out, and how high the search reaches: below the roof's far edge at any place of the fan."""

_ENDS_MM = {"dry": 450.0, "reefer": 1050.0}
"""What is left out at either end: posts, castings and doors, and a reefer's cooling unit."""

_SHORTEST_MM = 4500.0
_BRIDGED_MM = 120.0
_LEAST_KNOWN = 0.5
"""Share of a square that must rest on a measurement."""

_NO_SIGNAL = 1e3
"""Areal density that stands for a place without signal, g/cm²."""


@dataclass(frozen=True)
class Emptiness:
    """How empty the inside of a container is.

    Parameters
    ----------
    score : float
        Largest mean areal density over a small square, less that of the walls, g/cm².
    inside : ndarray of bool, (y, x)
        Where was looked.
    added : ndarray of float32, (y, x)
        Mean over the square around each place, less that of the walls, g/cm²; 0 elsewhere.
    walls : float
        Areal density of the walls, g/cm².
    """

    score: float
    inside: NDArray[np.bool_]
    added: NDArray[np.float32]
    walls: float


def kind_of(container_type: str | None) -> str:
    """Return how much is left out at the ends of a type: as for ``"reefer"`` or ``"dry"``.

    Examples
    --------
    >>> kind_of("45R1"), kind_of("22G1"), kind_of(None)
    ('reefer', 'dry', 'dry')
    """
    return "reefer" if container_type is not None and container_type[2:3] == "R" else "dry"


def emptiness(
    materials: MaterialMap, heights_mm: NDArray[np.floating], container_type: str | None = None
) -> Emptiness | None:
    """Look for anything between floor and roof of a container.

    Parameters
    ----------
    materials : MaterialMap
    heights_mm : ndarray, (y,)
        Height of every row above the ground at the object plane; see `heights`.
    container_type : str, optional
        ISO 6346 size and type.

    Returns
    -------
    Emptiness or None
        None where there is no container in view.
    """
    import cv2

    dark = has(materials.quality, Quality.STARVED)
    known = usable(materials) | dark
    # A place without signal is full; one whose element is dead says nothing and counts as its surroundings.
    density = np.where(dark, np.float32(_NO_SIGNAL), np.where(known, materials.areal_density, np.float32(0)))
    density = density.astype(np.float32)
    span = _span(density, heights_mm, materials.pixel_mm, _ENDS_MM[kind_of(container_type)])
    if span is None:
        return None
    left, right = span
    source_mm = find_scanner(materials.scanner).geometry.source_height_mm
    lowest = _search_from(_profile(density[:, left:right], known[:, left:right]), heights_mm, source_mm)
    if lowest is None:
        return None
    rows = (heights_mm >= lowest) & (heights_mm <= lowest + _ROOM_MM)
    if rows.sum() < 3:
        return None
    inside = np.zeros(density.shape, bool)
    inside[rows, left:right] = True
    size = [max(1, round(_SQUARE_MM / pitch)) for pitch in materials.pixel_mm]
    # Squares lie inside: what is beyond the searched part, such as the floor, is not seen.
    part, weight = density[rows, left:right], known[rows, left:right].astype(np.float32)

    def blurred(plane: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.blur(plane, (size[1], size[0]), borderType=cv2.BORDER_REPLICATE), np.float32)

    share = blurred(weight)
    walls = min(float(np.median(part[weight > 0])) if weight.any() else WALLS_AT_MOST, WALLS_AT_MOST)
    mean = blurred(part * weight) / np.maximum(share, np.float32(1e-6)) - np.float32(walls)
    added = np.zeros_like(density)
    added[inside] = np.where(share >= _LEAST_KNOWN, mean, np.float32(0)).ravel()
    return Emptiness(float(added.max()), inside, added, walls)


def heights(scanner: str, binning: tuple[int, int], rows: int) -> NDArray[np.float64] | None:
    """Return the height of every row above the ground; None for a cut-out of unknown place.

    Parameters
    ----------
    scanner : str
    binning : (int, int)
        Lines and elements summed into one.
    rows : int
        Of the map.
    """
    found = find_scanner(scanner).binned(*binning).row_height_mm
    return np.asarray(found, np.float64) if found.size == rows else None


def _span(
    density: NDArray[np.float32], heights_mm: NDArray[np.floating], pixel_mm: tuple[float, float], ends_mm: float
) -> tuple[int, int] | None:
    """Return first and last column of the longest stretch of walls, its ends left out."""
    rows = (heights_mm > 2000) & (heights_mm < 3000)
    if not rows.any():
        return None
    there = np.median(density[rows], axis=0) > _MATTER
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
    runs = [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    joined: list[tuple[int, int]] = []
    for a, b in runs:
        if joined and (a - joined[-1][1]) * pixel_mm[1] <= _BRIDGED_MM:
            joined[-1] = (joined[-1][0], b)
        else:
            joined.append((a, b))
    if not joined:
        return None
    a, b = max(joined, key=lambda run: run[1] - run[0])
    if (b - a) * pixel_mm[1] < _SHORTEST_MM:
        return None
    trim = round(ends_mm / pixel_mm[1])
    return a + trim, b - trim


def _profile(density: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the median of every row; rows of dead elements take that of their neighbours."""
    measured = known.mean(axis=1) > _LEAST_KNOWN
    rows = np.flatnonzero(measured)
    middle = [float(np.median(density[row][known[row]])) for row in rows]
    return np.interp(np.arange(len(density)), rows, middle) if rows.size else np.zeros(len(density))


def _search_from(profile: NDArray[np.floating], heights_mm: NDArray[np.floating], source_mm: float) -> float | None:
    """Return the height from which on a floor is no longer seen.

    That is two rows above the first that shows walls alone. Where a floor seen edge-on seems thicker than floors are, goods stand along
    the whole of it, and the search begins where it would end.
    """
    upwards = np.argsort(heights_mm).tolist()
    low, high = _FLOOR_BETWEEN_MM
    dense = [i for i in upwards if low <= heights_mm[i] <= high and profile[i] > _FLOOR]
    if not dense:
        return None
    place = {i: k for k, i in enumerate(upwards)}
    top = bottom = place[dense[-1]]
    while bottom > 0 and profile[upwards[bottom - 1]] > _FLOOR and heights_mm[upwards[bottom - 1]] >= low:
        bottom -= 1
    edge, under = (float(heights_mm[upwards[k]]) for k in (top, bottom))
    clear = next(
        (
            float(heights_mm[upwards[min(k + 2, len(upwards) - 1)]])
            for k in range(top + 1, len(upwards))
            if heights_mm[upwards[k]] <= edge + _MOST_ABOVE_MM and profile[upwards[k]] <= WALLS_AT_MOST
        ),
        edge,
    )
    rise = abs(source_mm - under)
    return clear if rise > _LEVEL_MM else min(clear, under + _FLOOR_MM + _SLANT * rise)


FILE = Path(__file__).parent / "models" / "empty.json"
"""Scores of empty containers by scanner, which `scripts/calibrate_empty.py` makes."""


def p_value(score: float, scanner: str) -> float:
    """Return the share of empty containers that score as high: (1 + number of them)/(1 + number of empty containers).

    Raises
    ------
    ModelError
        No empty containers of this scanner are known.
    """
    return float(empty_scores(scanner).p_value(score))


def is_loaded(score: float, scanner: str) -> bool:
    """Say whether a score speaks against an empty container at `FALSE_ALARM_RATE`."""
    return score >= LEAST_ADDED and p_value(score, scanner) <= FALSE_ALARM_RATE


def empty_scores(scanner: str) -> ScanMaxima:
    """Return the scores of empty containers on a scanner.

    Raises
    ------
    ModelError
        There are none.
    """
    table = _known()
    if scanner not in table:
        raise ModelError(
            f"no scans of empty containers with {scanner}",
            expected=f"one of {', '.join(sorted(table))}",
            remedy="declare what the container holds, or open it by hand",
        )
    return ScanMaxima.of(table[scanner])


@functools.cache
def _known() -> Mapping[str, Sequence[float]]:
    found: Mapping[str, Sequence[float]] = json.loads(FILE.read_text(encoding="utf-8"))["scores"]
    return found
