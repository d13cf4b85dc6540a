import numpy as np

from scananalysis.calibration.dropped import dropped, find_repeats
from scananalysis.core import Quality


def test_repeated_lines_are_told_from_similar_ones():
    counts = np.random.default_rng(2).integers(0, 999, (6, 300)).astype(np.uint16)
    counts[3] = counts[2]
    counts[5] = counts[4]
    counts[5, 1] += 1
    np.testing.assert_array_equal(find_repeats(counts), [False, False, False, True, False, False])


def test_lost_lines_are_flagged():
    assert dropped(np.array([True, False])).tolist() == [Quality.DROPPED_LINE.value, 0]
