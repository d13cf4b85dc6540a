"""Containers: walls, frame, corner castings, doors, floor; reefers with their unit, tank containers, air-cargo pallets.

External sizes: ISO 668:2020; corner castings: ISO 1161 (178 × 162 × 118 mm). Least internal sizes of ISO 668 are 2330 mm of width and
the outer height less 241 mm. Plate thickness and sections are those of common dry freight containers (side plates 1.6 to 2.0 mm, 36 mm
deep trapezoids, about 280 mm apart; floor of 28 mm plywood), rounded: an assumption where no standard fixes them. Reefers and pallets:
usual figures of makers, also rounded (PMC pallet: 125 × 96 inches, IATA ULD code).
"""

from __future__ import annotations

from dataclasses import dataclass

from scananalysis.simulation.scene import Matter, Piece
from scananalysis.simulation.solids import Box, Cylinder

STEEL = Matter.of("steel")
ALUMINIUM = Matter.of("aluminium")
TIMBER = Matter.of("wood")
FOAM = Matter.of("polyurethane foam")
COPPER = Matter.of("copper")

STEEL_DENSITY = 7.85


@dataclass(frozen=True)
class ContainerSize:
    """A container size.

    Parameters
    ----------
    code : str
        ISO 6346 size and type, or the IATA code of an air-cargo pallet.
    length_mm, width_mm, height_mm : float
        Outside.
    tare_kg, payload_kg : float
    kind : {"dry", "reefer", "tank", "air"}
    """

    code: str
    length_mm: float
    width_mm: float
    height_mm: float
    tare_kg: float
    payload_kg: float
    kind: str = "dry"


SIZES = {
    size.code: size
    for size in (
        ContainerSize("22G1", 6058, 2438, 2591, 2230, 21700),
        ContainerSize("42G1", 12192, 2438, 2591, 3700, 26700),
        ContainerSize("45G1", 12192, 2438, 2896, 3900, 26500),
        ContainerSize("22R1", 6058, 2438, 2591, 2900, 24000, "reefer"),
        ContainerSize("45R1", 12192, 2438, 2896, 4600, 29000, "reefer"),
        ContainerSize("22T1", 6058, 2438, 2591, 3700, 26500, "tank"),
        ContainerSize("PMC", 3175, 2438, 1626, 120, 6680, "air"),
    )
}
"""Dry freight containers of 20 ft, 40 ft and 40 ft high cube, reefers, a tank container and an air-cargo pallet."""

DRY = tuple(code for code, size in SIZES.items() if size.kind == "dry")

WALL_MM, ROOF_MM, FLOOR_MM, POST_MM = 1.8, 2.0, 28.0, 160.0
CORRUGATION_MM, SLOPE_MM, WAVE_MM = 278.0, 68.0, 36.0
"""Pitch of the trapezoids of a side wall, length of one slope along the wall, depth of the wave."""
CASTING_MM = (178.0, 118.0, 162.0)
"""Corner casting, ISO 1161: length, height, width."""
_CASTING_KG = 11.0
_UNDERFRAME_MM = 150.0
_INSULATION_MM, _T_FLOOR_MM, _UNIT_MM = 62.0, 90.0, 420.0


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
    """Build an empty container or pallet.

    Parameters
    ----------
    size : ContainerSize
    x0, y0, z_middle : float
        Front end, underside and middle, mm.

    Returns
    -------
    pieces : list of Piece
    space : Space

    Examples
    --------
    >>> pieces, space = container(SIZES["22G1"], 0.0, 1150.0, 6000.0)
    >>> round(space.z[1] - space.z[0]), round(space.y[1] - space.y[0])
    (2338, 2353)
    """
    build = {"dry": _dry, "reefer": _reefer, "tank": _tank, "air": _pallet}[size.kind]
    return build(size, (x0, x0 + size.length_mm), (y0, y0 + size.height_mm), z_middle)


def _plate(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], density: float) -> Piece:
    return Piece(Box(x, y, z), STEEL, density)


