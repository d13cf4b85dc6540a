"""The commodity table: what a radiograph of goods under an HS heading should look like."""

from __future__ import annotations

import csv
import functools
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np

from scananalysis import _resources
from scananalysis.cargo.harmonised import chapter_title
from scananalysis.core import ConfigurationError
from scananalysis.physics import SYMBOLS, composition
from scananalysis.physics.composition import atomic_weights

Form = Literal[
    "cartons", "sacks", "drums", "reels", "coils", "rolls", "bales", "bundles", "crates", "pallets", "bulk", "frozen",
    "machinery", "vehicles", "tyres",
]  # fmt: skip
Texture = Literal["homogeneous", "granular", "structured"]
Tier = Literal["A", "B", "C"]

COLUMNS = (
    "heading", "name", "bulk_density_min_g_cm3", "bulk_density_max_g_cm3", "composition", "package_types", "form",
    "texture", "tier", "source", "source_date", "basis", "z_eff", "family",
)  # fmt: skip
"""Columns of ``datasets/commodities.csv``; the last two are derived by ``scripts/derive_families.py``."""

LOWEST_TIER: Tier = "C"
_HEADING = re.compile(r"\d{4}(\.\d{2}(\.\d{2,4})?)?")


@dataclass(frozen=True)
class Commodity:
    """Goods of one HS heading as they are stowed.

    Parameters
    ----------
    heading : str
        HS heading or subheading the row stands for, ``"0803"``; two digits for a chapter-level stand-in.
    name : str
    bulk_density_min, bulk_density_max : float
        Mass per volume of the stow with packaging and the gaps between packages, g/cm³.
    composition : mapping of str to (float, float)
        Range of the weight fraction of each material (a name or formula that `scananalysis.physics.composition`
        knows), packaging included.
    package_types : tuple of str
        UN/ECE Recommendation 21 codes, the most usual first.
    form : str
        How it is packed (see `Form`).
    texture : {"homogeneous", "granular", "structured"}
        Fluctuation within the load on the scale of centimetres.
    tier : {"A", "B", "C"}
        Confidence: A density and make-up from opened sources, B density from an opened source, C estimate.
    source, source_date, basis : str
        Where the figures come from, when it was opened, and what it says.
    z_eff : float
        Effective atomic number at MeV energies, mid-range.
    family : str
        Radiographic family, see `families`.
    alternatives : tuple of Commodity
        Rows that a chapter-level stand-in draws from; empty for a row of the table.
    """

    heading: str
    name: str
    bulk_density_min: float
    bulk_density_max: float
    composition: Mapping[str, tuple[float, float]]
    package_types: tuple[str, ...]
    form: Form
    texture: Texture
    tier: Tier
    source: str
    source_date: str
    basis: str
    z_eff: float
    family: str
    alternatives: tuple[Commodity, ...] = ()

    @property
    def is_fallback(self) -> bool:
        """Whether this stands in for a heading that the table does not hold."""
        return bool(self.alternatives)

    @property
    def families(self) -> tuple[str, ...]:
        """Every family the goods may look like; one for a row of the table."""
        if not self.alternatives:
            return (self.family,)
        return tuple(dict.fromkeys(row.family for row in self.alternatives))

    def draw(self, rng: np.random.Generator) -> tuple[float, dict[str, float]]:
        """Draw one realisation of the goods.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        density : float
            Bulk density, g/cm³, uniform over the range.
        weights : dict of str to float
            Weight fraction by element symbol; sums to 1. The fractions of the materials are uniform over their ranges,
            then shifted in proportion to the room left to each so that they sum to 1 and stay within their ranges.

        Examples
        --------
        >>> density, weights = commodity("0803").draw(np.random.default_rng(1))
        >>> 0.3 <= density <= 0.45, round(sum(weights.values()), 9)
        (True, 1.0)
        """
        if self.alternatives:
            return self.alternatives[int(rng.integers(len(self.alternatives)))].draw(rng)
        density = float(rng.uniform(self.bulk_density_min, self.bulk_density_max))
        low, high = np.array(list(self.composition.values()), dtype=np.float64).T
        fractions = low + rng.uniform(size=low.size) * (high - low)
        missing = 1.0 - fractions.sum()
        room = high - fractions if missing > 0 else fractions - low
        if room.sum() > 0:
            fractions = fractions + missing * room / room.sum()
        # Up to 0.1 % of a row with fixed fractions may be left over by rounding in the table.
        fractions = fractions / fractions.sum()
        return density, composition(dict(zip(self.composition, fractions.tolist(), strict=True)))

    def typical(self) -> tuple[float, dict[str, float]]:
        """Return the geometric mean of the density range, g/cm³, and the mid-range composition by element."""
        middle = {material: (low + high) / 2 for material, (low, high) in self.composition.items()}
        total = sum(middle.values())
        density = float(np.sqrt(self.bulk_density_min * self.bulk_density_max))
        return density, composition({material: value / total for material, value in middle.items()})


