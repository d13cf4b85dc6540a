import numpy as np
import pytest

from scananalysis.detectors import scanner
from scananalysis.inspection.layered import added_layer
from scananalysis.materials import DualEnergyModel
from scananalysis.physics import transmission


def added(name: str, goods: dict[str, float], layer: dict[str, float]) -> tuple[float, float]:
    """Add a layer to goods by exact transmission and solve for it."""
    device = scanner(name)
    model = DualEnergyModel.nominal(device)

    def alpha(path: dict[str, float]) -> np.ndarray:
        return np.array([-np.log(float(transmission(beam, path))) for beam in device.beams()])

    alone, both = alpha(goods), alpha(goods | layer)
    seen = model.invert(*alone)
    place = (np.array([float(seen.areal_density)]), np.array([float(seen.z_eff)]))
    depth, z = added_layer(model, place, (both - alone)[None], 0.0)
    return float(depth[0]), float(z[0])


@pytest.mark.parametrize(
    ("name", "base", "material", "z", "depth"),
    [
        ("cargo-6-4mv", 40.0, "Fe", 26, 20.0),
        ("cargo-6-4mv", 40.0, "Fe", 26, 60.0),
        ("cargo-6-4mv", 40.0, "Al", 13, 20.0),
        ("cargo-6-4mv", 100.0, "Cu", 29, 30.0),
        ("cargo-9-6mv", 40.0, "Fe", 26, 20.0),
        ("parcel-160kv", 8.0, "Fe", 26, 2.0),
        ("parcel-160kv", 8.0, "Al", 13, 2.0),
    ],
)
def test_an_element_on_water_is_found_as_if_it_stood_alone(
    name: str, base: float, material: str, z: int, depth: float
) -> None:
    found = added(name, {"water": base}, {material: depth})
    assert found[0] == pytest.approx(depth, rel=0.03)
    assert found[1] == pytest.approx(z, abs=1.0)


def test_reading_the_layer_off_the_difference_would_be_wrong() -> None:
    """The mean of atomic numbers weighted by areal density, the usual shortcut, misses by more than one."""
    device = scanner("cargo-6-4mv")
    model = DualEnergyModel.nominal(device)
    found = []
    for path in ({"water": 40.0}, {"water": 40.0, "Fe": 20.0}):
        seen = model.invert(*[-np.log(float(transmission(beam, path))) for beam in device.beams()])
        found.append((float(seen.areal_density), float(seen.z_eff)))
    (l0, z0), (l1, z1) = found
    assert abs((l1 * z1 - l0 * z0) / (l1 - l0) - 26) > 1.0
    assert abs(added("cargo-6-4mv", {"water": 40.0}, {"Fe": 20.0})[1] - 26) < 0.1


def test_lead_reads_as_its_twin_of_smaller_z() -> None:
    """At 6/4 MV lead 50 g/cm² and Z 59 give the same two attenuations; the smaller is returned and is heavier than steel."""
    depth, z = added("cargo-6-4mv", {"water": 40.0}, {"Pb": 15.0})
    assert 40 < z < 70
    assert 12 < depth < 20


def test_what_takes_away_has_no_atomic_number() -> None:
    model = DualEnergyModel.nominal(scanner("cargo-6-4mv"))
    depth, z = added_layer(model, (np.array([40.0]), np.array([7.0])), np.array([[-0.1, -0.1]]), 0.0)
    assert np.isnan(depth[0])
    assert np.isnan(z[0])


def test_many_at_once_are_the_same_as_one_by_one() -> None:
    model = DualEnergyModel.nominal(scanner("cargo-6-4mv"))
    goods = (np.array([20.0, 60.0, 90.0]), np.array([7.0, 12.0, 8.0]))
    difference = np.array([[0.5, 0.57], [-1.0, 0.2], [1.4, 1.6]])
    together = added_layer(model, goods, difference, 0.05)
    for i in range(3):
        alone = added_layer(model, (goods[0][i : i + 1], goods[1][i : i + 1]), difference[i : i + 1], 0.05)
        assert alone[0][0] == pytest.approx(together[0][i], nan_ok=True)
        assert alone[1][0] == pytest.approx(together[1][i], nan_ok=True)


def test_goods_that_are_not_known_leave_their_layer_unknown_and_the_others_alone() -> None:
    model = DualEnergyModel.nominal(scanner("cargo-6-4mv"))
    difference = np.array([[0.5, 0.57], [0.5, 0.57]])
    depth, z = added_layer(model, (np.array([20.0, 20.0]), np.array([np.nan, 7.0])), difference, 0.0)
    alone = added_layer(model, (np.array([20.0]), np.array([7.0])), difference[:1], 0.0)
    assert np.isnan(depth[0])
    assert np.isnan(z[0])
    assert (depth[1], z[1]) == (alone[0][0], alone[1][0])
