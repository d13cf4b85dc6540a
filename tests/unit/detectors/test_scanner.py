import numpy as np
import pytest

from scananalysis.core import ConfigurationError
from scananalysis.detectors import scanner, scanners


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
