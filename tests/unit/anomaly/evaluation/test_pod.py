import numpy as np
import pytest

from scananalysis.anomaly.evaluation.pod import fit_pod


def draw(rng, count, slope=3.0):
    added, background = np.exp(rng.uniform(0, 4.5, count)), np.exp(rng.uniform(3, 5, count))
    logit = slope * (np.log(added) - 2.0) - 1.5 * (np.log(background) - 4.0)
    return added, background, rng.random(count) < 1 / (1 + np.exp(-logit))


def truth(background, probability=0.9, slope=3.0):
    return np.exp(2.0 + (np.log(probability / (1 - probability)) + 1.5 * (np.log(background) - 4.0)) / slope)


def test_a_curve_is_recovered():
    curve = fit_pod(*draw(np.random.default_rng(5), 6000))
    for background in (30.0, 100.0):
        assert curve.smallest(background)[0] == pytest.approx(truth(background), rel=0.08)


def test_the_bound_is_above_the_truth_in_most_of_repeated_studies():
    rng = np.random.default_rng(6)
    above = []
    for _ in range(200):
        curve = fit_pod(*draw(rng, 250))
        above.append(curve.smallest(60.0)[1] >= truth(60.0))
    assert np.mean(above) > 0.90


def test_separated_hits_and_misses_still_give_a_finite_curve():
    added = np.geomspace(1, 100, 40)
    curve = fit_pod(added, np.full(40, 50.0), added > 10)
    a90, a9095 = curve.smallest(50.0)
    assert 10 < a90 < 20
    assert a9095 >= a90
    assert np.isfinite(curve.coefficients).all()


def test_no_curve_without_evidence():
    added = np.geomspace(1, 100, 40)
    assert fit_pod(added, np.full(40, 50.0), np.zeros(40, bool)) is None
    assert fit_pod(added, np.full(40, 50.0), added < 10) is None
