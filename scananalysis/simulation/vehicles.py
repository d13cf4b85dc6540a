"""What carries a load through the scanner: semi-trailer, tractor with its cab, rail wagon.

Sizes: wheels 315/80 R22.5 (about 1.05 m across), axles 1.31 m apart on a trailer; wagon wheels of 920 mm on axles 1.8 m apart (Y25 bogie),
track gauge 1435 mm, deck 1155 mm above the rail: usual figures, rounded. Sections are hollow: the mean density is that of steel times
the share of the section that is wall.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scananalysis.simulation.containers import ALUMINIUM, STEEL, STEEL_DENSITY
from scananalysis.simulation.scene import Matter, Piece
from scananalysis.simulation.solids import Box, Cylinder

if TYPE_CHECKING:
    from scananalysis.simulation.containers import ContainerSize

RUBBER = Matter.of("tyre rubber")
GLASS = Matter.of("soda-lime glass")
CAST_IRON = Matter.of("cast iron")
DIESEL = Matter.of("diesel")
PLASTIC = Matter.of("polypropylene")

DECK_MM = 1150.0
"""Height above the ground, or the rail, of the underside of a container."""
CAB_MM = 2900.0
"""Length of scanned travel that a tractor's cab takes."""


def _wheel(x: float, radius: float, near: float, far: float, rubber: float = 0.6) -> list[Piece]:
    """Tyre with its rim: a cylinder of mean density, less its hub, in which the rim sits."""
    middle, width = (x, radius, (near + far) / 2), far - near
    return [
        Piece(Cylinder("z", middle, radius, width), RUBBER, rubber),
        Piece(Cylinder("z", middle, 0.55 * radius, width), RUBBER, -rubber),
        Piece(Cylinder("z", middle, 0.55 * radius, width), STEEL, 0.75),
        Piece(Cylinder("z", middle, 0.2 * radius, width), STEEL, 2.5),
    ]


def chassis(size: ContainerSize, x0: float, y0: float, z_middle: float) -> list[Piece]:
    """Build the semi-trailer under a container whose underside is at ``y0``: beams, cross members, bogie, twin wheels, legs."""
    x1 = x0 + size.length_mm
    pieces = []
    for z in (z_middle - 450, z_middle + 450):
        # An I-section: web and two flanges.
        pieces.append(Piece(Box((x0 - 300, x1 + 100), (y0 - 300, y0 - 20), (z - 5, z + 5)), STEEL, STEEL_DENSITY))
        pieces += [
            Piece(Box((x0 - 300, x1 + 100), (h, h + 14), (z - 70, z + 70)), STEEL, STEEL_DENSITY)
            for h in (y0 - 300, y0 - 34)
        ]
    for i in range(int(size.length_mm / 1500) + 1):
        x = x0 + 120 + 1500 * i
        pieces.append(Piece(Box((x, x + 80), (y0 - 160, y0 - 40), (z_middle - 1150, z_middle + 1150)), STEEL, 0.9))
    wheels = [x1 - 900 - 1310 * i for i in range(2 if size.length_mm < 8000 else 3)] + [x0 + 900]
    for x in wheels:
        for near in (z_middle - 1200, z_middle + 640):
            pieces += _wheel(x, 520, near, near + 270) + _wheel(x, 520, near + 290, near + 560)
        pieces.append(Piece(Cylinder("z", (x, 520, z_middle), 63, 1260), STEEL, 3.5))
    for x in wheels[:-1]:
        pieces += [
            Piece(Box((x - 60, x + 500), (540, 590), (z_middle + z - 40, z_middle + z + 40)), STEEL, STEEL_DENSITY)
            for z in (-450, 450)
        ]
    for z in (-500, 500):
        legs = Box((x0 + 2600, x0 + 2710), (250, y0 - 60), (z_middle + z - 55, z_middle + z + 55))
        pieces.append(Piece(legs, STEEL, 1.5))
    return pieces


