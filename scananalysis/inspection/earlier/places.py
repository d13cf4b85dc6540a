"""Measures what a place holds more, or less, than before: box, areal density, mass, atomic number and a sentence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from scananalysis.core import SuspectRegion
from scananalysis.inspection.contrast import Contrast, of_means
from scananalysis.inspection.earlier.difference import VIEW_SIGMA, Difference, Search
from scananalysis.inspection.measure import bounding_box, in_millimetres
from scananalysis.inspection.words import kilograms, length, looks_like
from scananalysis.materials import DualEnergyModel
from scananalysis.materials.mass import UNKNOWN_FACTOR, UNKNOWN_SIGMA

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.inspection.earlier.picture import Picture
    from scananalysis.inspection.earlier.shared import Shared
    from scananalysis.inspection.place import Ground
    from scananalysis.materials.discriminate import Model

MOST_PLACES = 20
"""Places that are listed; all are counted."""

HEAD = "earlier"

_SAID_DARK = 0.05

_NO_HYDROGEN_Z = 9.5
_DEPTH_SIGMA = 0.1
"""Relative 1-σ of a height, and so of an area, whose place along the beam is unknown: 6 m and 1.2 m to either side of it."""

_COHERENT_MM = 150.0
"""Length over which what registration leaves has one sign."""


def measure_places(
    model: Model,
    now: Picture,
    difference: Difference,
    errors: list[Shared],
    places: Search,
    ground: Ground,
    *,
    stretch: float,
) -> tuple[tuple[SuspectRegion, ...], NDArray[np.int32]]:
    """Measure the places that differ beyond chance.

    Parameters
    ----------
    model : DualEnergyModel or SingleEnergyModel
    now : Picture
    difference : Difference
    errors : list of Shared
    places : Search
    ground : Ground
    stretch : float
        Columns of the earlier scan per column of the new one: which of both moved at the stated speed is not known.

    Returns
    -------
    regions : tuple of SuspectRegion
        Largest change of mass first, `MOST_PLACES` at most.
    labels : ndarray of int32, (y, x)
        Their numbers, 0 elsewhere.
    """
    found = []
    for number, sign in enumerate(places.signs, start=1):
        mask = (places.labels == number) & (difference.compared | (difference.dark == sign))
        if mask.any():
            contrast = _contrast(model, now, difference, errors, mask, places.widened)
            found.append((abs(contrast.added) * int(mask.sum()), number, sign, mask, contrast))
    found.sort(key=lambda each: -np.nan_to_num(each[0]))
    labels = np.zeros(now.shape, np.int32)
    regions = []
    for index, (_, number, sign, mask, contrast) in enumerate(found[:MOST_PLACES], start=1):
        labels[mask] = index
        sigmas = places.largest[number - 1]
        dark = float((difference.dark[mask] != 0).mean())
        chance = sigmas, places.p_value(sigmas)
        regions.append(_region(now, mask, contrast, sign, chance, ground, (stretch, dark)))
    return tuple(regions), labels


def _contrast(
    model: Model,
    now: Picture,
    difference: Difference,
    errors: list[Shared],
    mask: NDArray[np.bool_],
    widened: float,
) -> Contrast:
    """Return the place now against the place before, with the covariance of both scans' mean attenuations."""
    channels, cells = now.attenuation.shape[0], int(mask.sum())
    planes = [*now.attenuation, *difference.before]
    means = np.array([float(plane[mask].mean(dtype=np.float64)) for plane in planes])
    noise = [float(n[mask].mean(dtype=np.float64)) / cells for n in (*now.noise, *difference.noise_before)]
    covariance = np.diag(noise)
    rows, columns = np.nonzero(mask)
    full = (channels, *mask.shape)
    for error in errors:
        cell, number = {
            "x": (rows, mask.shape[0]),
            "y": (columns, mask.shape[1]),
            "xy": (np.zeros_like(rows), 1),
        }[error.along]
        sums = np.zeros((2 * channels, number))
        for first, effect in ((0, error.now), (channels, error.before)):
            if effect is not None:
                whole = np.broadcast_to(effect, full)
                for c in range(channels):
                    sums[first + c] = np.bincount(cell, whole[c][mask], minlength=number) / cells
        covariance += sums @ sums.T
    # What registration leaves, and other angles of view, move all channels of the earlier scan in the ratio of their attenuations.
    ratio = means[channels:] / max(float(means[channels]), 1e-3) if means[channels] > 1e-3 else np.ones(channels)
    view = math.hypot(VIEW_SIGMA[0], VIEW_SIGMA[1] * means[channels])
    for size in (_left_by_registration(now, difference, mask), view):
        effect = np.concatenate([np.zeros(channels), widened * size * ratio])
        covariance += np.outer(effect, effect)
    relative = model.relative_sigma if isinstance(model, DualEnergyModel) else float(model.spread(means[0]))
    for c in range(channels):
        effect = np.zeros_like(means)
        effect[c::channels] = relative * means[c::channels]
        covariance += np.outer(effect, effect)
    angle = float(np.abs(now.fan_angle_rad[rows]).mean())
    return of_means(model, means, covariance, (angle, angle), missing=True)


