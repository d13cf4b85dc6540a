import dataclasses

import numpy as np
import pytest

from scananalysis.calibration.blocks import _bounds
from scananalysis.calibration.planes import Lines
from scananalysis.calibration.signal import transmission_of


@pytest.mark.parametrize("curvature", [0.0, 0.02])
def test_no_transmission_lies_outside_its_bounds(channel_plan, curvature):
    """Of pulses above and below 1, of counts below the offset, and of an element without signal."""
    rng = np.random.default_rng(2)
    gain = channel_plan.inverse_gain.copy()
    gain[3] = 0
    plan = dataclasses.replace(channel_plan, inverse_gain=gain, curvature=curvature)
    counts = rng.integers(850, 60_000, (50, gain.size)).astype(np.uint16)
    counts[:, 5] = rng.integers(850, 890, 50)
    inverse = rng.uniform(0.8, 1.25, 50).astype(np.float32)
    least, most = _bounds(plan, Lines(counts, inverse, np.zeros(50, np.float32), np.zeros(50, np.uint32)))
    seen = transmission_of(plan, counts, inverse)
    assert (least <= seen.min(axis=0)).all()
    assert (most >= seen.max(axis=0)).all()
    assert max(least[5], most[5]) < 0
    assert least[3] == most[3] == 0
    # And near enough to spare a look at most elements.
    assert (np.abs(most - seen.max(axis=0)) <= 0.4 * np.abs(seen.max(axis=0))).all()
