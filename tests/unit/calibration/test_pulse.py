import numpy as np
import pytest

from scananalysis.calibration import Calibration, Recipe, Stream, pulse
from scananalysis.calibration.chain import pulses_of
from scananalysis.calibration.plan import plans_of
from scananalysis.calibration.recipe import PulseNormalisation
from scananalysis.detectors import scanner
from scananalysis.simulation import Scene, render

FLUCTUATION = np.array([0.03, 0.03])


def picture(lines=120, elements=60, sky=20, noise=0.01, seed=0):
    """Transmission with open sky above a load, each line times its pulse."""
    rng = np.random.default_rng(seed)
    strength = 1 + rng.normal(0, 0.03, (2, lines))
    seen = np.full((2, lines, elements), 0.2)
    seen[:, :, :sky] = 1.0
    seen = seen * strength[:, :, None] + rng.normal(0, noise, seen.shape)
    return seen.astype(np.float32), strength


def found_in(seen, usable=None, **changes):
    usable = np.ones((seen.shape[0], seen.shape[2]), bool) if usable is None else usable
    return pulse.from_image(lambda part: seen[:, part], seen.shape, usable, FLUCTUATION, PulseNormalisation(**changes))


def test_pulses_are_found_in_the_sky_with_the_right_error():
    seen, strength = picture(lines=2000)
    found = found_in(seen)
    assert found.source == "image"
    assert found.known.all()
    pulls = (found.strength - strength) / found.sigma
    # A robust noise of 20 elements is itself uncertain, which widens the ratio a little.
    assert pulls.std() == pytest.approx(1.0, abs=0.15)


def test_a_dead_element_does_not_end_the_sky():
    seen, strength = picture()
    seen[:, :, 3] = 0
    usable = np.ones((2, 60), bool)
    usable[:, 3] = False
    found = found_in(seen, usable)
    assert found.known.all()
    assert np.abs(found.strength - strength).max() < 0.02


def test_without_sky_nothing_is_corrected():
    found = found_in(picture(sky=4)[0])
    assert found.source == "none"
    assert not found.known.any()
    assert (found.strength == 1).all()
    np.testing.assert_allclose(found.sigma, 0.03)


def test_a_gap_inside_the_load_is_no_sky():
    seen, _ = picture(sky=0)
    seen[:, :, 20:40] = 1.0
    assert found_in(seen).source == "none"


def test_a_line_with_matter_in_front_of_part_of_the_sky_is_left_alone():
    seen, _ = picture()
    seen[:, 50, :10] *= 0.92
    found = found_in(seen)
    assert not found.known[:, 50].any()
    assert (found.strength[:, 50] == 1).all()
    assert found.known[:, :50].all()


def test_common_pulses_are_averaged():
    rng = np.random.default_rng(3)
    seen, _ = picture()
    seen[1] = seen[0] + rng.normal(0, 0.01, seen[0].shape)
    found = found_in(seen, common=True)
    np.testing.assert_array_equal(found.strength[0], found.strength[1])
    assert found.sigma[0].mean() < found_in(seen).sigma[0].mean()


def test_a_monitor_without_pulse_marks_a_lost_line():
    monitor = np.array([[1.0, 0.01, np.nan], [1.0, 1.0, 1.0]])
    found = pulse.from_monitor(monitor, np.ones(2), np.array([0.002, 0.003]), common=False)
    np.testing.assert_array_equal(found.lost, [[False, True, True], [False] * 3])
    np.testing.assert_array_equal(found.known, ~found.lost)
    assert np.isfinite(found.strength).all()


def test_a_steady_beam_is_left_alone():
    seen, _ = picture(noise=0.2)
    # 20 elements of 20 % noise tell the pulse within 4 %, which is more than it fluctuates.
    assert not found_in(seen, band=0.45).known.any()


@pytest.mark.parametrize("enabled", [True, False])
def test_file_and_stream_state_the_same_error_of_a_shared_pulse(enabled):
    """Two lines of one pulse: each states √2 times its error, whichever way the lines come."""
    portal = scanner("cargo-6-4mv").binned(8, 8)
    pair = portal.model_copy(update={"geometry": portal.geometry.model_copy(update={"columns": 2})})
    scan = render(Scene((), 800.0), portal, seed=1).scan
    used = Calibration.from_references(scan)
    recipe = Recipe.model_validate({"pulse": {"enabled": enabled}, "defects": {"in_scan": "off"}})
    found = {}
    for name, device in (("one", portal), ("two", pair)):
        block = Stream(device, used, recipe=recipe).feed(scan.counts, scan.monitor)
        plans = plans_of(used, device, 0.0, recipe)
        stated, _ = pulses_of(scan, device, used, plans, recipe)
        shown = block.systematic["pulse-0"].effect[0, 0, 1:9]
        blur = np.sqrt(0.25**2 + 0.75**2) if name == "one" else np.sqrt(0.5)
        np.testing.assert_allclose(shown, stated.sigma[0, 1:9] * blur, rtol=1e-5)
        found[name] = stated.sigma
    np.testing.assert_allclose(found["two"], found["one"] * np.sqrt(2), rtol=1e-6)
