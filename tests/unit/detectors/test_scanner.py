import numpy as np
import pytest

from scananalysis.core import ConfigurationError
from scananalysis.detectors import scanner, scanners
from scananalysis.detectors.scanner import Scanner


@pytest.mark.parametrize("name", scanners())
def test_every_scanner_has_beams_that_cover_its_array(name):
    found = scanner(name)
    assert found.fan_angle_rad.shape == (found.elements,)
    for beam in found.beams():
        assert beam.signal_weights(found.fan_angle_rad.astype(float)).shape == (found.elements, beam.energy_mev.size)
    assert np.all(np.diff(found.object_height_mm) < 0)


def test_binning_keeps_the_field_of_view_and_adds_photons():
    full = scanner("cargo-6-4mv")
    quarter = full.binned(4, 4)
    assert quarter.pixel_mm == pytest.approx((4 * full.pixel_mm[0], 4 * full.pixel_mm[1]))
    assert quarter.channels[0].photons_per_line == 16 * full.channels[0].photons_per_line
    assert quarter.readout.electronic_noise_counts == full.readout.electronic_noise_counts / 4
    assert quarter.fan_angle_rad[0] == pytest.approx(full.fan_angle_rad[:4].mean(), abs=1e-4)
    with pytest.raises(ConfigurationError, match="binning"):
        full.binned(0, 1)


def test_a_cut_out_keeps_the_middle():
    rail = scanner("rail-6-4mv")
    assert rail.with_elements(682).fan_angle_rad.mean() == pytest.approx(rail.fan_angle_rad.mean(), abs=1e-4)


def l_shaped(boom=200, **changes):
    full = scanner("cargo-6-4mv").model_dump()
    full["geometry"] |= {"boom_elements": boom} | changes
    return Scanner.model_validate(full)


def test_the_corner_of_an_l_shaped_array():
    straight, bent = scanner("cargo-6-4mv"), l_shaped()
    source, depth, height = bent.geometry.source_height_mm, bent.element_depth_mm, bent.element_height_mm
    # Every element lies on its ray, and pixels in the load are where they are with a straight array.
    np.testing.assert_allclose(np.arctan2(height - source, depth), bent.fan_angle_rad, atol=1e-6)
    np.testing.assert_array_equal(bent.fan_angle_rad, straight.fan_angle_rad)
    np.testing.assert_array_equal(bent.object_height_mm, straight.object_height_mm)
    np.testing.assert_allclose(height[:200], straight.geometry.array_top_mm - 1000)
    np.testing.assert_array_equal(height[200:], straight.element_height_mm[200:])
    assert np.all(np.diff(depth[:200]) > 0)
    assert depth[199] < 9000 == depth[200]
    # Solid angle of an element: its share of the fan times its width over its distance.
    share = np.diff(np.arctan((straight._rise_mm[:1] + np.array([-2.5, 2.5])) / 9000))[0]
    distance = np.hypot(depth[0], height[0] - source)
    on_axis = (5 / 9000) * (1 / 9000)
    assert bent.element_exposure[0] == pytest.approx(share / distance / on_axis, rel=1e-6)
    np.testing.assert_array_equal(bent.element_exposure[200:], straight.element_exposure[200:])
    assert bent.binned(4, 4).geometry.boom_elements == 50
    np.testing.assert_allclose(bent.binned(4, 4).element_height_mm[:50], height[0])
    assert bent.with_elements(1376).element_height_mm[0] == pytest.approx(height[0])


@pytest.mark.parametrize(
    ("boom", "sentence"), [(2000, "fewer than elements"), (900, "above the source"), (500, "behind the middle")]
)
def test_a_boom_that_cannot_stand_is_refused(boom, sentence):
    with pytest.raises(ValueError, match=sentence):
        l_shaped(boom)


def modules(boom=400, **changes):
    return l_shaped(boom, boom_pitch_mm=5.0, array_top_mm=4100.0, elements=boom + 976, **changes)


def test_a_boom_of_elements_of_one_pitch():
    bent = modules()
    source, depth, height = bent.geometry.source_height_mm, bent.element_depth_mm, bent.element_height_mm
    # Along the boom by one pitch from the corner on, at the height of the corner, each on its ray.
    np.testing.assert_allclose(np.diff(depth[:400]), 5.0)
    assert depth[399] == pytest.approx(9000 - 2.5)
    np.testing.assert_allclose(height[:400], 4100.0)
    np.testing.assert_allclose(np.arctan2(height - source, depth), bent.fan_angle_rad, atol=1e-6)
    assert height[400] == pytest.approx(4100 - 2.5)
    # Solid angle of an element that lies flat: area times sine of its elevation over the square of its distance.
    rise, far = 4100.0 - source, depth[[0, 399]]
    sine, distance = rise / np.hypot(rise, far), np.hypot(rise, far)
    np.testing.assert_allclose(bent.element_exposure[[0, 399]], sine / distance**2 * 9000**2, rtol=1e-3)
    np.testing.assert_allclose(bent.boom_exposure[400:], 1)
    np.testing.assert_allclose(
        bent.element_exposure, np.cos(bent.fan_angle_rad.astype(float)) ** 3 * bent.boom_exposure, rtol=1e-6
    )


