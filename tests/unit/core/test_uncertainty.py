import numpy as np
import pytest

from scananalysis.core import ConfigurationError, SystematicTerm, mean_covariance


def test_stated_covariance_of_a_region_mean_is_the_real_one():
    """Monte Carlo with noise, an element error per channel, a line error common to both, and one for all."""
    rng = np.random.default_rng(1)
    shape = (2, 12, 30)
    variance = rng.uniform(0.5e-4, 2e-4, shape).astype(np.float32)
    element = np.zeros((2, 12, 30), np.float32)
    element[0] = rng.uniform(0.005, 0.02, (12, 30))
    line = np.broadcast_to(np.array([0.01, -0.02], np.float32)[:, None, None], (2, 1, 30))
    whole = np.full((2, 1, 1), 0.004, np.float32)
    terms = {
        "gain-0": SystematicTerm(element, "x"),
        "pulse": SystematicTerm(line, "y"),
        "scale": SystematicTerm(whole, "xy"),
    }
    mask = np.zeros((12, 30), bool)
    mask[2:7, 5:25] = True
    mask[3, 6:20] = False
    weights = rng.uniform(0.5, 1.5, (12, 30)).astype(np.float32)
    independent, shared = mean_covariance(variance, terms, np.ones(2, np.float32), mask, weights)

    draws = 4000
    means = np.empty((draws, 2))
    w = weights * mask
    for i in range(draws):
        error = rng.normal(size=shape) * np.sqrt(variance)
        error += element * rng.normal(size=(1, 12, 1))
        error += line * rng.normal(size=(1, 1, 30))
        error += whole * rng.normal()
        means[i] = (error * w).sum(axis=(1, 2)) / w.sum()
    np.testing.assert_allclose(np.cov(means.T), independent + shared, rtol=0.08, atol=3e-6)


def test_noise_area_scales_only_the_independent_part():
    variance = np.full((1, 4, 4), 0.01, np.float32)
    terms = {"all": SystematicTerm(np.full((1, 1, 1), 0.1, np.float32), "xy")}
    mask = np.ones((4, 4), bool)
    independent, shared = mean_covariance(variance, terms, np.array([1.5], np.float32), mask)
    assert independent[0, 0] == pytest.approx((1 + 0.5 * 3 / 4) * 0.01 / 16)
    one_line = np.zeros((4, 4), bool)
    one_line[:, 1] = True
    independent, _ = mean_covariance(variance, terms, np.array([1.5], np.float32), one_line)
    assert independent[0, 0] == pytest.approx(0.01 / 4)
    assert shared[0, 0] == pytest.approx(0.01)


def test_empty_region_and_odd_terms_are_refused():
    with pytest.raises(ConfigurationError, match="empty region"):
        mean_covariance(np.ones((1, 2, 2), np.float32), {}, np.ones(1, np.float32), np.zeros((2, 2), bool))
    with pytest.raises(ConfigurationError, match="shared along"):
        SystematicTerm(np.ones((1, 1, 1), np.float32), "z")  # type: ignore[arg-type] - the refusal is the point
    with pytest.raises(ConfigurationError, match="2 axes"):
        SystematicTerm(np.ones((1, 1), np.float32), "x")
