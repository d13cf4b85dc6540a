"""What the declaration leads to expect of the scan, and how the scan compares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scananalysis import cargo
from scananalysis.core import Comparison
from scananalysis.detectors import scanner as find_scanner
from scananalysis.materials import mass, model_for, pool
from scananalysis.report.scales import number, with_sigma

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from scananalysis.core import AnomalyMap, Declaration, MaterialMap

PACKAGING_SHARE, PACKAGING_SIGMA = 0.06, 0.04
"""Packaging over net weight where no gross weight is declared, and its 1-σ spread: from 1 % (sacks) to 12 % (cartons on
pallets); an estimate."""

DECLARED_SIGMA = 0.01
"""Relative 1-σ error of a declared gross weight: weighbridges are good to 0.2 %, papers are rounded and moisture moves."""

WALLS, SIGMA_WALLS = 3.2, 0.7
"""Areal density of the two side walls of a steel container, g/cm²: 1.6 to 2.0 mm of corrugated steel each (ISO 1496-1 asks
for strength, not for a thickness; the range is that of makers' data sheets)."""


DEPTH_MM = 2350.0
"""Inner width of ISO containers along the ray of a side view (ISO 668: at least 2330 mm; usual ones have 2350)."""


@dataclass(frozen=True, slots=True)
class Weight:
    """A mass with its σ, kg."""

    kg: float
    sigma_kg: float


def declared_weight(declaration: Declaration) -> Weight | None:
    """Return what the goods with packaging should weigh; None where the papers do not say.

    Examples
    --------
    >>> from scananalysis.core import Declaration
    >>> declared_weight(Declaration(items=[{"hs_code": "0803.90"}], cargo_gross_weight_kg=21400)).kg
    21400.0
    """
    gross = declaration.cargo_gross_weight_kg
    if gross is not None:
        return Weight(gross, DECLARED_SIGMA * gross)
    net = [item.net_weight_kg for item in declaration.items]
    known = [kg for kg in net if kg is not None]
    if len(known) < len(net):
        return None
    total = sum(known)
    return Weight(total * (1 + PACKAGING_SHARE), total * math.hypot(PACKAGING_SIGMA, DECLARED_SIGMA))


def shares(declaration: Declaration) -> list[float]:
    """Return each item's share of the goods by net weight; equal shares where a weight is missing."""
    net = [item.net_weight_kg for item in declaration.items]
    known = [kg for kg in net if kg is not None]
    if len(known) < len(net):
        return [1 / len(net)] * len(net)
    return [kg / sum(known) for kg in known]


def declared_composition(declaration: Declaration) -> dict[str, float]:
    """Return the weight fraction of every element in the declared goods, packaging included.

    Examples
    --------
    >>> from scananalysis.core import Declaration
    >>> fractions = declared_composition(Declaration(items=[{"hs_code": "0803.90"}]))
    >>> 0.08 < fractions["H"] < 0.12, round(sum(fractions.values()), 9)
    (True, 1.0)
    """
    mixed: dict[str, float] = {}
    for item, share in zip(declaration.items, shares(declaration), strict=True):
        _, weights = cargo.commodity(item.hs_code).typical()
        for symbol, fraction in weights.items():
            mixed[symbol] = mixed.get(symbol, 0.0) + share * fraction
    return mixed


def expected_areal_density(materials: MaterialMap, declaration: Declaration) -> tuple[float, float] | None:
    """Return the areal densities that the declared goods give in a side view, g/cm², as the scan states them.

    From the 10 % quantile of the lightest to the 90 % quantile of the densest goods, container walls included. None for
    scanners whose loads stand in no container.
    """
    if not in_container(materials.scanner):
        return None
    ranges = [
        cargo.expected_areal_density(cargo.commodity(item.hs_code), DEPTH_MM, element_equivalent=True)
        for item in declaration.items
    ]
    return min(low for low, _, _ in ranges) + WALLS, max(high for _, _, high in ranges) + WALLS


def in_container(scanner: str) -> bool:
    """Say whether a scanner's loads stand in a container; parcels and air cargo do not."""
    return find_scanner(scanner).modality != "dual-energy-kv"


def weigh(
    materials: MaterialMap, load: NDArray[np.bool_], declaration: Declaration | None, walls: Weight
) -> Weight | None:
    """Return the mass of the load without the container around it; None without a load.

    Parameters
    ----------
    materials : MaterialMap
    load : ndarray of bool, (y, x)
    declaration : Declaration or None
        Its composition corrects for hydrogen.
    walls : Weight
        Areal density of what is in front of and behind the load, g/cm² (not kg), with σ.
    """
    if not load.any():
        return None
    composition = None if declaration is None else declared_composition(declaration)
    found = mass(materials, load, composition=composition)
    area_kg = float(load.sum()) * materials.pixel_mm[0] * materials.pixel_mm[1] / 100 / 1000
    # The walls are steel and hold no hydrogen, but were weighed with the goods' factor; the error is a tenth of them.
    kg = found.kg - walls.kg * area_kg
    return Weight(kg, math.hypot(found.sigma_kg, walls.sigma_kg * area_kg))


def mass_p_value(sigmas: float) -> float:
    """Return the two-sided p-value of a difference in standard deviations.

    Examples
    --------
    >>> round(mass_p_value(3.0), 4)
    0.0027
    """
    return math.erfc(abs(sigmas) / math.sqrt(2))


def compare(
    materials: MaterialMap,
    anomalies: AnomalyMap | None,
    load: NDArray[np.bool_],
    declaration: Declaration,
    measured: Mapping[str, float],
    mass_sigmas: float,
) -> tuple[Comparison, ...]:
    """Return declared against measured, line by line."""
    found = [_compare_mass(measured, mass_sigmas)]
    if load.any():
        found += _compare_areal_density(materials, load, declaration)
        found.append(_compare_z(materials, load, declaration))
        if anomalies is not None:
            found.append(_compare_appearance(anomalies, load, declaration))
    return tuple(found)


def _compare_mass(measured: Mapping[str, float], mass_sigmas: float) -> Comparison:
    said = "not stated" if "declared_mass_kg" not in measured else f"{measured['declared_mass_kg']:,.0f}"
    if "load_mass_kg" not in measured:
        return Comparison("mass of the load", "kg", said, "no load found", None)
    seen = with_sigma(measured["load_mass_kg"], measured["sigma_load_mass_kg"])
    if "mass_difference_sigmas" not in measured:
        return Comparison("mass of the load", "kg", said, seen, None)
    apart = measured["mass_difference_sigmas"]
    note = f"{abs(apart):.1f} σ apart (p {measured['mass_p_value']:.2g}); corrected for hydrogen by the declared goods"
    return Comparison("mass of the load", "kg", said, seen, abs(apart) <= mass_sigmas, note)


def _compare_areal_density(
    materials: MaterialMap, load: NDArray[np.bool_], declaration: Declaration
) -> list[Comparison]:
    expected = expected_areal_density(materials, declaration)
    inside = materials.areal_density[load]
    inside = inside[np.isfinite(inside)]
    if expected is None or inside.size == 0:
        return []
    low, middle, high = (float(q) for q in np.quantile(inside, (0.1, 0.5, 0.9)))
    # Half-filled containers show less than stowed goods would; nothing shows more.
    fits = None if middle < expected[0] else middle <= 1.15 * expected[1]
    note = "partial filling shows less, nothing honest shows more" if fits is None else "median of the load decides"
    return [
        Comparison(
            "areal density",
            "g/cm²",
            f"{expected[0]:.0f} to {expected[1]:.0f}",
            f"{middle:.0f} ({low:.0f} to {high:.0f})",
            fits,
            note,
        )
    ]


def _compare_z(materials: MaterialMap, load: NDArray[np.bool_], declaration: Declaration) -> Comparison:
    expected = [cargo.commodity(item.hs_code).z_eff for item in declaration.items]
    low, high = min(expected), max(expected)
    said = number(low) if low == high else f"{number(low)} to {number(high)}"
    if not np.isfinite(materials.z_eff).any():
        return Comparison("effective atomic number", "", said, "one energy measures none", None)
    model, _ = model_for(materials.radiograph)
    pooled = pool(materials.radiograph, model, load)
    # The container's steel raises the mean a little, and one heading's goods differ by a unit or two among themselves.
    tolerance = 3 * math.hypot(pooled.sigma_z, 1.5)
    fits = low - tolerance <= pooled.z_eff <= high + tolerance
    telling = pooled.sigma_z < 8
    note = "mean of the whole load, container walls included"
    return Comparison(
        "effective atomic number", "", said, with_sigma(pooled.z_eff, pooled.sigma_z), fits if telling else None, note
    )


def _compare_appearance(anomalies: AnomalyMap, load: NDArray[np.bool_], declaration: Declaration) -> Comparison:
    declared = {family for item in declaration.items for family in cargo.commodity(item.hs_code).families}
    indices = [index for index, family in enumerate(anomalies.families) if family in declared]
    inside = anomalies.family[load]
    known = inside[inside >= 0]
    names = ", ".join(sorted(declared)[:4]) + (" and others" if len(declared) > 4 else "")
    if known.size == 0:
        return Comparison("appearance", "", names, "cannot be told", None)
    counts = np.bincount(known, minlength=len(anomalies.families)) / known.size
    share = float(counts[indices].sum())
    order = [index for index in np.argsort(-counts)[:3] if counts[index] >= 0.02]
    seen = ", ".join(f"{anomalies.families[index]} {100 * counts[index]:.0f} %" for index in order)
    return Comparison(
        "appearance (radiographic family)",
        "",
        names,
        seen,
        None,
        f"{100 * share:.0f} % of the load looks most like a declared family; the p-value judges",
    )
