"""What is wrong with a load as a whole: goods of another family, goods that are missing, false weights; where something may be hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scananalysis.cargo import Commodity, commodity
from scananalysis.core import ConfigurationError
from scananalysis.simulation.goods import goods_under
from scananalysis.simulation.hidden import Place

if TYPE_CHECKING:
    from scananalysis.core import Declaration
    from scananalysis.simulation.containers import Space
    from scananalysis.simulation.packing import Packed
    from scananalysis.simulation.scene import Piece

_REACH_MM = 350.0
"""How far along the load an object lies from the middle of a package at most."""


def apply_swap(
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
        swapped[i] = goods_under(str(rng.choice(others)))
    return swapped


def false_weights(papers: Declaration, rng: np.random.Generator) -> tuple[Declaration, float]:
    """Return papers with all weights of the goods too low by 20 to 60 % or too high by 25 to 100 %, and the factor."""
    low, high = (0.4, 0.8) if rng.random() < 0.5 else (1.25, 2.0)
    factor = round(float(rng.uniform(low, high)), 3)

    def told(kg: float | None) -> float | None:
        return None if kg is None else round(kg * factor, 1)

    items = tuple(item.model_copy(update={"net_weight_kg": told(item.net_weight_kg)}) for item in papers.items)
    gross = told(papers.cargo_gross_weight_kg)
    return papers.model_copy(update={"items": items, "cargo_gross_weight_kg": gross}), factor


def place_inside(packed: list[Packed], rooms: list[Space], rng: np.random.Generator) -> Place:
    """Return a place within the goods: neither in the air above or between them nor in the outermost 150 mm."""
    sizes = np.array([room.x[1] - room.x[0] for room in rooms])
    chosen = int(rng.choice(len(rooms), p=sizes / sizes.sum()))
    room = rooms[chosen]
    bounds = np.array([piece.solid.bounds for piece in packed[chosen].pieces if piece.density_g_cm3 > 0])
    volume = np.prod(bounds[:, 1::2] - bounds[:, ::2], axis=1)
    around = bounds[int(rng.choice(len(bounds), p=volume / volume.sum()))]
    middle = float(rng.uniform(around[0], around[1]))
    near = (bounds[:, 0] - 100 < middle) & (middle < bounds[:, 1] + 100)
    top = float(bounds[near, 3].max())
    low, high = room.x[0] + 150, room.x[1] - 150
    return Place(
        (min(max(middle - _REACH_MM, low), high), max(min(middle + _REACH_MM, high), low)),
        (room.y[0] + 60, max(top - 100, room.y[0] + 120)),
        (room.z[0] + 150, room.z[1] - 150),
    )


def take_away(structure: list[Piece], packed: list[Packed], rng: np.random.Generator) -> tuple[list[Piece], float]:
    """Leave out 10 to 35 % of the goods: those of one stretch of the load, or the uppermost where goods reach from end to end.

    Returns
    -------
    pieces : list of Piece
        Structure and what is left of the goods.
    missing_kg : float
    """
    pieces = [piece for part in packed for piece in part.pieces]
    bounds = np.array([piece.solid.bounds for piece in pieces])
    mass = np.array([piece.mass_kg for piece in pieces])
    share = float(rng.uniform(0.10, 0.35))
    low, high = bounds[:, 0].min(), bounds[:, 1].max()
    start = float(rng.uniform(low, high - (high - low) * share))
    middle = (bounds[:, 0] + bounds[:, 1]) / 2
    gone = (middle > start) & (middle < start + (high - low) * share)
    if (bounds[:, 1] - bounds[:, 0]).max() > 0.3 * (high - low) or not gone.any():
        # Topmost first, until the share is reached; pieces of one height (a ring and its hollow) go together.
        height = np.round((bounds[:, 2] + bounds[:, 3]) / 2, 3)
        levels = np.unique(height)[::-1]
        taken = np.array([mass[height >= level].sum() for level in levels])
        enough = int(np.searchsorted(taken, share * mass.sum()))
        gone = height >= levels[min(enough, max(levels.size - 2, 0))]
    kept = [piece for piece, leave in zip(pieces, gone.tolist(), strict=True) if not leave]
    return structure + kept, round(float(mass[gone].sum()), 1)
