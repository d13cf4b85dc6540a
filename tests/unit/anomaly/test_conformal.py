import numpy as np
import pytest

from scananalysis.anomaly import ScanMaxima, combine
from scananalysis.core import ModelError


def test_p_values_of_clean_scans_hold_their_rate():
    """Over many calibrations, a further clean scan falls below p = 0.05 in at most 5 % of the cases."""
    rng = np.random.default_rng(0)
    alarms = [ScanMaxima.of(rng.gumbel(size=99)).p_value(rng.gumbel()) <= 0.05 for _ in range(4000)]
    assert 0.035 < np.mean(alarms) < 0.06


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3])
def test_threshold_is_the_lowest_score_at_the_rate(rate):
    layer = ScanMaxima.of(np.arange(199.0))
    threshold = layer.threshold(rate)
    assert layer.p_value(threshold) <= rate
    assert layer.p_value(np.nextafter(threshold, -np.inf)) > rate


def test_too_few_scans_for_a_rate_are_refused():
    with pytest.raises(ModelError, match="at least 999 scans"):
        ScanMaxima.of(np.arange(50.0)).threshold(0.001)
    with pytest.raises(ModelError, match="finite score"):
        ScanMaxima.of([1.0, np.nan])


def test_unscored_places_never_alarm():
    assert ScanMaxima.of([1.0, 2.0]).p_value(np.nan) == 1.0


def test_combination_is_valid_for_dependent_heads():
    assert combine({"a": 0.01, "b": 1.0}) == 0.02
    assert combine({"a": 0.9}) == 0.9
    assert combine({"a": 0.9, "b": 0.8}) == 1.0