def test_rows_of_equal_height_go_on_above_the_corner():
    bent = modules()
    assert bent.rows == bent.geometry.boom_rows + 976
    np.testing.assert_allclose(np.diff(bent.row_height_mm), -bent.pixel_mm[0])
    np.testing.assert_array_equal(bent.row_height_mm[-976:], bent.object_height_mm[400:])
    np.testing.assert_array_equal(bent.row_angle_rad[-976:], bent.fan_angle_rad[400:])
    # Within half a row of where the array ends.
    top = 1600 + 2500 * 9000 / 7000 * 6000 / 9000
    assert abs(bent.row_height_mm[0] + bent.pixel_mm[0] / 2 - top) <= bent.pixel_mm[0] / 2
    quarter = bent.binned(4, 4)
    np.testing.assert_allclose(quarter.geometry.row_edges * 4, bent.geometry.row_edges[::4], atol=1e-9)
    with pytest.raises(ConfigurationError, match="no reading is of both legs"):
        modules(402).binned(4, 4)


def test_a_cut_out_of_such_an_array_keeps_its_corner():
    bent = modules()
    cut = bent.with_elements(1176)
    np.testing.assert_allclose(cut.element_height_mm, bent.element_height_mm[100:-100])
    upright = bent.with_elements(500)
    np.testing.assert_allclose(upright.element_height_mm, bent.element_height_mm[438:938])
    assert upright.rows == upright.elements


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"boom": 0}, "without boom_elements"),
        ({"boom_pitch_mm": 10.0}, "behind the middle"),
        ({"array_top_mm": 1500.0}, "above the source"),
    ],
)
def test_such_a_boom_that_cannot_stand_is_refused(changes, sentence):
    boom = changes.pop("boom", 400)
    stated = {"boom_pitch_mm": 5.0, "array_top_mm": 4100.0, "elements": 1376} | changes
    with pytest.raises(ValueError, match=sentence):
        l_shaped(boom, **stated)


def test_unknown_scanner_names_the_known_ones():
    with pytest.raises(ConfigurationError, match="cargo-6-4mv"):
        scanner("truck-1")


def test_a_site_adds_a_scanner_without_python(tmp_path, monkeypatch):
    text = (tmp_path / "x").parent
    folder = text / "detectors"
    folder.mkdir()
    source = scanner("cargo-6-4mv").model_dump_json(exclude={"name"})
    import json

    document = json.loads(source)
    lines = [f"{k} = {json.dumps(v)}" for k, v in document.items() if v is not None and not isinstance(v, dict | list)]
    for section in ("geometry", "readout", "pulse"):
        lines.append(f"[{section}]")
        lines += [f"{k} = {json.dumps(v)}" for k, v in document[section].items()]
    for channel in document["channels"]:
        lines.append("[[channels]]")
        lines += [f"{k} = {json.dumps(v)}" for k, v in channel.items() if k != "filter"]
    (folder / "my-portal.toml").write_text("\n".join(lines))
    monkeypatch.setenv("SCANANALYSIS_DEFINITIONS", str(tmp_path))
    assert scanners()[0] == "my-portal"
    assert scanner("my-portal").elements == 1378


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("title = 3 x", "not TOML"),
        ('title = "x"\nmodality = "sonar"', "modality"),
        ('title = "x"\ncolour = "red"', "colour|Field required|modality"),
    ],
)
def test_a_bad_definition_names_file_and_field(tmp_path, monkeypatch, text, sentence):
    (tmp_path / "detectors").mkdir()
    (tmp_path / "detectors" / "bad.toml").write_text(text)
    monkeypatch.setenv("SCANANALYSIS_DEFINITIONS", str(tmp_path))
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        scanner("bad")
    assert "bad.toml" in str(caught.value)


def test_a_definitions_folder_that_is_missing_is_refused(monkeypatch):
    monkeypatch.setenv("SCANANALYSIS_DEFINITIONS", "/nowhere/at/all")
    with pytest.raises(ConfigurationError, match="is not a folder"):
        scanners()
