"""Goods of one consignment: what they are made of, how dense they are, and how uniform."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scananalysis.cargo import Commodity, commodity, families
from scananalysis.core import ScanAnalysisError
from scananalysis.physics import composition, material
from scananalysis.simulation.scene import Matter, Piece

if TYPE_CHECKING:
    import numpy as np

    from scananalysis.simulation.solids import Solid

GRAIN = {"homogeneous": 0.02, "granular": 0.045, "structured": 0.18}
"""Relative fluctuation of areal density inside a package by texture: an estimate."""

BETWEEN_PACKAGES = {"homogeneous": 0.02, "granular": 0.05, "structured": 0.12}
"""Relative spread of density between packages by texture: an estimate."""

_FORMULAS = {
    "Al2O3": 3.95, "TiO2": 4.23, "Fe2O3": 5.24, "Ni": 8.91, "WC": 15.6, "CuFeS2": 4.2, "FeS2": 5.0, "Cr2O3": 5.2, "AgBr": 6.47,
}  # fmt: skip
_ORGANIC, _MINERAL = 1.3, 2.6
"""Densities of heavy compounds (CRC Handbook), and of other compounds of which only the formula is known, g/cm³."""
_LEAST_PLAY = 1.15
"""Solid goods are at least this much denser than the densest stow: logs are wet where the table's wood is dry."""


@dataclass(frozen=True)
class Goods:
    """One realisation of a commodity.

    Parameters
    ----------
    commodity : Commodity
    matter : Matter
    bulk : float
        Density of the stow, g/cm³.
    solid : float
        Density without any gap, g/cm³: no package can be denser.
    headroom_mm : float
        Height of the whole room; the goods may fill less of it.
    rng : numpy.random.Generator
    """

    commodity: Commodity
    matter: Matter
    bulk: float
    solid: float
    headroom_mm: float
    rng: np.random.Generator

    @classmethod
    def draw(cls, commodity: Commodity, headroom_mm: float, rng: np.random.Generator) -> Goods:
        """Draw density and composition."""
        bulk, weights = commodity.draw(rng)
        matter = Matter.of(weights, "cargo", families().index(commodity.family), int(commodity.heading[:4]))
        solid = max(solid_density(commodity), _LEAST_PLAY * commodity.bulk_density_max)
        return cls(commodity, matter, bulk, solid, headroom_mm, rng)

    def piece(self, solid: Solid, density: float | None = None, *, grain: float = 1.0) -> Piece:
        """Return a package of the goods: the stow's density unless another is given, with a spread of its own."""
        spread = BETWEEN_PACKAGES[self.commodity.texture]
        own = (self.bulk if density is None else density) * max(0.3, 1 + spread * self.rng.standard_normal())
        size = float(self.rng.uniform(60, 200))
        return Piece(solid, self.matter, own, grain=GRAIN[self.commodity.texture] * grain, grain_mm=size)

    def of(self, name: str) -> Matter:
        """Return a part of the goods that is made of one material, such as the tyres of a car."""
        return Matter.of(name, "cargo", self.matter.family, self.matter.heading)


def goods_under(heading: str) -> Commodity:
    """Return goods that keep the heading they were asked for, also where their chapter stands in for it.

    Examples
    --------
    >>> goods_under("0702").heading
    '0702'
    """
    found = commodity(heading)
    return replace(found, heading=heading) if found.is_fallback else found


def solid_density(commodity: Commodity) -> float:
    """Return the density of the goods without any gap, g/cm³: 1 / Σ w/ρ of the middle of their composition.

    Examples
    --------
    >>> from scananalysis.cargo import commodity
    >>> 6 < solid_density(commodity("7208")) < 7.9
    True
    """
    rows = commodity.alternatives or (commodity,)
    volume = mass = 0.0
    for name, (low, high) in rows[0].composition.items():
        try:
            density = material(name).density_g_cm3
        except ScanAnalysisError:
            organic = _ORGANIC if {"C", "H"} <= set(composition(name)) else _MINERAL
            density = _FORMULAS.get(name, organic)
        volume += (low + high) / 2 / density
        mass += (low + high) / 2
    return mass / volume


def to_mass(pieces: list[Piece], kg: float, solid: float) -> list[Piece]:
    """Scale the goods' densities so that they weigh what the stow's density asks, but none becomes denser than solid.

    Gaps between packages thus do not change the density of the stow. Dunnage (matter that is no cargo) keeps its own.
    """
    weight = sum(p.mass_kg for p in pieces if p.matter.kind == "cargo")
    factor = kg / max(weight, 1e-9)
    scaled = []
    for p in pieces:
        density = p.density_g_cm3
        if p.matter.kind == "cargo":
            # A hollow carries the density of what it is cut out of, with the sign reversed: both stop at the same limit.
            density = min(abs(density) * factor, solid) * (1 if density > 0 else -1)
        scaled.append(replace(p, density_g_cm3=density))
    return scaled
