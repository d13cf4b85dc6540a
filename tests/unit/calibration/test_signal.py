import numpy as np

from scananalysis.calibration.signal import transmission_of


def test_wide_counts_give_what_narrow_ones_give(channel_plan):
    counts = np.random.default_rng(1).integers(0, 65_536, (7, channel_plan.offset.size)).astype(np.uint16)
    pulse = np.linspace(0.9, 1.1, 7, dtype=np.float32)
    narrow = transmission_of(channel_plan, counts, pulse)
    np.testing.assert_allclose(
        transmission_of(channel_plan, counts.astype(np.uint32), pulse), narrow, rtol=2e-6, atol=2e-8
    )


def test_memory_layout_changes_no_bit(channel_plan):
    counts = np.random.default_rng(1).integers(0, 65_536, (7, channel_plan.offset.size)).astype(np.uint16)
    pulse = np.ones(7, np.float32)
    expected = transmission_of(channel_plan, counts, pulse)
    for other in (counts.astype(">u2"), np.asfortranarray(counts), np.repeat(counts, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(transmission_of(channel_plan, other, pulse), expected)


def test_counts_below_the_offset_are_not_clipped(channel_plan):
    counts = np.full((1, channel_plan.offset.size), 850, np.uint16)
    assert (transmission_of(channel_plan, counts, np.ones(1, np.float32)) < 0).all()
