"""Inversion and pooling: round trips, blocks, flags, and pixels that must not count."""

import dataclasses
import functools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scananalysis.calibration import calibrate
from scananalysis.core import Quality, has
from scananalysis.detectors import scanner
from scananalysis.materials import DualEnergyModel, discriminate, parts, pool, segment
from scananalysis.materials.unbiased import NO_INFORMATION
from scananalysis.simulation import Box, Matter, Piece, Scene, render

FIELDS = ("areal_density", "z_eff", "sigma_areal_density", "sigma_z", "correlation", "quality")
# Between hydrogen and lithium grams per electron double: fractions stand for no mixture there.
ATOMIC_NUMBERS = st.one_of(st.integers(1, 92), st.floats(3, 92))
PIXEL_FLAGS = [flag for flag in Quality if flag != Quality.GOOD]


@functools.cache
def model(name="cargo-6-4mv"):
    return DualEnergyModel.nominal(scanner(name))


@functools.cache
def radiograph():
    device = scanner("cargo-6-4mv").binned(8, 8)
    block = Piece(Box((400, 1500), (1000, 2200), (5850, 6150)), Matter.of("Al"), 2.7)
    return calibrate(render(Scene((block,), 1900.0), device, 5).scan)


@given(
    st.sampled_from(["cargo-6-4mv", "cargo-9-6mv"]),
    st.lists(st.tuples(st.floats(0.3, 400), ATOMIC_NUMBERS), min_size=1, max_size=30),
    st.floats(0, 0.45),
)
def test_what_is_not_ambiguous_comes_back(name, materials, angle):
    depth, z = np.array(materials, float).T
    high, low = model(name).forward(depth, z, angle)
    found = model(name).invert(high, low, fan_angle_rad=angle)
    sure = ~has(found.quality, Quality.AMBIGUOUS)
    assert np.all(np.abs(found.z_eff - z)[sure] <= 0.2)
    assert np.all(np.abs(found.areal_density / depth - 1)[sure] <= 0.002)


@given(
    st.integers(0, 1000),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 2000),
    st.floats(0, 0.05),
    st.booleans(),
)
def test_the_size_of_blocks_changes_no_bit(seed, height, width, pixels, noise, systematic):
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(-0.3, 0.45, height))
    high = rng.uniform(-0.05, 8, (height, width)).astype(np.float32)
    low = (high * rng.uniform(0.85, 1.3, high.shape) + noise * rng.standard_normal(high.shape)).astype(np.float32)
    low[rng.random(high.shape) < 0.02] = np.nan
    variance = np.full(high.shape, noise**2, np.float32)
    whole = model().invert(high, low, variance, variance, angle, systematic=systematic)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "_BLOCK_PIXELS", pixels)
        again = model().invert(high, low, variance, variance, angle, systematic=systematic)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(whole, name), getattr(again, name), err_msg=name)


@given(st.floats(-1, 12), st.floats(-1, 12), st.floats(0, 1), st.floats(0, 1))
def test_any_pair_has_a_figure_or_a_flag(high, low, var_high, var_low):
    found = model().invert(high, low, var_high, var_low)
    assert np.isfinite(found.areal_density)
    assert not found.sigma_areal_density < 0
    assert np.isfinite(found.z_eff) or has(found.quality, Quality.EXTRAPOLATED)
    assert abs(found.correlation) <= 1


@given(st.integers(0, 1000), st.lists(st.sampled_from(PIXEL_FLAGS), min_size=1, max_size=5))
def test_flags_are_never_cleared(seed, flags):
    start = radiograph()
    rng = np.random.default_rng(seed)
    quality = start.quality.copy()
    for flag in flags:
        quality[rng.random(quality.shape) < 0.05] |= np.uint32(flag.value)
    flagged = dataclasses.replace(start, quality=quality)
    materials = discriminate(flagged)
    carried = np.bitwise_or.reduce(quality, axis=0)
    assert not (carried & ~materials.quality).any()
    assert not (materials.quality & ~segment(materials).quality).any()
    assert (flagged.quality == quality).all()


@given(
    st.integers(0, 1000), st.floats(-5, 15), st.sampled_from([Quality.DEAD, Quality.INTERPOLATED, Quality.DROPPED_LINE])
)
def test_pixels_without_information_do_not_count_in_a_region(seed, value, flag):
    assume(NO_INFORMATION & flag)
    start = radiograph()
    rng = np.random.default_rng(seed)
    mask = np.zeros(start.shape[1:], bool)
    mask[70:100, 12:30] = True
    lost = (rng.random(mask.shape) < 0.2) & mask
    quality = start.quality.copy()
    quality[:, lost] |= np.uint32(flag.value)
    alpha = start.attenuation.copy()
    alpha[:, lost] = value
    kept = pool(dataclasses.replace(start, quality=quality), model(), mask)
    odd = pool(dataclasses.replace(start, quality=quality, attenuation=alpha), model(), mask)
    assert (kept.areal_density, kept.z_eff, kept.sigma_z, kept.pixels) == (
        odd.areal_density, odd.z_eff, odd.sigma_z, odd.pixels,
    )  # fmt: skip
    without = pool(start, model(), mask & ~lost)
    assert kept.alpha == pytest.approx(without.alpha, rel=1e-4)


@given(st.integers(0, 60), st.integers(0, 25), st.integers(4, 30), st.integers(4, 12), st.floats(0.1, 10))
def test_a_pooled_area_does_not_depend_on_what_lies_around_it(top, left, height, width, scale):
    """Other pixels may hold anything; weights count as ratios."""
    start = radiograph()
    mask = np.zeros(start.shape[1:], bool)
    mask[60 + top : 60 + top + height, 5 + left : 5 + left + width] = True
    assume(mask.sum() >= 16)
    alpha = start.attenuation.copy()
    # Few quanta are judged within five pixels, so what lies beyond them is disturbed.
    far = ~np.asarray(_grown(mask, 5))
    alpha[:, far] += np.float32(3)
    weights = np.random.default_rng(top).uniform(0.5, 1, mask.shape).astype(np.float32)
    first = pool(start, model(), mask, weights)
    again = pool(dataclasses.replace(start, attenuation=alpha), model(), mask, weights * np.float32(scale))
    assert first.alpha == pytest.approx(again.alpha, rel=1e-5)
    assert first.covariance == pytest.approx(again.covariance, rel=1e-4)


def _grown(mask, pixels):
    import cv2

    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * pixels + 1,) * 2, np.uint8)) > 0
