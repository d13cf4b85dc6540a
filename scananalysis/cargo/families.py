"""Radiographic families: headings that a radiograph hardly tells apart, grouped by a procedure that anyone can rerun.

The procedure (`derive`) is committed with the table that it makes; ``scripts/derive_families.py`` runs it and a test holds
the two together. It uses only what a scan shows: effective atomic number, bulk density and texture.
"""

from __future__ import annotations

import csv
import functools
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from scananalysis import _resources
from scananalysis.cargo.commodities import Commodity, commodities, commodity, effective_z, table_path
from scananalysis.core import ConfigurationError

Z_BANDS = (("organic", 9.0), ("mineral", 15.5), ("mixed", 23.0), ("metal", 40.0), ("heavy", math.inf))
"""Name and upper limit of the effective atomic number. Organic goods with their packaging stay below 9; glass, stone,
ceramics, salts and aluminium below 15.5; goods of steel with much plastic or light metal below 23; iron to zinc below 40."""

DENSITY_BANDS = (
    ("airy", 0.17),
    ("light", 0.34),
    ("medium", 0.58),
    ("dense", 1.0),
    ("compact", 2.0),
    ("solid", math.inf),
)
"""Name and upper limit of the typical bulk density, g/cm³. The steps are factors of 1.7 to 2: the density range of one
heading is about that wide, so finer steps would part what the table itself does not part."""

TEXTURES = {"homogeneous": 0.0, "granular": 0.5, "structured": 1.0}

MINIMUM_MEMBERS = 4
"""A cell with fewer headings joins its nearest neighbour, so that a family can be learnt and tested on several goods."""

Z_SCALE = 3.0
"""Difference of Z that counts as one step: about 1 σ of a pooled region at 6/4 MV."""


@dataclass(frozen=True)
class Family:
    """One radiographic family.

    Parameters
    ----------
    family : str
        Name: atomic number band, density band and, unless homogeneous, texture.
    members : int
        Headings in it.
    z_eff_min, z_eff_max : float
        Over the typical effective atomic numbers of its headings.
    bulk_density_min_g_cm3, bulk_density_max_g_cm3 : float
        Over the density ranges of its headings.
    headings : str
        The headings, parted by spaces.
    explanation : str
        What it holds, in words.
    """

    family: str
    members: int
    z_eff_min: float
    z_eff_max: float
    bulk_density_min_g_cm3: float
    bulk_density_max_g_cm3: float
    headings: str
    explanation: str


@dataclass(frozen=True)
class _Point:
    heading: str
    z: float
    density: float
    texture: str


def _band(value: float, bands: tuple[tuple[str, float], ...]) -> str:
    return next(name for name, limit in bands if value < limit)


def _distance(one: list[_Point], other: list[_Point]) -> float:
    def centre(points: list[_Point]) -> tuple[float, float, float]:
        return (
            sum(math.log(p.density) for p in points) / len(points) / math.log(1.8),
            sum(math.log(p.z) for p in points) / len(points) / math.log(1 + Z_SCALE / 10),
            sum(TEXTURES[p.texture] for p in points) / len(points),
        )

    return math.dist(centre(one), centre(other))


def derive(rows: Iterable[Commodity]) -> dict[str, str]:
    """Assign a family to each heading.

    1. Place each row by its typical effective atomic number, typical bulk density and texture in a grid of
       `Z_BANDS` × `DENSITY_BANDS` × texture.
    2. While a cell holds fewer than `MINIMUM_MEMBERS` rows, take the smallest (the first by name among equals) and join it
       to the cell of the same Z band whose centre is nearest in (ln density, ln Z, texture), each in steps.
    3. A family is called after the cell that took the others in.

    Parameters
    ----------
    rows : iterable of Commodity

    Returns
    -------
    dict of str to str
        Family by heading.
    """
    cells: dict[tuple[str, str, str], list[_Point]] = {}
    for row in sorted(rows, key=lambda row: row.heading):
        density, weights = row.typical()
        point = _Point(row.heading, effective_z(weights), density, row.texture)
        cell = (_band(point.z, Z_BANDS), _band(density, DENSITY_BANDS), row.texture)
        cells.setdefault(cell, []).append(point)
    while True:
        small = [
            key
            for key, points in cells.items()
            if len(points) < MINIMUM_MEMBERS and any(other != key and other[0] == key[0] for other in cells)
        ]
        if not small:
            break
        key = min(small, key=lambda k: (len(cells[k]), k))
        points = cells.pop(key)
        same_band = [other for other in cells if other[0] == key[0]]
        nearest = min(same_band, key=lambda other: (_distance(points, cells[other]), other))
        cells[nearest].extend(points)
    return {point.heading: family_name(*key) for key, points in cells.items() for point in points}


def family_name(z_band: str, density_band: str, texture: str) -> str:
    """Return the name of the family of a cell.

    Examples
    --------
    >>> family_name("organic", "dense", "granular"), family_name("metal", "solid", "homogeneous")
    ('organic-dense-granular', 'metal-solid')
    """
    return f"{z_band}-{density_band}" + ("" if texture == "homogeneous" else f"-{texture}")


