import dataclasses

import numpy as np
import pytest

from scananalysis.core import FormatError, MaterialMap, Radiograph, RawScan, Regions


def radiograph(channels=2, height=3, width=4):
    shape = (channels, height, width)
    return Radiograph(
        attenuation=np.zeros(shape, np.float32),
        variance=np.ones(shape, np.float32),
        quality=np.zeros(shape, np.uint32),
        systematic={},
        noise_area=np.ones(channels, np.float32),
        pixel_mm=(2.0, 5.0),
        fan_angle_rad=np.zeros(height, np.float32),
        scanner="cargo-6-4mv",
    )


def material_map(source):
    plane = np.zeros(source.shape[1:], np.float32)
    return MaterialMap(
        areal_density=plane,
        z_eff=plane,
        sigma_areal_density=plane,
        sigma_z=plane,
        correlation=plane,
        quality=plane.astype(np.uint32),
        radiograph=source,
        curves={},
        regions=Regions(plane.astype(np.int32)),
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"counts": np.zeros((2, 3), np.uint16)}, "counts are uint16 with shape"),
        ({"counts": np.zeros((2, 3, 4), np.int16)}, "counts are int16"),
        ({"counts": np.zeros((2, 0, 4), np.uint16)}, "counts are empty"),
        ({"dark": np.zeros((2, 5, 3), np.uint16)}, "dark reference has shape"),
        ({"air": np.zeros((2, 0, 4), np.uint16)}, "air reference is uint16 with 0 lines"),
        ({"monitor": np.zeros((2, 5), np.float32)}, "monitor has shape"),
        ({"air": np.ones((2, 5, 4), np.uint16), "air_monitor": np.ones((2, 4), np.float32)}, "air_monitor has shape"),
        ({"stage": "cooked"}, "stage 'cooked'"),
    ],
)
def test_raw_scan_refuses_what_does_not_fit(change, sentence):
    fields = {"counts": np.zeros((2, 3, 4), np.uint16), "scanner": "cargo-6-4mv"} | change
    with pytest.raises(FormatError, match=sentence):
        RawScan(**fields)


def test_stages_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        radiograph().scanner = "other"


def test_radiograph_refuses_planes_of_other_sizes():
    good = radiograph()
    with pytest.raises(FormatError, match=r"Radiograph\.variance"):
        dataclasses.replace(good, variance=np.ones((2, 3, 5), np.float32))
    with pytest.raises(FormatError, match=r"fan_angle_rad"):
        dataclasses.replace(good, fan_angle_rad=np.zeros(4, np.float32))


def test_labelled_arrays_carry_positions_in_mm():
    dataset = material_map(radiograph()).to_xarray()
    assert dataset["areal_density"].dims == ("y", "x")
    np.testing.assert_allclose(dataset["x"], [2.5, 7.5, 12.5, 17.5])
    assert dataset["y"].attrs["units"] == "mm"


def test_material_map_refuses_planes_of_other_sizes():
    maps = material_map(radiograph())
    with pytest.raises(FormatError, match=r"MaterialMap\.z_eff"):
        dataclasses.replace(maps, z_eff=np.zeros((2, 2), np.float32))