def tractor(x0: float, z_middle: float) -> list[Piece]:
    """Build a tractor whose cab ends at ``x0``: shell, glass, engine, gearbox, tank, seats, front wheels."""
    a, b = x0 - CAB_MM + 500, x0 - 400
    z0, z1 = z_middle - 1220, z_middle + 1220
    pieces = [Piece(Box((a, b), (1000, 3500), (z, z + 2.2)), STEEL, 6.0) for z in (z0, z1 - 2.2)]
    pieces += [
        Piece(Box((a, a + 4), (1000, 2100), (z0, z1)), STEEL, 4.0),
        Piece(Box((b - 4, b), (1000, 3500), (z0, z1)), STEEL, 3.0),
        Piece(Box((a, b), (3496, 3500), (z0, z1)), STEEL, 4.0),
        Piece(Box((a, b), (1180, 1186), (z0, z1)), STEEL, STEEL_DENSITY),
        Piece(Box((a, a + 8), (2100, 3000), (z0 + 80, z1 - 80)), GLASS, 2.5),
        Piece(Box((a + 60, a + 420), (1500, 2050), (z0 + 60, z1 - 60)), PLASTIC, 0.12),
        Piece(Cylinder("z", (a + 560, 2000, z_middle - 600), 225, 30), STEEL, 0.8),
    ]
    for z in (z_middle - 620, z_middle + 620):
        pieces.append(Piece(Box((a + 900, a + 1400), (1450, 1600), (z - 260, z + 260)), PLASTIC, 0.25))
        pieces.append(Piece(Box((a + 1330, a + 1470), (1600, 2350), (z - 260, z + 260)), PLASTIC, 0.2))
    pieces.append(Piece(Box((b - 620, b - 60), (1500, 1700), (z0 + 60, z1 - 60)), PLASTIC, 0.08))
    # A six-cylinder engine of about a tonne, its gearbox, radiator, tank and axle.
    pieces += [
        Piece(Box((a + 420, a + 1700), (700, 1420), (z_middle - 240, z_middle + 240)), CAST_IRON, 1.5),
        Piece(Cylinder("x", (a + 1060, 760, z_middle), 60, 1200), STEEL, 6.5),
        Piece(Box((a + 1700, a + 2350), (620, 1050), (z_middle - 200, z_middle + 200)), ALUMINIUM, 1.8),
        Piece(Box((a + 120, a + 220), (650, 1450), (z_middle - 450, z_middle + 450)), ALUMINIUM, 0.6),
        Piece(Box((a + 1450, a + 2250), (480, 980), (z0 + 30, z0 + 620)), DIESEL, 0.62),
        Piece(Cylinder("z", (a + 800, 520, z_middle), 70, 1900), STEEL, 4.0),
    ]
    for near in (z_middle - 1190, z_middle + 880):
        pieces += _wheel(a + 800, 520, near, near + 310)
    return pieces


def wagon(size: ContainerSize, x0: float, y0: float, z_middle: float) -> list[Piece]:
    """Build the flat wagon under a container whose underside is at ``y0``: sole bars, two bogies on steel wheels, buffers, rails."""
    x1 = x0 + size.length_mm
    ends = (x0 - 500, x1 + 500)
    pieces = []
    for z in (z_middle - 1050, z_middle - 300, z_middle + 300, z_middle + 1050):
        pieces.append(Piece(Box(ends, (y0 - 330, y0 - 15), (z - 6, z + 6)), STEEL, STEEL_DENSITY))
        pieces += [Piece(Box(ends, (h, h + 16), (z - 75, z + 75)), STEEL, STEEL_DENSITY) for h in (y0 - 330, y0 - 31)]
    for i in range(int(size.length_mm / 1400) + 1):
        x = x0 + 200 + 1400 * i
        cross = Box((x, x + 90), (y0 - 300, y0 - 40), (z_middle - 1100, z_middle + 1100))
        pieces.append(Piece(cross, STEEL, 0.55))
        pieces.append(Piece(Box((x, x + 12), (y0 - 300, y0 - 40), cross.z), STEEL, 2.0))
    for middle in (x0 + 1500, x1 - 1500):
        for x in (middle - 900, middle + 900):
            pieces += [
                # A solid wheel 135 mm wide: a rim and a thin plate.
                piece
                for near in (z_middle - 785, z_middle + 650)
                for piece in (
                    Piece(Cylinder("z", (x, 460, near + 67), 460, 135), STEEL, 6.5),
                    Piece(Cylinder("z", (x, 460, near + 67), 390, 135), STEEL, -6.5),
                    Piece(Cylinder("z", (x, 460, near + 67), 390, 30), STEEL, STEEL_DENSITY),
                )
            ]
            pieces.append(Piece(Cylinder("z", (x, 460, z_middle), 87, 2000), STEEL, STEEL_DENSITY))
            pieces += [
                Piece(Box((x - 130, x + 130), (340, 580), (z_middle + z - 90, z_middle + z + 90)), STEEL, 4.0)
                for z in (-1000, 1000)
            ]
        for z in (-1000, 1000):
            beam = Box((middle - 1250, middle + 1250), (560, 680), (z_middle + z - 60, z_middle + z + 60))
            pieces.append(Piece(beam, STEEL, 2.5))
        pieces.append(
            Piece(Box((middle - 160, middle + 160), (480, y0 - 330), (z_middle - 1000, z_middle + 1000)), STEEL, 1.6)
        )
    for x, step in ((ends[0], -1), (ends[1], 1)):
        pieces += [Piece(Cylinder("x", (x + step * 200, 1060, z_middle + z), 80, 400), STEEL, 4.5) for z in (-875, 875)]
        pieces.append(Piece(Box((x - 30, x + 30), (y0 - 330, y0 - 15), (z_middle - 1100, z_middle + 1100)), STEEL, 1.2))
    # Two rails of 60 kg/m, head uppermost at the height of the wheels' treads.
    pieces += [
        Piece(Box((x0 - 700, x1 + 700), (-172, 0), (z_middle + z - 22, z_middle + z + 22)), STEEL, STEEL_DENSITY)
        for z in (-740, 740)
    ]
    return pieces
