import numpy as np
import pytest

from scananalysis.anomaly.evaluation.localise import (
    BINS,
    Mark,
    aupimo,
    average_precision,
    bin_of,
    froc,
    histograms,
    marks,
)


@pytest.fixture
def scans():
    """Twelve clean planes and eight with a square that stands out more or less."""
    rng = np.random.default_rng(4)
    clean = [(rng.normal(size=(60, 80)), np.zeros((60, 80), bool)) for _ in range(12)]
    wrong = []
    for k in range(8):
        plane, mask = rng.normal(size=(60, 80)), np.zeros((60, 80), bool)
        mask[10:22, 30:45] = True
        plane[mask] += 0.8 * k
        wrong.append((plane, mask))
    return clean, wrong


def test_bins_rise_with_the_score_and_keep_nan_lowest():
    values = np.linspace(-30, 60, 500)
    assert (np.diff(bin_of(values)) >= 0).all()
    assert bin_of(np.array([np.nan, 1e30])).tolist() == [0, BINS - 1]


def test_average_precision_is_that_of_sorted_cells(scans):
    _, wrong = scans
    score = np.concatenate([plane.ravel() for plane, _ in wrong])
    truth = np.concatenate([mask.ravel() for _, mask in wrong])
    order = np.argsort(-score)
    hits = np.cumsum(truth[order])
    precision = hits / np.arange(1, hits.size + 1)
    exact = precision[truth[order]].mean()
    assert average_precision([histograms(*each) for each in wrong]) == pytest.approx(exact, abs=0.01)
    assert average_precision([histograms(np.zeros((3, 3)), np.zeros((3, 3), bool))]) is None
    flat = np.zeros((20, 20))
    assert average_precision([histograms(flat, flat < -1), histograms(flat, np.eye(20) > 0)]) == pytest.approx(1 / 40)


def test_aupimo_is_the_mean_recall_over_thresholds_of_clean_scans(scans):
    clean, wrong = scans
    bounds = (1e-3, 1e-2)
    found = aupimo([histograms(*c) for c in clean], [histograms(*w) for w in wrong], bounds)
    # From its definition, with exact scores: threshold at each shared rate, recall there, mean over ln rate.
    pooled = np.sort(np.concatenate([plane.ravel() for plane, _ in clean]))[::-1]
    rates = np.geomspace(*bounds, 2000)
    thresholds = pooled[np.floor(rates * pooled.size).astype(int)]
    for area, (plane, mask) in zip(found, wrong, strict=True):
        exact = np.mean([(plane[mask] > t).mean() for t in thresholds])
        assert area == pytest.approx(exact, abs=0.02)
    assert found[-1] > 0.95
    assert found[0] < 0.05
    assert aupimo([histograms(*clean[0])], [histograms(*wrong[0])]) is None


def test_marks_are_apart_and_know_what_they_hit():
    plane = np.full((40, 60), np.nan, np.float32)
    plane[5:35, 5:55] = 0
    plane[10, 10], plane[11, 12], plane[30, 50] = 9, 8, 7
    near = np.zeros(plane.shape, bool)
    near[28:33, 48:53] = True
    found = marks(plane, near, (9, 9))
    assert found[:2] == (Mark(9.0, hit=False), Mark(7.0, hit=True))
    assert 8.0 not in [mark.score for mark in found]
    assert marks(np.full((5, 5), np.nan), np.zeros((5, 5), bool), (3, 3)) == ()


def test_froc_allows_as_many_false_marks_as_said():
    clean = [[Mark(float(s), hit=False)] for s in range(1, 11)]
    wrong = [[Mark(20.0, hit=False), Mark(9.5, hit=True)], [Mark(3.5, hit=True)], [Mark(50.0, hit=False)]]
    # Of ten clean scans one may carry a mark: threshold 9.
    assert froc(clean, wrong, [0.05, 0.1, 0.7, 5.0]) == [
        None,
        pytest.approx(1 / 3),
        pytest.approx(2 / 3),
        pytest.approx(2 / 3),
    ]
