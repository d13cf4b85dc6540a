import numpy as np
import pytest

from scananalysis.calibration import Calibration, pulse
from scananalysis.calibration.plan import plans_of, shifts_of
from scananalysis.calibration.recipe import Recipe
from scananalysis.calibration.terms import shared_errors
from scananalysis.core import RawScan
from scananalysis.detectors import scanner

SCANNER = scanner("cargo-6-4mv").binned(8, 8)
DEAD = 40


@pytest.fixture(scope="module")
def plans():
    rng = np.random.default_rng(0)
    shape = (2, 100, SCANNER.elements)
    dark = rng.normal(900, 3, shape).round().astype(np.uint16)
    air = rng.normal(50_000, 110, shape).round().astype(np.uint16)
    air[:, :, DEAD] = dark[:, :, DEAD]
    scan = RawScan(air[:, :4], scanner="cargo-6-4mv", binning=(8, 8), dark=dark, air=air)
    return plans_of(Calibration.from_references(scan), SCANNER, 0.5, Recipe())


def terms_of(plans, source):
    shape = (2, 7)
    known = np.ones(shape, bool)
    found = pulse.Pulses(np.ones(shape, np.float32), np.full(shape, 2e-3, np.float32), known, ~known, source)
    dark = tuple(np.zeros((2, SCANNER.elements, 7), np.float32) for _ in plans)
    return shared_errors(plans, found, dark, np.array([1e-4, 2e-4]))


def test_each_term_stands_in_its_channel_only(plans):
    terms = terms_of(plans, "monitor")
    assert {(name, term.shared_along) for name, term in terms.items()} == {
        (f"{kind}-{c}", axis)
        for kind, axis in (("dark", "x"), ("gain", "x"), ("pulse", "y"), ("level", "xy"))
        for c in (0, 1)
    }
    for name in ("gain", "pulse", "level"):
        assert (terms[f"{name}-0"].effect[1] == 0).all()
        assert (terms[f"{name}-1"].effect[1] > 0).all()


def test_a_resampled_line_has_parts_of_two_pulses(plans):
    effect = terms_of(plans, "monitor")["pulse-0"].effect[0]
    np.testing.assert_allclose(effect, 2e-3 * np.sqrt(0.25**2 + 0.75**2), rtol=1e-6)


def test_the_level_cancels_where_the_pulse_was_read_against_it(plans):
    assert terms_of(plans, "image")["level-0"].effect[0].item() == 0
    assert terms_of(plans, "monitor")["level-1"].effect[1].item() == pytest.approx(2e-4)


def test_a_dead_element_has_the_errors_of_its_neighbours_and_more(plans):
    gain = plans[0].gain_error
    around = np.sqrt((gain[DEAD - 1] ** 2 + gain[DEAD + 1] ** 2) / 2)
    assert gain[DEAD] == pytest.approx(np.sqrt(2.5) * around, rel=1e-4)
    assert plans[0].zero_noise[DEAD] > 0


def test_one_channel_or_a_recipe_without_registration_is_not_shifted():
    assert shifts_of(2, 0.5, Recipe()) == (0.25, -0.25)
    assert shifts_of(1, 0.5, Recipe()) == (0.0,)
    assert shifts_of(2, 0.5, Recipe.model_validate({"registration": {"enabled": False}})) == (0.0, 0.0)
