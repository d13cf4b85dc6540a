import numpy as np
import pytest

from scananalysis.calibration.logarithm import attenuate, mark_negative, mark_starved
from scananalysis.calibration.recipe import Logarithm
from scananalysis.core import Quality, has

LIMITS = Logarithm()


def run(values, sigma=1e-3, zero=1e-4):
    transmission = np.array([values], np.float32)
    variance = np.full_like(transmission, sigma**2)
    quality = np.zeros(transmission.shape, np.uint32)
    noise = np.full(transmission.shape[1], zero, np.float32)
    mark_starved(transmission, quality, noise, LIMITS)
    alpha, inverse = attenuate(transmission, noise)
    variance *= inverse**2
    mark_negative(inverse, variance, quality, LIMITS)
    np.testing.assert_allclose(inverse, np.exp(alpha), rtol=1e-5)
    return alpha[0], variance[0], quality[0]


def test_attenuation_and_its_variance():
    values = [1.0, 0.5, 0.01]
    alpha, variance, quality = run(values)
    np.testing.assert_allclose(alpha, -np.log(values), atol=1e-6)
    np.testing.assert_allclose(variance, (1e-3 / np.array(values)) ** 2, rtol=1e-5)
    assert not quality.any()


def test_starved_pixels_are_a_lower_limit_and_say_so():
    alpha, variance, quality = run([2.9e-4, 3.1e-4, 0.0, -1.0])
    np.testing.assert_array_equal(has(quality, Quality.STARVED), [True, False, True, True])
    np.testing.assert_allclose(alpha[2:], -np.log(0.5e-4), rtol=1e-6)
    assert np.isfinite(variance).all()


def test_brighter_than_the_open_beam_is_flagged_beyond_noise_only():
    _, _, quality = run([1.004, 1.006])
    np.testing.assert_array_equal(has(quality, Quality.NEGATIVE), [False, True])


def test_shared_errors_count_for_what_is_brighter_than_the_open_beam():
    inverse = np.full((2, 2), 1 / 1.006, np.float32)
    quality = np.zeros((2, 2), np.uint32)
    shared = (np.array([0, 2e-3], np.float32), np.array([0, 2e-3], np.float32))
    mark_negative(inverse, np.full((2, 2), 1e-6, np.float32), quality, LIMITS, shared)
    np.testing.assert_array_equal(has(quality, Quality.NEGATIVE), [[True, False], [False, False]])


def test_bias_of_the_log_of_starved_pixels_is_half_their_variance():
    rng = np.random.default_rng(0)
    truth, sigma = 0.01, 0.002
    drawn = rng.normal(truth, sigma, 200_000)
    alpha, _, _ = run(drawn, sigma=sigma)
    assert alpha.mean() + np.log(truth) == pytest.approx((sigma / truth) ** 2 / 2, rel=0.2)
    # Judged on transmission there is none.
    assert -np.log(np.exp(-alpha.astype(float)).mean()) == pytest.approx(-np.log(truth), abs=2e-3)
