"""Whole loads with their papers: a container on a truck or wagon, an air pallet, a parcel; correct or fraudulent."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from scananalysis.cargo import Commodity, check_digit, commodities
from scananalysis.core import ConfigurationError, Declaration
from scananalysis.detectors import Scanner
from scananalysis.simulation.containers import DRY, SIZES, ContainerSize, Space, container
from scananalysis.simulation.frauds import apply_swap, false_weights, place_inside, take_away
from scananalysis.simulation.goods import goods_under
from scananalysis.simulation.hidden import KINDS, WHOLE_ROOM, hide, hide_in_room
from scananalysis.simulation.packing import Packed, fill_tank, pack
from scananalysis.simulation.papers import Load, write_papers
from scananalysis.simulation.parcels import parcel
from scananalysis.simulation.scene import Piece, Scene
from scananalysis.simulation.vehicles import CAB_MM, DECK_MM, chassis, tractor, wagon

__all__ = ["CARRIERS", "FRAUDS", "Load", "container_scene", "empty_scene"]

FRAUDS = ("swap", "misdeclared", "missing", "weight", *KINDS)
"""Part or all of the load is something else; part is missing; a hidden object of any kind."""

CARRIERS = ("trailer", "truck", "rail")
_CHILLED = ("0201", "0406", "0603", "0803", "0805", "0808")
_MARGIN_MM = 700.0
_ROLLER_DECK_MM = 900.0


def container_scene(
    seed: int,
    scanner: Scanner,
    *,
    cargo: Sequence[str] | None = None,
    fraud: str | None = None,
    size: str | None = None,
    fill: float | None = None,
    pool: Sequence[str] | None = None,
    carrier: str | None = None,
) -> Load:
    """Build a container on a truck or wagon (or a parcel, for a tunnel scanner) with its declaration.

    Parameters
    ----------
    seed : int
        The same seed with and without ``fraud`` gives the same load with and without the hidden object.
    scanner : Scanner
        For the distances; a tunnel scanner gets a parcel.
    cargo : sequence of str, optional
        HS headings from the front to the doors; one to three, drawn by default.
    fraud : str, optional
        One of `FRAUDS`; the papers are right by default.
    size : str, optional
        One of `SIZES`; a dry freight container is drawn by default, and a reefer for frozen and chilled goods. A tank container
        (``"22T1"``) takes one of `LIQUIDS`; an air-cargo pallet is ``"PMC"``.
    fill : float, optional
        Share of the height that is filled; drawn by default.
    pool : sequence of str, optional
        Headings to draw from; the whole table by default.
    carrier : {"trailer", "truck", "rail"}, optional
        What carries the container and is scanned with it: a semi-trailer without or with the tractor that draws it, or a wagon.
        By default a wagon for scanners whose name begins with "rail"; else one in ten is scanned with the tractor, as most sites
        spare the driver.

    Returns
    -------
    Load

    Raises
    ------
    ConfigurationError
        Unknown fraud, size or heading.

    Examples
    --------
    >>> from scananalysis.detectors import scanner
    >>> load = container_scene(3, scanner("cargo-6-4mv"), cargo=["0803"], size="22G1")
    >>> load.declaration.items[0].heading
    '0803'
    """
    _check(fraud, size, carrier)
    rng, twist, road = (np.random.default_rng([seed, n]) for n in (0, 1, 2))
    headings = list(pool) if pool is not None else [c.heading for c in commodities()]
    drawn = [goods_under(h) for h in (cargo or _draw(headings, rng))]
    if fraud == "swap" and len(drawn) == 1:
        # One kind of goods in three rooms, so that a part of it can be swapped.
        drawn *= 3
    if scanner.modality == "dual-energy-kv":
        return parcel(rng, twist, scanner, drawn[:1], fraud, headings)
    frame = _frame(size or str(rng.choice(DRY)), drawn, chosen=size is not None)
    if carrier is None:
        carrier = "rail" if scanner.name.startswith("rail") else str(road.choice(CARRIERS[:2], p=(0.9, 0.1)))
    structure, space, length = _structure(frame, scanner.geometry.source_to_object_mm, carrier)
    if frame.kind == "tank":
        drawn = drawn[:1]
    rooms = [space] if frame.kind == "tank" else _split(space, len(drawn), rng)
    true = apply_swap(drawn, fraud, headings, twist)
    seeds = rng.integers(2**31, size=len(rooms)).tolist()
    packed = [_fill(frame, goods, room, len(rooms), s, fill) for goods, room, s in zip(true, rooms, seeds, strict=True)]
    declared = packed
    if true != drawn:
        # What the papers claim is what the declared goods would have weighed in the same rooms.
        declared = [
            _fill(frame, goods, room, len(rooms), s, fill) for goods, room, s in zip(drawn, rooms, seeds, strict=True)
        ]
    labels: dict[str, Any] = {"seed": int(seed), "fraud": fraud or "none", "container": frame.code}
    pieces = structure + [piece for part in packed for piece in part.pieces]
    if fraud == "missing":
        pieces, labels["missing_kg"] = take_away(structure, packed, twist)
    elif fraud in WHOLE_ROOM:
        added, labels["hidden"] = hide_in_room(fraud, space, twist)
        pieces = pieces + added
    elif fraud in KINDS:
        added, labels["hidden"] = hide(fraud, place_inside(packed, rooms, twist), twist)
        pieces = pieces + added
    labels["true_headings"] = [goods.heading for goods in true]
    labels["goods_kg"] = round(sum(part.mass_kg for part in packed), 1)
    boxed = frame.kind != "air"
    papers = write_papers(
        drawn, declared, rng, container_type=frame.code if boxed else None, tare_kg=frame.tare_kg if boxed else None
    )
    if fraud == "weight":
        papers, labels["weight_factor"] = false_weights(papers, twist)
    return Load(Scene(tuple(pieces), length, labels), papers)


def empty_scene(seed: int, scanner: Scanner, *, size: str | None = None, carrier: str | None = None) -> Load:
    """Build an empty container on a truck or wagon, with papers that name no goods.

    Parameters
    ----------
    seed : int
    scanner : Scanner
        For the distances.
    size : str, optional
        A dry freight container or reefer of `SIZES`; drawn by default, one in six a reefer.
    carrier : {"trailer", "truck", "rail"}, optional
        As for `container_scene`.

    Returns
    -------
    Load

    Raises
    ------
    ConfigurationError
        A scanner for parcels, or no such size or carrier.

    Examples
    --------
    >>> from scananalysis.detectors import scanner
    >>> load = empty_scene(3, scanner("cargo-6-4mv"), size="22G1")
    >>> load.declaration.items, load.declaration.container_type
    ((), '22G1')
    """
    _check(None, size, carrier)
    if scanner.modality == "dual-energy-kv":
        raise ConfigurationError(f"empty container on {scanner.name}", expected="a scanner for containers")
    rng, road = (np.random.default_rng([seed, n]) for n in (0, 2))
    boxes = [each for each in SIZES.values() if each.kind in ("dry", "reefer")]
    weights = np.array([5.0 / sum(b.kind == "dry" for b in boxes) if b.kind == "dry" else 0.5 for b in boxes])
    frame = SIZES[size] if size is not None else boxes[int(rng.choice(len(boxes), p=weights / weights.sum()))]
    if frame.kind not in ("dry", "reefer"):
        raise ConfigurationError(
            f"no room to walk into in {frame.code}", expected=f"one of {', '.join(each.code for each in boxes)}"
        )
    if carrier is None:
        carrier = "rail" if scanner.name.startswith("rail") else str(road.choice(CARRIERS[:2], p=(0.9, 0.1)))
    pieces, _, length = _structure(frame, scanner.geometry.source_to_object_mm, carrier)
    number = f"SIMU{int(rng.integers(1_000_000)):06d}"
    papers = Declaration(
        items=(),
        container=f"{number}{check_digit(number)}",
        container_type=frame.code,
        tare_kg=frame.tare_kg,
    )
    labels: dict[str, Any] = {"seed": int(seed), "fraud": "none", "container": frame.code, "goods_kg": 0.0}
    return Load(Scene(tuple(pieces), length, labels), papers)


def _check(fraud: str | None, size: str | None, carrier: str | None) -> None:
    for what, given, known in (
        ("fraud", fraud, FRAUDS),
        ("container size", size, SIZES),
        ("carrier", carrier, CARRIERS),
    ):
        if given is not None and given not in known:
            raise ConfigurationError(f"no {what} {given!r}", expected=f"one of {', '.join(known)}")


def _draw(headings: list[str], rng: np.random.Generator) -> list[str]:
    count = int(rng.choice([1, 1, 1, 2, 3]))
    return [str(h) for h in rng.choice(headings, size=count, replace=False)]


def _frame(name: str, drawn: list[Commodity], *, chosen: bool) -> ContainerSize:
    """Return the container: a reefer of about the drawn length where any of the goods must be kept cold."""
    cold = any(goods.form == "frozen" or goods.heading in _CHILLED for goods in drawn)
    if cold and not chosen:
        return SIZES["22R1" if name.startswith("2") else "45R1"]
    return SIZES[name]


def _structure(frame: ContainerSize, middle: float, carrier: str) -> tuple[list[Piece], Space, float]:
    """Build the empty container on what carries it; return it with its room and the travel that is scanned."""
    cab = carrier == "truck" and frame.kind != "air"
    start = _MARGIN_MM + (CAB_MM if cab else 0.0)
    length = start + frame.length_mm + _MARGIN_MM
    if frame.kind == "air":
        return *container(frame, start, _ROLLER_DECK_MM, middle), length
    shell, space = container(frame, start, DECK_MM, middle)
    carries = wagon if carrier == "rail" else chassis
    pieces = shell + carries(frame, start, DECK_MM, middle) + (tractor(start, middle) if cab else [])
    return pieces, space, length


def _fill(frame: ContainerSize, goods: Commodity, room: Space, parts: int, seed: int, fill: float | None) -> Packed:
    """Pack goods with their own stream of random numbers and their share of the payload."""
    payload_kg = 0.95 * frame.payload_kg / parts
    if frame.kind == "tank":
        return fill_tank(goods, room, payload_kg, np.random.default_rng(seed))
    return pack(goods, room, payload_kg, np.random.default_rng(seed), fill=fill)


def _split(space: Space, parts: int, rng: np.random.Generator) -> list[Space]:
    """Divide a room along its length; a single item may leave the room by the doors empty, or be split for a swap."""
    length = space.x[1] - space.x[0]
    used = length * float(rng.choice([1.0, 1.0, 1.0, rng.uniform(0.4, 0.95)]))
    if parts == 1:
        return [Space((space.x[0], space.x[0] + used), space.y, space.z)]
    cuts = (
        np.sort(rng.uniform(0.2, 0.8, parts - 1))
        if parts == 2
        else np.array([rng.uniform(0.2, 0.4), rng.uniform(0.6, 0.8)])
    )
    edges = space.x[0] + used * np.concatenate([[0], cuts, [1]])
    return [Space((float(a), float(b) - 40), space.y, space.z) for a, b in itertools.pairwise(edges)]
