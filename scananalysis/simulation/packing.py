"""Packs goods into a room, by form: cartons in layers, drums, reels, coils, bales, bulk, machinery, vehicles.

Every package is a solid of its own, with a density of its own, so texture comes from geometry and not from painting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scananalysis.cargo import Commodity, families
from scananalysis.simulation.containers import Space
from scananalysis.simulation.scene import Matter, Piece
from scananalysis.simulation.solids import Box, Cylinder

_GRAIN = {"homogeneous": 0.01, "granular": 0.035, "structured": 0.10}
"""Relative fluctuation of areal density inside a package by texture: an estimate."""

_BETWEEN_PACKAGES = {"homogeneous": 0.02, "granular": 0.05, "structured": 0.12}
"""Relative spread of density between packages by texture: an estimate."""

_EYE = 0.45
"""Inner over outer diameter of a coil."""

PACKAGE_MM = {
    "cartons": ((300, 600), (180, 400), (250, 450)),
    "frozen": ((350, 600), (120, 250), (300, 450)),
    "sacks": ((450, 850), (130, 220), (350, 550)),
    "bales": ((800, 1300), (500, 1000), (600, 1100)),
    "crates": ((700, 1400), (500, 1100), (700, 1100)),
    "pallets": ((1000, 1200), (600, 1150), (800, 1100)),
    "bundles": ((1500, 3500), (300, 700), (700, 1100)),
}
"""Length, height and depth of a package by form, mm: usual sizes, an estimate."""


@dataclass(frozen=True)
class Packed:
    """Goods in a room.

    Parameters
    ----------
    pieces : list of Piece
    mass_kg : float
    packages : int
    """

    pieces: list[Piece]
    mass_kg: float
    packages: int


def pack(
    commodity: Commodity, space: Space, payload_kg: float, rng: np.random.Generator, *, fill: float | None = None
) -> Packed:
    """Fill a room from the floor up, no higher than the payload allows.

    Parameters
    ----------
    commodity : Commodity
    space : Space
    payload_kg : float
        Most mass.
    rng : numpy.random.Generator
    fill : float, optional
        Share of the room's height that is wanted; drawn by default.

    Returns
    -------
    Packed
    """
    bulk, weights = commodity.draw(rng)
    matter = Matter.of(weights, "cargo", families().index(commodity.family), int(commodity.heading[:4]))
    wanted = float(rng.uniform(0.55, 0.98)) if fill is None else fill
    height = (space.y[1] - space.y[0]) * min(wanted, payload_kg / max(bulk * 1000 * space.volume_m3, 1e-6))
    room = Space(space.x, (space.y[0], space.y[0] + max(height, 60.0)), space.z)
    if commodity.form == "coils":
        pieces = _coils(commodity, matter, bulk, space, payload_kg, rng)
        return Packed(pieces, sum(piece.mass_kg for piece in pieces), len(pieces) // 2)
    builder = {
        "drums": _standing, "reels": _standing, "rolls": _standing, "tyres": _tyres, "bulk": _heap,
        "machinery": _machines, "vehicles": _machines,
    }.get(commodity.form, _boxes)  # fmt: skip
    pieces = builder(commodity, matter, bulk, room, rng)
    if not pieces:
        pieces = _boxes(commodity, matter, bulk, room, rng)
    pieces = _to_mass(pieces, bulk * 1000 * room.volume_m3)
    return Packed(pieces, sum(piece.mass_kg for piece in pieces), len(pieces))


def _to_mass(pieces: list[Piece], kg: float) -> list[Piece]:
    """Scale densities so that gaps between packages do not change the bulk density of the stow."""
    factor = kg / max(sum(piece.mass_kg for piece in pieces), 1e-9)
    return [
        Piece(p.solid, p.matter, p.density_g_cm3 * factor, p.grain, p.grain_mm, p.displaces, p.ripple) for p in pieces
    ]


def _piece(
    solid: Box | Cylinder, commodity: Commodity, matter: Matter, density: float, rng: np.random.Generator
) -> Piece:
    spread = _BETWEEN_PACKAGES[commodity.texture]
    own = density * max(0.3, 1 + spread * rng.standard_normal())
    return Piece(solid, matter, own, grain=_GRAIN[commodity.texture] * 2, grain_mm=float(rng.uniform(40, 120)))


def _boxes(commodity: Commodity, matter: Matter, bulk: float, room: Space, rng: np.random.Generator) -> list[Piece]:
    sizes = PACKAGE_MM.get(commodity.form, PACKAGE_MM["cartons"])
    edge = [float(rng.uniform(*limits)) for limits in sizes]
    extent = [room.x[1] - room.x[0], room.y[1] - room.y[0], room.z[1] - room.z[0]]
    count = [max(1, int(e / s)) for e, s in zip(extent, edge, strict=True)]
    # Packages of one kind are alike and stand close; what is left over is shared out as gaps.
    step = [e / n for e, n in zip(extent, count, strict=True)]
    gap = float(rng.uniform(0.01, 0.06))
    origin = (room.x[0], room.y[0], room.z[0])
    pieces = []
    loose = 0.02 * np.array(step)
    for i in range(count[0]):
        for j in range(count[1]):
            # The topmost layer is seldom complete.
            if j == count[1] - 1 and count[1] > 1 and rng.random() < 0.08:
                continue
            for k in range(count[2]):
                shift = rng.uniform(-1, 1, 3) * loose
                low = [o + (n + gap / 2) * s for o, n, s in zip(origin, (i, j, k), step, strict=True)]
                a = [low[0] + shift[0], low[1], low[2] + shift[2]]
                b = [a[0] + step[0] * (1 - gap), a[1] + step[1] * (1 - gap / 3), a[2] + step[2] * (1 - gap)]
                solid = Box((a[0], b[0]), (a[1], b[1]), (a[2], b[2]))
                pieces.append(_piece(solid, commodity, matter, bulk, rng))
    return pieces


def _standing(commodity: Commodity, matter: Matter, bulk: float, room: Space, rng: np.random.Generator) -> list[Piece]:
    """Stack cylinders that stand on end: drums, reels, rolls."""
    diameter = 585.0 if commodity.form == "drums" else float(rng.uniform(600, 1250))
    tall = 880.0 if commodity.form == "drums" else float(rng.uniform(700, 1600))
    height = room.y[1] - room.y[0]
    layers = max(1, int(height / tall))
    tall = min(tall, height / layers)
    columns = max(1, int((room.x[1] - room.x[0]) / diameter))
    deep = max(1, int((room.z[1] - room.z[0]) / diameter))
    pieces = []
    for j in range(layers):
        for i in range(columns):
            for k in range(deep):
                middle = (
                    room.x[0] + (i + 0.5) * diameter,
                    room.y[0] + (j + 0.5) * tall,
                    room.z[0] + (k + 0.5) * (room.z[1] - room.z[0]) / deep,
                )
                pieces.append(_piece(Cylinder("y", middle, diameter / 2 - 6, tall - 12), commodity, matter, bulk, rng))
    return pieces


def _hollow(
    axis: str, middle: tuple[float, float, float], outer: float, inner: float, length: float, piece: Piece
) -> list[Piece]:
    """Build a ring: a cylinder with its core taken out again."""
    solid = Piece(Cylinder(axis, middle, outer, length), piece.matter, piece.density_g_cm3, piece.grain, piece.grain_mm)
    core = Piece(Cylinder(axis, middle, inner, length), piece.matter, -piece.density_g_cm3)
    return [solid, core]


def _coils(
    commodity: Commodity, matter: Matter, bulk: float, room: Space, payload_kg: float, rng: np.random.Generator
) -> list[Piece]:
    """Lay coils on the floor with their eye across the container, as many as the payload allows."""
    diameter = min(float(rng.uniform(700, 1300)), room.y[1] - room.y[0])
    width = (room.z[1] - room.z[0]) * float(rng.uniform(0.35, 0.8))
    # Of the square around a coil its ring fills π/4 less the eye; wound metal is denser than the stow by that much.
    density = bulk / (np.pi / 4 * (1 - _EYE**2))
    each_kg = np.pi / 4 * diameter**2 * (1 - _EYE**2) * width * density * 1e-6
    fits = int((room.x[1] - room.x[0]) / (1.05 * diameter))
    count = max(1, min(fits, int(payload_kg / each_kg)))
    pieces = []
    for i in range(count):
        middle = (room.x[0] + (i + 0.5) * (room.x[1] - room.x[0]) / count, room.y[0] + diameter / 2, sum(room.z) / 2)
        model = _piece(Box((0, 1), (0, 1), (0, 1)), commodity, matter, density, rng)
        pieces += _hollow("z", middle, diameter / 2, diameter / 2 * _EYE, width, model)
    return pieces


def _tyres(commodity: Commodity, matter: Matter, bulk: float, room: Space, rng: np.random.Generator) -> list[Piece]:
    """Stack lying tyres."""
    diameter, thick = float(rng.uniform(580, 1050)), float(rng.uniform(180, 300))
    pieces = []
    columns, deep = int((room.x[1] - room.x[0]) / diameter), int((room.z[1] - room.z[0]) / diameter)
    for j in range(max(1, int((room.y[1] - room.y[0]) / thick))):
        for i in range(columns):
            for k in range(deep):
                middle = (
                    room.x[0] + (i + 0.5) * diameter,
                    room.y[0] + (j + 0.5) * thick,
                    room.z[0] + (k + 0.5) * (room.z[1] - room.z[0]) / deep,
                )
                model = _piece(Box((0, 1), (0, 1), (0, 1)), commodity, matter, bulk, rng)
                pieces += _hollow("y", middle, diameter / 2 - 4, diameter * 0.29, thick - 6, model)
    return pieces


def _heap(commodity: Commodity, matter: Matter, bulk: float, room: Space, rng: np.random.Generator) -> list[Piece]:
    """Heap bulk goods as columns under a smooth surface."""
    steps = max(4, int((room.x[1] - room.x[0]) / 100))
    x = np.linspace(room.x[0], room.x[1], steps + 1)
    waves = sum(
        rng.uniform(0, 0.06) * np.sin(2 * np.pi * n * np.arange(steps) / steps + rng.uniform(0, 6)) for n in (1, 2, 3)
    )
    height = (room.y[1] - room.y[0]) * np.clip(0.93 + waves, 0.5, 1.05)
    pieces = []
    for i in range(steps):
        solid = Box((x[i], x[i + 1]), (room.y[0], room.y[0] + float(height[i])), room.z)
        grain = _GRAIN[commodity.texture] * 0.6
        pieces.append(Piece(solid, matter, bulk, grain=grain, grain_mm=70.0))
    return pieces


def _machines(commodity: Commodity, matter: Matter, bulk: float, room: Space, rng: np.random.Generator) -> list[Piece]:
    """Build machines and vehicles: a body with beams, shafts and blocks of many densities in it, and air between them."""
    length = float(rng.uniform(1200, 4200))
    count = max(1, int((room.x[1] - room.x[0]) / (length + 250)))
    step = (room.x[1] - room.x[0]) / count
    high, deep = room.y[1] - room.y[0], room.z[1] - room.z[0]
    pieces = []
    for i in range(count):
        x0 = room.x[0] + i * step + 80
        body = Box(
            (x0, x0 + step - 160),
            (room.y[0] + 60, room.y[0] + high * 0.9),
            (room.z[0] + 0.15 * deep, room.z[1] - 0.15 * deep),
        )
        pieces.append(Piece(body, matter, bulk * 0.35, grain=_GRAIN[commodity.texture] / 2, grain_mm=150.0))
        for _ in range(int(rng.integers(14, 30))):
            size = rng.uniform([80, 60, 80], [step * 0.45, high * 0.4, deep * 0.5])
            low = [rng.uniform(a, max(b - s, a + 1)) for (a, b), s in zip((body.x, body.y, body.z), size, strict=True)]
            density = bulk * float(rng.uniform(0.5, 4.0))
            solid: Box | Cylinder = Box(*((float(a), float(a + s)) for a, s in zip(low, size, strict=True)))
            if rng.random() < 0.35:
                middle = (float(low[0] + size[0] / 2), float(low[1] + size[1] / 2), float(low[2] + size[2] / 2))
                solid = Cylinder(str(rng.choice(["x", "y", "z"])), middle, float(min(size) / 2), float(max(size)))
            pieces.append(Piece(solid, matter, density))
    return pieces
