"""Planes kept as cells read as the pixels they stand for, and their short ways give what the pixels would."""

import copy
import dataclasses

import numpy as np
import pytest

from scananalysis.core import AnomalyMap, FormatError
from scananalysis.core.cells import CellPlane

SIZES = [((3, 4), (8, 8), (22, 31)), ((1, 5), (2, 3), (2, 15)), ((4, 2), (1, 1), (4, 2)), ((2, 2), (3, 2), (9, 7))]


def plane(cells, steps, size, *, heads=2):
    values = np.random.default_rng(1).permutation(heads * cells[0] * cells[1]).reshape(heads, *cells)
    return CellPlane(values.astype(np.float32), steps, size)


@pytest.mark.parametrize(("cells", "steps", "size"), SIZES)
def test_pixels_are_those_of_their_cell(cells, steps, size):
    found = plane(cells, steps, size)
    assert found.pixels.shape == found.shape == (2, *size)
    for y, x in np.ndindex(size):
        at = min(y // steps[0], cells[0] - 1), min(x // steps[1], cells[1] - 1)
        np.testing.assert_array_equal(found.pixels[:, y, x], found.values[:, *at])


@pytest.mark.parametrize("n", [(1, 1), (2, 3), (5, 4), (40, 40)])
@pytest.mark.parametrize(("cells", "steps", "size"), SIZES)
def test_every_nth_pixel_is_read_from_cells(cells, steps, size, n):
    found = plane(cells, steps, size)
    np.testing.assert_array_equal(found.every(n), found.pixels[:, :: n[0], :: n[1]])


@pytest.mark.parametrize("n", [(1, 1), (2, 3), (5, 4), (13, 17), (40, 40)])
@pytest.mark.parametrize(("cells", "steps", "size"), SIZES)
def test_smallest_of_blocks_is_that_of_their_pixels(cells, steps, size, n):
    found = plane(cells, steps, size)
    blocks = np.minimum.reduceat(found.pixels, np.arange(0, size[0], n[0]), axis=1)
    np.testing.assert_array_equal(found.smallest(n), np.minimum.reduceat(blocks, np.arange(0, size[1], n[1]), axis=2))


def test_a_function_of_the_values_is_one_of_the_pixels():
    found = plane(*SIZES[0])
    np.testing.assert_array_equal(found.map(np.sqrt).pixels, np.sqrt(found.pixels))


def test_pixels_cannot_be_changed_behind_the_cells():
    with pytest.raises(ValueError, match="read-only"):
        plane(*SIZES[0]).pixels[0, 0, 0] = 1


def anomaly_map(**planes):
    cells, steps, size = SIZES[0]
    one = plane(cells, steps, size, heads=1)
    given = {
        "score": plane(cells, steps, size),
        "p_value": plane(cells, steps, size).map(lambda values: values / 100),
        "family": one.map(lambda values: values[0].astype(np.int16)),
        "minimum_detectable": one.map(lambda values: values[0]),
        "load": one.map(lambda values: values[0] > 5),
    }
    return AnomalyMap(
        heads=("declared", "insert"),
        families=("metal",),
        scan_p_value={"combined": 0.5},
        model="network 1",
        pixel_mm=(3.0, 5.0),
        **{**given, **planes},
    )


def test_a_map_given_as_cells_reads_as_pixels():
    found = anomaly_map()
    assert found.shape == (22, 31)
    assert found.score.shape == (2, 22, 31)
    assert (found.family.dtype, found.load.dtype) == (np.int16, np.bool_)
    np.testing.assert_array_equal(found.score, found.cells("score").pixels)


def test_a_map_of_cells_is_copied_as_any_other():
    found = anomaly_map()
    twin = copy.deepcopy(found)
    np.testing.assert_array_equal(twin.score, found.score)
    other = dataclasses.replace(found, score=found.score + 1)
    np.testing.assert_array_equal(other.score, found.score + 1)
    assert other.cells("score").steps == (1, 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.score = other.score


def test_planes_of_another_size_are_refused_before_they_become_pixels():
    cells, steps, _ = SIZES[0]
    with pytest.raises(FormatError, match="score"):
        anomaly_map(score=plane(cells, steps, (22, 30)))


def test_a_missing_plane_is_a_missing_argument():
    with pytest.raises(TypeError, match="score"):
        AnomalyMap(heads=())


def test_every_nth_pixel_of_a_map():
    found = anomaly_map()
    thin = found.every((4, 3))
    assert thin.pixel_mm == (12.0, 15.0)
    for name in ("score", "p_value", "family", "minimum_detectable", "load"):
        np.testing.assert_array_equal(getattr(thin, name), getattr(found, name)[..., ::4, ::3])
