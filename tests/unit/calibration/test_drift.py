import numpy as np
import pytest

from scananalysis.calibration.drift import follow_drift
from scananalysis.calibration.pulse import Levels, Pulses, steady, unknown

LINES = 400
RAMP = np.linspace(0, 1, LINES)


def levels(change, sigma, rng):
    seen = 1 + change * RAMP + rng.normal(0, sigma, (2, LINES))
    return Levels(seen.astype(np.float32), np.full((2, LINES), sigma, np.float32), np.ones((2, LINES), bool))


def test_the_level_follows_with_the_stated_error():
    rng = np.random.default_rng(0)
    pulls = []
    for _ in range(400):
        change = rng.normal(0, 0.002)
        found = follow_drift(steady((2, LINES)), levels(change, 0.02, rng), 0.002, np.zeros(2))[1]
        pulls.append((found.change - change) / found.sigma)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.1)
    # Less than half of what is left is what is usual, so the data had a say.
    assert found.sigma < 0.0015


def test_without_a_look_at_the_beam_the_usual_drift_is_the_error():
    pulses, found = follow_drift(unknown((1, LINES), np.array([0.02])), None, 0.01, np.array([0.02]))
    assert (pulses.strength == 1).all()
    np.testing.assert_allclose(found.effect[0], 0.01 * RAMP, rtol=1e-6)


def test_known_pulses_stay_as_they_are():
    known = np.ones((1, LINES), bool)
    known[0, 300:] = False
    strength = np.where(known, 1 + 0.02 * RAMP, 1).astype(np.float32)
    pulses = Pulses(strength, np.full((1, LINES), 1e-3, np.float32), known, ~known & False, "image")
    seen = Levels(strength, pulses.sigma, known)
    followed, found = follow_drift(pulses, seen, 0.02, np.array([0.005]))
    np.testing.assert_array_equal(followed.strength[known], strength[known])
    np.testing.assert_allclose(followed.strength[~known], 1 + 0.02 * RAMP[300:], atol=4 * found.sigma)
    assert (found.effect[known] == 0).all()
    assert (found.effect[~known] > 0).all()


def test_no_usual_drift_is_no_step():
    pulses = unknown((1, LINES), np.array([0.02]))
    followed, found = follow_drift(pulses, levels(0.1, 0.01, np.random.default_rng(0)), 0.0, np.zeros(1))
    assert followed is pulses
    assert found.change == found.sigma == 0
