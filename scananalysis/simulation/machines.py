"""Machinery, cars, motorcycles and boats: hollow housings with frames, shafts, motors and wheels in them.

A car is 3.7 to 4.8 m long, 1.65 to 1.85 m wide, 1.4 to 1.6 m high, with wheels of 0.60 to 0.68 m: usual figures of passenger cars.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scananalysis.simulation.containers import Space
from scananalysis.simulation.scene import Matter, Piece
from scananalysis.simulation.solids import Box, Cylinder, Ellipsoid, Solid

if TYPE_CHECKING:
    from collections.abc import Callable

    from scananalysis.simulation.goods import Goods

Part = tuple[str, Solid, float]
"""Material, solid, density in g/cm³."""
Span = tuple[float, float]

CAR_MM = ((3700.0, 4800.0), (1400.0, 1600.0), (1650.0, 1850.0))
"""Length, height and width of a car."""


def _shell(x: Span, y: Span, z: Span, sheet: float, material: str, density: float) -> list[Part]:
    """Six sheets of a housing."""
    parts: list[Part] = []
    for a, b in ((x[0], x[0] + sheet), (x[1] - sheet, x[1])):
        parts.append((material, Box((a, b), y, z), density))
    inner = (x[0] + sheet, x[1] - sheet)
    for a, b in ((y[0], y[0] + sheet), (y[1] - sheet, y[1])):
        parts.append((material, Box(inner, (a, b), z), density))
    for a, b in ((z[0], z[0] + sheet), (z[1] - sheet, z[1])):
        parts.append((material, Box(inner, (y[0] + sheet, y[1] - sheet), (a, b)), density))
    return parts


def car(x0: float, y0: float, z_middle: float, rng: np.random.Generator) -> list[Part]:
    """Build a car that starts at ``x0`` and stands on ``y0``: body, glass, engine, gearbox, seats, tank, battery, wheels.

    Parameters
    ----------
    x0, y0, z_middle : float
        mm.
    rng : numpy.random.Generator
        Of its size.

    Returns
    -------
    list of (str, Solid, float)
        Material, solid and density, g/cm³; 900 to 1900 kg together.

    Examples
    --------
    >>> parts = car(0.0, 0.0, 6000.0, np.random.default_rng(1))
    >>> 700 < sum(solid.volume_mm3 * density * 1e-6 for _, solid, density in parts) < 2200
    True
    """
    length, height, width = (float(rng.uniform(*limits)) for limits in CAR_MM)
    x1, z0, z1 = x0 + length, z_middle - width / 2, z_middle + width / 2
    wheel = float(rng.uniform(300, 340))
    belt, floor = y0 + 0.62 * height, y0 + 0.17 * height
    front, back = x0 + 0.28 * length, x0 + float(rng.uniform(0.82, 0.97)) * length
    parts = _shell((x0 + 60, x1 - 60), (floor, belt), (z0, z1), 2.4, "steel", 7.0)
    roof = (front + 0.09 * length, back - 0.08 * length)
    parts.append(("steel", Box(roof, (y0 + height - 3, y0 + height), (z0 + 130, z1 - 130)), 7.0))
    for share in (0.0, 0.42, 0.9):
        # Pillars on both sides.
        x = roof[0] + share * (roof[1] - roof[0] - 90)
        parts += [("steel", Box((x, x + 90), (belt, y0 + height), (z, z + 60)), 1.3) for z in (z0 + 110, z1 - 170)]
    parts += [("soda-lime glass", Box(roof, (belt, y0 + height - 60), (z, z + 4)), 2.5) for z in (z0 + 120, z1 - 124)]
    # Windscreens slant over some 400 mm of length, so a ray from the side meets little of them.
    parts += [
        ("soda-lime glass", Box((a, a + 400), (belt, y0 + height - 40), (z0 + 150, z1 - 150)), 2.5 * 9 * 1.3 / 400)
        for a in (front, back - 400)
    ]
    engine = float(rng.uniform(420, 620))
    parts += [
        (
            "cast iron",
            Box((x0 + 420, x0 + 420 + engine), (floor + 120, belt - 90), (z_middle - 300, z_middle + 120)),
            1.6,
        ),
        ("steel", Cylinder("z", (x0 + 420 + engine / 2, floor + 170, z_middle - 90), 40, 400), 6.5),
        (
            "aluminium alloy 6061",
            Box((x0 + 470, x0 + 900), (floor + 40, floor + 340), (z_middle + 120, z_middle + 430)),
            1.7,
        ),
        ("aluminium", Box((x0 + 190, x0 + 230), (floor + 90, belt - 120), (z_middle - 330, z_middle + 330)), 0.9),
        ("lead-acid battery", Box((x0 + 520, x0 + 760), (belt - 290, belt - 110), (z0 + 120, z0 + 300)), 2.1),
        ("petrol", Box((back - 900, back - 350), (floor - 60, floor + 110), (z_middle - 330, z_middle + 330)), 0.35),
        ("steel", Cylinder("x", (x0 + 0.55 * length, floor - 40, z_middle + 200), 45, 0.6 * length), 0.6),
        ("polypropylene", Box((front, front + 330), (belt - 280, belt + 40), (z0 + 60, z1 - 60)), 0.2),
    ]
    for row, seats in ((0.46, (-380.0, 380.0)), (0.70, (-380.0, 380.0))):
        x = x0 + row * length
        for off in seats:
            z = (z_middle + off - 240, z_middle + off + 240)
            parts.append(("polyurethane foam", Box((x - 250, x + 230), (floor + 170, floor + 320), z), 0.09))
            parts.append(("polyurethane foam", Box((x + 230, x + 350), (floor + 250, floor + 850), z), 0.07))
            parts.append(("steel", Box((x - 250, x + 230), (floor + 130, floor + 165), z), 0.8))
    for x in (x0 + 0.19 * length, x0 + 0.81 * length):
        for a, b in ((z0, z0 + 205), (z1 - 205, z1)):
            middle = (x, y0 + wheel, (a + b) / 2)
            parts += [
                ("tyre rubber", Cylinder("z", middle, wheel, b - a), 0.42),
                ("tyre rubber", Cylinder("z", middle, 0.62 * wheel, b - a), -0.42),
                ("aluminium alloy 6061", Cylinder("z", middle, 0.62 * wheel, b - a), 0.45),
                ("cast iron", Cylinder("z", middle, 0.42 * wheel, 26), 7.0),
            ]
        parts.append(("steel", Cylinder("z", (x, y0 + wheel, z_middle), 28, width - 420), 5.0))
    return parts


def _motorcycle(x0: float, y0: float, z_middle: float, rng: np.random.Generator) -> list[Part]:
    """Build a motorcycle in its steel crate."""
    length, height = float(rng.uniform(1900, 2200)), 1050.0
    parts: list[Part] = [
        ("cast iron", Box((x0 + 750, x0 + 1250), (y0 + 260, y0 + 700), (z_middle - 170, z_middle + 170)), 0.9),
        ("aluminium", Box((x0 + 800, x0 + 1200), (y0 + 180, y0 + 270), (z_middle - 150, z_middle + 150)), 1.2),
        ("steel", Box((x0 + 500, x0 + 1100), (y0 + 720, y0 + 950), (z_middle - 140, z_middle + 140)), 0.25),
        ("polyurethane foam", Box((x0 + 1100, x0 + 1800), (y0 + 750, y0 + 850), (z_middle - 130, z_middle + 130)), 0.1),
        ("steel", Cylinder("x", (x0 + 1500, y0 + 320, z_middle + 130), 55, 900), 0.8),
        ("steel", Cylinder("y", (x0 + 420, y0 + 620, z_middle), 55, 700), 1.6),
    ]
    for x in (x0 + 300, x0 + length - 320):
        parts += [
            ("tyre rubber", Cylinder("z", (x, y0 + 300, z_middle), 300, 130), 0.5),
            ("tyre rubber", Cylinder("z", (x, y0 + 300, z_middle), 215, 130), -0.5),
            ("aluminium", Cylinder("z", (x, y0 + 300, z_middle), 215, 110), 0.35),
        ]
    for h in (y0, y0 + height):
        for z in (z_middle - 380, z_middle + 350):
            parts.append(("steel", Box((x0, x0 + length), (h, h + 30), (z, z + 30)), 1.5))
    return parts


def _boat(x0: float, y0: float, z_middle: float, rng: np.random.Generator) -> list[Part]:
    """Build a boat of glass-fibre laminate on a cradle, with its engine at the stern."""
    length, tall, wide = float(rng.uniform(4800, 5700)), float(rng.uniform(700, 1000)), float(rng.uniform(1700, 2100))
    middle = (x0 + length / 2, y0 + 350 + tall / 2, z_middle)
    hull = (length / 2, tall / 2, wide / 2)
    laminate = "polyester"
    return [
        (laminate, Ellipsoid(middle, hull), 1.3),
        (laminate, Ellipsoid(middle, (hull[0] - 9, hull[1] - 9, hull[2] - 9)), -1.3),
        (
            laminate,
            Box(
                (x0 + 0.25 * length, x0 + 0.75 * length),
                (middle[1] - 20, middle[1] + 5),
                (z_middle - 600, z_middle + 600),
            ),
            0.9,
        ),
        (
            "aluminium",
            Box(
                (x0 + 0.86 * length, x0 + 0.96 * length), (middle[1], middle[1] + 620), (z_middle - 190, z_middle + 190)
            ),
            0.9,
        ),
        (
            "cast iron",
            Box(
                (x0 + 0.6 * length, x0 + 0.74 * length),
                (middle[1] - 330, middle[1] - 30),
                (z_middle - 250, z_middle + 250),
            ),
            1.6,
        ),
        *(
            (
                "wood",
                Box((x0 + s * length, x0 + s * length + 120), (y0, y0 + 420), (z_middle - 700, z_middle + 700)),
                0.45,
            )
            for s in (0.25, 0.7)
        ),
    ]


def vehicles(goods: Goods, room: Space) -> list[Piece]:
    """Place cars and boats one behind the other, motorcycles two abreast; each part of its own material."""
    rng = goods.rng
    heading = goods.commodity.heading[:4]
    off: tuple[float, ...]
    build: Callable[[float, float, float, np.random.Generator], list[Part]]
    if heading == "8711":
        build, longest, off = _motorcycle, 2250.0, (-550.0, 550.0)
    elif heading == "8903":
        build, longest, off = _boat, 5750.0, (0.0,)
    else:
        build, longest, off = car, CAR_MM[0][1] + 100, (0.0,)
    count = int((room.x[1] - room.x[0]) / longest)
    middle = (room.z[0] + room.z[1]) / 2
    pieces = []
    for i in range(count):
        x0 = room.x[0] + i * (room.x[1] - room.x[0]) / count + 40
        for z in off:
            parts = build(x0, room.y[0], middle + z, rng)
            pieces += [Piece(solid, goods.of(name), density) for name, solid, density in parts]
    return pieces


def machines(goods: Goods, room: Space) -> list[Piece]:
    """Place machines on skids: a housing of sheet, a frame, motors, shafts and castings of many densities, and air between them."""
    rng = goods.rng
    length = float(rng.uniform(1200, 4200))
    count = max(1, int((room.x[1] - room.x[0]) / (length + 250)))
    step = (room.x[1] - room.x[0]) / count
    pieces: list[Piece] = []
    for i in range(count):
        x = (room.x[0] + i * step + 80, room.x[0] + (i + 1) * step - 80)
        high, deep = room.y[1] - room.y[0], room.z[1] - room.z[0]
        margin = float(rng.uniform(0.05, 0.25)) * deep
        y = (room.y[0], room.y[0] + high * float(rng.uniform(0.75, 1.0)))
        pieces += _machine(goods, Space(x, y, (room.z[0] + margin, room.z[1] - margin)))
    return pieces


def _machine(goods: Goods, room: Space) -> list[Piece]:
    rng, bulk, solid = goods.rng, goods.bulk, goods.solid
    size = np.array([room.x[1] - room.x[0], room.y[1] - room.y[0], room.z[1] - room.z[0]])
    origin = np.array([room.x[0], room.y[0], room.z[0]])
    skid = min(120.0, 0.2 * size[1])
    above = np.array([0.0, skid, 0.0])
    base = (room.y[0], room.y[0] + skid)
    parts: list[Piece] = [
        Piece(Box(room.x, base, (z, z + 90)), goods.matter, 0.3 * solid) for z in (room.z[0], room.z[1] - 90)
    ]
    housing = _shell(room.x, (base[1], room.y[1]), room.z, float(rng.uniform(2, 6)), "", solid)
    parts += [Piece(s, goods.matter, density) for _, s, density in housing]
    # Posts and beams of the frame: hollow sections.
    for x in np.linspace(room.x[0], room.x[1] - 80, int(rng.integers(2, 5))):
        for z in (room.z[0] + 8, room.z[1] - 88):
            box = Box((float(x), float(x) + 80), (base[1], room.y[1]), (z, z + 80))
            parts.append(Piece(box, goods.matter, 0.15 * solid))
    budget = bulk * float(np.prod(size)) * 1e-6
    spent = sum(p.mass_kg for p in parts)
    for _ in range(90):
        if spent >= budget:
            break
        part = _component(goods, origin + above, size - above, max(budget - spent, 1.0))
        parts.append(part)
        spent += part.mass_kg
    return parts


def _component(goods: Goods, origin: NDArray[np.float64], size: NDArray[np.float64], left_kg: float) -> Piece:
    """Build a motor, shaft, casting or box of boards: small ones are solid, large ones mostly air."""
    rng = goods.rng
    edge = np.exp(rng.uniform(np.log(0.05), np.log(0.55), 3)) * size
    share = float(np.clip(rng.lognormal(np.log(0.25), 0.8), 0.03, 0.95))
    # What weighs more than is left gets smaller.
    heavy = float(np.prod(edge)) * 1e-6 * share * goods.solid / (0.5 * left_kg)
    if heavy > 1:
        edge = edge / heavy ** (1 / 3)
    low = origin + rng.uniform(0, 1, 3) * (size - edge)
    kind = rng.random()
    shape: Solid
    if kind < 0.45:
        axis = int(rng.choice(3, p=[0.5, 0.2, 0.3]))
        radius = float(np.delete(edge, axis).min() / 2)
        middle = low + edge / 2
        shape = Cylinder("xyz"[axis], (float(middle[0]), float(middle[1]), float(middle[2])), radius, float(edge[axis]))
    else:
        shape = Box(*((float(a), float(a + e)) for a, e in zip(low, edge, strict=True)))
    return Piece(shape, goods.matter, share * goods.solid)


def hidden_parts(parts: list[Part]) -> list[Piece]:
    """Return a vehicle's parts as something that no paper mentions."""
    return [Piece(solid, Matter.of(name, "hidden"), density) for name, solid, density in parts]
