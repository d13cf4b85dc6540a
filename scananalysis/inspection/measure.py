"""Turns an alarm into a suspect region: box, mass, areal density, atomic number and a sentence that says why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from scananalysis import cargo
from scananalysis.anomaly.model import DECLARED
from scananalysis.core import ConfigurationError, SuspectRegion
from scananalysis.inspection.contrast import Contrast, contrast
from scananalysis.inspection.crop import crop, thin_radiograph, window
from scananalysis.inspection.papers import expected_areal_density
from scananalysis.inspection.words import Amount, looks_like, region_sentence
from scananalysis.materials import identify, mass, model_for, pool
from scananalysis.materials.mass import UNKNOWN_FACTOR, UNKNOWN_SIGMA

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.core import AnomalyMap, Declaration, MaterialMap
    from scananalysis.inspection.place import Ground
    from scananalysis.inspection.regions import Alarm

_MARGIN = 8
"""Pixels around a region that are cut out with it: its edge is found there."""
_MOST_PIXELS = 100_000
"""Pixels of a region's rectangle that are looked at; of larger ones every n-th row and column."""

_NO_HYDROGEN_Z = 9.5
"""Atomic number above which matter holds no hydrogen to speak of."""


def measure_alarm(
    materials: MaterialMap, anomalies: AnomalyMap, alarm: Alarm, declaration: Declaration | None, place: Ground
) -> SuspectRegion:
    """Measure an alarm.

    Parameters
    ----------
    materials : MaterialMap
    anomalies : AnomalyMap
    alarm : Alarm
    declaration : Declaration or None
    place : Ground

    Returns
    -------
    SuspectRegion
        Of a whole-load alarm, mass and areal density are those of all of it.
    """
    box = bounding_box(alarm.mask)
    box_mm = in_millimetres(box, materials.pixel_mm)
    found = None if alarm.whole_load else _contrast(materials, alarm)
    if found is None:
        kg, sigma_kg, seen = math.nan, math.nan, _pooled(materials, alarm.mask)
        if not math.isnan(seen.areal_density):
            total = mass(materials, alarm.mask)
            kg, sigma_kg = total.kg, total.sigma_kg
    else:
        kg, sigma_kg = _added_mass(materials, alarm.mask, found)
        seen = found
    appearance = _appearance(anomalies, alarm, declaration)
    amount = Amount(
        kg if found is not None else math.nan, sigma_kg, seen.areal_density, seen.z_added, seen.sigma_z_added
    )
    reason = region_sentence(
        place.place(box_mm),
        amount,
        expectation=_expectation(materials, alarm, declaration, seen),
        appearance=appearance,
    )
    made = made_of(materials, alarm.mask)
    return SuspectRegion(
        box=box,
        box_mm=box_mm,
        mass_kg=kg,
        sigma_mass_kg=sigma_kg,
        areal_density=seen.areal_density,
        sigma_areal_density=seen.sigma_areal_density,
        z_eff=seen.z_eff,
        sigma_z=seen.sigma_z,
        p_value=alarm.p_value,
        score=alarm.score,
        head=alarm.head,
        reason=reason,
        surroundings_areal_density=seen.surroundings,
        z_added=seen.z_added,
        sigma_z_added=seen.sigma_z_added,
        looks_like=looks_like(seen.z_added, seen.sigma_z_added),
        material=made.name,
        probability=made.probability,
        p_one_material=made.p_one_material,
    )


def whole_load(materials: MaterialMap, load: NDArray[np.bool_], measured: Mapping[str, float]) -> SuspectRegion:
    """Return the load as a region of its own, for a mass that does not fit the papers."""
    box = bounding_box(load)
    seen, made = _pooled(materials, load), made_of(materials, load)
    apart, kg = measured["mass_difference_sigmas"], measured["mass_difference_kg"]
    more = "heavier" if kg > 0 else "lighter"
    return SuspectRegion(
        box=box,
        box_mm=in_millimetres(box, materials.pixel_mm),
        mass_kg=measured["load_mass_kg"],
        sigma_mass_kg=measured["sigma_load_mass_kg"],
        areal_density=seen.areal_density,
        sigma_areal_density=seen.sigma_areal_density,
        z_eff=seen.z_eff,
        sigma_z=seen.sigma_z,
        p_value=measured["mass_p_value"],
        score=abs(apart),
        head="mass",
        reason=(
            f"The whole load weighs {measured['load_mass_kg'] / 1000:.1f} ± {measured['sigma_load_mass_kg'] / 1000:.1f} t, "
            f"{abs(kg) / 1000:.1f} t {more} than the declared {measured['declared_mass_kg'] / 1000:.1f} t "
            f"({abs(apart):.1f} standard deviations)."
        ),
        material=made.name,
        probability=made.probability,
        p_one_material=made.p_one_material,
    )


@dataclass(frozen=True, slots=True)
class Made:
    """What a region is made of: atomic number, class, its probabilities, whether it is one material; see `materials.identify`."""

    z_eff: float = math.nan
    sigma_z: float = math.nan
    name: str = ""
    probability: Mapping[str, float] = field(default_factory=dict)
    p_one_material: float = math.nan