def _left_by_registration(now: Picture, difference: Difference, mask: NDArray[np.bool_]) -> float:
    """Return the 1-σ that registration leaves in the mean of a place: of one sign over a decimetre or two, of any beyond."""
    rows, columns = np.nonzero(mask)
    size = [max(1, round(_COHERENT_MM / mm)) for mm in now.pixel_mm]
    block = (rows // size[0]) * (mask.shape[1] // size[1] + 1) + columns // size[1]
    sums = np.bincount(block, difference.edges[mask])
    return float(np.sqrt((sums**2).sum())) / rows.size


def _region(
    now: Picture,
    mask: NDArray[np.bool_],
    found: Contrast,
    sign: int,
    chance: tuple[float, float],
    ground: Ground,
    limits: tuple[float, float],
) -> SuspectRegion:
    cells = bounding_box(mask)
    box_mm = in_millimetres(cells, now.pixel_mm)
    factors = now.factors
    box = (cells[0] * factors[0], cells[1] * factors[1], cells[2] * factors[0], cells[3] * factors[1])
    stretch, dark = limits
    kg, sigma_kg = _mass(now, mask, found, stretch)
    return SuspectRegion(
        box=box,
        box_mm=box_mm,
        mass_kg=kg,
        sigma_mass_kg=sigma_kg,
        areal_density=found.areal_density,
        sigma_areal_density=found.sigma_areal_density,
        z_eff=found.z_eff,
        sigma_z=found.sigma_z,
        p_value=chance[1],
        score=chance[0],
        head=HEAD,
        reason=_sentence(ground, box_mm, found, (kg, sigma_kg), sign, dark),
        surroundings_areal_density=found.surroundings,
        z_added=found.z_added,
        sigma_z_added=found.sigma_z_added,
        looks_like=looks_like(found.z_added, found.sigma_z_added),
    )


def _mass(now: Picture, mask: NDArray[np.bool_], found: Contrast, stretch: float) -> tuple[float, float]:
    """Return the mass that was added (below 0: taken away) with σ, kg; hydrogen is taken off by what it looks like."""
    area_cm2 = float(mask.sum()) * now.pixel_mm[0] * now.pixel_mm[1] / 100
    raw = found.added * area_cm2 / 1000
    metal = math.isfinite(found.z_added) and found.z_added - found.sigma_z_added > _NO_HYDROGEN_Z
    factor, spread = (1.0, 0.02) if metal else (UNKNOWN_FACTOR, UNKNOWN_SIGMA)
    speed = math.log(stretch) / 2 if stretch > 0 else 0.0
    relative = math.sqrt((spread / factor) ** 2 + _DEPTH_SIGMA**2 + speed**2)
    return raw * factor, math.hypot(found.sigma_added * area_cm2 / 1000 * factor, raw * factor * relative)


def _sentence(
    ground: Ground,
    box_mm: tuple[float, float, float, float],
    found: Contrast,
    mass: tuple[float, float],
    sign: int,
    dark: float,
) -> str:
    place = ground.place(box_mm)
    kg, sigma = mass
    more = "more" if sign > 0 else "less"
    amount = f"About {kilograms(abs(kg), sigma)} {more}" if math.isfinite(kg) and math.isfinite(sigma) else more.title()
    where = f"{length(place.left)} from the left edge and {length(place.above)} above {place.ground}"
    parts = [
        f"{amount} than before in a block {place.width:.2f} × {place.height:.2f} m, {where}",
        f"{max(found.areal_density, 0.0):.0f} g/cm² where the earlier scan shows {max(found.surroundings, 0.0):.0f}",
    ]
    material = looks_like(found.z_added, found.sigma_z_added)
    if material:
        what = "what was added" if sign > 0 else "what is gone"
        parts.append(f"{what} looks like {material} (Z {found.z_added:.0f} ± {max(found.sigma_z_added, 1.0):.0f})")
    if dark >= _SAID_DARK:
        when = "now" if sign > 0 else "in the earlier scan"
        parts.append(f"{100 * dark:.0f} % of it lets no signal through {when}, so it is {more} by that at least")
    return "; ".join(parts) + "."