def effective_z(weights: Mapping[str, float]) -> float:
    """Return the effective atomic number of a mixture at MeV energies.

    There, Compton scattering goes with Z and pair production with Z² per atom, so their ratio in a mixture is that
    of the element Z = Σ w Z²/A / Σ w Z/A (ratio of the leading terms; Evans, The Atomic Nucleus, 1955, ch. 23 and 24).

    Parameters
    ----------
    weights : mapping of str to float
        Weight fraction by element symbol.

    Examples
    --------
    >>> round(effective_z({"H": 0.1119, "O": 0.8881}), 2)
    6.6
    """
    z = np.array([SYMBOLS.index(symbol) + 1 for symbol in weights], dtype=np.float64)
    mass = atomic_weights()[z.astype(int) - 1]
    share = np.array(list(weights.values()), dtype=np.float64) / mass
    return float((share * z**2).sum() / (share * z).sum())


@functools.cache
def _table(path: Path) -> Mapping[str, Commodity]:
    rows: dict[str, Commodity] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(line for line in stream if not line.startswith("#"))
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ConfigurationError(
                f"columns {reader.fieldnames}", source=path, expected=f"the columns {', '.join(COLUMNS)}"
            )
        for number, row in enumerate(reader, start=2):
            commodity_row = _parse(row, path, number)
            key = commodity_row.heading.replace(".", "")
            if key in rows:
                raise ConfigurationError(f"row {number}: heading {commodity_row.heading} stands twice", source=path)
            rows[key] = commodity_row
    if not rows:
        raise ConfigurationError("has no rows", source=path, expected="at least one commodity")
    return rows


def _parse(row: Mapping[str, str], path: Path, number: int) -> Commodity:
    def refuse(found: str, expected: str) -> ConfigurationError:
        return ConfigurationError(f"row {number} ({row['heading']}): {found}", source=path, expected=expected)

    if not _HEADING.fullmatch(row["heading"]):
        raise refuse(f"heading {row['heading']!r}", "4, 6, 8 or 10 digits such as 0803 or 0803.90")
    for column, allowed in (("form", get_args(Form)), ("texture", get_args(Texture)), ("tier", get_args(Tier))):
        if row[column] not in allowed:
            raise refuse(f"{column} {row[column]!r}", f"one of {', '.join(allowed)}")
    if (row["source"] == "estimate") != (row["tier"] == LOWEST_TIER) or not row["source"]:
        raise refuse(f"source {row['source']!r} with tier {row['tier']}", "'estimate' exactly where the tier is C")
    try:
        low, high = float(row["bulk_density_min_g_cm3"]), float(row["bulk_density_max_g_cm3"])
        ranges = parse_composition(row["composition"])
        z_eff = float(row["z_eff"]) if row["z_eff"] else float("nan")
    except ValueError as error:
        raise refuse(str(error), "numbers") from None
    if not 0 < low < high <= 20:
        raise refuse(f"bulk density {low:g} to {high:g} g/cm³", "0 < minimum < maximum ≤ 20")
    for material in ranges:
        composition(material)
    bottom, top = (sum(limits) for limits in zip(*ranges.values(), strict=True))
    if not bottom <= 1.0005 or not top >= 0.9995:
        raise refuse(f"weight fractions sum to {bottom:.3f} to {top:.3f}", "a range that contains 1")
    return Commodity(
        heading=row["heading"],
        name=row["name"],
        bulk_density_min=low,
        bulk_density_max=high,
        composition=ranges,
        package_types=tuple(row["package_types"].split()),
        form=cast("Form", row["form"]),
        texture=cast("Texture", row["texture"]),
        tier=cast("Tier", row["tier"]),
        source=row["source"],
        source_date=row["source_date"],
        basis=row["basis"],
        z_eff=z_eff,
        family=row["family"],
    )


