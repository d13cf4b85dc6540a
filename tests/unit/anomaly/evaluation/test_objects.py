"""Clutter around an object is that of the measured image, and None where there is none to measure."""

import numpy as np
import pytest

from scananalysis.anomaly.evaluation.objects import _clutter

PITCH = (13.3, 20.0)


@pytest.fixture
def mask():
    mask = np.zeros((80, 90), bool)
    mask[35:45, 40:48] = True
    return mask


@pytest.mark.parametrize("sigma", [0.02, 0.3])
def test_clutter_is_the_spread_beside_a_slope(mask, sigma):
    rng = np.random.default_rng(0)
    slope = np.linspace(0, 3, 80)[:, None] + np.linspace(0, 1, 90)
    image = (slope + sigma * rng.standard_normal(mask.shape)).astype(np.float32)
    image[mask] += 5  # the object itself is no clutter, nor are the cells beside it
    image[34, 40:48] += 5
    everywhere = np.ones(mask.shape, bool)
    assert _clutter(image, everywhere, mask, PITCH) == pytest.approx(sigma, rel=0.1)


def test_nothing_measured_around_it_leaves_clutter_unknown(mask):
    beside = np.zeros(mask.shape, bool)
    beside[:5] = True
    assert _clutter(np.zeros(mask.shape, np.float32), beside, mask, PITCH) is None


def test_an_object_in_the_corner_has_windows_too():
    mask = np.zeros((80, 90), bool)
    mask[:4, :4] = True
    image = np.random.default_rng(1).normal(1, 0.1, mask.shape).astype(np.float32)
    assert _clutter(image, np.ones(mask.shape, bool), mask, PITCH) == pytest.approx(0.1, rel=0.2)
