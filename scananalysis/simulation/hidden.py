"""Hidden objects and voids, placed inside a load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scananalysis.core import ConfigurationError
from scananalysis.simulation.containers import Space
from scananalysis.simulation.machines import CAR_MM, car, hidden_parts
from scananalysis.simulation.scene import Matter, Piece
from scananalysis.simulation.solids import Box, Cylinder, Ellipsoid, Solid

KINDS = (
    "organic", "metal", "shield", "dense", "void", "handgun", "ammunition", "cash", "cigarettes", "person", "false-wall", "car",
    "tungsten-shield",
)  # fmt: skip
"""Organic blocks, weapon-like metal, lead-shielded boxes, dense metal sources, hollows; a single handgun, ammunition, bundles of
banknotes, master cases of cigarettes, a hidden person, a false wall with goods behind it, a car among the goods, boxes of tungsten alloy
with a source in its holder."""

WHOLE_ROOM = ("false-wall", "car")
"""Kinds that need the container's room and not a spot in the goods."""

NOT_IN_PARCELS = ("person", *WHOLE_ROOM)

_ORGANIC = ("cocaine hydrochloride", "heroin", "tnt", "tobacco", "sugar")


@dataclass(frozen=True)
class Place:
    """Where an object may stand: (low, high) along each axis, mm."""

    x: tuple[float, float]
    y: tuple[float, float]
    z: tuple[float, float]


def hide(kind: str, place: Place, rng: np.random.Generator) -> tuple[list[Piece], dict[str, Any]]:
    """Build a hidden object at a random spot of a place.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    place : Place
    rng : numpy.random.Generator

    Returns
    -------
    pieces : list of Piece
        They displace what is there.
    labels : dict
        Kind, mass and box.
    """
    builders = {
        "organic": _organic, "metal": _metal, "shield": _shield, "dense": _dense, "void": _void, "handgun": _handgun,
        "ammunition": _ammunition, "cash": _cash, "cigarettes": _cigarettes, "person": _person,
        "tungsten-shield": _tungsten_shield,
    }  # fmt: skip
    if kind not in builders:
        raise ConfigurationError(f"no hidden object {kind!r} for a spot", expected=f"one of {', '.join(builders)}")
    pieces = builders[kind](place, rng)
    return pieces, _labels(kind, pieces, object_mass_kg(pieces))


def hide_in_room(kind: str, space: Space, rng: np.random.Generator) -> tuple[list[Piece], dict[str, Any]]:
    """Build what takes a part of a container's whole width: a false wall, or a car between the goods.

    Parameters
    ----------
    kind : str
        One of `WHOLE_ROOM`.
    space : Space
        Of the container.
    rng : numpy.random.Generator

    Returns
    -------
    pieces : list of Piece
    labels : dict
        Kind, mass and box.
    """
    build = {"false-wall": _false_wall, "car": _car}[kind]
    hollow, things = build(space, rng)
    return [hollow, *things], _labels(kind, [hollow, *things], sum(piece.mass_kg for piece in things))


def _labels(kind: str, pieces: list[Piece], mass_kg: float) -> dict[str, Any]:
    bounds = np.array([piece.solid.bounds for piece in pieces])
    return {
        "kind": kind,
        "mass_kg": round(mass_kg, 3),
        "box_mm": [
            round(float(v), 1) for v in (bounds[:, 0].min(), bounds[:, 1].max(), bounds[:, 2].min(), bounds[:, 3].max())
        ],
    }


def object_mass_kg(pieces: list[Piece]) -> float:
    """Return the mass of an object whose later pieces replace what they displace of earlier ones around them."""
    total = 0.0
    for i, piece in enumerate(pieces):
        total += piece.mass_kg
        low, high = np.array(piece.solid.bounds[::2]), np.array(piece.solid.bounds[1::2])
        for outer in reversed(pieces[:i]):
            around = np.array(outer.solid.bounds)
            if np.all(around[::2] <= low) and np.all(high <= around[1::2]):
                # What was there is the matter of the innermost; it took the place of those around it before.
                total -= piece.solid.volume_mm3 * outer.density_g_cm3 * 1e-6
                break
    return float(total)