def parse_composition(text: str) -> dict[str, tuple[float, float]]:
    """Read ``"water=0.66-0.72; sugar=0.1-0.2; salt=0.08"`` as {material: (low, high)}.

    Raises
    ------
    ValueError
        Not of that form, or a range that is not within 0 to 1.

    Examples
    --------
    >>> parse_composition("water=0.9-1; salt=0.05")
    {'water': (0.9, 1.0), 'salt': (0.05, 0.05)}
    """
    ranges = {}
    for part in text.split(";"):
        material, equals, limits = part.strip().partition("=")
        low, _, high = limits.partition("-")
        if not material or not equals or material in ranges:
            raise ValueError(f"composition part {part.strip()!r}")
        ranges[material] = (float(low), float(high or low))
        if not 0 <= ranges[material][0] <= ranges[material][1] <= 1:
            raise ValueError(f"weight fraction {limits} of {material}")
    return ranges


def table_path() -> Path:
    """Return the commodity table in use: a site's own, else the one shipped."""
    return _resources.find("datasets", "commodities.csv")


def commodities() -> tuple[Commodity, ...]:
    """Return every row of the commodity table, in the order of the headings.

    Examples
    --------
    >>> "0803" in [row.heading for row in commodities()]
    True
    """
    rows = _table(table_path())
    return tuple(rows[key] for key in sorted(rows))


def commodity(hs_code: str) -> Commodity:
    """Return what is known of goods under an HS code: the row with the longest common prefix.

    Parameters
    ----------
    hs_code : str
        4, 6, 8 or 10 digits; dots allowed.

    Returns
    -------
    Commodity
        Where the table has no such heading, a stand-in for the whole chapter (or, in chapters 98 and 99, which are left
        to national use, for any goods) with the lowest tier, whose name and source say so.

    Raises
    ------
    ConfigurationError
        Not an HS code, or a chapter that does not exist.

    Examples
    --------
    >>> commodity("0803.90").name
    'Bananas in cartons'
    >>> commodity("0810.10").is_fallback
    True
    """
    digits = hs_code.replace(".", "")
    if not re.fullmatch(r"\d{4}(\d\d){0,3}", digits):
        raise ConfigurationError(f"HS code {hs_code!r}", expected="4, 6, 8 or 10 digits")
    title = chapter_title(int(digits[:2]))
    if title is None:
        raise ConfigurationError(
            f"HS code {hs_code!r} lies in chapter {digits[:2]}", expected="chapter 01 to 76 or 78 to 99"
        )
    rows = _table(table_path())
    for length in range(len(digits), 3, -1):
        if digits[:length] in rows:
            return rows[digits[:length]]
    return _stand_in(tuple(rows[key] for key in sorted(rows)), digits[:2], title)


def _stand_in(rows: tuple[Commodity, ...], chapter: str, title: str) -> Commodity:
    members = tuple(row for row in rows if row.heading.startswith(chapter)) or rows
    materials = dict.fromkeys(material for row in members for material in row.composition)
    limits = {material: [row.composition.get(material, (0.0, 0.0)) for row in members] for material in materials}
    family = Counter(row.family for row in members).most_common(1)[0][0]
    like = next(row for row in members if row.family == family)
    return Commodity(
        heading=chapter,
        name=f"any goods of chapter {chapter} ({title})",
        bulk_density_min=min(row.bulk_density_min for row in members),
        bulk_density_max=max(row.bulk_density_max for row in members),
        composition={m: (min(low for low, _ in pairs), max(high for _, high in pairs)) for m, pairs in limits.items()},
        package_types=tuple(dict.fromkeys(code for row in members for code in row.package_types)),
        form=like.form,
        texture=like.texture,
        tier=LOWEST_TIER,
        source="estimate",
        source_date="",
        basis=f"the table has no such heading; spans its {len(members)} rows "
        + (f"of chapter {chapter}" if members is not rows else "of all chapters"),
        z_eff=float(np.mean([row.z_eff for row in members])),
        family=family,
        alternatives=members,
    )
