"""Packages with flat sides: cartons, frozen cartons, sacks, bales, crates, palletised goods, bundles of sawn timber.

Each package is a solid with a density of its own, so texture comes from geometry and not from painting. Pallets: 1200 × 1000 and
1200 × 800 mm, 144 mm high, some 25 kg of timber (ISO 6780, EN 13698-1); other sizes are usual ones, an estimate.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from scananalysis.simulation.containers import TIMBER, Space
from scananalysis.simulation.scene import Piece
from scananalysis.simulation.solids import Box

if TYPE_CHECKING:
    from scananalysis.simulation.goods import Goods

PACKAGE_MM = {
    "cartons": ((300, 600), (180, 400), (250, 450)),
    "frozen": ((350, 600), (120, 250), (300, 450)),
    "sacks": ((450, 850), (130, 220), (350, 550)),
    "bales": ((800, 1300), (500, 1000), (600, 1100)),
    "crates": ((700, 1400), (500, 1100), (700, 1100)),
    "pallets": ((1000, 1200), (600, 1150), (800, 1100)),
    "bundles": ((1500, 3500), (300, 700), (700, 1100)),
}
"""Length, height and depth of a package by form, mm."""

PALLET_MM, _PALLET_DENSITY = ((1200.0, 1000.0), (1200.0, 800.0)), 0.15
PALLET_HEIGHT_MM = 144.0
_PALLETISED = {"cartons": 0.35, "sacks": 0.5, "frozen": 0.25, "pallets": 1.0}
"""Share of loads on pallets by form, where there is room for a pallet."""
_YIELDING = ("sacks", "bales")
_MOST_PACKAGES = 1500


def boxes(goods: Goods, room: Space) -> list[Piece]:
    """Stow packages from wall to wall, or on pallets."""
    return [_inside(piece, room) for piece in _stow(goods, room)]


def _inside(piece: Piece, room: Space) -> Piece:
    """Press a package that was laid a few millimetres over the edge back between the walls."""
    x, y, z = piece.solid.bounds[:2], piece.solid.bounds[2:4], piece.solid.bounds[4:]
    if room.x[0] <= x[0] and x[1] <= room.x[1] and room.z[0] <= z[0] and z[1] <= room.z[1]:
        return piece
    pressed = Box(
        (max(x[0], room.x[0]), min(x[1], room.x[1])), (y[0], y[1]), (max(z[0], room.z[0]), min(z[1], room.z[1]))
    )
    return replace(piece, solid=pressed)


def _stow(goods: Goods, room: Space) -> list[Piece]:
    form, rng = goods.commodity.form, goods.rng
    palletised = rng.random() < _PALLETISED.get(form, 0.0)
    high = room.y[1] - room.y[0]
    if palletised and high > 500 and room.x[1] - room.x[0] > 1300 and room.z[1] - room.z[0] > 2000:
        return _pallets(goods, room)
    parts = 1 + int(rng.random() < 0.3) if form == "cartons" and room.x[1] - room.x[0] > 3000 else 1
    # Cartons of a second size: another article of the same heading.
    cut = room.x[0] + (room.x[1] - room.x[0]) * float(rng.uniform(0.3, 0.7))
    rooms = [room] if parts == 1 else [Space((a, b), room.y, room.z) for a, b in ((room.x[0], cut), (cut, room.x[1]))]
    return [piece for part in rooms for piece in _wall_to_wall(goods, part)]


def _grid(goods: Goods, extent: list[float]) -> tuple[list[float], list[int]]:
    """Draw a package's size and count how many fit; sizes grow where there would be too many."""
    sizes = PACKAGE_MM.get(goods.commodity.form, PACKAGE_MM["cartons"])
    edge = np.array([float(goods.rng.uniform(*limits)) for limits in sizes])
    while np.prod(np.maximum(1, np.array(extent) // edge)) > _MOST_PACKAGES:
        edge *= 1.1
    return edge.tolist(), [max(1, int(e / s)) for e, s in zip(extent, edge, strict=True)]


def _wall_to_wall(goods: Goods, room: Space) -> list[Piece]:
    rng, form = goods.rng, goods.commodity.form
    extent = [room.x[1] - room.x[0], room.y[1] - room.y[0], room.z[1] - room.z[0]]
    _, count = _grid(goods, extent)
    # Packages of one kind are alike and stand close; what is left over is shared out as gaps. Sacks and bales give way to each other.
    step = [e / n for e, n in zip(extent, count, strict=True)]
    yields = form in _YIELDING
    gap = float(rng.uniform(0.0, 0.02) if yields else rng.uniform(0.01, 0.06))
    soft = 0.03 if yields else 0.02
    bonded = yields or form == "bundles"
    pieces = []
    for j in range(count[1]):
        for k in range(count[2]):
            # Laid in bond: every row of sacks or bales starts where it likes, so that gaps do not line up through the load.
            bond = float(rng.uniform(0.0, 1.0)) if bonded and count[0] > 2 else 0.0
            for i in range(count[0] + (bond > 0)):
                # The topmost layer is seldom complete.
                if j == count[1] - 1 and count[1] > 1 and rng.random() < 0.08:
                    continue
                a = room.x[0] + max(i - bond, 0) * step[0]
                b = min(room.x[0] + (i - bond + 1) * step[0], room.x[1])
                if b - a < 0.15 * step[0]:
                    continue
                low = (a, room.y[0] + j * step[1], room.z[0] + k * step[2])
                high = (b, low[1] + step[1], low[2] + step[2])
                pieces += _package(goods, low, high, gap, soft, top=j == count[1] - 1)
    return pieces


def _package(
    goods: Goods, low: tuple[float, ...], high: tuple[float, ...], gap: float, soft: float, *, top: bool
) -> list[Piece]:
    """Place one package, with gaps on all sides, shifted by the play it has; a sack on top is rounded."""
    rng = goods.rng
    size = [b - a for a, b in zip(low, high, strict=True)]
    shift = rng.uniform(-1, 1, 3) * soft * np.array(size) / 2
    a = [low[0] + gap / 2 * size[0] + shift[0], low[1], low[2] + gap / 2 * size[2] + shift[2]]
    b = [a[0] + size[0] * (1 - gap), high[1] - size[1] * gap / 3, a[2] + size[2] * (1 - gap)]
    if goods.commodity.form != "sacks" or not top:
        return [goods.piece(Box((a[0], b[0]), (a[1], b[1]), (a[2], b[2])))]
    pieces = []
    for bottom, cap, share in ((0.0, 0.5, 1.0), (0.5, 0.8, 0.86), (0.8, 1.0, 0.6)):
        cut_x, cut_z = (1 - share) / 2 * (b[0] - a[0]), (1 - share) / 2 * (b[2] - a[2])
        y = (a[1] + bottom * (b[1] - a[1]), a[1] + cap * (b[1] - a[1]))
        pieces.append(goods.piece(Box((a[0] + cut_x, b[0] - cut_x), y, (a[2] + cut_z, b[2] - cut_z))))
    return pieces


def pallet(x: tuple[float, float], y0: float, z: tuple[float, float]) -> list[Piece]:
    """Build a timber pallet: deck boards, nine blocks taken together, bottom boards; it is dunnage, not goods."""
    return [
        Piece(Box(x, (y0 + 122, y0 + PALLET_HEIGHT_MM), z), TIMBER, 0.42),
        Piece(Box(x, (y0 + 22, y0 + 122), z), TIMBER, 0.55 * _PALLET_DENSITY),
        Piece(Box(x, (y0, y0 + 22), z), TIMBER, 0.3),
    ]


def _pallets(goods: Goods, room: Space) -> list[Piece]:
    """Stack goods on pallets, two abreast and some centimetres apart; heavy goods in one tier, low ones in two."""
    rng = goods.rng
    length, depth = PALLET_MM[int(rng.integers(2))]
    extent_x, extent_z = room.x[1] - room.x[0], room.z[1] - room.z[0]
    if rng.random() < 0.4 and extent_z / length >= 1.9:
        length, depth = depth, length
    columns = max(1, int(extent_x / (length + 20)))
    abreast = 2 if 2 * depth <= extent_z else 1
    step = extent_x / columns
    # What the length leaves over is one gap at the doors rather than many between the pallets, as often as not.
    step = length + 20 if rng.random() < 0.5 else step
    high = room.y[1] - room.y[0]
    tiers = 2 if high > 1500 and rng.random() < 0.5 else 1
    tall = high / tiers
    edge, _ = _grid(goods, [length, tall, depth])
    across = (max(1, round(length / edge[0])), max(1, round(depth / edge[2])))
    layers = max(1, round((tall - PALLET_HEIGHT_MM) / edge[1]))
    while columns * abreast * tiers * across[0] * across[1] * layers > _MOST_PACKAGES and layers > 1:
        layers = max(1, layers // 2)
    layer = (tall - PALLET_HEIGHT_MM) / layers
    gap = float(rng.uniform(0.0, 0.015) if goods.commodity.form in _YIELDING else rng.uniform(0.005, 0.03))
    soft = 0.05 if goods.commodity.form in _YIELDING else 0.02
    pieces = []
    for i in range(columns):
        for k in range(abreast):
            x0 = room.x[0] + i * step + float(rng.uniform(0, min(20.0, max(step - length, 0.1))))
            z0 = room.z[0] + (k + 0.5) * extent_z / abreast - depth / 2 + float(rng.uniform(-15, 15))
            for tier in range(tiers):
                base = room.y[0] + tier * tall
                pieces += pallet((x0, x0 + length), base, (z0, z0 + depth))
                # A pallet here and there is not full.
                kept = layers if rng.random() > 0.1 else max(1, layers - int(rng.integers(1, 3)))
                for j in range(kept):
                    turned = across if j % 2 == 0 else across[::-1]
                    low_y = base + PALLET_HEIGHT_MM + j * layer
                    for m in range(turned[0]):
                        for n in range(turned[1]):
                            low = (x0 + m * length / turned[0], low_y, z0 + n * depth / turned[1])
                            far = (x0 + (m + 1) * length / turned[0], low_y + layer, z0 + (n + 1) * depth / turned[1])
                            pieces += _package(goods, low, far, gap, soft, top=j == kept - 1)
    return pieces
