"""A scene: solids of matter, in the order in which later ones replace what they displace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scananalysis.simulation.solids import Solid

Kind = Literal["structure", "cargo", "hidden"]


@dataclass(frozen=True)
class Matter:
    """What a solid is made of.

    Parameters
    ----------
    composition : tuple of (str, float)
        Weight fraction by element symbol or named material, as items, so that equal matter is recognised.
    family : int
        Index of the radiographic family, −1 for none.
    heading : int
        HS heading, −1 for none.
    kind : {"structure", "cargo", "hidden"}
    """

    composition: tuple[tuple[str, float], ...]
    family: int = -1
    heading: int = -1
    kind: Kind = "structure"

    @classmethod
    def of(
        cls, composition: str | Mapping[str, float], kind: Kind = "structure", family: int = -1, heading: int = -1
    ) -> Matter:
        """Make matter of a named material, a formula or a mixture."""
        parts = {composition: 1.0} if isinstance(composition, str) else composition
        return cls(tuple(sorted(parts.items())), family, heading, kind)


@dataclass(frozen=True)
class Piece:
    """A solid of some matter.

    Parameters
    ----------
    solid : Solid
    matter : Matter
    density_g_cm3 : float
        Mean density; negative where a hollow is taken out of a solid of the same matter.
    grain : float
        Relative 1-σ fluctuation of the areal density through the piece on the scale of ``grain_mm``: goods inside a
        package are not uniform.
    grain_mm : float
    displaces : bool
        Whether it replaces what earlier pieces put into its volume.
    ripple : (float, float)
        Period along x (mm) and relative amplitude of thickness, for corrugated walls; (0, 0) for none.
    """

    solid: Solid
    matter: Matter
    density_g_cm3: float
    grain: float = 0.0
    grain_mm: float = 60.0
    displaces: bool = False
    ripple: tuple[float, float] = (0.0, 0.0)

    @property
    def mass_kg(self) -> float:
        """Mass of the piece alone, kg."""
        return self.solid.volume_mm3 * 1e-3 * self.density_g_cm3 * 1e-3


@dataclass(frozen=True)
class Scene:
    """What moves through the scanner.

    Parameters
    ----------
    pieces : tuple of Piece
    length_mm : float
        Travel that is scanned; starts at x = 0.
    labels : mapping
        What is in it, as plain JSON values (fraud, hidden object, masses).
    """

    pieces: tuple[Piece, ...]
    length_mm: float
    labels: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Layers:
    """Areal density of every kind of matter along every ray.

    Parameters
    ----------
    matter : tuple of Matter
    areal_density : ndarray of float32, (matter, element, line)
        g/cm².
    hidden_mm : ndarray of float32, (element, line)
        Path through hidden objects and voids, mm.
    """

    matter: tuple[Matter, ...]
    areal_density: NDArray[np.float32]
    hidden_mm: NDArray[np.float32]

    def total(self, *kinds: Kind) -> NDArray[np.float32]:
        """Return the areal density of some kinds of matter, all by default."""
        chosen = [i for i, m in enumerate(self.matter) if not kinds or m.kind in kinds]
        found: NDArray[np.float32] = self.areal_density[chosen].sum(axis=0)
        return found
