import dataclasses

import numpy as np
import pytest

from scananalysis.calibration import Calibration, Recipe, calibrate
from scananalysis.core import UNUSABLE, CalibrationError, Quality, RawScan, count_flags, has
from scananalysis.detectors import scanner
from scananalysis.io import read
from scananalysis.simulation import Box, Imperfections, Matter, Piece, Scene, render

SCANNER = scanner("cargo-6-4mv").binned(8, 8)
SCENE = Scene((Piece(Box((400, 1200), (500, 2500), (5900, 6000)), Matter.of("steel"), 7.85),), 1600.0)


@pytest.fixture(scope="module")
def simulated():
    return render(SCENE, SCANNER, seed=3)


def test_perfect_scanner_gives_the_truth():
    perfect = render(SCENE, SCANNER, seed=1, imperfections=Imperfections.none())
    radiograph = calibrate(perfect.scan, recipe=Recipe.model_validate(NO_CORRECTIONS))
    truth = -np.log(perfect.truth["transmission"])
    # Counts are whole numbers: half a count of 50,000 and more of what is left behind steel.
    assert np.abs(radiograph.attenuation[:, :, 2:-2] - truth[:, :, 2:-2])[truth[:, :, 2:-2] < 3].max() < 2e-3


NO_CORRECTIONS = {name: {"enabled": False} for name in ("linearity", "afterglow", "crosstalk", "scatter", "drift")}
"""For scans without the scanner's artefacts: what is not there must not be taken off."""

IMPERFECT = {
    "offset": {"offset": True},
    "gain": {"gain": True},
    "pulse": {"pulse": True},
    "defects": {"dead_share": 0.05},
    "registration": {"interlace": True},
}
QUIET = {
    "noise": False,
    "offset": False,
    "gain": False,
    "pulse": False,
    "interlace": False,
    "dead_share": 0.0,
    "hot_share": 0.0,
    **dict.fromkeys(("scatter", "focal_spot", "crosstalk", "afterglow", "curvature", "drift", "wobble"), False),
}


def error_of(radiograph, simulated, step):
    if step == "registration":
        # At the ends of the block the two energies disagree unless they are registered.
        ratio = radiograph.attenuation[1] - 1.15 * radiograph.attenuation[0]
        return np.abs(np.diff(ratio, axis=1)).max()
    truth = -np.log(simulated.truth["transmission"][0])
    return np.abs(np.nan_to_num(radiograph.attenuation[0] - truth, nan=20.0))[:, 2:-2].mean()


@pytest.mark.parametrize("step", IMPERFECT)
def test_a_step_switched_off_brings_its_imperfection_back(step):
    simulated = render(SCENE, SCANNER, seed=2, imperfections=Imperfections(**(QUIET | IMPERFECT[step])))
    recipes = (Recipe.model_validate(NO_CORRECTIONS | extra) for extra in ({}, {step: {"enabled": False}}))
    used, off = (error_of(calibrate(simulated.scan, recipe=recipe), simulated, step) for recipe in recipes)
    assert off > 1.3 * used
    if step in {"gain", "pulse", "offset"}:
        # What is left is the rounding to whole counts.
        assert used < 1e-3
        assert off > 3e-3


# Without an offset there is nothing to take off, and the array's mean gain is every element's; the reading never is without offset.
@pytest.mark.parametrize("step", ["pulse", "defects", "dropped_lines", "registration"])
def test_a_step_leaves_a_clean_scan_unchanged(step):
    clean = render(SCENE, SCANNER, seed=2, imperfections=Imperfections.none())
    with_step, without = (
        calibrate(clean.scan),
        calibrate(clean.scan, recipe=Recipe.model_validate({step: {"enabled": False}})),
    )
    np.testing.assert_allclose(with_step.attenuation, without.attenuation, rtol=2e-6, atol=2e-7)
    unusable = np.uint32((UNUSABLE | Quality.INTERPOLATED).value)
    assert not (with_step.quality & unusable)[with_step.attenuation < 5].any()


