import dataclasses

import numpy as np
import pytest

from scananalysis.calibration import Calibration, Recipe, Stream, calibrate, replay
from scananalysis.calibration.geometry import even_columns, taps_at
from scananalysis.calibration.recipe import Geometry
from scananalysis.core import CalibrationError, Quality, RawScan, has
from scananalysis.detectors import scanner
from scananalysis.simulation import Box, Imperfections, Matter, Piece, Scene, render

FULL = scanner("cargo-6-4mv")
SCANNER = FULL.model_copy(
    update={"artefacts": FULL.artefacts.model_copy(update={"wobble": 0.1, "wobble_mm": 1500.0, "focal_spot_mm": 0.0})}
).binned(8, 8)
ON = {"geometry": {"enabled": True}}
SCENE = Scene(
    tuple(
        Piece(Box((600 + 1200 * i, 1200 + 1200 * i), (300, 3300), (5900, 5950)), Matter.of("steel"), 7.85)
        for i in range(6)
    ),
    8000.0,
)


def scan_of(position):
    position = np.asarray(position, np.float64)
    return RawScan(np.ones((*position.shape, 3), np.uint16), "cargo-6-4mv", position_mm=position)


@pytest.fixture(scope="module")
def wobbling():
    flaws = dataclasses.replace(Imperfections.none(), wobble=True, interlace=True)
    return render(SCENE, SCANNER, seed=4, imperfections=flaws)


def expected(simulated, grid):
    """Transmission at the even columns, from the truth, which each channel has at its own positions."""
    columns = grid.start_mm + grid.pitch_mm * np.arange(simulated.scan.shape[1])
    rows = [
        [np.interp(columns, at, row) for row in plane]
        for at, plane in zip(simulated.scan.position_mm, simulated.truth["transmission"], strict=True)
    ]
    return np.array(rows)


def test_without_the_step_the_load_stands_elsewhere(wobbling):
    scan = wobbling.scan
    grid = even_columns(scan, Geometry(enabled=True))
    truth = expected(wobbling, grid)
    inner = np.s_[:, 100:150, 3:-3]
    used, off = (np.exp(-calibrate(scan, recipe=Recipe.model_validate(r)).attenuation) for r in (ON, {}))
    # The spline blurs edges; beside them it is exact.
    assert np.abs(used - truth)[inner].mean() < 0.01
    assert np.abs(off - truth)[inner].mean() > 4 * np.abs(used - truth)[inner].mean()


def test_the_stated_pitch_and_noise_are_the_real_ones():
    flaws = dataclasses.replace(Imperfections.none(), wobble=True, noise=True)
    empty = [render(Scene((), 8000.0), SCANNER, seed, imperfections=flaws) for seed in range(6)]
    values, rows = [], []
    for simulated in empty:
        radiograph = calibrate(simulated.scan, recipe=Recipe.model_validate(ON))
        alpha = radiograph.attenuation[0, :, 3:-3]
        values.append((alpha / np.sqrt(radiograph.variance[0, :, 3:-3])).std())
        for y in range(0, SCANNER.elements, 4):
            mask = np.zeros(radiograph.shape[1:], bool)
            mask[y, 3:-3] = True
            independent, shared = radiograph.mean_covariance(mask)
            rows.append(alpha[y].mean() / np.sqrt((independent + shared)[0, 0]))
        pitch = np.diff(simulated.scan.position_mm).mean()
        assert radiograph.pixel_mm[1] == pytest.approx(pitch, rel=0.01)
    assert np.mean(values) == pytest.approx(1.0, abs=0.05)
    assert np.std(rows) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_blocks_of_any_size_give_the_same_bits(wobbling, size):
    recipe = Recipe.model_validate(ON | {"afterglow": {"share": (0.05,), "time_s": (0.1,)}})
    whole = calibrate(wobbling.scan, recipe=recipe, block_lines=1000)
    parts = calibrate(wobbling.scan, recipe=recipe, block_lines=size)
    for name in ("attenuation", "variance", "quality"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    again = replay(wobbling.scan, whole.provenance)
    np.testing.assert_array_equal(again.attenuation, whole.attenuation)


def test_even_lines_stay_where_they_are():
    assert even_columns(scan_of([np.arange(9) * 5.0]), Geometry(enabled=True)) is None
    assert even_columns(scan_of([np.arange(9) ** 2 * 5.0]), Geometry()) is None


def test_a_straight_line_stays_straight_and_the_blur_is_the_same_everywhere():
    place = np.linspace(2, 20, 30)
    taps = taps_at(np.concatenate([place, np.arange(10)]))
    rows, weights = taps.rows[:, :30], taps.weights[:, :30].astype(float)
    np.testing.assert_allclose((rows * weights).sum(axis=0), place, rtol=1e-6)
    np.testing.assert_allclose(((rows - place) ** 2 * weights).sum(axis=0), 0.25, rtol=1e-5)
    assert not taps.outside[:30].any()


def test_a_truck_that_stands_still_and_one_that_goes_back():
    still = np.concatenate([np.arange(10.0), np.full(5, 9.0), np.arange(10.0, 20.0)])[None]
    taps = even_columns(scan_of(still), Geometry(enabled=True)).taps[0]
    assert np.all(np.diff(taps.rows[1]) >= 0)
    falling = even_columns(scan_of(-still), Geometry(enabled=True))
    assert falling.pitch_mm < 0
    back = still.copy()
    back[0, 12] = 5.0
    with pytest.raises(CalibrationError, match="go back after line"):
        even_columns(scan_of(back), Geometry(enabled=True))
    back[0, 12] = np.nan
    with pytest.raises(CalibrationError, match="not finite"):
        even_columns(scan_of(back), Geometry(enabled=True))


def test_required_positions_are_required(wobbling):
    recipe = Recipe.model_validate({"geometry": {"enabled": True, "required": True}})
    with pytest.raises(CalibrationError, match="no recorded positions"):
        calibrate(dataclasses.replace(wobbling.scan, position_mm=None), recipe=recipe)
    with pytest.raises(CalibrationError, match="a step over the whole scan"):
        Stream(SCANNER.name, Calibration.from_references(wobbling.scan), recipe=recipe, binning=(8, 8))


def test_columns_beyond_the_lines_say_so(wobbling):
    quality = calibrate(wobbling.scan, recipe=Recipe.model_validate(ON)).quality
    assert has(quality[0, :, -1], Quality.INTERPOLATED).all()
    assert not has(quality[:, :, 5:-5], Quality.INTERPOLATED).any()
