import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scananalysis.core import UNUSABLE, Quality, count_flags, has, mark


def test_every_flag_is_one_bit_of_its_own():
    values = [flag.value for flag in Quality]
    assert all(value and value & (value - 1) == 0 for value in values)
    assert len(set(values)) == len(values)
    assert max(values) < 1 << 32


@given(st.lists(st.sampled_from(list(Quality)), max_size=8), st.sampled_from(list(Quality)))
def test_marking_never_clears(before, flag):
    plane = np.zeros(4, np.uint32)
    for earlier in before:
        mark(plane, slice(None), earlier)
    old = plane.copy()
    mark(plane, np.array([True, False, True, False]), flag)
    assert np.all((plane & old) == old)
    assert has(plane, flag)[[0, 2]].all()


def test_count_flags_counts_each():
    plane = np.array([0, Quality.DEAD | Quality.HOT, Quality.DEAD], np.uint32)
    assert count_flags(plane) == {"DEAD": 2, "HOT": 1}


def test_unusable_does_not_include_reservations():
    assert not UNUSABLE & (Quality.NOMINAL_CURVES | Quality.AMBIGUOUS | Quality.INTERPOLATED | Quality.AIR_ESTIMATED)
