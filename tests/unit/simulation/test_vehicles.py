import numpy as np
import pytest

from scananalysis.simulation.containers import SIZES
from scananalysis.simulation.vehicles import CAB_MM, DECK_MM, chassis, tractor, wagon


@pytest.mark.parametrize(("build", "limits"), [(chassis, (3500, 7500)), (wagon, (8000, 25_000))])
@pytest.mark.parametrize("code", ["22G1", "45G1"])
def test_carriers_stand_on_the_ground_under_the_container(build, limits, code):
    size = SIZES[code]
    pieces = build(size, 700.0, DECK_MM, 6000.0)
    bounds = np.array([piece.solid.bounds for piece in pieces])
    assert bounds[:, 3].max() < DECK_MM
    assert bounds[:, 2].min() == pytest.approx(-172 if build is wagon else 0, abs=1e-6)
    scale = 0.75 if code == "22G1" else 1.0
    assert limits[0] * scale < sum(piece.mass_kg for piece in pieces) < limits[1]
    wide = bounds[:, 5].max() - bounds[:, 4].min()
    assert 2000 < wide < 2600


def test_tractor_fits_in_the_travel_it_is_given():
    pieces = tractor(3600.0, 6000.0)
    bounds = np.array([piece.solid.bounds for piece in pieces])
    assert bounds[:, 0].min() >= 3600 - CAB_MM
    assert bounds[:, 1].max() <= 3600
    assert bounds[:, 3].max() < 4000
    assert 1800 < sum(piece.mass_kg for piece in pieces) < 5000


def test_wheels_of_a_wagon_are_steel_and_of_a_trailer_rubber():
    assert "tyre rubber" not in {p.matter.composition[0][0] for p in wagon(SIZES["42G1"], 0.0, DECK_MM, 6000.0)}
    assert "tyre rubber" in {p.matter.composition[0][0] for p in chassis(SIZES["42G1"], 0.0, DECK_MM, 6000.0)}
