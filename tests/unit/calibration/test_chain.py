import dataclasses

import numpy as np
import pytest

from scananalysis.calibration import Calibration, Recipe, calibrate, load_calibration, replay, save_calibration
from scananalysis.core import CalibrationError, ConfigurationError, Quality, RawScan, count_flags, has
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
    radiograph = calibrate(perfect.scan)
    truth = -np.log(perfect.truth["transmission"])
    # Counts are whole numbers: half a count of 50,000 and more of what is left behind steel.
    assert np.abs(radiograph.attenuation[:, :, 2:-2] - truth[:, :, 2:-2])[truth[:, :, 2:-2] < 3].max() < 2e-3


@pytest.mark.parametrize(
    ("field", "step"),
    [("dead_share", "defects"), ("pulse", "pulse"), ("interlace", "registration")],
)
def test_a_step_switched_off_brings_its_imperfection_back(field, step):
    quiet = {"noise": False, "pulse": False, "interlace": False, "dead_share": 0.0, "hot_share": 0.0}
    on = quiet | {field: 0.05 if field == "dead_share" else True}
    simulated = render(SCENE, SCANNER, seed=2, imperfections=Imperfections(**on))
    truth = -np.log(simulated.truth["transmission"][0])

    def error(recipe):
        radiograph = calibrate(simulated.scan, recipe=recipe)
        if step == "registration":
            # At the ends of the block the two energies disagree unless they are registered.
            ratio = radiograph.attenuation[1] - 1.15 * radiograph.attenuation[0]
            return np.abs(np.diff(ratio, axis=1)).max()
        return np.abs(np.nan_to_num(radiograph.attenuation[0] - truth, nan=20.0))[:, 2:-2].mean()

    used, off = Recipe(), Recipe.model_validate({step: {"enabled": False}})
    assert error(off) > 1.3 * error(used)


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


def test_a_saved_set_gives_the_same_bits(simulated, tmp_path):
    used = Calibration.from_references(simulated.scan)
    save_calibration(used, tmp_path / "set.h5")
    again = load_calibration(tmp_path / "set.h5")
    np.testing.assert_array_equal(calibrate(simulated.scan, again).attenuation, calibrate(simulated.scan).attenuation)


def test_replaying_the_record_gives_the_same_bits(simulated):
    recipe = Recipe.model_validate({"logarithm": {"starved_sigmas": 4.0}, "registration": {"enabled": False}})
    first = calibrate(simulated.scan, recipe=recipe)
    again = replay(simulated.scan, first.provenance)
    np.testing.assert_array_equal(first.attenuation, again.attenuation)
    np.testing.assert_array_equal(first.quality, again.quality)
    other = dataclasses.replace(simulated.scan, counts=simulated.scan.counts[:, ::-1])
    with pytest.raises(CalibrationError, match="other counts"):
        replay(other, first.provenance)


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


def test_recipes_are_validated_whole(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text("[logarithm]\nstarved_sigmas = -1\n")
    with pytest.raises(ConfigurationError, match="starved_sigmas"):
        Recipe.read(path)
    with pytest.raises(ConfigurationError, match="no calibration recipe"):
        Recipe.named("other")


@pytest.mark.real_data
@pytest.mark.parametrize("letter", ["a", "b"])
def test_real_rail_scans_are_flagged_and_counted(real_data, letter):
    scan = read(real_data / f"rail_cargo_{letter}.npy", layout="rail-air-normalised")
    flags = count_flags(calibrate(scan).quality)
    zero = int((scan.counts == 0).sum())
    assert flags["STARVED"] >= zero
    assert flags["SATURATED"] == int((scan.counts == 65535).sum())
