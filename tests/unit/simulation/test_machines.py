import numpy as np
import pytest

from scananalysis.cargo import commodity
from scananalysis.simulation.containers import SIZES, container
from scananalysis.simulation.machines import CAR_MM, car, hidden_parts
from scananalysis.simulation.packing import pack


@pytest.mark.parametrize("seed", range(5))
def test_a_car_has_a_cars_size_and_mass(seed):
    parts = car(100.0, 1328.0, 6000.0, np.random.default_rng(seed))
    bounds = np.array([solid.bounds for _, solid, _ in parts])
    low, high = bounds[:, ::2].min(axis=0), bounds[:, 1::2].max(axis=0)
    for axis, limits in enumerate(CAR_MM):
        assert limits[0] * 0.9 < high[axis] - low[axis] < limits[1] * 1.05
    assert low[1] == pytest.approx(1328.0, abs=1)
    assert 800 < sum(solid.volume_mm3 * density * 1e-6 for _, solid, density in parts) < 2000
    assert {"tyre rubber", "soda-lime glass", "cast iron", "steel", "petrol"} <= {name for name, _, _ in parts}


def test_cars_in_a_container():
    _, space = container(SIZES["45G1"], 0.0, 0.0, 6000.0)
    packed = pack(commodity("8703"), space, 26_000.0, np.random.default_rng(1))
    wheels = [p for p in packed.pieces if p.matter.composition == (("cast iron", 1.0),) and p.density_g_cm3 > 5]
    assert len(wheels) in (4, 8, 12)
    assert 900 < packed.mass_kg / (len(wheels) / 4) < 2300


def test_machines_contrast_strongly():
    """Castings beside air: the densities of a machine's parts span more than an order of magnitude."""
    _, space = container(SIZES["22G1"], 0.0, 0.0, 6000.0)
    packed = pack(commodity("8479"), space, 20_000.0, np.random.default_rng(1), fill=0.6)
    density = np.array([piece.density_g_cm3 for piece in packed.pieces])
    assert density.max() > 10 * density.min() > 0


def test_hidden_parts_are_hidden():
    pieces = hidden_parts(car(0.0, 0.0, 6000.0, np.random.default_rng(0)))
    assert {piece.matter.kind for piece in pieces} == {"hidden"}
