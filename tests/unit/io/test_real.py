"""The real radiographs, where there are any."""

import pytest

from scananalysis.io import convert, info, read

pytestmark = pytest.mark.real_data


@pytest.mark.parametrize(("letter", "shape"), [("a", (2, 1390, 682)), ("b", (2, 1451, 680))])
def test_rail(real_data, tmp_path, letter, shape):
    path = real_data / f"rail_cargo_{letter}.npy"
    scan = read(path, layout="rail-6-4mv")
    assert scan.shape == shape
    said = info(path, layout="rail-6-4mv")
    assert all(2 < plane["zero_percent"] < 13 for plane in said["counts"])
    assert all(0 < plane["full_scale_percent"] < 0.1 for plane in said["counts"])
    back = read(convert(path, tmp_path / "a.h5", layout="rail-6-4mv"))
    assert (back.counts == scan.counts).all()


def test_air_cargo_is_clipped_at_its_air_level(real_data):
    said = info(real_data / "air_cargo_background_10_low.png", layout="air-cargo-png")
    assert said["channels"] == 2
    assert all(plane["maximum"] <= 60000 and plane["air_level_percent"] > 1 for plane in said["counts"])