def _frame(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]) -> list[Piece]:
    """Rails, posts, cross members and corner castings.

    Sections are hollow: their mean density is that of steel times the share of the section that is wall.
    """
    (x0, x1), (y0, y1), (z0, z1) = x, y, z
    deck = y0 + _UNDERFRAME_MM
    casting = _CASTING_KG / (CASTING_MM[0] * CASTING_MM[1] * CASTING_MM[2] * 1e-6)
    inner = (x0 + CASTING_MM[0], x1 - CASTING_MM[0])
    pieces = []
    for a, b in ((z0, z0 + 60), (z1 - 60, z1)):
        pieces.append(_plate(inner, (y1 - 60, y1), (a, b), 1.6))
        pieces.append(_plate(inner, (y0, deck), (a, b), 1.05))
        pieces += [
            _plate((low, low + POST_MM), (y0 + CASTING_MM[1], y1 - CASTING_MM[1]), (a, b), 1.8)
            for low in (x0, x1 - POST_MM)
        ]
    for low in (x0, x1 - CASTING_MM[0]):
        for bottom in (y0, y1 - CASTING_MM[1]):
            for near in (z0, z1 - CASTING_MM[2]):
                corner = ((low, low + CASTING_MM[0]), (bottom, bottom + CASTING_MM[1]), (near, near + CASTING_MM[2]))
                pieces.append(_plate(*corner, casting))
        # Header and sill between the posts.
        pieces.append(_plate((low + 30, low + 130), (y1 - 110, y1), (z0 + 162, z1 - 162), 1.2))
        pieces.append(_plate((low + 30, low + 130), (y0, deck), (z0 + 162, z1 - 162), 1.2))
    count = int((x1 - x0 - 400) / 300)
    pieces += [
        _plate((x0 + i * 300 + 260, x0 + i * 300 + 305), (y0 + 28, deck), (z0 + 60, z1 - 60), 1.15)
        for i in range(count + 1)
    ]
    return pieces


def _doors(x1: float, y: tuple[float, float], z: tuple[float, float]) -> list[Piece]:
    """Two leaves of 2 mm plate on hollow frames, four locking bars with cams, hinges."""
    middle = (z[0] + z[1]) / 2
    bottom, top = y[0] + _UNDERFRAME_MM, y[1] - 110
    pieces = [_plate((x1 - 50, x1 - 48), (bottom, top), (z[0] + 60, z[1] - 60), STEEL_DENSITY)]
    for a, b in ((z[0] + 65, middle - 5), (middle + 5, z[1] - 65)):
        pieces += [_plate((x1 - 90, x1 - 50), (bottom, top), (e, e + 50), 1.2) for e in (a, b - 50)]
        pieces += [
            _plate((x1 - 90, x1 - 50), (h, h + 50), (a + 50, b - 50), 1.2)
            for h in (bottom, (bottom + top) / 2, top - 50)
        ]
    half = (bottom + top) / 2
    for off in (-700, -300, 300, 700):
        pieces.append(Piece(Cylinder("y", (x1 - 20, half, middle + off), 17, top - bottom - 60), STEEL, 4.0))
        pieces += [
            _plate((x1 - 45, x1), (e, e + 60), (middle + off - 45, middle + off + 45), 3.0)
            for e in (bottom + 20, top - 80)
        ]
    return pieces


