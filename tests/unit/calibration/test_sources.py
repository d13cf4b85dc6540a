import dataclasses

import numpy as np
import pytest

from scananalysis.calibration import Calibration, Recipe
from scananalysis.calibration.sources import IN_RECIPE, NOT_MEASURED, SWITCHED_OFF, sources_of
from scananalysis.core import ConfigurationError, RawScan


@pytest.fixture(scope="module")
def used():
    dark, air = np.full((2, 9, 172), 900, np.uint16), np.full((2, 9, 172), 50_000, np.uint16)
    return Calibration.from_references(RawScan(air[:, :1], "cargo-6-4mv", dark=dark, air=air, binning=(8, 8)))


def measured(used, value, sigma):
    found = {"measured": {"crosstalk": {"value": value, "sigma": sigma}}}
    return dataclasses.replace(used, metadata={**used.metadata, **found})


def by_step(used, recipe=None):
    return {each.step: each for each in sources_of(used, recipe)}


def test_nothing_is_said_to_be_measured_that_was_not(used):
    found = by_step(used)
    assert list(found) == ["linearity", "afterglow", "crosstalk", "scatter", "drift"]
    assert {each.source for each in found.values()} == {NOT_MEASURED}
    assert found["afterglow"].figures == "share 0.0008 over 0.003 s, 0.0004 over 0.1 s"
    assert found["scatter"].relative_sigma == 0.1
    assert found["drift"].relative_sigma is None


def test_a_recipe_that_states_or_switches_off_is_named(used):
    recipe = {"scatter": {"share": 0.05}, "afterglow": {"enabled": False}, "crosstalk": {"share": 0.01}}
    found = by_step(measured(used, 0.002, 1e-4), Recipe.model_validate(recipe))
    assert (found["scatter"].source, found["scatter"].figures) == (IN_RECIPE, "share 0.05 over 230 mm")
    assert (found["afterglow"].source, found["afterglow"].figures) == (SWITCHED_OFF, "share none")
    assert found["crosstalk"].source == IN_RECIPE


@pytest.mark.parametrize(
    ("value", "sigma", "words", "share"), [(0.0019, 1e-4, ", with ", 0.001885), (0.008, 1e-4, ", instead of ", 0.008)]
)
def test_a_measured_share_is_said_with_what_it_is_combined_with(used, value, sigma, words, share):
    found = by_step(measured(used, value, sigma))["crosstalk"]
    assert found.source.startswith(f"measured {value} ± 0.0001{words}0.001875")
    assert float(found.figures.split()[1]) == pytest.approx(share, rel=0.01)
    assert 0 < found.relative_sigma < 0.05


def test_a_scanner_that_nobody_knows_is_refused(used):
    with pytest.raises(ConfigurationError):
        sources_of(dataclasses.replace(used, scanner="site-own"))
