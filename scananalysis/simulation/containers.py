"""Containers and what carries them: walls, frame, doors, floor, chassis, wheels.

External sizes: ISO 668:2020; wall thickness and frame sections are those of common dry freight containers, rounded (an assumption where
no standard fixes them).
"""

from __future__ import annotations

from dataclasses import dataclass

from scananalysis.simulation.scene import Matter, Piece
from scananalysis.simulation.solids import Box, Cylinder

STEEL = Matter.of("steel")
TIMBER = Matter.of("wood")
RUBBER = Matter.of("tyre rubber")


@dataclass(frozen=True)
class ContainerSize:
    """A container size.

    Parameters
    ----------
    code : str
        ISO 6346 size and type.
    length_mm, width_mm, height_mm : float
        Outside.
    tare_kg, payload_kg : float
    """

    code: str
    length_mm: float
    width_mm: float
    height_mm: float
    tare_kg: float
    payload_kg: float


SIZES = {
    "22G1": ContainerSize("22G1", 6058, 2438, 2591, 2230, 21700),
    "42G1": ContainerSize("42G1", 12192, 2438, 2591, 3700, 26700),
    "45G1": ContainerSize("45G1", 12192, 2438, 2896, 3900, 26500),
}
"""Dry freight containers: 20 ft, 40 ft and 40 ft high cube."""

WALL_MM, ROOF_MM, FLOOR_MM, POST_MM = 2.0, 2.0, 28.0, 160.0
CORRUGATION = (278.0, 0.12)
"""Period along the wall, mm, and relative thickness of its slopes over its flats."""


@dataclass(frozen=True)
class Space:
    """The room for goods inside a container: (low, high) along each axis, mm."""

    x: tuple[float, float]
    y: tuple[float, float]
    z: tuple[float, float]

    @property
    def volume_m3(self) -> float:
        """Volume, m³."""
        return (self.x[1] - self.x[0]) * (self.y[1] - self.y[0]) * (self.z[1] - self.z[0]) * 1e-9

    def scaled(self, factor: float) -> Space:
        """Return the room with every coordinate multiplied."""
        x, y, z = ((a * factor, b * factor) for a, b in (self.x, self.y, self.z))
        return Space(x, y, z)


def container(size: ContainerSize, x0: float, y0: float, z_middle: float) -> tuple[list[Piece], Space]:
    """Build an empty container.

    Parameters
    ----------
    size : ContainerSize
    x0, y0, z_middle : float
        Front end, underside and middle, mm.

    Returns
    -------
    pieces : list of Piece
    space : Space
    """
    x1, y1 = x0 + size.length_mm, y0 + size.height_mm
    z0, z1 = z_middle - size.width_mm / 2, z_middle + size.width_mm / 2
    deck = y0 + 150
    pieces = [
        Piece(Box((x0, x1), (deck, y1 - 60), (z, z + WALL_MM)), STEEL, 7.85, ripple=CORRUGATION)
        for z in (z0 + 30, z1 - 32)
    ]
    pieces.append(Piece(Box((x0, x1), (y1 - 40, y1 - 40 + ROOF_MM), (z0, z1)), STEEL, 7.85))
    pieces.append(Piece(Box((x0, x1), (deck, deck + FLOOR_MM), (z0, z1)), TIMBER, 0.75))
    # Rails and cross members are hollow: their mean density is that of steel times the wall's share of the section.
    for z in (z0, z1 - 60):
        pieces.append(Piece(Box((x0, x1), (y1 - 60, y1), (z, z + 60)), STEEL, 1.6))
        pieces.append(Piece(Box((x0, x1), (y0, deck), (z, z + 50)), STEEL, 0.9))
        pieces += [Piece(Box((x, x + POST_MM), (y0, y1), (z, z + 60)), STEEL, 1.8) for x in (x0, x1 - POST_MM)]
    count = round(size.length_mm / 300)
    pieces += [
        Piece(Box((x0 + i * 300 + 100, x0 + i * 300 + 145), (y0 + 20, deck), (z0, z1)), STEEL, 0.7)
        for i in range(count)
    ]
    # Front wall, and doors with their locking bars.
    pieces.append(Piece(Box((x0 + 20, x0 + 22), (deck, y1), (z0, z1)), STEEL, 7.85))
    pieces.append(Piece(Box((x1 - 50, x1 - 47), (deck, y1), (z0, z1)), STEEL, 7.85))
    pieces += [
        Piece(Cylinder("y", (x1 - 20, (y0 + y1) / 2, z_middle + z), 17, size.height_mm - 300), STEEL, 4.0)
        for z in (-700, -300, 300, 700)
    ]
    space = Space((x0 + 60, x1 - 70), (deck + FLOOR_MM, y1 - 80), (z0 + 50, z1 - 50))
    return pieces, space


def chassis(size: ContainerSize, x0: float, y0: float, z_middle: float) -> list[Piece]:
    """Build the truck chassis under a container whose underside is at ``y0``: two beams, bogies, wheels."""
    x1 = x0 + size.length_mm
    pieces = [
        Piece(Box((x0 - 300, x1 + 100), (y0 - 300, y0 - 20), (z_middle + z - 70, z_middle + z + 70)), STEEL, 1.1)
        for z in (-450, 450)
    ]
    wheels = [x1 - 900 - 1310 * i for i in range(2 if size.length_mm < 8000 else 3)] + [x0 + 900]
    for x in wheels:
        for z in (-1080, 750):
            pieces.append(Piece(Cylinder("z", (x, 520, z_middle + z + 165), 500, 330), RUBBER, 0.55))
            pieces.append(Piece(Cylinder("z", (x, 520, z_middle + z + 165), 260, 330), STEEL, 0.9))
        pieces.append(Piece(Cylinder("z", (x, 520, z_middle), 60, 2000), STEEL, 7.85))
    return pieces
