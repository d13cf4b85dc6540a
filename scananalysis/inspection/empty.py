"""A container that was declared empty: whether anything is inside, where, and how much."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scananalysis.anomaly.emptiness import (
    FALSE_ALARM_RATE,
    LEAST_ADDED,
    Emptiness,
    emptiness,
    heights,
    is_loaded,
    p_value,
)
from scananalysis.core import ModelError, SuspectRegion
from scananalysis.detectors import scanner as find_scanner
from scananalysis.inspection.measure import bounding_box, in_millimetres, made_of
from scananalysis.inspection.words import length
from scananalysis.materials.mass import UNKNOWN_FACTOR, UNKNOWN_SIGMA
from scananalysis.report.scales import number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.core import Declaration, MaterialMap, RawScan
    from scananalysis.inspection.place import Ground

_MOST_REGIONS = 20
_PLACE_SIGMA = 0.1
"""Relative 1-σ of a mass whose place along the beam is unknown: area goes with the square of the distance, 6 ± 0.3 m."""


@dataclass(frozen=True, slots=True)
class EmptyCheck:
    """What was found in a container that was declared empty.

    Parameters
    ----------
    unscored : str or None
        Why it cannot be told.
    inside : ndarray of bool, (y, x)
        Where was looked.
    regions : tuple of SuspectRegion
        What is inside, largest first.
    labels : ndarray of int32, (y, x)
        Number of the region of every pixel, 0 for none.
    measured : dict
        ``empty_added`` (g/cm²) and ``empty_p_value``.
    reasons : tuple of str
        What speaks for or against an empty container.
    """

    unscored: str | None
    inside: NDArray[np.bool_]
    regions: tuple[SuspectRegion, ...]
    labels: NDArray[np.int32]
    measured: dict[str, float]
    reasons: tuple[str, ...]


def check_empty(scan: RawScan, materials: MaterialMap, declaration: Declaration, place: Ground) -> EmptyCheck:
    """Look into a container that was declared empty.

    Parameters
    ----------
    scan : RawScan
    materials : MaterialMap
        Of the scan.
    declaration : Declaration
        Without goods.
    place : Ground
    """
    rows = heights(scan.scanner, scan.binning, materials.shape[0])
    if rows is None:
        return _untold(
            "The scan is a cut-out of unknown height, so the inside of the container cannot be found.", materials
        )
    found = emptiness(materials, rows, declaration.container_type)
    if found is None:
        return _untold("No container with a floor is in view, so it cannot be told whether it is empty.", materials)
    try:
        p = p_value(found.score, scan.scanner)
    except ModelError as error:
        return _untold(f"It cannot be told whether the container is empty: {error}.", materials)
    measured = {"empty_added": found.score, "empty_p_value": p}
    if not is_loaded(found.score, scan.scanner):
        reason = (
            f"Between floor and roof nothing adds more than {number(max(found.score, 0.0), 2)} g/cm² to the walls; "
            f"{LEAST_ADDED:g} and more, which fewer than {100 * FALSE_ALARM_RATE:g} % of empty containers reach, raises an alarm."
        )
        return EmptyCheck(None, found.inside, (), np.zeros(materials.shape, np.int32), measured, (reason,))
    regions, labels = _regions(materials, found, p, place)
    kg = sum(region.mass_kg for region in regions)
    reason = (
        f"The container was declared empty, but up to {number(found.score, 3)} g/cm² stand between its floor and roof"
        f"{f', about {kg:,.0f} kg' if kg >= 1 else ''}."
    )
    return EmptyCheck(None, found.inside, regions, labels, measured, (reason,))


def _untold(why: str, materials: MaterialMap) -> EmptyCheck:
    nothing = np.zeros(materials.shape, np.int32)
    return EmptyCheck(why, nothing > 0, (), nothing, {}, ())


def _regions(
    materials: MaterialMap, found: Emptiness, p: float, place: Ground
) -> tuple[tuple[SuspectRegion, ...], NDArray[np.int32]]:
    """Return the connected places where more than the least is inside, the heaviest first."""
    import cv2

    over = (found.added >= LEAST_ADDED).astype(np.uint8)
    count, parts = cv2.connectedComponents(over, connectivity=8)
    most = find_scanner(materials.scanner).largest_areal_density
    area_kg = materials.pixel_mm[0] * materials.pixel_mm[1] / 100 / 1000
    seen = []
    for part in range(1, count):
        mask = parts == part
        added = float(np.clip(found.added[mask], 0, most).sum()) * area_kg * UNKNOWN_FACTOR
        seen.append((added, mask))
    seen.sort(key=lambda each: -each[0])
    labels = np.zeros(materials.shape, np.int32)
    regions = []
    for index, (kg, mask) in enumerate(seen[:_MOST_REGIONS], start=1):
        labels[mask] = index
        regions.append(_region(materials, found, mask, kg, p, place))
    return tuple(regions), labels


def _region(
    materials: MaterialMap, found: Emptiness, mask: NDArray[np.bool_], kg: float, p: float, place: Ground
) -> SuspectRegion:
    box = bounding_box(mask)
    box_mm = in_millimetres(box, materials.pixel_mm)
    where = place.place(box_mm)
    measured = mask & np.isfinite(materials.areal_density)
    values = materials.areal_density[measured].astype(np.float64)
    seen = float(values.mean()) if values.size else math.nan
    spread = (
        np.sqrt(np.mean(materials.sigma_areal_density[measured].astype(np.float64) ** 2)) if values.size else math.nan
    )
    # Neighbouring pixels share some of their noise, and the walls are known to a few tenths of a g/cm².
    sigma = math.hypot(float(spread) / math.sqrt(max(values.size / 4, 1)), 0.3)
    dark = float(np.mean(found.added[mask] > find_scanner(materials.scanner).largest_areal_density))
    reason = (
        f"{length(where.width)} × {length(where.height)} of the inside, {length(where.left)} from the left edge and "
        f"{length(where.above)} above {where.ground}, show {number(seen, 3)} g/cm² where an empty container shows "
        f"{number(found.walls, 2)}{', or let no signal through' if dark > 0.1 else ''}."
    )
    made = made_of(materials, mask)
    return SuspectRegion(
        box=box,
        box_mm=box_mm,
        mass_kg=kg,
        sigma_mass_kg=kg * math.hypot(UNKNOWN_SIGMA / UNKNOWN_FACTOR, _PLACE_SIGMA),
        areal_density=seen,
        sigma_areal_density=sigma,
        z_eff=made.z_eff,
        sigma_z=made.sigma_z,
        p_value=p,
        score=float(found.added[mask].max()),
        head="empty",
        reason=reason,
        surroundings_areal_density=found.walls,
        material=made.name,
        probability=made.probability,
        p_one_material=made.p_one_material,
    )
