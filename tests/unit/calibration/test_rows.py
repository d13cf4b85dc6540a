"""Arrays with a corner whose boom holds elements of one pitch: sizes in the picture, errors, flags, streams."""

import dataclasses
import re

import numpy as np
import pytest

import scananalysis as sa
from scananalysis._resources import find
from scananalysis.calibration import Calibration, Recipe, Stream, calibrate, replay
from scananalysis.calibration.recipe import Geometry
from scananalysis.calibration.rows import Rows, even_rows
from scananalysis.core import Quality, RawScan, has
from scananalysis.simulation import Box, Imperfections, Matter, Piece, Scene, render, shadow

CLEAN = Imperfections.none()
BOOMS = {"fine": (400, 5.0), "coarse": (128, 15.0)}
"""Elements of the boom and their pitch, mm: pixels of 0.3 to 0.5 and of 0.8 to 1.4 rows."""
BLOCKS = {"upright": (1250.0, 1850.0), "boom": (3390.0, 3630.0)}
"""Steel sheets in the object plane: lower and upper edge above ground, mm. The corner shows at 3267 mm."""
SCENE = Scene(
    tuple(Piece(Box((300, 900), y, (5992, 6008)), Matter.of("steel"), 7.85) for y in BLOCKS.values()),
    1200.0,
)
BINNING = (4, 4)


