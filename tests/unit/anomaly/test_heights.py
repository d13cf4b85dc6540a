"""Where goods stand: heights of rows, and what a scanner of which nothing was learned gives."""

from types import SimpleNamespace

import numpy as np
import pytest

from scananalysis.anomaly.components import Components
from scananalysis.anomaly.heights import BINS, STEP_MM, height_odds, row_bins
from scananalysis.anomaly.training.expected import count_heights, log_odds
from scananalysis.calibration import calibrate
from scananalysis.core import ModelError
from scananalysis.detectors import scanner
from scananalysis.materials import discriminate
from scananalysis.simulation import empty_scene, render


@pytest.fixture(scope="module")
def empty():
    device = scanner("cargo-6-4mv").binned(4, 4)
    return discriminate(calibrate(render(empty_scene(1, device).scene, device, 1).scan))


def test_rows_are_at_the_heights_of_the_scanner(empty):
    device = scanner("cargo-6-4mv").binned(4, 4)
    wanted = np.clip(np.asarray(device.object_height_mm) // STEP_MM, 0, BINS - 1)
    assert np.abs(row_bins(empty) - wanted).max() <= 1


def test_a_cut_out_keeps_its_heights(empty):
    radiograph = SimpleNamespace(fan_angle_rad=empty.radiograph.fan_angle_rad[100:180])
    part = SimpleNamespace(scanner=empty.scanner, radiograph=radiograph)
    np.testing.assert_array_equal(row_bins(part), row_bins(empty)[100:180])


def test_vehicles_are_below_goods_and_unknown_scanners_say_nothing(empty, monkeypatch):
    odds = height_odds(empty)
    rows = row_bins(empty) * STEP_MM
    assert odds[rows < 1000].max() < -3
    assert odds[(rows > 1700) & (rows < 2500)].min() > 2
    monkeypatch.setattr("scananalysis.anomaly.heights._learned", dict)
    assert not height_odds(empty).any()


def test_counts_of_scans_add_up():
    rows = np.array([0, 0, 1])
    goods = np.array([[True, False], [True, True], [False, False]])
    matter = np.array([[True, True], [True, False], [True, True]])
    counts = count_heights(rows, goods, matter, 3)
    np.testing.assert_array_equal(counts, [[2, 0, 0], [1, 2, 0]])
    odds = log_odds(100 * counts)
    assert odds[0] > 0 > odds[1]
    assert odds[2] == 0


def test_components_of_other_features_are_refused(tmp_path):
    weights = {
        "mean": np.zeros((2, 5)),
        "whitening": np.zeros((2, 5, 5)),
        "log_weight": np.zeros(2),
        "owner": np.array([0, 1]),
    }
    with pytest.raises(ModelError, match="5 features"):
        Components.read(weights, 3, tmp_path / "components.npz")