def _spot(size: tuple[float, float, float], place: Place, rng: np.random.Generator) -> Box:
    spans = []
    for (low, high), edge in zip((place.x, place.y, place.z), size, strict=True):
        start = float(rng.uniform(low, max(high - edge, low + 1)))
        spans.append((start, start + edge))
    return Box(*spans)


def _hidden(material: str) -> Matter:
    return Matter.of(material, "hidden")


def _organic(place: Place, rng: np.random.Generator) -> list[Piece]:
    """Build a block of bricks, 1 to 40 kg at 0.8 to 1.6 g/cm³."""
    kg, density = float(np.exp(rng.uniform(np.log(1), np.log(40)))), float(rng.uniform(0.8, 1.6))
    edge = (kg / density * 1e6) ** (1 / 3)
    a, b = np.exp(rng.uniform(-0.35, 0.35, 2))
    box = _spot((edge * a, edge * b, edge / (a * b)), place, rng)
    return [Piece(box, _hidden(str(rng.choice(_ORGANIC))), density, displaces=True)]


def _metal(place: Place, rng: np.random.Generator) -> list[Piece]:
    """Build a weapon-like compound: receiver, barrel and grip of steel, one to four of them."""
    pieces: list[Piece] = []
    steel = _hidden("steel")
    count, scale = int(rng.integers(1, 5)), float(rng.uniform(0.9, 2.2))
    spot = _spot((220 * scale, 150 * scale, 60.0 * count), place, rng)
    for i in range(count):
        x, y, z = spot.x[0], spot.y[0], spot.z[0] + 60 * i
        receiver = Box((x, x + 190 * scale), (y + 95 * scale, y + 130 * scale), (z, z + 28))
        grip = Box((x, x + 45 * scale), (y, y + 95 * scale), (z, z + 26))
        barrel = Cylinder("x", (x + 200 * scale, y + 120 * scale, z + 14), 9.0, 60 * scale)
        pieces += [
            Piece(solid, steel, density, displaces=True)
            for solid, density in ((receiver, 4.5), (grip, 2.5), (barrel, 7.85))
        ]
    return pieces


def _shield(place: Place, rng: np.random.Generator) -> list[Piece]:
    """Build a lead box of 10 to 40 mm wall with something organic in it."""
    edge, wall = float(rng.uniform(140, 350)), float(rng.uniform(10, 40))
    outer = _spot((edge, edge * float(rng.uniform(0.6, 1.0)), edge), place, rng)
    inner = Box(*((a + wall, b - wall) for a, b in (outer.x, outer.y, outer.z)))
    return [
        Piece(outer, _hidden("lead"), 11.35, displaces=True),
        Piece(inner, _hidden("heroin"), 0.9, displaces=True),
    ]


def _tungsten_shield(place: Place, rng: np.random.Generator) -> list[Piece]:
    """Build a pot of tungsten heavy alloy, 12 to 30 mm thick, with a capsule of steel in it, 2 to 35 kg: how gamma sources travel."""
    alloy = Matter.of({"W": 0.93, "Ni": 0.05, "Fe": 0.02}, "hidden")
    room, wall = float(rng.uniform(30, 70)), float(rng.uniform(12, 30))
    edge = room + 2 * wall
    outer = _spot((edge, edge, edge), place, rng)
    middle = tuple((a + b) / 2 for a, b in (outer.x, outer.y, outer.z))
    hollow = Box(*((m - room / 2, m + room / 2) for m in middle))
    return [
        # ASTM B777, class 2.
        Piece(outer, alloy, 17.5, displaces=True),
        Piece(hollow, _hidden("air"), 0.0012, displaces=True),
        Piece(
            Cylinder("y", (middle[0], middle[1], middle[2]), 0.3 * room, 0.9 * room),
            _hidden("steel"),
            7.85,
            displaces=True,
        ),
    ]


