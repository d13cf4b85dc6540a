import json
from pathlib import Path

import pytest

from scananalysis.core import ConfigurationError
from scananalysis.detectors import scanners
from scananalysis.io import Layout, layouts, named_layout

SCHEMA = Path(__file__).parents[3] / "detectors" / "layouts" / "layout.schema.json"


@pytest.mark.parametrize("name", layouts())
def test_shipped_layouts_are_valid_and_name_known_scanners(name):
    layout = named_layout(name)
    assert layout.scanner is None or layout.scanner in scanners()
    assert layout.source


def test_rail_layout_leaves_the_air_level_to_be_found():
    layout = named_layout("rail-6-4mv")
    assert (layout.axes, layout.scanner, layout.stage) == ("yxc", "rail-6-4mv", "air-normalised")
    assert layout.air_level is None
    assert layout.saturated == 65535


@pytest.mark.parametrize("name", ["fs6000-img", "ase-tiles"])
def test_layouts_from_a_description_say_so(name):
    assert named_layout(name).source == "From a description, not yet checked against a file"


def test_committed_schema_is_the_models():
    assert json.loads(SCHEMA.read_text()) == Layout.model_json_schema()


BASE = {"title": "a", "axes": "cyx", "channels": 2, "stage": "raw"}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"axes": "zyx"}, "axes: Input should be"),
        ({"colour": 1}, "colour: Extra inputs are not permitted"),
        ({"axes": "yx"}, "two channels need an axis c"),
        ({"air_level": 60000.0}, "air_level belongs to stage air-normalised"),
        ({"siblings": ["_a.png"]}, "siblings are not one for each channel"),
        ({"siblings": ["_a.png", "_a.png"]}, "siblings are equal"),
        ({"siblings": ["../a", "_b"]}, "siblings.0: String should match"),
        ({"shape": [2, 3]}, "shape has not one size for each of axes"),
        ({"shape": [2, 0, 3]}, "shape.1: Input should be greater"),
        ({"width_at": 2, "header_bytes": 8}, "width_at and height_at belong together"),
        ({"width_at": 2, "height_at": 4, "header_bytes": 8}, "width_at needs siblings"),
        ({"axes": "xcy", "width_at": 2, "height_at": 7, "header_bytes": 8}, "lies outside header_bytes"),
        ({"magic": "494d", "header_bytes": 1}, "magic is longer"),
        ({"planes": ["low", "material"]}, "planes lack high"),
        ({"planes": ["high", "material"]}, "planes lack low"),
        ({"planes": ["high", "high"]}, "planes name one twice"),
        ({"stage": "cooked"}, "stage: Input should be"),
    ],
)
def test_layouts_that_contradict_themselves(tmp_path, changes, text):
    path = tmp_path / "odd.toml"
    fields = BASE | changes
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in fields.items()))
    with pytest.raises(ConfigurationError) as caught:
        named_layout(path)
    assert text in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_layout_that_is_not_toml(tmp_path):
    (tmp_path / "odd.toml").write_text("axes = yx\nthis is not")
    with pytest.raises(ConfigurationError, match="is not TOML"):
        named_layout(tmp_path / "odd.toml")


def test_a_site_adds_layouts(tmp_path, monkeypatch):
    folder = tmp_path / "detectors" / "layouts"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text('title = "mine"\naxes = "yx"\nchannels = 1\nstage = "raw"\n')
    monkeypatch.setenv("SCANANALYSIS_DEFINITIONS", str(tmp_path))
    assert "mine" in layouts()
    assert named_layout("mine").title == "mine"
