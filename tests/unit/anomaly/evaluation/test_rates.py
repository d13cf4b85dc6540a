import numpy as np
import pytest

from scananalysis.anomaly.conformal import ScanMaxima
from scananalysis.anomaly.evaluation.rates import Rate, auroc, clopper_pearson, expected_alarms, realised


def test_clopper_pearson_covers_and_has_exact_ends():
    assert clopper_pearson(0, 20)[0] == 0
    assert clopper_pearson(20, 20)[1] == 1
    # Rule of three, two-sided: 1 − 0.025^(1/n).
    assert clopper_pearson(0, 20)[1] == pytest.approx(1 - 0.025 ** (1 / 20))
    rng = np.random.default_rng(0)
    inside = [low <= 0.07 <= high for low, high in (clopper_pearson(int(k), 60) for k in rng.binomial(60, 0.07, 400))]
    assert np.mean(inside) >= 0.93


def test_a_rate_counts_hits():
    assert Rate.of([True, False, True]).to_dict()["rate"] == pytest.approx(2 / 3)


def test_auroc_counts_pairs():
    rng = np.random.default_rng(1)
    low, high = rng.integers(0, 5, 40), rng.integers(1, 7, 30)
    pairs = [(h > v) + 0.5 * (h == v) for v in low for h in high]
    assert auroc(low, high) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize(("rate", "calibration"), [(0.05, 99), (0.01, 500), (0.02, 260)])
def test_alarms_of_conformal_p_values_lie_in_the_range_as_often_as_said(rate, calibration):
    """The whole way: calibration scans and test scans from one distribution, through the layer that ships."""
    rng = np.random.default_rng(2)
    trials = 300
    low, high = expected_alarms(rate, calibration, trials)
    inside = []
    for _ in range(1500):
        layer = ScanMaxima.of(rng.gumbel(size=calibration))
        alarms = int((layer.p_value(rng.gumbel(size=trials)) <= rate).sum())
        inside.append(low <= alarms <= high)
    # A range over whole numbers covers no less than it says; three standard deviations of 1,500 repetitions below.
    assert np.mean(inside) > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 1500)
    # And the calibration set is what widens it: a binomial range would be too narrow.
    assert high - low > 1.9 * np.sqrt(trials * rate)


def test_families_are_held_against_their_range_at_once():
    rng = np.random.default_rng(3)
    consistent = []
    for _ in range(400):
        true = rng.beta(5, 96)
        alarms = {str(i): (rng.random(40) < true).tolist() for i in range(8)}
        consistent.append(realised(alarms, 0.05, 100)["consistent"])
    assert np.mean(consistent) > 0.93
    bad = realised({"a": [True] * 8 + [False] * 192, "b": [True] * 40 + [False] * 160}, 0.05, 100)
    assert not bad["consistent"]
    assert bad["groups"]["a"]["fits"]
    assert not bad["groups"]["b"]["fits"]


def test_a_calibration_set_too_small_for_the_rate_allows_no_alarm():
    assert expected_alarms(0.001, 100, 1000) == (0, 0)
    assert expected_alarms(1.0, 10, 7) == (7, 7)
