"""The measures of ``benchmarks/tasks/banding.py`` on planes whose banding and shift are known."""

import importlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def task(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.tasks.banding")


def open_plane(rng, noise=0.01, shape=(60, 500)):
    return 1 + rng.normal(0, noise, shape)


def test_noise_alone_has_power_one_along_both_axes(task):
    plane = open_plane(np.random.default_rng(1))
    mask = np.ones(plane.shape, bool)
    for axis in (0, 1):
        found = task.banding(plane, mask, axis)
        assert found["over_noise"] == pytest.approx(1.0, abs=0.25)
        assert found["excess_percent"] < 0.06


def test_banding_is_found_on_its_own_axis_with_its_size(task):
    rng = np.random.default_rng(2)
    plane = open_plane(rng) * (1 + rng.normal(0, 0.02, (1, 500)))
    mask = np.ones(plane.shape, bool)
    assert task.banding(plane, mask, 1)["excess_percent"] == pytest.approx(2.0, rel=0.15)
    assert task.banding(plane, mask, 0)["over_noise"] < 2
    rows = plane.T.copy()
    assert task.banding(rows, mask.T, 0)["excess_percent"] == pytest.approx(2.0, rel=0.15)


def test_pixels_outside_the_mask_do_not_count(task):
    rng = np.random.default_rng(3)
    plane, mask = open_plane(rng), np.ones((60, 500), bool)
    plane[20:40, ::7] = 0.2
    mask[20:40] = False
    assert task.banding(plane, mask, 1)["over_noise"] == pytest.approx(1.0, abs=0.25)


def posts(shift, jitter=0.0, seed=4):
    """Upright bars of steel whose low-energy picture stands ``shift`` lines earlier, and anywhere within ``jitter``."""
    rng = np.random.default_rng(seed)
    x = np.arange(800.0)
    planes = np.empty((2, 160, 800))
    for c in range(2):
        low = np.zeros((4, 800))
        for centre in range(30, 780, 30):
            move = (shift + rng.normal(0, jitter, 4) if c else np.zeros(4))[:, None]
            low += (1 + np.tanh((7 - np.abs(x + move - centre)) / 1.6)) / 2
        planes[c] = np.repeat(np.exp(-(1.0 + 0.2 * c) * low), 40, axis=0)
    return planes + rng.normal(0, 0.004, planes.shape)


@pytest.mark.parametrize("shift", [0.0, 0.5, -0.3])
def test_a_shift_is_measured_within_its_error_at_rising_and_falling_edges(task, shift):
    found = task.shift(posts(shift))
    for name in ("rising", "falling", "all"):
        assert found[name]["lag"] == pytest.approx(shift, abs=max(4 * found[name]["sigma"], 0.03))
        assert found[name]["sigma"] < 0.03
    assert found["all"]["scatter"] < 0.1


def test_half_a_line_put_in_is_found(task):
    assert task.shift(task.half_line(posts(0.0)))["all"]["lag"] == pytest.approx(0.5, abs=0.05)


def test_places_that_move_each_their_own_way_scatter(task):
    found = task.shift(posts(0.0, jitter=0.6))["all"]
    assert found["scatter"] == pytest.approx(0.6, abs=0.2)
    assert abs(found["lag"]) < 4 * found["sigma"]


def test_calibration_takes_banding_and_the_shift_of_a_simulated_scan_away(task):
    found = task.measure(task.simulated(binning=4))
    for channel in ("channel 0", "channel 1"):
        figures = found["banding"][channel]
        assert figures["before"]["lines"]["over_noise"] > 10
        assert figures["line_power_after_over_before"] < 0.1
        assert figures["after"]["line_power_over_row_power"] < figures["before"]["line_power_over_row_power"]
    before, after = (found["shift_lines"][when]["all"] for when in ("before", "after"))
    assert before["lag"] == pytest.approx(0.5, abs=0.1)
    assert abs(after["lag"]) < 0.3 * before["lag"]