def made_of(materials: MaterialMap, mask: NDArray[np.bool_]) -> Made:
    """Return what a region of a map is made of, pooled over the region; nothing with one energy or without a usable pixel."""
    if materials.radiograph.shape[0] < 2 or not mask.any():
        return Made()
    part = window(mask, (_MARGIN, _MARGIN))
    model, _ = model_for(materials.radiograph)
    area, inside = crop(materials.radiograph, part), mask[part.rows, part.columns]
    # More pixels than these would tell nothing that their shared errors leave open.
    step = max(1, math.isqrt(inside.size // _MOST_PIXELS))
    found = identify(thin_radiograph(area, (step, step)), model, inside[::step, ::step])
    if not math.isfinite(found["z_eff"]):
        return Made()
    return Made(found["z_eff"], found["sigma_z"], found["class"], found["probability"], found["p_one_material"])


def bounding_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return first row, first column, and row and column after the last.

    Examples
    --------
    >>> mask = np.zeros((4, 6), bool); mask[1:3, 2:5] = True
    >>> bounding_box(mask)
    (1, 2, 3, 5)
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def in_millimetres(box: tuple[int, int, int, int], pixel_mm: tuple[float, float]) -> tuple[float, float, float, float]:
    """Return a box of pixels in mm from the upper left corner."""
    height, width = pixel_mm
    return box[0] * height, box[1] * width, box[2] * height, box[3] * width


def _contrast(materials: MaterialMap, alarm: Alarm) -> Contrast | None:
    part = window(alarm.mask | alarm.around)
    model, _ = model_for(materials.radiograph)
    rows, columns = part.rows, part.columns
    try:
        return contrast(
            crop(materials.radiograph, part),
            model,
            alarm.mask[rows, columns],
            alarm.around[rows, columns],
            clutter=alarm.clutter,
        )
    except ConfigurationError:
        # Nothing usable in it or around it: the region is starved and stands without figures.
        return None


def _added_mass(materials: MaterialMap, mask: NDArray[np.bool_], found: Contrast) -> tuple[float, float]:
    """Return mass beyond the surroundings with σ, kg; hydrogen is taken off by what the added matter looks like."""
    height, width = materials.pixel_mm
    area_cm2 = float(mask.sum()) * height * width / 100
    raw = found.added * area_cm2 / 1000
    metal = math.isfinite(found.z_added) and found.z_added - found.sigma_z_added > _NO_HYDROGEN_Z
    factor, spread = (1.0, 0.02) if metal else (UNKNOWN_FACTOR, UNKNOWN_SIGMA)
    from scananalysis.detectors import scanner

    geometry = scanner(materials.scanner).geometry
    magnification = geometry.source_to_object_sigma_mm / geometry.source_to_object_mm
    sigma = math.sqrt(
        (found.sigma_added * area_cm2 / 1000 * factor) ** 2 + (raw * spread) ** 2 + (raw * factor * magnification) ** 2
    )
    return raw * factor, sigma


def _pooled(materials: MaterialMap, mask: NDArray[np.bool_]) -> Contrast:
    """Return what a region without surroundings shows; nothing of it where no pixel can be used."""
    nothing = math.nan
    try:
        model, _ = model_for(materials.radiograph)
        pooled = pool(materials.radiograph, model, mask)
    except ConfigurationError:
        return Contrast(*(nothing,) * 9)
    figures = pooled.areal_density, pooled.sigma_areal_density, pooled.z_eff, pooled.sigma_z
    return Contrast(*figures, nothing, nothing, nothing, nothing, nothing)


def _goods(declaration: Declaration) -> str:
    item = declaration.items[0]
    name = item.description or cargo.commodity(item.hs_code).name
    name = name if len(name) <= 40 else f"{name[:40]}…"
    return name if len(declaration.items) == 1 else f"{name} and others"


def _expectation(materials: MaterialMap, alarm: Alarm, declaration: Declaration | None, seen: Contrast) -> str:
    if declaration is not None and alarm.head == DECLARED:
        expected = expected_areal_density(materials, declaration)
        if expected is not None:
            return f"the declared {_goods(declaration)} give {expected[0]:.0f} to {expected[1]:.0f}"
    if math.isfinite(seen.surroundings):
        return f"the surroundings show {seen.surroundings:.0f}"
    return ""


def _appearance(anomalies: AnomalyMap, alarm: Alarm, declaration: Declaration | None) -> str:
    """Say what family the region looks like, for the head that compares with the declared goods."""
    if declaration is None or alarm.head != DECLARED:
        return ""
    inside = anomalies.family[alarm.mask]
    known = inside[inside >= 0]
    if known.size == 0:
        return f"does not look like the declared {_goods(declaration)}"
    likeliest = anomalies.families[int(np.bincount(known).argmax())]
    return f"does not look like the declared {_goods(declaration)} but like {likeliest.replace('-', ' ')} goods"