@functools.cache
def _table(path: Path) -> tuple[Family, ...]:
    kinds = {field.name: {"int": int, "float": float}.get(str(field.type), str) for field in fields(Family)}
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(line for line in stream if not line.startswith("#"))
        if tuple(reader.fieldnames or ()) != tuple(kinds):
            raise ConfigurationError(
                f"columns {reader.fieldnames}", source=path, expected=f"the columns {', '.join(kinds)}"
            )
        rows = [Family(**{name: kinds[name](text) for name, text in row.items()}) for row in reader]
    return tuple(rows)


@functools.cache
def _checked(families_path: Path, commodities_path: Path) -> tuple[Family, ...]:
    rows = _table(families_path)
    used, known = {row.family for row in commodities()}, {row.family for row in rows}
    if used != known:
        raise ConfigurationError(
            f"families {', '.join(sorted(used ^ known)) or 'none'} stand in only one of the two tables",
            source=families_path,
            expected=f"the families of {commodities_path}",
            remedy="run scripts/derive_families.py",
        )
    return rows


def family_table() -> tuple[Family, ...]:
    """Return all families with their ranges, headings and explanation, in the order of `families`."""
    return _checked(_resources.find("datasets", "families.csv"), table_path())


def families() -> tuple[str, ...]:
    """Return the names of the radiographic families; a family's index in truth maps is its place here.

    Examples
    --------
    >>> commodity("7208").family in families()
    True
    """
    return tuple(row.family for row in family_table())


def look_alikes(heading: str) -> tuple[Commodity, ...]:
    """Return the rows that a radiograph can hardly tell from a heading, the most alike first.

    Alike means: density ranges that overlap by at least half of the narrower one (on a log scale), effective atomic numbers
    within `Z_SCALE` or 15 %, and a texture at most one step away.

    Parameters
    ----------
    heading : str
        HS code, see `commodity`.

    Examples
    --------
    >>> "1005" in [row.heading for row in look_alikes("1001")]  # maize looks like wheat
    True
    """
    this = commodity(heading)
    found = []
    for other in commodities():
        if other.heading == this.heading:
            continue
        overlap = _overlap(this, other)
        step = abs(other.z_eff - this.z_eff) / max(Z_SCALE, 0.15 * this.z_eff)
        texture = abs(TEXTURES[other.texture] - TEXTURES[this.texture])
        if overlap >= 0.5 and step <= 1 and texture <= 0.5:
            found.append((1 - overlap + step + texture, other.heading, other))
    return tuple(other for _, _, other in sorted(found, key=lambda entry: entry[:2]))


def steps_apart(one: Commodity, other: Commodity) -> float:
    """Return how far apart two headings' typical goods lie for a scan: a step is a factor of 1.8 in bulk density or `Z_SCALE` in Z.

    Examples
    --------
    >>> round(steps_apart(commodity("1001"), commodity("1005")), 1), round(steps_apart(commodity("1001"), commodity("7208")), 1)
    (0.1, 7.0)
    """
    density = math.log(one.typical()[0] / other.typical()[0]) / math.log(1.8)
    atomic = (one.z_eff - other.z_eff) / max(Z_SCALE, 0.15 * min(one.z_eff, other.z_eff))
    return math.hypot(density, atomic)


def _overlap(one: Commodity, other: Commodity) -> float:
    """Return the share of the narrower density range, on a log scale, that lies in the other."""
    common = math.log(min(one.bulk_density_max, other.bulk_density_max)) - math.log(
        max(one.bulk_density_min, other.bulk_density_min)
    )
    narrower = min(math.log(row.bulk_density_max / row.bulk_density_min) for row in (one, other))
    return max(0.0, common / narrower)


def summarise(rows: Iterable[Commodity], assigned: dict[str, str]) -> tuple[Family, ...]:
    """Return the family table that goes with an assignment, sorted by name.

    Parameters
    ----------
    rows : iterable of Commodity
    assigned : dict of str to str
        Family by heading, from `derive`.
    """
    groups: dict[str, list[Commodity]] = {}
    for row in sorted(rows, key=lambda row: row.heading):
        groups.setdefault(assigned[row.heading], []).append(row)
    result = []
    for name, members in sorted(groups.items()):
        zs = [effective_z(row.typical()[1]) for row in members]
        low = min(row.bulk_density_min for row in members)
        high = max(row.bulk_density_max for row in members)
        texture = Counter(row.texture for row in members).most_common(1)[0][0]
        forms = ", ".join(form for form, _ in Counter(row.form for row in members).most_common(3))
        result.append(
            Family(
                name, len(members), round(min(zs), 1), round(max(zs), 1), low, high,
                " ".join(row.heading for row in members),
                f"{len(members)} headings with Z {min(zs):.1f} to {max(zs):.1f}, stowed at {low:g} to {high:g} g/cm3, "
                f"mostly {texture}, mostly as {forms}",
            )
        )  # fmt: skip
    return tuple(result)
