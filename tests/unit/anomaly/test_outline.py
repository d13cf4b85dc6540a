"""The outline of a load: openings, closings, holes and specks as SciPy's morphology defines them."""

import numpy as np
import pytest
from scipy import ndimage

from scananalysis.anomaly.outline import load_area


def by_definition(goods, closing):
    """Return the outline from SciPy's morphology, step by step."""
    padded = np.pad(goods, closing)
    kernel = np.ones((closing, closing), bool)
    opened = ndimage.binary_opening(padded, np.ones((2, 2), bool))
    labels, count = ndimage.label(ndimage.binary_fill_holes(ndimage.binary_closing(opened, kernel)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    keep = [i for i in range(1, count + 1) if sizes[i] >= 0.02 * sizes[1:].max()]
    return np.isin(labels, keep)[closing:-closing, closing:-closing]


@pytest.mark.parametrize("closing", [1, 2, 4, 5])
@pytest.mark.parametrize("grain", [1, 3, 8])
def test_it_is_that_of_the_definition(closing, grain):
    rng = np.random.default_rng(grain)
    for shape in ((1, 1), (3, 40), (37, 52), (80, 30)):
        for level in (0.35, 0.5, 0.65):
            goods = ndimage.uniform_filter(rng.random(shape), grain) < level
            found = load_area(goods, closing=closing)
            assert found.dtype == np.bool_
            np.testing.assert_array_equal(found, by_definition(goods, closing))


def test_a_hole_belongs_to_the_load_and_a_speck_does_not():
    goods = np.zeros((60, 90), bool)
    goods[10:50, 10:70] = True
    goods[25:35, 30:42] = False
    goods[5:8, 80:83] = True
    found = load_area(goods)
    assert found[30, 36]
    assert not found[5:8, 80:83].any()


def test_nothing_is_no_load():
    assert not load_area(np.zeros((20, 30), bool)).any()
