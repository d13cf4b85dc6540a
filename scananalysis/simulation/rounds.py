"""Round goods and goods without packages: drums, reels, rolls, coils, tyres, pipes and logs, flexitanks, heaps.

Drums: 585 × 880 mm outside (ISO 15750-1, 216 L); other sizes are usual ones, an estimate.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from scananalysis.simulation.containers import TIMBER, Space
from scananalysis.simulation.goods import to_mass
from scananalysis.simulation.scene import Piece
from scananalysis.simulation.solids import Box, Cylinder

if TYPE_CHECKING:
    from scananalysis.simulation.goods import Goods

_FILLED = float(np.pi / 4)
DRUM_MM = (585.0, 880.0)
_CABLES = ("7408", "8544")
_PIPES, _SOLID_BARS, _LOGS = ("3917", "7304"), ("7214", "7604", "1401"), ("4403",)
LIQUIDS = ("1509", "1511", "2009", "2204", "2710", "2905", "3506")
"""Headings that are also carried in flexitanks and tank containers."""
FLEXITANK_L = 24_000.0
"""Usual filling of a flexitank in a 20 ft container."""


def _scaled_grid(room: Space, diameter: float) -> tuple[int, int]:
    # Four drums of 585 mm do stand abreast in 2338 mm.
    columns = max(1, int((room.x[1] - room.x[0]) / diameter + 0.01))
    return columns, max(1, int((room.z[1] - room.z[0]) / diameter + 0.01))


def drums(goods: Goods, room: Space) -> list[Piece]:
    """Stand drums in layers, shell and contents taken together."""
    return _upright(goods, room, *DRUM_MM, 3.0)


def reels(goods: Goods, room: Space) -> list[Piece]:
    """Stand reels on end; cables on timber drums that stand on their flanges."""
    rng = goods.rng
    if goods.commodity.heading[:4] in _CABLES:
        return _cable_drums(goods, room)
    return _upright(goods, room, float(rng.uniform(700, 1250)), float(rng.uniform(700, 1600)), 6.0)


def _upright(goods: Goods, room: Space, diameter: float, tall: float, play: float) -> list[Piece]:
    height = room.y[1] - room.y[0]
    tall = min(tall, goods.headroom_mm)
    layers = max(1, int(height / tall))
    columns, deep = _scaled_grid(room, diameter)
    # One layer that weighs more than may be loaded is not shorter, but does not reach as far.
    columns = max(1, int(columns * min(1.0, height / tall)))
    across = (room.z[1] - room.z[0]) / deep
    pieces = []
    for j in range(layers):
        for i in range(columns):
            for k in range(deep):
                middle = (
                    room.x[0] + (i + 0.5) * diameter,
                    room.y[0] + (j + 0.5) * tall,
                    room.z[0] + (k + 0.5) * across,
                )
                pieces.append(goods.piece(Cylinder("y", middle, diameter / 2 - play, tall - 12)))
    return pieces


def ring(
    axis: str, middle: tuple[float, float, float], outer: float, inner: float, length: float, piece: Piece
) -> list[Piece]:
    """Build a ring: a cylinder with its core taken out again; wound or drawn, it is uniform."""
    solid = replace(piece, solid=Cylinder(axis, middle, outer, length), grain=0.0)
    core = Piece(Cylinder(axis, middle, inner, length), piece.matter, -piece.density_g_cm3)
    return [solid, core]


_UNIT = Box((0, 1), (0, 1), (0, 1))


def _cable_drums(goods: Goods, room: Space) -> list[Piece]:
    """Lay cable drums with their axis across the container: two flanges of timber, the winding between them, a hollow barrel."""
    rng = goods.rng
    diameter = min(float(rng.uniform(700, 1600)), room.y[1] - room.y[0])
    columns, layers = (
        max(1, int((room.x[1] - room.x[0]) / (diameter + 30))),
        max(1, int((room.y[1] - room.y[0]) / diameter)),
    )
    deep = max(1, int((room.z[1] - room.z[0]) / float(rng.uniform(500, 1100))))
    width = (room.z[1] - room.z[0]) / deep
    pieces = []
    for i in range(columns):
        for j in range(layers):
            for k in range(deep):
                middle = (
                    room.x[0] + (i + 0.5) * (room.x[1] - room.x[0]) / columns,
                    room.y[0] + (j + 0.5) * diameter,
                    room.z[0] + (k + 0.5) * width,
                )
                wound = diameter / 2 * float(rng.uniform(0.8, 0.95))
                pieces += ring("z", middle, wound, 0.22 * diameter, width - 120, goods.piece(_UNIT))
                pieces += [
                    Piece(
                        Cylinder("z", (*middle[:2], middle[2] + side * (width / 2 - 35)), diameter / 2, 40),
                        TIMBER,
                        0.55,
                    )
                    for side in (-1, 1)
                ]
    return pieces


def rolls(goods: Goods, room: Space) -> list[Piece]:
    """Lay rolls of cloth, carpet or film across the container or along it, in layers."""
    rng = goods.rng
    diameter = float(rng.uniform(220, 480))
    along = rng.random() < 0.4
    length = min(float(rng.uniform(1400, 4000) if along else rng.uniform(1500, 2300)), room.x[1] - room.x[0])
    if along:
        count_a, step_a = max(1, int((room.x[1] - room.x[0]) / length)), (room.x[1] - room.x[0])
        across = max(1, int((room.z[1] - room.z[0]) / diameter))
    else:
        count_a, step_a = max(1, int((room.x[1] - room.x[0]) / diameter)), (room.x[1] - room.x[0])
        across = 1
    layers = max(1, int((room.y[1] - room.y[0]) / diameter))
    diameter = min(diameter, (room.y[1] - room.y[0]) / layers)
    pieces = []
    for i in range(count_a):
        for j in range(layers):
            for k in range(across):
                middle = (
                    room.x[0] + (i + 0.5) * step_a / count_a,
                    room.y[0] + (j + 0.5) * diameter,
                    room.z[0] + (k + 0.5) * (room.z[1] - room.z[0]) / across,
                )
                long = step_a / count_a - 30 if along else (room.z[1] - room.z[0]) * float(rng.uniform(0.85, 0.98))
                solid = Cylinder("x" if along else "z", middle, diameter / 2 - 2, long)
                pieces.append(goods.piece(solid))
    return pieces


def coils(goods: Goods, room: Space, payload_kg: float) -> list[Piece]:
    """Lay coils on the floor, eye across the container or to the sky, as many as the payload allows.

    Of the square around a coil its ring fills π/4 less the eye; wound metal is denser than the stow by that much.
    """
    rng = goods.rng
    eye = float(rng.uniform(0.35, 0.5))
    density = min(goods.bulk / (_FILLED * (1 - eye**2)), goods.solid)
    deep = room.z[1] - room.z[0]
    upright = rng.random() < 0.35
    diameter = min(float(rng.uniform(800, 1400)), room.y[1] - room.y[0])
    width = min(float(rng.uniform(300, 600) if upright else deep * rng.uniform(0.35, 0.8)), room.y[1] - room.y[0])
    each_kg = _FILLED * diameter**2 * (1 - eye**2) * width * density * 1e-6
    fits = max(1, int((room.x[1] - room.x[0]) / (1.05 * diameter)))
    rows = min(2, max(1, int(payload_kg / each_kg / fits))) if upright and 2 * diameter < deep else 1
    count = max(1, min(fits * rows, int(payload_kg / each_kg)))
    columns = -(-count // rows)
    pieces = []
    for n in range(count):
        i, k = divmod(n, rows)
        x = room.x[0] + (i + 0.5) * (room.x[1] - room.x[0]) / columns
        z = room.z[0] + (k + 0.5) * deep / rows
        if upright:
            # On a skid of timber, so that a fork can lift it.
            pieces.append(
                Piece(
                    Box(
                        (x - diameter / 2, x + diameter / 2),
                        (room.y[0], room.y[0] + 90),
                        (z - diameter / 2, z + diameter / 2),
                    ),
                    TIMBER,
                    0.3,
                )
            )
            middle = (x, room.y[0] + 90 + width / 2, z)
        else:
            # In a cradle of timber wedges.
            pieces.append(
                Piece(
                    Box(
                        (x - diameter / 2, x + diameter / 2),
                        (room.y[0], room.y[0] + 60),
                        (z - width / 2, z + width / 2),
                    ),
                    TIMBER,
                    0.35,
                )
            )
            middle = (x, room.y[0] + 60 + diameter / 2, z)
        wound = goods.piece(_UNIT, density)
        wound = replace(wound, density_g_cm3=min(wound.density_g_cm3, goods.solid))
        pieces += ring("y" if upright else "z", middle, diameter / 2, diameter / 2 * eye, width, wound)
    return pieces


def tyres(goods: Goods, room: Space) -> list[Piece]:
    """Stack lying tyres."""
    rng = goods.rng
    diameter, thick = float(rng.uniform(580, 1050)), float(rng.uniform(180, 300))
    columns, deep = _scaled_grid(room, diameter)
    pieces = []
    for j in range(max(1, int((room.y[1] - room.y[0]) / thick))):
        for i in range(columns):
            for k in range(deep):
                middle = (
                    room.x[0] + (i + 0.5) * diameter,
                    room.y[0] + (j + 0.5) * thick,
                    room.z[0] + (k + 0.5) * (room.z[1] - room.z[0]) / deep,
                )
                pieces += ring("y", middle, diameter / 2 - 4, diameter * 0.29, thick - 6, goods.piece(_UNIT))
    return pieces


def long_goods(goods: Goods, room: Space) -> list[Piece]:
    """Lay pipes (hollow), bars and profiles (bundled tightly) and logs (each its own size) along the container."""
    rng, heading = goods.rng, goods.commodity.heading[:4]
    if heading in _PIPES:
        diameter = float(rng.uniform(120, 420))
    elif heading in _LOGS:
        diameter = float(rng.uniform(240, 420))
    else:
        diameter = float(rng.uniform(120, 260))
    length = min(float(rng.choice([3000.0, 5800.0, 11600.0])), room.x[1] - room.x[0])
    columns = max(1, int((room.x[1] - room.x[0]) / length))
    length = min(length, (room.x[1] - room.x[0]) / columns - 20)
    layers = max(1, int((room.y[1] - room.y[0]) / diameter))
    diameter = min(diameter, (room.y[1] - room.y[0]) / layers)
    deep = max(1, int((room.z[1] - room.z[0]) / diameter))
    wall = float(rng.uniform(0.06, 0.16))
    pieces = []
    for i in range(columns):
        for j in range(layers):
            for k in range(deep):
                own = diameter * (float(rng.uniform(0.75, 1.0)) if heading in _LOGS else 0.98)
                middle = (
                    room.x[0] + (i + 0.5) * (room.x[1] - room.x[0]) / columns + float(rng.uniform(-8, 8)),
                    room.y[0] + (j + 0.5) * diameter,
                    room.z[0] + (k + 0.5) * (room.z[1] - room.z[0]) / deep,
                )
                if heading in _PIPES:
                    pieces += ring("x", middle, own / 2, own / 2 * (1 - 2 * wall), length, goods.piece(_UNIT))
                else:
                    pieces.append(goods.piece(Cylinder("x", middle, own / 2, length), grain=0.5))
    return pieces


def is_long(goods: Goods) -> bool:
    """Whether goods in bundles are pipes, bars or logs and not sawn timber."""
    return goods.commodity.heading[:4] in _PIPES + _SOLID_BARS + _LOGS


def is_liquid(goods: Goods) -> bool:
    """Whether the goods may travel in a flexitank."""
    return goods.commodity.heading[:4] in LIQUIDS


def takes_flexitank(space: Space) -> bool:
    """Whether a room is that of a whole 20 ft container: longer ones do not bear a flexitank."""
    return 5000 < space.x[1] - space.x[0] < 6100


def flexitank(goods: Goods, room: Space, payload_kg: float) -> list[Piece]:
    """Lay a bladder on the floor, full width, with sides and ends that slope inwards: `FLEXITANK_L` or what the payload allows."""
    length, wide = room.x[1] - room.x[0], room.z[1] - room.z[0]
    density = min(1.04 * goods.bulk, goods.solid)
    litres = min(FLEXITANK_L, payload_kg / density)
    slabs = 9
    # A pillow: an ellipse of the fourth power in cross section.
    shares = (1 - ((np.arange(slabs) + 0.5) / slabs) ** 4) ** 0.25
    spans = [
        (length - 2 * (1 - share) * min(900.0, length / 3), wide - 2 * (1 - share) * 500.0) for share in shares.tolist()
    ]
    area = sum(x * z for x, z in spans) / slabs
    tall = min(litres * 1e6 / area, room.y[1] - room.y[0])
    middle_x, middle_z = sum(room.x) / 2, sum(room.z) / 2
    pieces = []
    for i, (x, z) in enumerate(spans):
        y = (room.y[0] + i * tall / slabs, room.y[0] + (i + 1) * tall / slabs)
        box = Box((middle_x - x / 2, middle_x + x / 2), y, (middle_z - z / 2, middle_z + z / 2))
        pieces.append(Piece(box, goods.matter, density))
    return pieces


def tank(goods: Goods, shell: Space, payload_kg: float) -> list[Piece]:
    """Fill a lying cylinder, given by the box around it, up to a level: slabs as wide as their chord."""
    radius, length = (shell.y[1] - shell.y[0]) / 2, shell.x[1] - shell.x[0]
    axis_y, axis_z = sum(shell.y) / 2, sum(shell.z) / 2
    density = min(1.04 * goods.bulk, goods.solid)
    wanted = min(float(goods.rng.uniform(0.80, 0.97)) * np.pi * radius**2, payload_kg / (density * length * 1e-6))
    slabs = 48
    edges = radius * np.linspace(-1, 1, slabs + 1)
    pieces: list[Piece] = []
    area = 0.0
    for low, high in itertools.pairwise(edges.tolist()):
        half = float(np.sqrt(radius**2 - ((low + high) / 2) ** 2))
        full = 2 * half * (high - low)
        share = min(1.0, (wanted - area) / full)
        if share <= 0:
            break
        y = (axis_y + low, axis_y + low + share * (high - low))
        pieces.append(Piece(Box(shell.x, y, (axis_z - half, axis_z + half)), goods.matter, density))
        area += share * full
    return pieces


def heap(goods: Goods, room: Space) -> list[Piece]:
    """Heap bulk goods as columns under a smooth surface that falls towards the doors."""
    rng = goods.rng
    steps = max(4, int((room.x[1] - room.x[0]) / 60))
    x = np.linspace(room.x[0], room.x[1], steps + 1)
    waves = sum(
        rng.uniform(0, 0.06) * np.sin(2 * np.pi * n * np.arange(steps) / steps + rng.uniform(0, 6)) for n in (1, 2, 3)
    )
    # An angle of repose of 30 to 38° ends the heap where it is not held by a bulkhead.
    slope = np.tan(np.radians(rng.uniform(30, 38))) * (room.x[1] - (x[1:] + x[:-1]) / 2)
    top = (room.y[1] - room.y[0]) * np.clip(0.93 + waves, 0.5, 1.05)
    height = np.minimum(top, 60 + slope) if rng.random() < 0.4 else top
    pieces = []
    for i in range(steps):
        solid = Box((x[i], x[i + 1]), (room.y[0], room.y[0] + float(height[i])), room.z)
        pieces.append(replace(goods.piece(solid, grain=0.3), density_g_cm3=goods.bulk, grain_mm=70.0))
    kg = sum(piece.mass_kg for piece in pieces)
    if goods.commodity.texture == "structured":
        pieces += _chunks(goods, room, float(height.min()))
    return to_mass(pieces, kg, goods.solid)


def _chunks(goods: Goods, room: Space, tall: float) -> list[Piece]:
    """Scrap: castings, offcuts and pressed blocks in the heap."""
    rng = goods.rng
    pieces = []
    for _ in range(int((room.x[1] - room.x[0]) / 90)):
        size = np.exp(rng.uniform(np.log(60), np.log(400), 3))
        size[1] = min(size[1], 0.8 * tall)
        low = [
            float(rng.uniform(a, max(b - s, a + 1)))
            for a, b, s in zip(
                (room.x[0], room.y[0], room.z[0]), (room.x[1], room.y[0] + tall, room.z[1]), size, strict=True
            )
        ]
        box = Box(*((a, a + float(s)) for a, s in zip(low, size, strict=True)))
        pieces.append(goods.piece(box, goods.bulk * float(rng.uniform(0.3, 2.5))))
    return pieces
