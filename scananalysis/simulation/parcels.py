"""Parcels: a cardboard box on the belt of a tunnel scanner, with goods in retail-sized packages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.core import ConfigurationError
from scananalysis.simulation.containers import Space
from scananalysis.simulation.frauds import apply_swap, false_weights, take_away
from scananalysis.simulation.hidden import KINDS, NOT_IN_PARCELS, Place, hide, object_mass_kg
from scananalysis.simulation.packing import Packed, pack
from scananalysis.simulation.papers import Load, write_papers
from scananalysis.simulation.scene import Matter, Piece, Scene
from scananalysis.simulation.solids import Box

if TYPE_CHECKING:
    from scananalysis.cargo import Commodity
    from scananalysis.detectors import Scanner


def parcel(
    rng: np.random.Generator,
    twist: np.random.Generator,
    scanner: Scanner,
    drawn: list[Commodity],
    fraud: str | None,
    headings: list[str],
) -> Load:
    """Build a parcel on a belt: a cardboard box with goods in small packages.

    Parameters
    ----------
    rng, twist : numpy.random.Generator
        Of the goods, and of what is wrong with them.
    scanner : Scanner
    drawn : list of Commodity
        What is declared.
    fraud : str or None
    headings : list of str
        To draw undeclared goods from.

    Returns
    -------
    Load
    """
    if fraud in NOT_IN_PARCELS:
        raise ConfigurationError(f"fraud {fraud!r} in a parcel", expected="a scanner for containers")
    true = apply_swap(drawn, fraud, headings, twist)
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
        pieces, labels["missing_kg"] = take_away([belt, *walls], packed, twist)
    if fraud in KINDS:
        added, labels["hidden"] = _small_object(fraud, room, twist)
        pieces = pieces + added
    labels |= {"true_headings": [g.heading for g in true], "goods_kg": round(sum(p.mass_kg for p in packed), 3)}
    papers = write_papers(drawn, declared, rng, container_type=None, tare_kg=None)
    if fraud == "weight":
        papers, labels["weight_factor"] = false_weights(papers, twist)
    return Load(Scene(tuple(pieces), float(length) + 160, labels), papers)


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
    labels["mass_kg"] = round(object_mass_kg(small), 4)
    labels["box_mm"] = [round(v / scale, 1) for v in labels["box_mm"]]
    return small, labels
