"""Means of few quanta: which pixels count, and that neither their choice nor the logarithm biases the mean."""

import dataclasses

import numpy as np
import pytest

import scananalysis as sa
from scananalysis.core import Quality, has
from scananalysis.materials.labelled import means
from scananalysis.materials.unbiased import STARVED_SHARE, counted, unbiased
from scananalysis.simulation import Box, Imperfections, Matter, Piece, Scene, render

PORTAL = sa.scanner("cargo-6-4mv")
FLAWS = Imperfections(dead_share=0.0, hot_share=0.0, flicker_share=0.0)
HEIGHTS = (3200, 3900)


def scan(thick_mm, seed):
    """Steel that leaves some ten quanta per pixel, towards the end of the array."""
    block = Piece(Box((200, 800), HEIGHTS, (5900, 5900 + thick_mm)), Matter.of("Fe"), 7.87)
    simulated = render(Scene((block,), 1000.0), PORTAL.binned(2, 2), seed, imperfections=FLAWS)
    height = PORTAL.binned(2, 2).object_height_mm
    rows = np.flatnonzero((height > HEIGHTS[0] + 200) & (height < HEIGHTS[1] - 200))
    inside = np.zeros(simulated.truth["areal_density"].shape, bool)
    columns = slice(int(300 / PORTAL.binned(2, 2).pixel_mm[1]), int(700 / PORTAL.binned(2, 2).pixel_mm[1]))
    inside[rows[0] : rows[-1], columns] = True
    return sa.calibrate(simulated.scan), inside, -np.log(simulated.truth["transmission"].astype(float))


def test_the_mean_of_few_quanta_is_unbiased_and_its_sigma_true():
    pulls, starved = [], []
    for seed in range(10):
        radiograph, inside, truth = scan(200, seed)
        found = means(radiograph, inside.astype(np.int32))
        # The scanner is the stated one, so what calibration allows for its corrections does not occur.
        sigma = np.sqrt(np.diagonal(found.independent[0]))
        pulls.append((found.alpha[0] - truth[:, inside].mean(axis=1)) / sigma)
        starved.append(found.starved[0])
    # Some pixels are starved: leaving them out would be what biases.
    assert 0.0005 < np.mean(starved) < STARVED_SHARE
    assert np.all(np.abs(np.mean(pulls, axis=0)) < 0.9)
    assert np.all(np.sqrt(np.mean(np.square(pulls), axis=0)) < 2.0)


def test_a_starved_place_counts_not_at_all():
    radiograph, inside, _ = scan(420, 0)
    assert has(radiograph.quality, Quality.STARVED).any(axis=0)[inside].mean() > 0.5
    assert not counted(radiograph)[inside].any()


def test_many_quanta_are_left_as_they_are():
    radiograph, inside, _ = scan(20, 0)
    alpha, variance = unbiased(radiograph, 0, inside)
    np.testing.assert_allclose(alpha, radiograph.attenuation[0] - radiograph.variance[0] / 2, rtol=1e-6)
    np.testing.assert_array_equal(variance, radiograph.variance[0])


@pytest.mark.parametrize("flag", [Quality.DEAD, Quality.INTERPOLATED])
def test_what_is_no_measurement_never_counts(flag):
    radiograph, _, _ = scan(20, 0)
    quality = radiograph.quality.copy()
    quality[1, 10, 10] |= np.uint32(flag.value)
    good = counted(dataclasses.replace(radiograph, quality=quality))
    assert not good[10, 10]
    assert good[10, 11] == counted(radiograph)[10, 11]
