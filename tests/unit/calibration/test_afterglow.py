import numpy as np
import pytest

from scananalysis.calibration.afterglow import Afterglow

SHARE, LINES = (0.08, 0.02), (1.6, 30.0)
GLOW = Afterglow.of(SHARE, LINES)


def glowing(signal, before):
    """The definition, line by line: (1 − Σ a) S(n) + Σ a q(n), q(n) = r q(n − 1) + (1 − r) S(n)."""
    keep = np.exp(-1 / np.array(LINES))
    stored, seen = np.repeat(before[None], 2, axis=0), []
    for line in signal:
        stored = keep[:, None] * stored + (1 - keep[:, None]) * line
        seen.append((1 - sum(SHARE)) * line + np.array(SHARE) @ stored)
    return np.array(seen)


def picture(lines=200, elements=30):
    rng = np.random.default_rng(0)
    return np.exp(-np.repeat(rng.uniform(0, 7, (lines // 20, elements)), 20, axis=0)), np.ones(elements)


@pytest.mark.parametrize(("kind", "within"), [(np.float32, 1e-6), (np.float64, 1e-13)])
def test_the_inverse_is_exact(kind, within):
    signal, before = picture()
    seen = glowing(signal, before).astype(kind)
    assert np.abs(seen / signal - 1).max() > 10
    GLOW.remove(seen, GLOW.settled(before.astype(kind)), len(seen))
    np.testing.assert_allclose(seen, signal, atol=within)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_blocks_of_any_size_give_the_same_bits(size):
    signal, before = picture()
    whole = glowing(signal, before).astype(np.float32)
    parts = whole.copy()
    GLOW.remove(whole, GLOW.settled(before.astype(np.float32)), 0)
    state = GLOW.settled(before.astype(np.float32))
    for first in range(0, len(parts), size):
        block = parts[first : first + size]
        state = GLOW.remove(block, state, len(block))
    np.testing.assert_array_equal(parts, whole)


def test_a_state_inside_the_block_can_be_kept():
    signal, before = picture()
    seen = glowing(signal, before)
    state = GLOW.remove(seen[:50].copy(), GLOW.settled(before), 50)
    np.testing.assert_array_equal(GLOW.remove(seen[:80].copy(), GLOW.settled(before), 50), state)


def test_no_share_is_no_afterglow():
    assert Afterglow.of((0.0,), (3.0,)) is None


def test_noise_grows_as_stated():
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 1, (20_000, 20))
    GLOW.remove(noise, GLOW.settled(np.zeros(20)), 0)
    assert noise.var() == pytest.approx(GLOW.noise_gain, rel=0.01)
