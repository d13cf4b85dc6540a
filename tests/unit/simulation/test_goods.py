import numpy as np
import pytest

from scananalysis.cargo import commodities, commodity
from scananalysis.simulation.goods import BETWEEN_PACKAGES, Goods, solid_density, to_mass
from scananalysis.simulation.scene import Matter, Piece
from scananalysis.simulation.solids import Box

CUBE = Box((0.0, 1000.0), (0.0, 1000.0), (5000.0, 6000.0))


@pytest.mark.parametrize(
    ("heading", "limits"), [("7403", (7.0, 9.0)), ("2505", (2.3, 2.7)), ("1701", (1.3, 1.65)), ("3901", (0.85, 1.0))]
)
def test_solid_densities(heading, limits):
    assert limits[0] < solid_density(commodity(heading)) < limits[1]


def test_goods_carry_family_and_heading_and_a_whole_composition():
    for row in commodities():
        goods = Goods.draw(row, 2300.0, np.random.default_rng(1))
        assert row.bulk_density_min <= goods.bulk <= row.bulk_density_max < goods.solid
        assert goods.matter.heading == int(row.heading[:4])
        assert sum(share for _, share in goods.matter.composition) == pytest.approx(1)
        assert goods.of("steel").family == goods.matter.family


def test_packages_scatter_by_texture():
    for heading in ("2505", "8479"):
        goods = Goods.draw(commodity(heading), 2300.0, np.random.default_rng(1))
        density = np.array([goods.piece(CUBE).density_g_cm3 for _ in range(2000)])
        assert density.std() / density.mean() == pytest.approx(BETWEEN_PACKAGES[goods.commodity.texture], rel=0.1)


def test_scaling_meets_the_mass_and_stops_at_solid():
    cargo, timber = Matter.of("water", "cargo"), Matter.of("wood")
    pieces = [Piece(CUBE, cargo, 0.5), Piece(CUBE, timber, 0.1), Piece(CUBE, cargo, -0.1)]
    scaled = to_mass(pieces, 600.0, 1.0)
    assert [p.density_g_cm3 for p in scaled] == pytest.approx([0.75, 0.1, -0.15])
    assert [p.density_g_cm3 for p in to_mass(pieces, 5000.0, 1.0)] == [1.0, 0.1, -1.0]
