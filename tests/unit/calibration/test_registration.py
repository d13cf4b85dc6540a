import numpy as np
import pytest

from scananalysis.calibration.registration import lag_of_image, line_shift, noise_area, shift_lines
from scananalysis.core import CalibrationError, Quality, RawScan, has


def test_stated_noise_area_is_the_real_one():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (400, 5000)).astype(np.float32)
    variance = np.ones_like(noise)
    shift_lines(noise, variance, np.zeros(noise.shape, np.uint32), 0.25)
    inner = np.s_[:-1]
    assert noise[inner].var() == pytest.approx(variance[0, 0], rel=0.01)
    # The variance of the mean over many lines is that of the naive formula times the noise area.
    means = noise[inner].mean(axis=0)
    assert means.var() * 399 / variance[0, 0] == pytest.approx(noise_area(0.25), rel=0.06)


@pytest.mark.parametrize("shift", [0.25, -0.25, 0.5])
def test_a_slope_moves_by_the_shift(shift):
    slope = np.tile(np.arange(20, dtype=np.float32)[:, None], (1, 3))
    quality = np.zeros(slope.shape, np.uint32)
    shift_lines(slope, np.ones_like(slope), quality, shift)
    inner = slice(1, -1)
    np.testing.assert_allclose(slope[inner, 0], np.arange(20)[inner] + shift, rtol=1e-6)
    edge = -1 if shift > 0 else 0
    assert has(quality[edge], Quality.INTERPOLATED).all()
    assert has(quality, Quality.INTERPOLATED).sum() == 3


def test_flags_of_both_sources_are_kept():
    quality = np.zeros((6, 2), np.uint32)
    quality[3] = Quality.SATURATED.value
    plane = np.ones((6, 2), np.float32)
    shift_lines(plane, plane.copy(), quality, 0.25)
    np.testing.assert_array_equal(has(quality[:, 0], Quality.SATURATED), [False, False, True, True, False, False])


def scan_of(**fields):
    return RawScan(np.ones((2, 40, 8), np.uint16), scanner="cargo-6-4mv", **fields)


def test_lag_is_known_from_positions_then_from_the_scanner():
    position = np.arange(40) * 5.0 + np.array([[0.0], [1.5]])
    assert line_shift(scan_of(position_mm=position), interlaced=True, line_pitch_mm=5.0) == (0.3, "positions")
    assert line_shift(scan_of(), interlaced=True, line_pitch_mm=5.0) == (0.5, "scanner")
    assert line_shift(scan_of(), interlaced=False, line_pitch_mm=5.0) == (0.0, "none")
    assert line_shift(scan_of(stage="air-normalised"), interlaced=True, line_pitch_mm=5.0) == (0.0, "image")


@pytest.mark.parametrize("lag_mm", [12.0, -12.0, np.nan])
def test_positions_that_cannot_be_are_refused(lag_mm):
    position = np.arange(40) * 5.0 + np.array([[0.0], [lag_mm]])
    with pytest.raises(CalibrationError, match="at most one line"):
        line_shift(scan_of(position_mm=position), interlaced=True, line_pitch_mm=5.0)


def picture(lag, seed=0):
    """Smooth random load seen by two energies, the second later, with noise."""
    rng = np.random.default_rng(seed)
    lines, elements = 600, 120
    fine = np.repeat(rng.uniform(0.2, 1.0, (elements, lines // 20 + 2)), 200, axis=1)
    at = np.arange(lines) * 10 + 100
    box = np.ones(10) / 10
    smooth = np.apply_along_axis(np.convolve, 1, fine, box, "same")
    seen = [50_000 * smooth[:, at + round(10 * late)].T ** power for late, power in ((0.0, 1.0), (lag, 1.15))]
    return np.clip(rng.normal(seen, 200), 1, 65_000).astype(np.uint16)


@pytest.mark.parametrize("lag", [0.5, -0.5, 0.3])
def test_lag_is_found_in_the_image_with_its_sign(lag):
    assert lag_of_image(picture(lag)) == pytest.approx(lag, abs=0.05)


def test_pulses_that_were_left_in_do_not_hide_the_lag():
    rng = np.random.default_rng(2)
    seen = picture(0.5) * rng.normal(1, 0.02, (2, 600, 1))
    assert lag_of_image(seen.clip(1, 65_000).astype(np.uint16)) == pytest.approx(0.5, abs=0.06)
    still = picture(0.0) * rng.normal(1, 0.02, (2, 600, 1))
    assert lag_of_image(still.clip(1, 65_000).astype(np.uint16)) == 0.0


def test_energies_that_stand_differently_from_place_to_place_are_left_alone():
    # Every part of the array shows its own lag: the mean of them would be right nowhere.
    parts = [picture(lag, seed)[:, :, :40] for seed, lag in enumerate((1.0, -0.7, 0.9, -0.6, 1.0, -0.8))]
    assert lag_of_image(np.concatenate(parts, axis=2)) == 0.0


def test_a_picture_without_edges_or_too_short_for_one_has_no_lag():
    assert lag_of_image(np.full((2, 300, 50), 30_000, np.uint16)) == 0.0
    assert lag_of_image(picture(0.5)[:, :20]) == 0.0


def test_no_lag_is_made_up():
    assert lag_of_image(picture(0.0)) == 0.0
    noise = np.random.default_rng(1).integers(1, 60_000, (2, 300, 50)).astype(np.uint16)
    assert lag_of_image(noise) == 0.0
