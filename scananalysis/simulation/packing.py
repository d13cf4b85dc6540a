"""Packs goods into a room, by form: cartons, sacks, drums, reels, coils, bales, pallets, bulk, liquids, machinery, vehicles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scananalysis.core import ConfigurationError
from scananalysis.simulation import machines, packages, rounds
from scananalysis.simulation.containers import Space
from scananalysis.simulation.goods import Goods, to_mass
from scananalysis.simulation.scene import Piece

if TYPE_CHECKING:
    from collections.abc import Callable

    from scananalysis.cargo import Commodity

FORMS: dict[str, Callable[[Goods, Space], list[Piece]]] = {
    "drums": rounds.drums,
    "reels": rounds.reels,
    "rolls": rounds.rolls,
    "tyres": rounds.tyres,
    "machinery": machines.machines,
    "vehicles": machines.vehicles,
}
"""How goods of a form are packed; every other form is packages with flat sides, coils and heaps are apart."""

_TALLEST_VEHICLE_MM = 1650.0
_FLEXITANKS = 0.4
"""Share of liquids in 20 ft containers that travel in a flexitank: an estimate."""
_VEHICLE_SCALE = (0.8, 1.3)
"""How far the mass of a vehicle may be moved towards the density of the stow: its parts have densities of their own."""


@dataclass(frozen=True)
class Packed:
    """Goods in a room.

    Parameters
    ----------
    pieces : list of Piece
    mass_kg : float
        Of goods and dunnage.
    packages : int
    dunnage_kg : float
        Pallets, cradles, flanges of cable drums.
    """

    pieces: list[Piece]
    mass_kg: float
    packages: int
    dunnage_kg: float = 0.0


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
    goods = Goods.draw(commodity, space.y[1] - space.y[0], rng)
    wanted = float(rng.uniform(0.55, 0.98)) if fill is None else fill
    height = (space.y[1] - space.y[0]) * min(wanted, payload_kg / max(goods.bulk * 1000 * space.volume_m3, 1e-6))
    if commodity.form == "vehicles":
        height = min(_TALLEST_VEHICLE_MM, space.y[1] - space.y[0])
    room = Space(space.x, (space.y[0], space.y[0] + max(height, 60.0)), space.z)
    if commodity.form == "coils":
        # Coils stand as high as they are: their number, not their height, keeps to the payload.
        return _done(rounds.coils(goods, space, payload_kg))
    kg = goods.bulk * 1000 * room.volume_m3
    if rounds.is_liquid(goods) and rounds.takes_flexitank(space) and rng.random() < _FLEXITANKS:
        return _done(rounds.flexitank(goods, room, payload_kg))
    if commodity.form == "bulk":
        return _done(rounds.heap(goods, room))
    build = FORMS.get(commodity.form, packages.boxes)
    if commodity.form == "bundles" and rounds.is_long(goods):
        build = rounds.long_goods
    pieces = build(goods, room)
    if not pieces:
        pieces = packages.boxes(goods, room)
    elif commodity.form == "vehicles":
        own = sum(piece.mass_kg for piece in pieces)
        kg = min(float(np.clip(kg / own, *_VEHICLE_SCALE)) * own, payload_kg)
    else:
        # Whole layers seldom reach the wanted height, and must not be denser for it.
        top = max(piece.solid.bounds[3] for piece in pieces)
        kg *= min(1.0, (top - room.y[0]) / (room.y[1] - room.y[0]))
    return _done(to_mass(pieces, kg, goods.solid if commodity.form != "vehicles" else np.inf))


def fill_tank(commodity: Commodity, space: Space, payload_kg: float, rng: np.random.Generator) -> Packed:
    """Fill the shell of a tank container, whose room is the box around it, to 80 to 97 % or as far as the payload allows.

    Raises
    ------
    ConfigurationError
        The goods are not carried as liquids.
    """
    goods = Goods.draw(commodity, space.y[1] - space.y[0], rng)
    if not rounds.is_liquid(goods):
        raise ConfigurationError(
            f"{commodity.heading} in a tank container", expected=f"one of {', '.join(rounds.LIQUIDS)}"
        )
    return _done(rounds.tank(goods, space, payload_kg))


def _done(pieces: list[Piece]) -> Packed:
    dunnage = sum(piece.mass_kg for piece in pieces if piece.matter.kind != "cargo")
    hollows = sum(piece.density_g_cm3 < 0 for piece in pieces)
    goods = sum(piece.matter.kind == "cargo" for piece in pieces)
    return Packed(pieces, sum(piece.mass_kg for piece in pieces), max(1, goods - hollows), dunnage)