def _dry(
    size: ContainerSize, x: tuple[float, float], y: tuple[float, float], z_middle: float
) -> tuple[list[Piece], Space]:
    (x0, x1), (y0, y1) = x, y
    z0, z1 = z_middle - size.width_mm / 2, z_middle + size.width_mm / 2
    deck = y0 + _UNDERFRAME_MM
    pieces = _frame(x, y, (z0, z1)) + _doors(x1, y, (z0, z1))
    wall = (x0 + POST_MM, x1 - POST_MM)
    # Flats of the trapezoids carry the plate; a slope is crossed along more steel by the length of its slant.
    slant = (SLOPE_MM**2 + WAVE_MM**2) ** 0.5 / SLOPE_MM - 1
    for z in (z0 + 12, z1 - 12 - WALL_MM):
        pieces.append(_plate(wall, (deck, y1 - 60), (z, z + WALL_MM), STEEL_DENSITY))
        count = int((wall[1] - wall[0]) / CORRUGATION_MM)
        for i in range(count):
            start = wall[0] + (i + 0.25) * CORRUGATION_MM
            for low in (start, start + CORRUGATION_MM / 2):
                pieces.append(_plate((low, low + SLOPE_MM), (deck, y1 - 60), (z, z + WALL_MM), slant * STEEL_DENSITY))
    pieces.append(_plate((x0, x1), (y1 - 40, y1 - 40 + ROOF_MM), (z0 + 60, z1 - 60), STEEL_DENSITY))
    pieces.append(_plate((x0 + 20, x0 + 22), (deck, y1 - 60), (z0 + 60, z1 - 60), 1.15 * STEEL_DENSITY))
    # Lashing rings on the bottom and top rails, 1.2 m apart.
    for i in range(int(size.length_mm / 1200)):
        place = x0 + 600 + 1200 * i
        pieces += [_plate((place, place + 60), (h, h + 70), (z0 + 60, z0 + 75), 2.5) for h in (deck + 30, y1 - 150)]
    pieces.append(Piece(Box((x0 + 20, x1 - 50), (deck, deck + FLOOR_MM), (z0 + 10, z1 - 10)), TIMBER, 0.75))
    space = Space((x0 + 60, x1 - 92), (deck + FLOOR_MM, y1 - 60), (z0 + 50, z1 - 50))
    return pieces, space


def _reefer(
    size: ContainerSize, x: tuple[float, float], y: tuple[float, float], z_middle: float
) -> tuple[list[Piece], Space]:
    """Foam between skins of steel and aluminium, a floor of T-sections, and the refrigeration unit in the front wall."""
    (x0, x1), (y0, y1) = x, y
    z0, z1 = z_middle - size.width_mm / 2, z_middle + size.width_mm / 2
    deck = y0 + _UNDERFRAME_MM
    thick = _INSULATION_MM
    pieces = _frame(x, y, (z0, z1)) + _doors(x1, y, (z0, z1))
    pieces += _unit(x0, (y0 + 60, y1 - 60), (z0 + 62, z1 - 62))
    room = (x0 + _UNIT_MM, x1 - 150)
    slabs = [
        (room, (deck, y1 - 80), (z0 + 8, z0 + thick)),
        (room, (deck, y1 - 80), (z1 - thick, z1 - 8)),
        (room, (y1 - 80, y1 - 10), (z0 + 8, z1 - 8)),
        (room, (deck - 70, deck), (z0 + 8, z1 - 8)),
        ((x1 - 150, x1 - 92), (deck, y1 - 110), (z0 + 65, z1 - 65)),
    ]
    pieces += [Piece(Box(*slab), FOAM, 0.045) for slab in slabs]
    for z in (z0 + 7, z1 - 8):
        pieces.append(_plate(room, (deck, y1 - 80), (z, z + 1.0), STEEL_DENSITY))
    for z in (z0 + thick, z1 - thick - 0.8):
        pieces.append(_plate(room, (deck, y1 - 80), (z, z + 1.0), STEEL_DENSITY))
    pieces.append(Piece(Box(room, (y1 - 10, y1 - 8), (z0 + 8, z1 - 8)), ALUMINIUM, 2.7))
    # T-section floor: about 30 kg of aluminium per m².
    pieces.append(Piece(Box(room, (deck, deck + _T_FLOOR_MM), (z0 + thick, z1 - thick)), ALUMINIUM, 0.33))
    inner = (z0 + thick + 1, z1 - thick - 1)
    # Air must pass above the load line.
    return pieces, Space((x0 + _UNIT_MM + 20, x1 - 170), (deck + _T_FLOOR_MM, y1 - 200), inner)


