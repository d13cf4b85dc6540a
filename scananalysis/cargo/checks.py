"""Checks of a declaration against itself, against code lists, and against what goods weigh and how much room they take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from scananalysis.cargo.commodities import commodity
from scananalysis.cargo.containers import ContainerType, container_type, is_type_code, number_fault
from scananalysis.cargo.countries import COUNTRIES
from scananalysis.cargo.dangerous import CLASSES, agrees, dangerous_good, division, is_class
from scananalysis.cargo.harmonised import NATIONAL, chapter_title
from scananalysis.cargo.packages import package_type
from scananalysis.core import Declaration, Item

Severity = Literal["error", "warning", "advice"]

WEIGHT_TOLERANCE = 0.005
"""Declared weights are rounded; half a per cent is not an inconsistency."""

VOLUME_TOLERANCE = 0.10
"""Density ranges are estimates; goods must need a tenth more than the container has before it is said."""

LARGEST_PACKAGING_SHARE = 0.40
"""Gross weight beyond net weight plus this share is unusual even for bottles on pallets."""

HIGHEST_DENSITY = 11.4
"""Solid lead, g/cm³: nothing that fills a container is denser."""


@dataclass(frozen=True)
class Finding:
    """Something in a declaration that does not fit.

    Parameters
    ----------
    field : str
        Path of the field, ``"items[0].net_weight_kg"``.
    message : str
        What was found and what would fit.
    severity : {"error", "warning", "advice"}
        error: malformed or impossible; warning: implausible or incomplete; advice: worth knowing.
    """

    field: str
    message: str
    severity: Severity

    def __str__(self) -> str:
        return f"{self.severity}: {self.field} {self.message}"


def check(declaration: Declaration) -> tuple[Finding, ...]:
    """Return everything that does not fit, errors first.

    Parameters
    ----------
    declaration : Declaration

    Returns
    -------
    tuple of Finding
        Empty where all fits.

    Examples
    --------
    >>> for finding in check(Declaration(
    ...     items=[{"hs_code": "0803.90", "net_weight_kg": 30000}], cargo_gross_weight_kg=20000
    ... )):
    ...     print(finding)
    error: cargo_gross_weight_kg is 20000 kg, less than the items' net weights of 30000 kg together
    """
    found = [
        *malformed(declaration),
        *_weights(declaration),
        *_container(declaration),
        *(
            finding
            for index, item in enumerate(declaration.items)
            for finding in _item(item, f"items[{index}]", declaration.container_type)
        ),
    ]
    order = {"error": 0, "warning": 1, "advice": 2}
    return tuple(sorted(found, key=lambda finding: order[finding.severity]))


def malformed(declaration: Declaration) -> tuple[Finding, ...]:
    """Return what makes a declaration unacceptable as it stands: codes that cannot exist. A reader refuses these.

    Each message reads ``is VALUE; expected WHAT``.
    """
    return tuple(_malformed(declaration))


def _malformed(declaration: Declaration) -> Iterator[Finding]:
    if declaration.container is not None:
        expected = number_fault(declaration.container)
        if expected is not None:
            yield Finding("container", f"is {declaration.container!r}; expected {expected}", "error")
    if declaration.container_type is not None and not is_type_code(declaration.container_type):
        yield Finding(
            "container_type",
            f"is {declaration.container_type!r}; expected an ISO 6346 size and type code, e.g. 22G1 or 45R1",
            "error",
        )
    for index, item in enumerate(declaration.items):
        place = f"items[{index}]"
        if chapter_title(int(item.heading[:2])) is None or item.heading[2:] == "00":
            yield Finding(
                f"{place}.hs_code", f"is {item.hs_code!r}; expected a heading of chapter 01 to 76 or 78 to 99", "error"
            )
        if item.imdg_class is not None and not is_class(item.imdg_class):
            yield Finding(
                f"{place}.imdg_class", f"is {item.imdg_class!r}; expected one of {', '.join(CLASSES)}", "error"
            )


def _net(declaration: Declaration) -> tuple[float, bool]:
    """Return the sum of the net weights that are given, kg, and whether every item gives one."""
    given = [item.net_weight_kg for item in declaration.items if item.net_weight_kg is not None]
    return sum(given), len(given) == len(declaration.items)


def _weights(declaration: Declaration) -> Iterator[Finding]:
    net, complete = _net(declaration)
    gross = declaration.cargo_gross_weight_kg
    if gross is not None and net > gross * (1 + WEIGHT_TOLERANCE):
        yield Finding(
            "cargo_gross_weight_kg",
            f"is {gross:g} kg, less than the items' net weights of {net:g} kg together",
            "error",
        )
    if gross is not None and not declaration.items:
        yield Finding("cargo_gross_weight_kg", f"is {gross:g} kg, although no goods are declared", "error")
    elif gross is not None and complete and gross > net * (1 + LARGEST_PACKAGING_SHARE):
        yield Finding(
            "cargo_gross_weight_kg",
            f"is {gross:g} kg for {net:g} kg of goods, which leaves {(gross - net) / net:.0%} for packaging",
            "warning",
        )
    if not complete:
        without = sum(item.net_weight_kg is None for item in declaration.items)
        yield Finding(
            "items",
            f"give no net weight for {without} of {len(declaration.items)}, so the weight of the load cannot be compared",
            "warning",
        )


def _container(declaration: Declaration) -> Iterator[Finding]:
    code = declaration.container_type
    if code is None or not is_type_code(code):
        return
    kind = container_type(code)
    if kind is None:
        yield Finding(
            "container_type", f"is {code}, of which no sizes are known, so room and payload go unchecked", "advice"
        )
        return
    tare = declaration.tare_kg
    if tare is not None and not kind.tare_min_kg <= tare <= kind.tare_max_kg:
        yield Finding(
            "tare_kg",
            f"is {tare:g} kg; a {kind.name} container ({code}) has {kind.tare_min_kg:g} to {kind.tare_max_kg:g} kg",
            "warning",
        )
    net, _ = _net(declaration)
    load = declaration.cargo_gross_weight_kg or net
    limit = kind.max_gross_kg - (kind.tare_min_kg if tare is None else tare)
    if load > limit:
        field = "cargo_gross_weight_kg" if declaration.cargo_gross_weight_kg else "items"
        yield Finding(
            field,
            f"is {load:g} kg, more than the {limit:g} kg that a {kind.name} container ({code}) may carry",
            "error",
        )
    yield from _room(declaration, kind)


def _room(declaration: Declaration, kind: ContainerType) -> Iterator[Finding]:
    # Items without a weight only add to the room needed, so the sum over the others is a lower limit.
    needed = sum(
        item.net_weight_kg / 1000 / _dense(item) for item in declaration.items if item.net_weight_kg is not None
    )
    if needed > kind.volume_m3 * (1 + VOLUME_TOLERANCE):
        yield Finding(
            "items",
            f"need at least {needed:.0f} m³ at the highest bulk density of such goods; a {kind.name} container "
            f"({kind.code}) has {kind.volume_m3:g} m³",
            "warning",
        )


def _dense(item: Item) -> float:
    """Return the highest bulk density of the goods, g/cm³; of anything at all where the code names no goods."""
    if chapter_title(int(item.heading[:2])) is None:
        return HIGHEST_DENSITY
    return commodity(item.hs_code).bulk_density_max


def _item(item: Item, place: str, container_code: str | None) -> Iterator[Finding]:
    chapter = int(item.heading[:2])
    if chapter in NATIONAL:
        yield Finding(
            f"{place}.hs_code",
            f"{item.hs_code} lies in chapter {chapter}, which names no goods; any goods would fit it",
            "warning",
        )
    if item.origin is not None and item.origin not in COUNTRIES:
        yield Finding(f"{place}.origin", f"is {item.origin!r}, which is no country of ISO 3166", "warning")
    yield from _packages(item, place)
    yield from _dangerous(item, place)
    goods = commodity(item.hs_code) if chapter_title(chapter) is not None else None
    if goods is not None and goods.is_fallback:
        yield Finding(
            f"{place}.hs_code",
            f"{item.hs_code} is not in the commodity table; the chapter as a whole stands in",
            "advice",
        )
    frozen = goods is not None and goods.form == "frozen" and not goods.is_fallback
    if frozen and container_code is not None and container_code[2:3] not in "RH":
        yield Finding(
            f"{place}.hs_code", f"{item.hs_code} is carried frozen, yet {container_code} does not cool", "warning"
        )


def _packages(item: Item, place: str) -> Iterator[Finding]:
    if item.package_type is None:
        return
    kind = package_type(item.package_type)
    if kind is None:
        yield Finding(
            f"{place}.package_type",
            f"is {item.package_type!r}, which UN/ECE Recommendation 21 does not list",
            "warning",
        )
        return
    if item.packages is None or item.net_weight_kg is None or kind.kg_min is None or kind.kg_max is None:
        return
    each = item.net_weight_kg / item.packages
    if not kind.kg_min <= each <= kind.kg_max:
        yield Finding(
            f"{place}.packages",
            f"hold {each:.3g} kg each; a {kind.name.lower()} ({kind.code}) holds {kind.kg_min:g} to {kind.kg_max:g} kg",
            "warning",
        )


def _dangerous(item: Item, place: str) -> Iterator[Finding]:
    if item.un_number is None:
        if item.imdg_class is not None:
            yield Finding(f"{place}.un_number", f"is missing for goods of class {item.imdg_class}", "warning")
        return
    good = dangerous_good(item.un_number)
    if good is None:
        yield Finding(
            f"{place}.un_number", f"is {item.un_number:04d}, which is not in the list of dangerous goods", "warning"
        )
        return
    listed = " or ".join(good.classes)
    if item.imdg_class is None:
        yield Finding(
            f"{place}.imdg_class", f"is missing; UN {good.number:04d} ({good.name}) has class {listed}", "warning"
        )
    elif is_class(item.imdg_class) and not agrees(item.imdg_class, good):
        yield Finding(
            f"{place}.imdg_class",
            f"is {division(item.imdg_class)}, yet UN {good.number:04d} ({good.name}) has class {listed}",
            "error",
        )
    yield Finding(
        f"{place}.un_number",
        f"{good.number:04d} ({good.name}) is dangerous goods of class {listed}; see the handling advice",
        "advice",
    )
