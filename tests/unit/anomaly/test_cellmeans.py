"""Sums over cells against their definition, pixel by pixel: broken pixels, cut cells, any flags."""

import numpy as np
import pytest

from scananalysis.anomaly.cellmeans import cell_sums
from scananalysis.core import UNUSABLE, Quality, Radiograph

HOT, SATURATED = np.uint32(Quality.HOT.value), np.uint32(Quality.SATURATED.value)


def made(shape=(2, 23, 31), seed=0):
    rng = np.random.default_rng(seed)
    quality = np.where(rng.random(shape) < 0.3, HOT, np.uint32(0))
    quality |= np.where(rng.random(shape) < 0.05, SATURATED, np.uint32(0))
    quality[:, 8:16, 4:20] |= HOT
    return Radiograph(
        attenuation=rng.uniform(-0.1, 9, shape).astype(np.float32),
        variance=rng.uniform(1e-5, 0.1, shape).astype(np.float32),
        quality=quality,
        systematic={},
        noise_area=np.ones(shape[0], np.float32),
        pixel_mm=(3.0, 5.0),
        fan_angle_rad=np.zeros(shape[1], np.float32),
        scanner="cargo-6-4mv",
    )


def by_definition(radiograph, factors, channel, y, x):
    """Return sum of transmission, of its variance, number of pixels and flags of one cell."""
    at = np.s_[channel, y * factors[0] : (y + 1) * factors[0], x * factors[1] : (x + 1) * factors[1]]
    alpha, noise = (plane[at].astype(np.float64) for plane in (radiograph.attenuation, radiograph.variance))
    quality = radiograph.quality[at]
    transmission = np.where(np.isnan(alpha), 0, np.exp(-alpha))
    noise = np.where(np.isfinite(noise), noise, 0)
    good = (quality & np.uint32(UNUSABLE.value)) == 0
    # Of a cell that the image cuts, what is missing is not usable either.
    majority = 2 * good.sum() >= factors[0] * factors[1]
    counts = good if majority else np.ones_like(good)
    flags = np.bitwise_or.reduce(quality, axis=None)
    flags &= ~np.uint32(UNUSABLE.value) if majority else ~np.uint32(0)
    return transmission[counts].sum(), (noise * transmission**2)[counts].sum(), counts.sum(), flags


def check(radiograph, factors):
    found = cell_sums(radiograph, factors)
    for channel, y, x in np.ndindex(found.pixels.shape):
        transmission, spread, pixels, flags = by_definition(radiograph, factors, channel, y, x)
        at = channel, y, x
        assert found.transmission[at] == pytest.approx(transmission, rel=2e-6)
        assert found.spread[at] == pytest.approx(spread, rel=4e-6)
        assert found.pixels[at] == pixels
        assert found.flags[at] == flags
    return found


@pytest.mark.parametrize("factors", [(4, 4), (2, 3), (1, 5), (3, 1), (23, 31), (40, 40)])
def test_sums_are_those_of_the_definition(factors):
    check(made(), factors)


def test_pixels_that_are_no_number_count_as_dark_and_their_variance_as_none():
    radiograph = made()
    radiograph.quality[:] = 0
    radiograph.attenuation[0, 3, 5:7] = np.nan, np.inf
    radiograph.variance[1, 9:11, 9] = np.nan, np.inf
    radiograph.variance[0, 3, 6] = np.inf
    found = check(radiograph, (4, 4))
    assert (found.pixels[:, :5, :7] == 16).all()


def test_an_unusable_pixel_harms_no_cell_whatever_its_value():
    radiograph = made()
    radiograph.quality[:] = 0
    whole = cell_sums(radiograph, (4, 4))
    for value in (np.nan, -np.inf, -1e6, np.inf):
        radiograph.attenuation[1, 5, 6] = value
        radiograph.quality[1, 5, 6] = HOT
        found = cell_sums(radiograph, (4, 4))
        assert found.pixels[1, 1, 1] == 15
        assert found.flags[1, 1, 1] == 0
        assert np.isfinite(found.transmission[1, 1, 1])
        assert found.transmission[1, 1, 1] <= whole.transmission[1, 1, 1] * (1 + 1e-6)


def test_a_view_of_a_larger_image_gives_the_same():
    radiograph = made()
    planes = {}
    for name in ("attenuation", "variance", "quality"):
        plane = getattr(radiograph, name)
        wide = np.zeros((2, 23, 62), plane.dtype)
        wide[..., ::2] = plane
        planes[name] = wide[..., ::2]
    view = Radiograph(**{**vars(radiograph), **planes})
    for one, other in zip(cell_sums(view, (4, 3)), cell_sums(radiograph, (4, 3)), strict=True):
        np.testing.assert_array_equal(one, other)
