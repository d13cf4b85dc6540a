import numpy as np
import pytest

from scananalysis.calibration.crosstalk import Unmixing, remove_crosstalk, second_difference


def profile(elements):
    return 1 + 0.3 * np.sin(np.linspace(0, 3, elements))


def mixed(transmission, share):
    """The definition, relative to an open beam that crosses over as well."""
    open_beam = profile(transmission.shape[1])

    def cross(signal):
        padded = np.pad(signal, ((0, 0), (1, 1)))
        return (1 - 2 * share) * signal + share * (padded[:, :-2] + padded[:, 2:])

    return cross(transmission * open_beam) / cross(open_beam[None])


@pytest.mark.parametrize("share", [0.001, 0.01, 0.05, 0.2])
@pytest.mark.parametrize("elements", [3, 40, 301])
def test_the_inverse_is_exact(share, elements):
    signal = np.exp(-np.random.default_rng(0).uniform(0, 7, (9, elements)))
    seen = mixed(signal, share)
    found = remove_crosstalk(Unmixing.of(share, profile(elements)), seen.astype(np.float32))
    np.testing.assert_allclose(found, signal, atol=1e-6 / (1 - 4 * share))
    assert np.abs(seen - signal).max() > 30 * np.abs(found - signal).max()


@pytest.mark.parametrize("size", [1, 7, 64])
def test_blocks_of_any_size_give_the_same_bits(size):
    seen = np.random.default_rng(1).uniform(0, 1, (150, 173)).astype(np.float32)
    unmixing = Unmixing.of(0.03, profile(173))
    whole = remove_crosstalk(unmixing, seen)
    parts = [remove_crosstalk(unmixing, seen[k : k + size]) for k in range(0, 150, size)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_the_open_beam_stays_as_it_is():
    even = np.ones((2, 50), np.float32)
    np.testing.assert_allclose(remove_crosstalk(Unmixing.of(0.02, profile(50)), even), 1, rtol=3e-7)
    assert Unmixing.of(0.0, profile(50)) is None


def test_noise_is_sharpened_as_stated():
    rng = np.random.default_rng(2)
    unmixing = Unmixing.of(0.05, np.ones(500))
    white = rng.normal(0, 1, (400, 500))
    assert remove_crosstalk(unmixing, white.astype(np.float32))[:, 20:-20].var() == pytest.approx(
        unmixing.noise_gain, rel=0.02
    )
    assert mixed(white, 0.05)[:, 1:-1].var() == pytest.approx(unmixing.smoothing, rel=0.02)


def test_second_difference_is_what_a_little_crosstalk_adds():
    signal = np.random.default_rng(3).uniform(0, 1, (3, 30))
    # The profile adds its own, a few hundredths of it.
    added = (mixed(signal, 1e-6) - signal)[:, 1:-1] / 1e-6
    np.testing.assert_allclose(second_difference(signal.astype(np.float32))[:, 1:-1], added, atol=0.15)
