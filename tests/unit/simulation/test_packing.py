import numpy as np
import pytest

from scananalysis.cargo import commodities, commodity
from scananalysis.core import ConfigurationError
from scananalysis.detectors import scanner
from scananalysis.simulation import render
from scananalysis.simulation.containers import SIZES, Space, container
from scananalysis.simulation.goods import solid_density
from scananalysis.simulation.packing import fill_tank, pack
from scananalysis.simulation.scene import Scene

PAYLOAD_KG = 21_000.0
FORMS = {row.form: row.heading for row in commodities()}


@pytest.fixture(scope="module")
def space():
    return container(SIZES["22G1"], 700.0, 1150.0, 6000.0)[1]


def goods_of(packed):
    return [piece for piece in packed.pieces if piece.matter.kind == "cargo"]


def envelope(pieces):
    bounds = np.array([piece.solid.bounds for piece in pieces])
    return bounds[:, ::2].min(axis=0), bounds[:, 1::2].max(axis=0)


@pytest.mark.parametrize("row", commodities(), ids=lambda row: row.heading)
def test_goods_stay_in_the_room_and_weigh_no_more_than_allowed(row, space):
    for seed in range(2):
        packed = pack(row, space, PAYLOAD_KG, np.random.default_rng(seed))
        low, high = envelope(packed.pieces)
        assert np.all(low >= np.array([space.x[0], space.y[0], space.z[0]]) - 1)
        assert np.all(high <= np.array([space.x[1], space.y[1], space.z[1]]) + 1)
        # A pallet counts as well: up to 5 % on top.
        assert packed.mass_kg - packed.dunnage_kg <= 1.01 * PAYLOAD_KG or row.form == "coils"
        assert packed.dunnage_kg < 0.06 * PAYLOAD_KG
        assert packed.packages >= 1


@pytest.mark.parametrize("row", commodities(), ids=lambda row: row.heading)
def test_density_of_the_stow_is_in_the_commoditys_range(row, space):
    """No stow is denser than the table says; one of round or palletised goods, or one that leaves floor free, may be looser."""
    loosest = {"cartons": 0.85, "frozen": 0.85, "bales": 0.95, "crates": 0.95, "bulk": 0.6}.get(row.form, 0.35)
    for seed in range(2):
        packed = pack(row, space, 1e9, np.random.default_rng(seed), fill=0.7)
        _, high = envelope(goods_of(packed))
        volume = (space.x[1] - space.x[0]) * (high[1] - space.y[0]) * (space.z[1] - space.z[0]) * 1e-9
        density = sum(piece.mass_kg for piece in goods_of(packed)) / volume / 1000
        assert density <= 1.12 * row.bulk_density_max
        assert density >= loosest * row.bulk_density_min


@pytest.mark.parametrize("row", [row for row in commodities() if row.form != "vehicles"], ids=lambda row: row.heading)
def test_no_package_is_denser_than_its_material(row, space):
    packed = pack(row, space, PAYLOAD_KG, np.random.default_rng(3))
    limit = max(solid_density(row), 1.15 * row.bulk_density_max)
    assert max(piece.density_g_cm3 for piece in goods_of(packed)) <= limit * (1 + 1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_same_stream_same_pieces(form, space):
    first, second, other = (
        pack(commodity(FORMS[form]), space, PAYLOAD_KG, np.random.default_rng(seed)) for seed in (5, 5, 6)
    )
    assert first == second
    assert first != other


@pytest.mark.parametrize("form", FORMS)
def test_every_form_renders_with_its_mass(form, space):
    """∫ λ dA over the picture is the mass of the goods, but for the perspective of the fan."""
    device = scanner("cargo-6-4mv").binned(4, 4)
    packed = pack(commodity(FORMS[form]), space, PAYLOAD_KG, np.random.default_rng(8))
    truth = render(Scene(tuple(packed.pieces), 7400.0), device, 1).truth
    height, width = device.pixel_mm
    kg = float(truth["cargo_areal_density"].sum(dtype=np.float64)) * height * width * 1e-5
    assert kg == pytest.approx(packed.mass_kg - packed.dunnage_kg, rel=0.05)
    assert truth["load"].any()


def test_fill_sets_the_height(space):
    tops = [
        envelope(pack(commodity("6109"), space, 1e9, np.random.default_rng(2), fill=fill).pieces)[1][1]
        for fill in (0.3, 0.9)
    ]
    high = space.y[1] - space.y[0]
    assert tops[0] == pytest.approx(space.y[0] + 0.3 * high, rel=0.05)
    assert tops[1] == pytest.approx(space.y[0] + 0.9 * high, rel=0.05)


def test_heavy_goods_lie_low(space):
    packed = pack(commodity("7403"), space, PAYLOAD_KG, np.random.default_rng(2), fill=0.95)
    assert envelope(packed.pieces)[1][1] < space.y[0] + 0.5 * (space.y[1] - space.y[0])


def test_tank_takes_liquids_only_and_keeps_to_payload_and_shell():
    size = SIZES["22T1"]
    _, shell = container(size, 0.0, 0.0, 6000.0)
    with pytest.raises(ConfigurationError, match="in a tank container"):
        fill_tank(commodity("6109"), shell, size.payload_kg, np.random.default_rng(1))
    packed = fill_tank(commodity("2204"), shell, size.payload_kg, np.random.default_rng(1))
    assert packed.mass_kg <= size.payload_kg
    axis, radius = (sum(shell.y) / 2, sum(shell.z) / 2), (shell.y[1] - shell.y[0]) / 2
    volume = sum(piece.solid.volume_mm3 for piece in packed.pieces)
    assert 0.75 < volume / (np.pi * radius**2 * (shell.x[1] - shell.x[0])) < 0.98
    for piece in packed.pieces:
        _, _, y0, y1, _, z1 = piece.solid.bounds
        assert np.hypot((y0 + y1) / 2 - axis[0], z1 - axis[1]) <= radius + 1


def test_flexitank_in_a_short_container(space):
    found = [pack(commodity("1511"), space, PAYLOAD_KG, np.random.default_rng(seed)) for seed in range(12)]
    tanks = [packed for packed in found if packed.packages == 9 and packed.dunnage_kg == 0]
    assert tanks
    for packed in tanks:
        assert 15_000 < packed.mass_kg <= PAYLOAD_KG
        assert sum(piece.solid.volume_mm3 for piece in packed.pieces) * 1e-6 <= 24_500


def test_room_too_low_still_holds_something():
    space = Space((0.0, 2000.0), (0.0, 300.0), (5000.0, 7300.0))
    assert pack(commodity("8703"), space, 1000.0, np.random.default_rng(1)).mass_kg > 0
