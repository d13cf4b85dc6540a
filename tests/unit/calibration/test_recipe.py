import json

import pytest

from scananalysis._resources import find, names
from scananalysis.calibration import Recipe
from scananalysis.core import ConfigurationError
from scananalysis.detectors import scanner, scanners


def test_shipped_recipes_are_valid_and_the_default_is_the_codes():
    for name, _ in names("calibration"):
        Recipe.named(name)
    assert Recipe.named("default") == Recipe()


@pytest.mark.parametrize("name", scanners())
def test_every_scanner_has_a_recipe(name):
    found = Recipe.for_scanner(scanner(name))
    assert found.pulse.common == (scanner(name).modality == "dual-energy-kv")


def test_a_sites_own_recipe_for_a_scanner_is_used(tmp_path, monkeypatch):
    (tmp_path / "calibration").mkdir()
    (tmp_path / "calibration" / "cargo-6-4mv.toml").write_text("[logarithm]\nstarved_sigmas = 4.5\n")
    monkeypatch.setenv("SCANANALYSIS_DEFINITIONS", str(tmp_path))
    assert Recipe.for_scanner(scanner("cargo-6-4mv")).logarithm.starved_sigmas == 4.5
    assert Recipe.for_scanner(scanner("rail-6-4mv")).logarithm.starved_sigmas == 3.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[logarithm]\nstarved_sigmas = -1\n", "logarithm.starved_sigmas"),
        ("[logarithm]\nstarved_sigma = 1\n", "logarithm.starved_sigma"),
        ("[pulse]\nsource = 'guess'\n", "pulse.source"),
        ("[magic]\nenabled = true\n", "magic"),
        ("[pulse\n", "is not TOML"),
    ],
)
def test_recipes_are_validated_whole(tmp_path, text, message):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        Recipe.read(path)


def test_an_unknown_recipe_is_refused_by_name():
    with pytest.raises(ConfigurationError, match="no calibration recipe 'other'"):
        Recipe.named("other")


def test_the_published_schema_is_the_codes():
    assert json.loads(find("calibration", "recipe.schema.json").read_text()) == Recipe.model_json_schema()
