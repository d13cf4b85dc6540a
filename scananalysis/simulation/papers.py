"""Papers of a load: a declaration that fits what was packed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scananalysis.cargo import Commodity, check_digit
from scananalysis.core import Declaration, Item

if TYPE_CHECKING:
    import numpy as np

    from scananalysis.simulation.packing import Packed
    from scananalysis.simulation.scene import Scene


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


def write_papers(
    goods: list[Commodity],
    packed: list[Packed],
    rng: np.random.Generator,
    *,
    container_type: str | None,
    tare_kg: float | None,
) -> Declaration:
    """Write papers: weights scatter by 1 %; packaging and dunnage are part of the gross weight.

    Parameters
    ----------
    goods : list of Commodity
    packed : list of Packed
        What each would weigh.
    rng : numpy.random.Generator
    container_type : str or None
        ISO 6346 size and type; None for a parcel or an air pallet.
    tare_kg : float or None

    Returns
    -------
    Declaration
    """
    together: dict[str, tuple[Commodity, float, int]] = {}
    for kind, part in zip(goods, packed, strict=True):
        _, kg, count = together.get(kind.heading, (kind, 0.0, 0))
        together[kind.heading] = (kind, kg + part.mass_kg - part.dunnage_kg, count + part.packages)
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
