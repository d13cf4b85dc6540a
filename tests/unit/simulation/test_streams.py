import numpy as np
import pytest

from scananalysis.simulation.streams import streams

MEMBERS = (0, 1, 2, 77, 2**31, 2**32 - 1)


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 2**63 + 5, 2**96 + 3, 2**200 + 12345])
def test_streams_are_those_of_numpy(seed: int) -> None:
    for i, stream in zip(MEMBERS, streams(seed, MEMBERS), strict=True):
        alone = np.random.default_rng([seed, i])
        np.testing.assert_array_equal(stream.standard_normal(5), alone.standard_normal(5))
        np.testing.assert_array_equal(stream.integers(0, 2**63, 5), alone.integers(0, 2**63, 5))


def test_no_members_no_streams() -> None:
    assert streams(3, ()) == []