def test_dropped_lines_are_flagged():
    simulated = render(SCENE, SCANNER, seed=4, imperfections=Imperfections(dropped_line_share=0.1, interlace=False))
    radiograph = calibrate(simulated.scan)
    counts = simulated.scan.counts
    repeated = (counts[:, 1:] == counts[:, :-1]).all(axis=2)
    assert repeated.any()
    np.testing.assert_array_equal(has(radiograph.quality, Quality.DROPPED_LINE).all(axis=1)[:, 1:], repeated)
    none = calibrate(simulated.scan, recipe=Recipe.model_validate({"dropped_lines": {"enabled": False}}))
    assert not has(none.quality, Quality.DROPPED_LINE).any()


def test_a_radioactive_source_needs_no_monitor():
    gamma = scanner("gamma-co60").binned(2, 2)
    scan = render(SCENE, gamma, seed=3).scan
    assert scan.monitor is None
    radiograph = calibrate(scan)
    assert not has(radiograph.quality, Quality.NO_MONITOR).any()
    assert radiograph.provenance.find("calibration.pulse").parameters["found"]["source"] == "steady"
    assert (radiograph.systematic["pulse-0"].effect == 0).all()


def test_without_a_monitor_and_without_sky_every_pixel_says_so():
    everywhere = Scene((Piece(Box((-100, 1700), (-2000, 9000), (5900, 6000)), Matter.of("steel"), 7.85),), 1600.0)
    scan = render(everywhere, SCANNER, seed=3).scan
    radiograph = calibrate(dataclasses.replace(scan, monitor=None, air_monitor=None))
    assert has(radiograph.quality, Quality.NO_MONITOR).all()
    # The pulse is not known, so its whole fluctuation is the error of a line.
    assert radiograph.systematic["pulse-0"].effect[0].mean() > 0.004
    assert not has(calibrate(scan).quality, Quality.NO_MONITOR).any()


def test_a_recipe_that_asks_for_a_monitor_is_refused_without_one(simulated):
    recipe = Recipe.model_validate({"pulse": {"source": "monitor"}})
    with pytest.raises(CalibrationError, match="no monitor reading in the scan"):
        calibrate(dataclasses.replace(simulated.scan, monitor=None), recipe=recipe)
    with pytest.raises(CalibrationError, match="no monitor reading in the calibration"):
        calibrate(dataclasses.replace(simulated.scan, air_monitor=None), recipe=recipe)


def test_an_element_without_gain_is_no_number_where_defects_are_not_repaired(simulated):
    air = simulated.scan.air.copy()
    air[:, :, 30] = np.median(simulated.scan.dark[:, :, 30], axis=1)[:, None] - 2
    scan = dataclasses.replace(simulated.scan, air=air)
    radiograph = calibrate(scan, recipe=Recipe.model_validate({"defects": {"enabled": False}}))
    assert np.isnan(radiograph.attenuation[:, 30]).all()
    assert np.isinf(radiograph.variance[:, 30]).all()
    assert has(radiograph.quality[:, 30], Quality.NOT_FINITE).all()
    repaired = calibrate(scan)
    assert np.isfinite(repaired.attenuation).all()
    assert has(repaired.quality[:, 30], Quality.DEAD | Quality.INTERPOLATED).all()
    for term in repaired.systematic.values():
        assert np.isfinite(term.effect).all()


@pytest.mark.parametrize("missing", ["dark", "air"])
def test_a_missing_reference_is_refused_by_name(simulated, missing):
    scan = dataclasses.replace(simulated.scan, **{missing: None, f"{missing}_monitor": None})
    with pytest.raises(CalibrationError, match=f"no {missing} reference"):
        calibrate(scan)


def test_a_scan_of_another_size_or_scanner_is_refused(simulated):
    scan = dataclasses.replace(simulated.scan, binning=(4, 4))
    with pytest.raises(CalibrationError, match="172 elements"):
        calibrate(scan)
    with pytest.raises(CalibrationError, match="2 channels"):
        calibrate(dataclasses.replace(simulated.scan, scanner="gamma-co60", binning=(1, 1)))


