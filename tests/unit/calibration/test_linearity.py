import numpy as np
import pytest

from scananalysis.calibration.linearity import bend, fit_curvature, linearise
from scananalysis.core import CalibrationError

FULL = 65_535


@pytest.mark.parametrize("curvature", [0.03, 0.24, -0.3])
@pytest.mark.parametrize(("kind", "within"), [(np.float32, 1e-6), (np.float64, 1e-12)])
def test_the_inverse_is_exact(curvature, kind, within):
    signal = np.linspace(0, FULL, 1001).astype(kind)
    reading = bend(signal.astype(float), curvature, FULL).astype(kind)
    linearise(reading, curvature, FULL)
    # The slope of the response near full scale, down to a half, magnifies the rounding.
    np.testing.assert_allclose(reading, signal, rtol=4 * within / (1 - 2 * max(curvature, 0)), atol=within)


def test_without_curvature_no_bit_changes():
    reading = np.random.default_rng(0).normal(0, 1e4, 100).astype(np.float32)
    before = reading.copy()
    linearise(reading, 0.0, FULL)
    np.testing.assert_array_equal(reading, before)


def test_a_reading_that_no_signal_gives_stands_at_the_highest_one():
    reading = np.array([60_000.0])
    linearise(reading, 0.4, FULL)
    assert np.isfinite(reading).all()
    assert reading[0] > FULL / 0.8


def test_the_measured_curvature_has_the_stated_error():
    rng = np.random.default_rng(1)
    level, dose, sigma = rng.uniform(30_000, 50_000, 40), np.array([0.2, 0.5, 1.0]), 8.0
    pulls = []
    for _ in range(300):
        seen = bend(level * dose[:, None], 0.02, FULL) + rng.normal(0, sigma, (3, 40))
        found, error = fit_curvature(seen, np.full(seen.shape, sigma), dose, FULL)
        pulls.append((found - 0.02) / error)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.12)
    assert np.mean(pulls) == pytest.approx(0.0, abs=0.25)


@pytest.mark.parametrize(
    ("doses", "level", "says"), [([1.0, 1.0], 1e4, "two different"), ([0.5, 1.0], 0.1, "no element")]
)
def test_doses_that_say_nothing_are_refused(doses, level, says):
    with pytest.raises(CalibrationError, match=says):
        fit_curvature(np.full((2, 3), level), np.ones((2, 3)), doses, FULL)
    with pytest.raises(CalibrationError, match="readings"):
        fit_curvature(np.full((3, 3), level), np.ones((2, 3)), doses, FULL)
