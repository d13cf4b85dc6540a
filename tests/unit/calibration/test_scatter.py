import numpy as np
import pytest

from scananalysis.calibration.scatter import Scatter, scattered, subtract_scatter


def picture(lines=6, elements=344, seed=0):
    rng = np.random.default_rng(seed)
    steps = np.repeat(rng.uniform(0, 7, (lines, elements // 40 + 1)), 40, axis=1)[:, :elements]
    steps[:, :40] = 0
    return np.exp(-steps)


def added(truth, share, width, profile):
    """The definition: s · K ∗ (P T ln 1/T) / P with a normalised Gaussian K over the whole line."""
    at = np.arange(truth.shape[1])
    kernel = np.exp(-0.5 * ((at[:, None] - at) / width) ** 2)
    kernel /= np.exp(-0.5 * (np.arange(-int(9 * width), int(9 * width) + 1) / width) ** 2).sum()
    return share * ((profile * truth * np.log(1 / truth)) @ kernel) / profile


@pytest.mark.parametrize(("share", "within"), [(0.003, 8e-4), (0.02, 4e-3)])
@pytest.mark.parametrize("width", [3.0, 7.5, 30.0])
def test_scatter_is_found_again(share, within, width):
    truth, profile = picture(), 1 + 0.3 * np.cos(np.linspace(-1, 1, 344))
    more = added(truth, share, width, profile)
    seen = (truth + more).astype(np.float32)
    assert (more / truth).max() > 50 * within
    taken = subtract_scatter(Scatter.of(share, width, profile), seen)
    thin = truth > np.exp(-6)
    assert np.abs(seen / truth - 1)[thin].max() < within
    np.testing.assert_allclose(taken, more, rtol=0.02, atol=0.01 * more.max())


def test_the_open_beam_does_not_scatter():
    seen = np.ones((3, 100), np.float32)
    taken = subtract_scatter(Scatter.of(0.02, 10.0, np.ones(100)), seen)
    assert not taken.any()
    assert (seen == 1).all()
    assert Scatter.of(0.0, 10.0, np.ones(100)) is None


@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("width", [3.0, 30.0])
def test_blocks_of_any_size_give_the_same_bits(size, width):
    seen = np.random.default_rng(1).uniform(-0.01, 1.1, (130, 173)).astype(np.float32)
    scatter = Scatter.of(0.02, width, np.ones(173))
    whole = scattered(scatter, seen)
    parts = [scattered(scatter, seen[k : k + size]) for k in range(0, 130, size)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
