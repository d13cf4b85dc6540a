"""Scores from logits: what is said of every place."""

import numpy as np

from scananalysis.anomaly.network import _place_of_largest


def test_the_largest_of_equals_is_the_first():
    planes = np.random.default_rng(2).integers(0, 4, (7, 30, 40)).astype(np.float32)
    found = _place_of_largest(planes)
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found, planes.argmax(axis=0))
    np.testing.assert_array_equal(_place_of_largest(list(planes[:1])), 0)