def _unit(x0: float, y: tuple[float, float], z: tuple[float, float]) -> list[Piece]:
    """Build a refrigeration unit of about 450 kg: compressor, motor, condenser and evaporator, fans, casing."""
    bottom, top = y
    middle = (z[0] + z[1]) / 2
    return [
        _plate((x0 + 10, x0 + 12), y, z, 4.0),
        _plate((x0 + _UNIT_MM - 4, x0 + _UNIT_MM - 2), y, z, 2.5),
        Piece(Cylinder("x", (x0 + 190, bottom + 300, z[0] + 480), 140, 330), Matter.of("cast iron"), 3.6),
        Piece(Cylinder("y", (x0 + 190, bottom + 700, z[1] - 420), 110, 420), Matter.of("cast iron"), 2.6),
        Piece(Box((x0 + 60, x0 + 130), (bottom + 300, bottom + 1100), (middle - 420, middle + 420)), COPPER, 0.75),
        Piece(Box((x0 + 240, x0 + 330), (top - 800, top - 250), (z[0] + 150, z[1] - 150)), COPPER, 0.45),
        Piece(Cylinder("x", (x0 + 150, bottom + 700, middle), 330, 60), ALUMINIUM, 0.35),
        Piece(Box((x0 + 60, x0 + 260), (bottom + 60, bottom + 260), (z[1] - 700, z[1] - 200)), STEEL, 1.2),
        Piece(Box((x0 + 80, x0 + 200), (bottom + 1150, bottom + 1500), (z[1] - 700, z[1] - 250)), ALUMINIUM, 0.7),
    ]


def _tank(
    size: ContainerSize, x: tuple[float, float], y: tuple[float, float], z_middle: float
) -> tuple[list[Piece], Space]:
    """Build the frame and the shell of a tank container; its room is that of the tank, whose axis is along the middle."""
    (x0, x1), (y0, y1) = x, y
    z0, z1 = z_middle - size.width_mm / 2, z_middle + size.width_mm / 2
    centre = (y0 + y1) / 2
    radius, shell = 1140.0, 4.5
    length = x1 - x0 - 240
    middle = ((x0 + x1) / 2, centre, z_middle)
    pieces = [p for p in _frame(x, y, (z0, z1)) if p.solid.bounds[1] - p.solid.bounds[0] > 50]
    stainless = Matter.of("stainless steel 304")
    pieces += [
        Piece(Cylinder("x", middle, radius + shell, length), stainless, 7.9),
        Piece(Cylinder("x", middle, radius, length - 2 * shell), stainless, -7.9),
        Piece(Cylinder("x", middle, radius + 60, length), FOAM, 0.05),
        Piece(Cylinder("x", middle, radius + shell, length), FOAM, -0.05),
        Piece(Cylinder("y", (middle[0], centre + radius + 60, z_middle), 250, 90), STEEL, 1.6),
        Piece(Cylinder("x", (x1 - 90, y0 + 330, z_middle), 90, 160), STEEL, 2.5),
    ]
    half = radius - 2
    room = (middle[0] - length / 2 + 10, middle[0] + length / 2 - 10)
    return pieces, Space(room, (centre - half, centre + half), (z_middle - half, z_middle + half))


def _pallet(
    size: ContainerSize, x: tuple[float, float], y: tuple[float, float], z_middle: float
) -> tuple[list[Piece], Space]:
    """Build an air-cargo pallet: a sheet of aluminium with edge rails, on the roller deck that carries it through the scanner."""
    (x0, x1), (y0, y1) = x, y
    z0, z1 = z_middle - size.width_mm / 2, z_middle + size.width_mm / 2
    pieces = [Piece(Box((x0, x1), (y0, y0 + 5), (z0, z1)), ALUMINIUM, 2.7)]
    for a, b in ((z0, z0 + 60), (z1 - 60, z1)):
        pieces.append(Piece(Box((x0, x1), (y0 + 5, y0 + 26), (a, b)), ALUMINIUM, 1.6))
    for a, b in ((x0, x0 + 60), (x1 - 60, x1)):
        pieces.append(Piece(Box((a, b), (y0 + 5, y0 + 26), (z0 + 60, z1 - 60)), ALUMINIUM, 1.6))
    rollers = int(size.length_mm / 300)
    pieces += [
        Piece(Cylinder("z", (x0 + 150 + 300 * i, y0 - 40, z_middle), 38, size.width_mm), STEEL, 1.5)
        for i in range(rollers)
    ]
    space = Space((x0 + 70, x1 - 70), (y0 + 26, y1), (z0 + 70, z1 - 70))
    return pieces, space
