"""Hidden objects and voids, placed inside a load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scananalysis.simulation.scene import Matter, Piece
from scananalysis.simulation.solids import Box, Cylinder

KINDS = ("organic", "metal", "shield", "dense", "void")
"""Organic blocks, weapon-like metal, lead-shielded boxes, dense metal sources, and hollows."""

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
    pieces = {"organic": _organic, "metal": _metal, "shield": _shield, "dense": _dense, "void": _void}[kind](place, rng)
    bounds = np.array([piece.solid.bounds for piece in pieces])
    labels = {
        "kind": kind,
        "mass_kg": round(object_mass_kg(pieces), 3),
        "box_mm": [
            round(float(v), 1) for v in (bounds[:, 0].min(), bounds[:, 1].max(), bounds[:, 2].min(), bounds[:, 3].max())
        ],
    }
    return pieces, labels


def object_mass_kg(pieces: list[Piece]) -> float:
    """Return the mass of an object whose later pieces replace what they displace of earlier ones around them."""
    total = 0.0
    for i, piece in enumerate(pieces):
        total += piece.mass_kg
        low, high = np.array(piece.solid.bounds[::2]), np.array(piece.solid.bounds[1::2])
        for outer in pieces[:i]:
            around = np.array(outer.solid.bounds)
            if np.all(around[::2] <= low) and np.all(high <= around[1::2]):
                total -= piece.solid.volume_mm3 * outer.density_g_cm3 * 1e-6
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
