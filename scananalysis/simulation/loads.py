"""Whole loads with their papers: a container on a truck, a parcel, correct or fraudulent."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scananalysis.cargo import Commodity, check_digit, commodities, commodity
from scananalysis.core import ConfigurationError, Declaration, Item
from scananalysis.detectors import Scanner
from scananalysis.simulation.containers import DRY, SIZES, Space, container
from scananalysis.simulation.vehicles import chassis
from scananalysis.simulation.hidden import KINDS, Place, hide
from scananalysis.simulation.packing import Packed, pack
from scananalysis.simulation.scene import Matter, Piece, Scene
from scananalysis.simulation.solids import Box

FRAUDS = ("swap", "misdeclared", "missing", *KINDS)
"""Part or all of the load is something else; part is missing; a hidden object of any kind."""

_MARGIN_MM = 700.0
_GROUND_TO_CONTAINER_MM = 1150.0


@dataclass(frozen=True)
class Load:
    """A scene with its papers.

    Parameters
    ----------
    scene : Scene
    declaration : Declaration
    """

    scene: Scene
    declaration: Declaration


def container_scene(
    seed: int,
    scanner: Scanner,
    *,
    cargo: Sequence[str] | None = None,
    fraud: str | None = None,
    size: str | None = None,
    fill: float | None = None,
    pool: Sequence[str] | None = None,
) -> Load:
    """Build a container on a truck (or a parcel, for a tunnel scanner) with its declaration.

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
        ``"22G1"``, ``"42G1"`` or ``"45G1"``; drawn by default.
    fill : float, optional
        Share of the height that is filled; drawn by default.
    pool : sequence of str, optional
        Headings to draw from; the whole table by default.

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
    if fraud is not None and fraud not in FRAUDS:
        raise ConfigurationError(f"no fraud {fraud!r}", expected=f"one of {', '.join(FRAUDS)}")
    rng, twist = (np.random.default_rng([seed, n]) for n in (0, 1))
    headings = list(pool) if pool is not None else [c.heading for c in commodities()]
    drawn = [commodity(h) for h in (cargo or _draw(headings, rng))]
    if fraud == "swap" and len(drawn) == 1:
        # One kind of goods in three rooms, so that a part of it can be swapped.
        drawn *= 3
    if scanner.modality == "dual-energy-kv":
        return _parcel(rng, twist, scanner, drawn[:1], fraud, headings)
    name = size or str(rng.choice(DRY))
    if name not in SIZES:
        raise ConfigurationError(f"no container size {name!r}", expected=f"one of {', '.join(SIZES)}")
    frame = SIZES[name]
    middle = scanner.geometry.source_to_object_mm
    shell, space = container(frame, _MARGIN_MM, _GROUND_TO_CONTAINER_MM, middle)
    structure = shell + chassis(frame, _MARGIN_MM, _GROUND_TO_CONTAINER_MM, middle)
    rooms = _split(space, len(drawn), rng)
    true = _apply_swap(drawn, fraud, headings, twist)
    seeds = rng.integers(2**31, size=len(rooms))
    share = 1 / len(rooms)
    packed = [
        pack(goods, room, 0.95 * frame.payload_kg * share, np.random.default_rng(s), fill=fill)
        for goods, room, s in zip(true, rooms, seeds, strict=True)
    ]
    declared = packed
    if true != drawn:
        # What the papers claim is what the declared goods would have weighed in the same rooms.
        declared = [
            pack(goods, room, 0.95 * frame.payload_kg * share, np.random.default_rng(s), fill=fill)
            for goods, room, s in zip(drawn, rooms, seeds, strict=True)
        ]
    labels: dict[str, Any] = {"seed": int(seed), "fraud": fraud or "none", "container": name}
    pieces = structure + [piece for part in packed for piece in part.pieces]
    if fraud == "missing":
        pieces, labels["missing_kg"] = _take_away(structure, packed, twist)
    if fraud in KINDS:
        added, hidden = hide(fraud, _inside(packed, rooms, twist), twist)
        pieces, labels["hidden"] = pieces + added, hidden
    labels["true_headings"] = [goods.heading for goods in true]
    labels["goods_kg"] = round(sum(part.mass_kg for part in packed), 1)
    scene = Scene(tuple(pieces), frame.length_mm + 2 * _MARGIN_MM, labels)
    return Load(scene, _papers(drawn, declared, rng, container_type=name, tare_kg=frame.tare_kg))