def _dense(place: Place, rng: np.random.Generator) -> list[Piece]:
    """Build a block of tungsten, gold or uranium, 40 to 110 mm."""
    material, density = (("tungsten", 19.3), ("gold", 19.32), ("depleted uranium", 18.95))[int(rng.integers(3))]
    edge = float(rng.uniform(40, 110))
    return [Piece(_spot((edge, edge, edge), place, rng), _hidden(material), density, displaces=True)]


def _void(place: Place, rng: np.random.Generator) -> list[Piece]:
    """Build a hollow in the load, 0.4 to 1.2 m."""
    deep = place.z[1] - place.z[0]
    size = (float(rng.uniform(400, 1200)), float(rng.uniform(400, 1000)), float(rng.uniform(0.45, 0.95)) * deep)
    return [Piece(_spot(size, place, rng), _hidden("air"), 0.0012, displaces=True)]


def _handgun(place: Place, rng: np.random.Generator) -> list[Piece]:
    """Build a pistol of 0.7 to 1.1 kg: slide with its barrel, frame, grip with a magazine; 180 to 220 mm long."""
    scale = float(rng.uniform(0.9, 1.1))
    spot = _spot((200 * scale, 140 * scale, 32.0), place, rng)
    x, y, z = spot.x[0], spot.y[0], spot.z[0]
    steel = _hidden("steel")
    slide = Box((x, x + 185 * scale), (y + 105 * scale, y + 132 * scale), (z + 3, z + 29))
    frame = Box((x + 20 * scale, x + 150 * scale), (y + 80 * scale, y + 105 * scale), (z + 6, z + 26))
    grip = Box((x, x + 48 * scale), (y, y + 80 * scale), (z + 2, z + 30))
    return [
        Piece(slide, steel, 4.6, displaces=True),
        Piece(frame, steel, 2.2, displaces=True),
        Piece(grip, steel, 2.0, displaces=True),
    ]