@pytest.fixture(scope="module", autouse=True)
def portals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("definitions")
    (folder / "detectors").mkdir()
    text = find("detectors", "cargo-6-4mv.toml").read_text(encoding="utf-8")
    text = re.sub(r"^\[artefacts\][^\[]*(\[[\d., ]*\][^\[]*)*", "", text, flags=re.MULTILINE)
    for name, (elements, pitch) in BOOMS.items():
        bent = text.replace("elements = 1378", f"elements = {elements + 976}")
        bent = re.sub(
            "array_top_mm = .*", f"array_top_mm = 4100\nboom_elements = {elements}\nboom_pitch_mm = {pitch}", bent
        )
        (folder / "detectors" / f"{name}.toml").write_text(bent, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCANANALYSIS_DEFINITIONS", str(folder))
        yield


@pytest.fixture(scope="module", params=BOOMS)
def device(request):
    return sa.scanner(request.param).binned(*BINNING)


def edges_of(radiograph, rows):
    """Upper and lower edge of the sheet among some rows, in rows, where the column mean crosses half of its depth."""
    seen = 1 - np.exp(-radiograph.attenuation[0, rows, 20:40]).mean(axis=1, dtype=float)
    inside = np.flatnonzero(seen > seen.max() / 2)
    half = np.median(seen[inside]) / 2
    first, last = inside[0], inside[-1]
    upper = first - (seen[first] - half) / (seen[first] - seen[first - 1])
    lower = last + (seen[last] - half) / (seen[last] - seen[last + 1])
    return rows.start + upper, rows.start + lower


def test_a_sheet_has_its_size_at_its_height_on_both_legs(device):
    scan = render(SCENE, device, imperfections=CLEAN).scan
    even, as_read = calibrate(scan), calibrate(scan, recipe=Recipe.model_validate({"geometry": {"rows": False}}))
    corner = device.geometry.boom_rows
    assert even.shape == (2, device.rows, scan.shape[1])
    pixel = even.pixel_mm[0]
    height = np.interp(np.arange(even.shape[1]), np.arange(device.rows), device.row_height_mm)
    np.testing.assert_allclose(np.diff(height), -pixel, rtol=1e-9)
    for leg, (low, high) in BLOCKS.items():
        rows = slice(0, corner) if leg == "boom" else slice(corner, even.shape[1])
        found = edges_of(even, rows)
        upper, lower = height[0] - np.array(found) * pixel
        assert upper == pytest.approx(high, abs=pixel / 2)
        assert lower == pytest.approx(low, abs=pixel / 2)
        assert (found[1] - found[0]) * pixel == pytest.approx(high - low, abs=pixel / 2)
    # As it was read, elements of the boom are taken for rows, and the sheet has another height.
    found = edges_of(as_read, slice(0, device.geometry.boom_elements))
    assert abs((found[1] - found[0]) * pixel - 240) > pixel


def test_rows_of_the_upright_leg_keep_every_bit(device):
    scan = render(SCENE, device, seed=2).scan
    even, as_read = calibrate(scan), calibrate(scan, recipe=Recipe.model_validate({"geometry": {"rows": False}}))
    rows, elements = slice(device.geometry.boom_rows, None), slice(device.geometry.boom_elements, None)
    for name in ("attenuation", "variance", "quality"):
        np.testing.assert_array_equal(getattr(even, name)[:, rows], getattr(as_read, name)[:, elements])
    for name, term in even.systematic.items():
        mine, other = term.effect, as_read.systematic[name].effect
        if mine.shape[1] > 1:
            mine, other = mine[:, rows], other[:, elements]
        np.testing.assert_array_equal(mine, other)
    np.testing.assert_array_equal(even.fan_angle_rad[rows], as_read.fan_angle_rad[elements])


@pytest.mark.parametrize("name", ["cargo-6-4mv", "rail-6-4mv", "parcel-160kv"])
def test_a_straight_array_and_a_boom_of_equal_pixels_are_left_alone(name):
    straight = sa.scanner(name).binned(4, 4)
    scan = render(Scene((), 40 * straight.line_pitch_mm), straight, 1, imperfections=CLEAN).scan
    radiograph = calibrate(scan)
    assert even_rows(radiograph, straight, Geometry()) is radiograph
    assert (straight.rows, straight.geometry.boom_rows) == (straight.elements, 0)
    np.testing.assert_array_equal(straight.row_angle_rad, straight.fan_angle_rad)
    np.testing.assert_array_equal(straight.row_height_mm, straight.object_height_mm)
    assert "rows" not in radiograph.metadata


def test_weights_cover_every_row_once_and_keep_areas(device):
    rows = Rows.of(device)
    edges = device.geometry.row_edges[: rows.boom_elements + 1]
    np.testing.assert_allclose(rows.weights.sum(axis=0), 1, rtol=1e-6)
    taken = np.bincount(rows.elements.ravel(), rows.weights.ravel(), rows.boom_elements)
    inner = slice(3, None)
    # Every element counts by its height, so the area under a profile is kept.
    np.testing.assert_allclose(taken[inner], np.diff(edges)[inner], rtol=1e-5)
    assert np.all(rows.noise_area >= 0.99)
    assert np.all(rows.noise_area[1:] < 2.01 + (np.diff(edges).max() > 1))


def test_the_stated_noise_of_means_is_the_real_one(device):
    noisy = dataclasses.replace(CLEAN, noise=True)
    rows = Rows.of(device)
    single, regions = [], []
    for seed in range(24):
        radiograph = calibrate(render(Scene((), 1200.0), device, seed, imperfections=noisy).scan)
        assert radiograph.shape[1] == device.rows
        for c in (0, 1):
            alpha, sigma = radiograph.attenuation[c, : rows.count], np.sqrt(radiograph.variance[c, : rows.count])
            single.append((alpha / sigma).std(axis=1))
            for y in range(1, rows.count - 10, 10):
                mask = np.zeros(radiograph.shape[1:], bool)
                mask[y : y + 10] = True
                covariance = sum(radiograph.mean_covariance(mask))
                regions.append(radiograph.attenuation[c][mask].mean(dtype=float) / np.sqrt(covariance[c, c]))
    # A single row states what makes means right: more than its own noise by the root of the noise area.
    np.testing.assert_allclose(np.mean(single, axis=0)[1:], 1 / np.sqrt(rows.noise_area[1:]), rtol=0.06)
    # 140 values; part of the correlation lies outside of ten rows.
    assert np.sqrt(np.mean(np.square(regions))) == pytest.approx(0.97, abs=0.13)


def test_flags_of_all_elements_of_a_row_are_kept(device):
    scan = render(SCENE, device, imperfections=CLEAN).scan
    counts = scan.counts.copy()
    counts[0, 30, 5] = np.iinfo(counts.dtype).max
    radiograph = calibrate(dataclasses.replace(scan, counts=counts))
    rows = Rows.of(device)
    touched = np.flatnonzero(((rows.elements == 5) & (rows.weights > 0)).any(axis=0))
    flagged = np.flatnonzero(has(radiograph.quality[0, :, 30], Quality.SATURATED))
    np.testing.assert_array_equal(flagged, touched)


def test_an_element_without_signal_leaves_its_rows_without_a_value(device):
    scan = render(SCENE, device, imperfections=CLEAN).scan
    air = scan.air.copy()
    air[:, :, 7] = scan.dark[:, :1, 7]
    recipe = Recipe.model_validate({"defects": {"enabled": False}})
    radiograph = calibrate(dataclasses.replace(scan, air=air), recipe=recipe)
    rows = Rows.of(device)
    touched = np.unique(np.nonzero((rows.elements == 7) & (rows.weights > 0))[1])
    lost = np.flatnonzero(np.isnan(radiograph.attenuation[0]).all(axis=1))
    np.testing.assert_array_equal(lost, touched)
    assert np.all(np.isinf(radiograph.variance[0, lost]))
    assert np.all(has(radiograph.quality[0, lost], Quality.NOT_FINITE))
    for term in radiograph.systematic.values():
        assert np.isfinite(term.effect).all()


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_blocks_of_any_size_give_the_bits_of_the_whole_file(device, size):
    scan = render(SCENE, device, seed=3).scan
    used = Calibration.from_references(scan)
    recipe = Recipe.model_validate({"defects": {"in_scan": "off"}})
    whole = calibrate(scan, used, recipe=recipe)
    stream = Stream(device, used, recipe=recipe)
    blocks = [
        stream.feed(scan.counts[:, at : at + size], scan.monitor[:, at : at + size])
        for at in range(0, scan.shape[1], size)
    ]
    blocks = [block for block in (*blocks, stream.close()) if block is not None]
    for name in ("attenuation", "variance", "quality"):
        joined = np.concatenate([getattr(block, name) for block in blocks], axis=2)
        np.testing.assert_array_equal(joined, getattr(whole, name))
    dark = np.concatenate([block.systematic["dark-0"].effect for block in blocks], axis=2)
    np.testing.assert_array_equal(dark, whole.systematic["dark-0"].effect)


def test_the_record_replays_to_the_same_bits(device):
    scan = render(SCENE, device, seed=4).scan
    radiograph = calibrate(scan)
    again = replay(scan, radiograph.provenance)
    np.testing.assert_array_equal(again.attenuation, radiograph.attenuation)
    np.testing.assert_array_equal(again.variance, radiograph.variance)


def test_materials_and_their_mass_follow_the_rows(device):
    """Mass of a sheet on the boom: pixels of equal area, or every element counts as much as one on the upright leg."""
    scan = render(SCENE, device, seed=5).scan
    radiograph = calibrate(scan)
    materials = sa.discriminate(radiograph)
    rows = np.arange(device.rows)
    inside = (device.row_height_mm > 3420) & (device.row_height_mm < 3600)
    assert materials.areal_density.shape == (device.rows, scan.shape[1])
    middle = materials.areal_density[np.ix_(rows[inside], np.arange(20, 40))]
    path = 16 / 10 * 7.85 / np.cos(device.row_angle_rad[inside]).mean()
    assert np.nanmean(middle) == pytest.approx(path, rel=0.1)


def test_an_air_normalised_image_of_such_an_array_is_brought_to_rows_too(device):
    rng = np.random.default_rng(1)
    level = 60_000 * np.ones((2, 60, device.elements))
    level[:, 20:40, device.elements // 2 :] *= 0.3
    counts = rng.normal(level, np.sqrt(10 * level)).round().astype(np.uint16)
    scan = RawScan(counts, device.name, stage="air-normalised", binning=BINNING, air_level=60_000.0)
    radiograph = calibrate(scan)
    assert radiograph.shape == (2, device.rows, 60)
    assert radiograph.attenuation[0, :3].mean() == pytest.approx(0, abs=0.01)


def test_objects_are_not_put_into_rows_that_are_no_elements(device):
    radiograph = calibrate(render(SCENE, device, imperfections=CLEAN).scan)
    with pytest.raises(sa.core.ConfigurationError, match="rows of the radiograph are not the elements"):
        shadow(radiograph, SCENE.pieces)