def _draw(headings: list[str], rng: np.random.Generator) -> list[str]:
    count = int(rng.choice([1, 1, 1, 2, 3]))
    return [str(h) for h in rng.choice(headings, size=count, replace=False)]


def _apply_swap(
    drawn: list[Commodity], fraud: str | None, headings: list[str], rng: np.random.Generator
) -> list[Commodity]:
    """Replace one part, or all, by goods of a family that was not declared."""
    if fraud not in ("swap", "misdeclared"):
        return drawn
    families = {goods.family for goods in drawn}
    others = [h for h in headings if commodity(h).family not in families]
    if not others:
        raise ConfigurationError(
            f"no heading outside the families {', '.join(sorted(families))}", expected="a larger pool"
        )
    swapped = list(drawn)
    indices = range(len(drawn)) if fraud == "misdeclared" else [int(rng.integers(len(drawn)))]
    for i in indices:
        swapped[i] = commodity(str(rng.choice(others)))
    return swapped


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


def _inside(packed: list[Packed], rooms: list[Space], rng: np.random.Generator) -> Place:
    """Return a place within the goods: neither in the air above them nor in the outermost 150 mm."""
    sizes = np.array([room.x[1] - room.x[0] for room in rooms])
    chosen = int(rng.choice(len(rooms), p=sizes / sizes.sum()))
    room, part = rooms[chosen], packed[chosen]
    top = max(piece.solid.bounds[3] for piece in part.pieces)
    return Place(
        (room.x[0] + 150, room.x[1] - 150),
        (room.y[0] + 60, max(top - 100, room.y[0] + 120)),
        (room.z[0] + 150, room.z[1] - 150),
    )


def _take_away(structure: list[Piece], packed: list[Packed], rng: np.random.Generator) -> tuple[list[Piece], float]:
    """Leave out the goods of one stretch of the load: 10 to 35 % of its length."""
    pieces = [piece for part in packed for piece in part.pieces]
    low, high = min(p.solid.bounds[0] for p in pieces), max(p.solid.bounds[1] for p in pieces)
    width = (high - low) * float(rng.uniform(0.10, 0.35))
    start = float(rng.uniform(low, high - width))
    kept = [p for p in pieces if not start < (p.solid.bounds[0] + p.solid.bounds[1]) / 2 < start + width]
    gone = sum(p.mass_kg for p in pieces) - sum(p.mass_kg for p in kept)
    return structure + kept, round(gone, 1)


def _papers(
    goods: list[Commodity],
    packed: list[Packed],
    rng: np.random.Generator,
    *,
    container_type: str | None,
    tare_kg: float | None,
) -> Declaration:
    """Write papers: weights scatter by 1 %, packaging is part of the gross weight."""
    together: dict[str, tuple[Commodity, float, int]] = {}
    for kind, part in zip(goods, packed, strict=True):
        _, kg, count = together.get(kind.heading, (kind, 0.0, 0))
        together[kind.heading] = (kind, kg + part.mass_kg, count + part.packages)
    items = [
        Item(
            hs_code=kind.heading,
            description=kind.name,
            net_weight_kg=round(max(kg * float(rng.normal(0.96, 0.01)), 0.1), 1),
            packages=max(1, count),
            package_type=kind.package_types[0] if kind.package_types else None,
        )
        for kind, kg, count in together.values()
    ]
    serial = f"{int(rng.integers(1_000_000)):06d}"
    number = f"SIMU{serial}"
    return Declaration(
        items=tuple(items),
        container=f"{number}{check_digit(number)}" if container_type else None,
        container_type=container_type,
        tare_kg=tare_kg,
        cargo_gross_weight_kg=round(sum(part.mass_kg for part in packed) * float(rng.normal(1.0, 0.01)), 1),
    )