def test_a_set_of_another_scanner_is_refused(simulated):
    used = dataclasses.replace(Calibration.from_references(simulated.scan), scanner="rail-6-4mv")
    with pytest.raises(CalibrationError, match="scan has scanner"):
        calibrate(simulated.scan, used)


def air_normalised(air=60_000, shape=(2, 80, 60), seed=0):
    rng = np.random.default_rng(seed)
    image = np.full(shape, air, np.float64)
    image[:, 30:70, 20:] *= 0.1
    counts = np.clip(rng.normal(image, np.sqrt(15 * image)), 0, 65535).astype(np.uint16)
    counts[:, 40, 30] = 0
    counts[:, 41, 30] = 65535
    return RawScan(counts, scanner="rail-6-4mv", stage="air-normalised")


def test_open_beam_is_found_and_said_so():
    radiograph = calibrate(air_normalised())
    assert radiograph.attenuation[0, 40:, 35:65].mean() == pytest.approx(-np.log(0.1), abs=0.02)
    flags = count_flags(radiograph.quality)
    assert flags["AIR_ESTIMATED"] == radiograph.quality.size
    assert flags["STARVED"] == 2
    assert flags["SATURATED"] == 2
    # The worth of a quantum is measured in the open beam.
    assert radiograph.provenance.find("calibration.open_beam").parameters["found"]["quantum_counts"][
        0
    ] == pytest.approx(15, rel=0.1)


def test_a_set_for_an_image_that_is_normalised_already_is_refused(simulated):
    with pytest.raises(CalibrationError, match="scan is air-normalised"):
        calibrate(air_normalised(), Calibration.from_references(simulated.scan))


def test_without_any_open_beam_it_is_refused():
    scan = air_normalised()
    dark = dataclasses.replace(
        scan, counts=(np.linspace(1, 60_000, scan.counts.size).reshape(scan.counts.shape) % 3000 + 1).astype(np.uint16)
    )
    sparse = dark.counts.copy()
    sparse[:, 0, 0] = 60_000
    with pytest.raises(CalibrationError, match="open beam on"):
        calibrate(
            dataclasses.replace(scan, counts=sparse), recipe=Recipe.model_validate({"open_beam": {"least_share": 0.2}})
        )


def test_a_stated_air_level_is_used_and_clipping_flagged():
    scan = air_normalised()
    clipped = np.minimum(scan.counts, 60_000)
    clipped[:, 41, 30] = 60_000
    radiograph = calibrate(dataclasses.replace(scan, counts=clipped, air_level=60_000.0))
    assert not has(radiograph.quality, Quality.AIR_ESTIMATED).any()
    assert has(radiograph.quality, Quality.CLIPPED_AIR)[clipped.transpose(0, 2, 1) == 60_000].all()


@pytest.mark.real_data
@pytest.mark.parametrize("letter", ["a", "b"])
def test_real_rail_scans_are_flagged_and_counted(real_data, letter):
    scan = read(real_data / f"rail_cargo_{letter}.npy", layout="rail-air-normalised")
    radiograph = calibrate(scan)
    flags = count_flags(radiograph.quality)
    zero = int((scan.counts == 0).sum())
    assert flags["STARVED"] >= zero
    assert flags["SATURATED"] == int((scan.counts == 65535).sum())
    assert flags["AIR_ESTIMATED"] == flags["NO_DARK"] == radiograph.quality.size
    found = radiograph.provenance.find("calibration.open_beam").parameters["found"]
    # Sky and not the walls of the container, which stand at 55,000 to 57,000 counts.
    assert all(62_000 < level < 64_500 for level in found["air_level"])
    # What a quantum is worth agrees with an independent look at these scans: about 17 and 32 counts.
    assert found["quantum_counts"] == pytest.approx([17, 32], rel=0.3)
