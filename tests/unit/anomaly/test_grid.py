"""Averaging over cells: transmission, noise and flags, whatever part of the image is worked on at a time."""

import numpy as np
import pytest

from scananalysis.anomaly import cellmeans
from scananalysis.anomaly.grid import rebin, restore
from scananalysis.calibration import calibrate
from scananalysis.core import Quality
from scananalysis.detectors import scanner
from scananalysis.simulation import container_scene, render


@pytest.fixture(scope="module")
def radiograph():
    device = scanner("cargo-6-4mv").binned(4, 4)
    made = container_scene(8, device, cargo=["0803"], size="22G1", fill=0.8)
    found = calibrate(render(made.scene, device, 8).scan)
    found.quality[:, 41, 50:90] |= np.uint32(Quality.DEAD.value)
    found.quality[:, 100:110, 30:60] |= np.uint32(Quality.STARVED.value)
    return found


def expected(radiograph, factors, y, x):
    """Return mean transmission and its variance of one cell of the first channel, from the definition."""
    rows, columns = (slice(i * f, (i + 1) * f) for i, f in zip((y, x), factors, strict=True))
    at = np.s_[0, rows, columns]
    bad = (radiograph.quality[at] & np.uint32(Quality.DEAD.value | Quality.STARVED.value)) > 0
    weight = np.where(bad, 0.0, 1.0) if bad.mean() <= 0.5 else np.ones(bad.shape)
    transmission = np.exp(-radiograph.attenuation[at].astype(np.float64))
    spread = radiograph.variance[at].astype(np.float64) * transmission**2
    mean = (weight * transmission).sum() / weight.sum()
    variance = (weight * spread).sum() / weight.sum() ** 2 * radiograph.noise_area[0]
    return mean, variance


@pytest.mark.parametrize("factors", [(2, 2), (3, 4)])
@pytest.mark.parametrize("place", [(60, 90), (41, 60), (104, 40)])
def test_a_cell_is_the_mean_of_its_usable_pixels(radiograph, factors, place):
    cells = rebin(radiograph, factors)
    y, x = place[0] // factors[0], place[1] // factors[1]
    mean, variance = expected(radiograph, factors, y, x)
    assert np.exp(-cells.attenuation[0, y, x]) == pytest.approx(mean, rel=1e-5)
    assert cells.variance[0, y, x] == pytest.approx(variance / mean**2, rel=1e-4)


def test_only_a_majority_of_unusable_pixels_flags_a_cell(radiograph):
    cells = rebin(radiograph, (4, 4))
    dead = np.uint32(Quality.DEAD.value)
    starved = np.uint32(Quality.STARVED.value)
    assert not (cells.quality[:, 10, 13:22] & dead).any()
    assert (cells.quality[:, 25:27, 8:14] & starved).all()


def test_parts_leave_no_seams(radiograph, monkeypatch):
    whole = rebin(radiograph, (3, 2))
    for rows in (1, 7, 1000):
        monkeypatch.setattr(cellmeans, "_CELL_ROWS", rows)
        again = rebin(radiograph, (3, 2))
        for name in ("attenuation", "variance", "quality"):
            np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))


def test_cells_come_back_to_their_pixels():
    planes = np.arange(24).reshape(2, 3, 4)
    found = restore(planes, (2, 3), (5, 11))
    assert found.shape == (2, 5, 11)
    for y, x in ((0, 0), (4, 10), (3, 5)):
        np.testing.assert_array_equal(found[:, y, x], planes[:, y // 2, x // 3])