def _parcel(
    rng: np.random.Generator,
    twist: np.random.Generator,
    scanner: Scanner,
    drawn: list[Commodity],
    fraud: str | None,
    headings: list[str],
) -> Load:
    """Build a parcel on a belt: a cardboard box with goods in small packages."""
    true = _apply_swap(drawn, fraud, headings, twist)
    z, ground = scanner.geometry.source_to_object_mm, 120.0
    length, height, depth = rng.uniform([300, 160, 160], [600, 380, 320])
    x0 = 80.0
    box = Box((x0, x0 + length), (ground, ground + height), (z - depth / 2, z + depth / 2))
    belt = Piece(
        Box((0, length + 160), (ground - 12, ground - 8), (z - 250, z + 250)), Matter.of("natural rubber"), 1.1
    )
    card = Matter.of("paper")
    walls = [Piece(Box(box.x, (y, y + 4), box.z), card, 0.6) for y in (box.y[0], box.y[1] - 4)] + [
        Piece(Box(box.x, box.y, (w, w + 4)), card, 0.6) for w in (box.z[0], box.z[1] - 4)
    ]
    room = Space((box.x[0] + 8, box.x[1] - 8), (box.y[0] + 6, box.y[1] - 8), (box.z[0] + 6, box.z[1] - 6))
    seed = int(rng.integers(2**31))
    small = [replace(goods, form="cartons") for goods in true]
    packed = [_small(goods, room, np.random.default_rng(seed)) for goods in small]
    declared = (
        packed
        if true == drawn
        else [_small(replace(g, form="cartons"), room, np.random.default_rng(seed)) for g in drawn]
    )
    labels: dict[str, Any] = {"fraud": fraud or "none", "container": "parcel"}
    pieces = [belt, *walls, *(p for part in packed for p in part.pieces)]
    if fraud == "missing":
        pieces, labels["missing_kg"] = _take_away([belt, *walls], packed, twist)
    if fraud in KINDS:
        added, labels["hidden"] = _small_object(fraud, room, twist)
        pieces = pieces + added
    labels |= {"true_headings": [g.heading for g in true], "goods_kg": round(sum(p.mass_kg for p in packed), 3)}
    scene = Scene(tuple(pieces), float(length) + 160, labels)
    return Load(scene, _papers(drawn, declared, rng, container_type=None, tare_kg=None))


def _small(goods: Commodity, room: Space, rng: np.random.Generator) -> Packed:
    """Pack retail-sized packages: the room is scaled up to freight size, packed, and scaled down again."""
    scale = 6.0
    packed = pack(goods, room.scaled(scale), 1e9, rng, fill=float(rng.uniform(0.7, 1.0)))
    pieces = [replace(p, solid=p.solid.scaled(1 / scale), grain_mm=p.grain_mm / scale) for p in packed.pieces]
    return Packed(pieces, sum(p.mass_kg for p in pieces), len(pieces))


def _small_object(kind: str, room: Space, rng: np.random.Generator) -> tuple[list[Piece], dict[str, Any]]:
    """Objects of a parcel's size: a third of those in freight."""
    scale = 3.0
    big = room.scaled(scale)
    pieces, labels = hide(kind, Place(big.x, big.y, big.z), rng)
    small = [replace(piece, solid=piece.solid.scaled(1 / scale)) for piece in pieces]
    labels["mass_kg"] = round(sum(p.mass_kg for p in small), 4)
    labels["box_mm"] = [round(v / scale, 1) for v in labels["box_mm"]]
    return small, labels