def _ammunition(place: Place, rng: np.random.Generator) -> list[Piece]:
    """Stack one to six cans of cartridges, 305 × 155 × 190 mm and about 15 kg each: brass, lead, steel."""
    count = int(rng.integers(1, 7))
    columns = min(count, 3)
    rows = -(-count // columns)
    cartridges = Matter.of({"brass": 0.5, "lead": 0.3, "steel": 0.2}, "hidden")
    spot = _spot((305.0, 190.0 * rows, 165.0 * columns), place, rng)
    cans = []
    for i in range(count):
        j, k = divmod(i, columns)
        y, z = spot.y[0] + 190 * j, spot.z[0] + 165 * k
        cans.append(Piece(Box(spot.x, (y, y + 188), (z, z + 155)), cartridges, 1.7, displaces=True))
    return cans


def _cash(place: Place, rng: np.random.Generator) -> list[Piece]:
    """Build a stack of banknotes, 2 to 40 kg (a note weighs about a gram) at 0.8 to 1.0 g/cm³."""
    kg, density = float(np.exp(rng.uniform(np.log(2), np.log(40)))), float(rng.uniform(0.8, 1.0))
    edge = (kg / density * 1e6) ** (1 / 3)
    a = float(np.exp(rng.uniform(0.0, 0.5)))
    box = _spot((edge * a, edge / a, edge), place, rng)
    return [Piece(box, _hidden("cotton"), density, displaces=True)]


def _cigarettes(place: Place, rng: np.random.Generator) -> list[Piece]:
    """Stack master cases of 10 000 cigarettes, 580 × 460 × 250 mm and about 11 kg each, behind other goods."""
    case = np.array([580.0, 250.0, 460.0])
    room = np.array([b - a for a, b in (place.x, place.y, place.z)])
    most = np.maximum(np.minimum(room // case, [4, 6, 4]), 1).astype(int)
    count = [int(rng.integers(1, n + 1)) for n in most]
    box = _spot((case[0] * count[0], case[1] * count[1], case[2] * count[2]), place, rng)
    goods = Matter.of({"tobacco": 0.7, "paper": 0.3}, "hidden")
    return [Piece(box, goods, float(rng.uniform(0.15, 0.19)), grain=0.05, grain_mm=120.0, displaces=True)]


def _person(place: Place, rng: np.random.Generator) -> list[Piece]:
    """Build a person of 50 to 95 kg, sitting in a hollow between the goods, or lying where they are low.

    Trunk, head, arms and legs of soft tissue; lengths scale with the cube root of the mass (reference adult: 1.76 m and 73 kg,
    ICRP Publication 89).
    """
    scale = (float(rng.uniform(50, 95)) / 73) ** (1 / 3)
    sits = place.y[1] - place.y[0] > 1150
    size = (900 * scale, 1050 * scale, 560 * scale) if sits else (1850 * scale, 420 * scale, 560 * scale)
    hollow = _spot(size, place, rng)
    origin = (hollow.x[0] + 30, hollow.y[0] + 15, (hollow.z[0] + hollow.z[1]) / 2)

    def at(along: float, across: float, side: float) -> tuple[float, float, float]:
        # Drawn sitting: along = forwards, across = upwards; lying, the trunk points forwards.
        x, y = (along, across) if sits else (across, along)
        return origin[0] + x * scale, origin[1] + y * scale, origin[2] + side * scale

    def limb(axis: str, middle: tuple[float, float, float], radius: float, length: float) -> Cylinder:
        # Lying, what pointed up points along.
        turned = axis if sits else {"x": "y", "y": "x"}[axis]
        return Cylinder(turned, middle, radius * scale, length * scale)

    deep, tall, wide, head = 135.0, 330.0, 175.0, 115.0
    trunk = (deep, tall, wide) if sits else (tall, deep, wide)
    parts: list[Solid] = [
        Ellipsoid(at(150, 430, 0), (trunk[0] * scale, trunk[1] * scale, trunk[2] * scale)),
        Ellipsoid(at(150, 880, 0), (head * scale, head * scale, 80 * scale)),
    ]
    for side in (-1, 1):
        parts.append(limb("y", at(150, 440, side * 225), 44, 560))
        if sits:
            parts.append(limb("x", at(510, 170, side * 105), 76, 430))
            parts.append(limb("y", at(770, 220, side * 105), 54, 420))
        else:
            parts.append(Cylinder("x", at(150, 1390, side * 100), 68 * scale, 830 * scale))
    tissue = _hidden("soft tissue")
    return [
        Piece(hollow, _hidden("air"), 0.0012, displaces=True),
        *(Piece(part, tissue, 1.03, displaces=True) for part in parts),
    ]


def _false_wall(space: Space, rng: np.random.Generator) -> tuple[Piece, list[Piece]]:
    """Build a second front wall of steel sheet 250 to 800 mm behind the true one, with goods between the two."""
    deep, sheet = float(rng.uniform(250, 800)), float(rng.uniform(1.5, 3.0))
    wall = space.x[0] + deep
    hollow = Piece(Box((space.x[0], wall), space.y, space.z), _hidden("air"), 0.0012, displaces=True)
    top = space.y[0] + float(rng.uniform(0.3, 0.95)) * (space.y[1] - space.y[0])
    packets = Box((space.x[0] + 20, wall - 20), (space.y[0], top), (space.z[0] + 20, space.z[1] - 20))
    goods = _hidden(str(rng.choice(_ORGANIC)))
    plate = Box((wall - sheet, wall), space.y, space.z)
    return hollow, [
        Piece(plate, _hidden("steel"), 7.85),
        Piece(packets, goods, float(rng.uniform(0.15, 0.8)), grain=0.04, grain_mm=90.0),
    ]


def _car(space: Space, rng: np.random.Generator) -> tuple[Piece, list[Piece]]:
    """Put a car where goods should be: the room it needs is empty otherwise."""
    length = CAR_MM[0][1] + 100
    x0 = float(rng.uniform(space.x[0], space.x[1] - length))
    top = min(space.y[0] + CAR_MM[1][1] + 50, space.y[1])
    hollow = Box((x0, x0 + length), (space.y[0], top), space.z)
    parts = car(x0 + 40, space.y[0], (space.z[0] + space.z[1]) / 2, rng)
    return Piece(hollow, _hidden("air"), 0.0012, displaces=True), hidden_parts(parts)
