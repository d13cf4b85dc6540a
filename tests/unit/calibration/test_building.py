import dataclasses
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from scananalysis.calibration import Calibration, Recipe, Stream, build_calibration, calibrate, gather
from scananalysis.core import CalibrationError, RawScan
from scananalysis.detectors import scanner
from scananalysis.simulation import Box, Matter, Piece, Scene, render

SCANNER = scanner("cargo-6-4mv").binned(8, 8)
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def scan():
    block = Piece(Box((100, 400), (500, 2500), (5800, 6100)), Matter.of("steel"), 7.85)
    return render(Scene((block,), 800.0), SCANNER, seed=3).scan


def files_of(scan, **metadata):
    """The references of a scan as two scans of their own."""
    dark = RawScan(scan.dark, scan.scanner, binning=scan.binning, metadata=metadata)
    air = RawScan(scan.air, scan.scanner, binning=scan.binning, monitor=scan.air_monitor, metadata=metadata)
    return dark, air


def test_separate_files_and_references_inside_give_the_same_set(scan):
    dark, air = files_of(scan)
    inside, apart = Calibration.from_references(scan), build_calibration([dark], [air])
    for name in ("offset", "gain", "gain_sigma", "quantum", "level_sigma", "air_monitor"):
        np.testing.assert_array_equal(getattr(inside, name), getattr(apart, name))
    assert inside.inputs == apart.inputs
    # What it measured of the corrections too, which the references inside a scan are not asked for.
    both = build_calibration([scan], [scan])
    assert both.metadata["measured"] == apart.metadata["measured"]
    np.testing.assert_array_equal(calibrate(scan, both).attenuation, calibrate(scan, apart).attenuation)
    stated = Recipe.model_validate({"crosstalk": {"measured": False}})
    plain = calibrate(scan, inside).attenuation
    np.testing.assert_array_equal(calibrate(scan, apart, recipe=stated).attenuation, plain)
    np.testing.assert_array_equal(build_calibration([scan], [scan]).gain, inside.gain)


def test_several_files_shrink_the_error_of_the_gain(scan):
    dark, air = files_of(scan)
    one, four = build_calibration([dark], [air]), build_calibration([dark] * 4, [air] * 4)
    assert four.reference_lines == tuple(4 * n for n in one.reference_lines)
    np.testing.assert_allclose(four.gain_sigma / one.gain_sigma, 0.5, rtol=0.01)


def test_validity_and_temperature_come_from_the_scans_or_are_stated(scan):
    dark, air = files_of(scan, acquired=NOW.isoformat(), temperature_c=19.0)
    warm = dataclasses.replace(
        air, metadata={"acquired": (NOW + timedelta(hours=1)).isoformat(), "temperature_c": 23.0}
    )
    found = build_calibration([dark], [warm], valid_for=timedelta(days=7))
    assert (found.valid_from, found.valid_until) == (NOW, NOW + timedelta(days=7))
    assert found.metadata["temperature_c"] == 21.0
    stated = build_calibration([dark], [air], valid_until=NOW + timedelta(days=1), temperature_c=30.0)
    assert stated.valid_until == NOW + timedelta(days=1)
    assert stated.metadata["temperature_c"] == 30.0
    assert "temperature_c" not in build_calibration(*([part] for part in files_of(scan))).metadata


def test_a_set_with_temperature_limits_refuses_what_is_scanned_elsewhere(scan, tmp_path):
    made = build_calibration(*([part] for part in files_of(scan)), temperature_c=20.0)
    made.within_temperature(5.0).save(tmp_path / "set.h5")
    used = Calibration.load(tmp_path / "set.h5")
    assert used.temperature_limits_c == (15.0, 25.0)

    def at(warmth):
        return dataclasses.replace(scan, metadata={"temperature_c": warmth})

    for accepted in (scan, at(15.0), at(24)):
        used.check_fits(accepted)
    with pytest.raises(CalibrationError, match=r"scan at 25\.5 °C; expected one between 15\.0 and 25\.0 °C"):
        calibrate(at(25.5), used)
    with pytest.raises(CalibrationError, match="temperature_c is 'warm'"):
        used.check_fits(at("warm"))
    with pytest.raises(CalibrationError, match="scan at 10"):
        Stream(SCANNER, used, temperature_c=10.0)
    # Without limits a temperature is only written down.
    made.check_fits(at(80.0))
    with pytest.raises(CalibrationError, match="a temperature it does not know"):
        build_calibration(*([part] for part in files_of(scan))).within_temperature(5.0)


def test_inputs_and_file_names_are_kept(scan, tmp_path):
    dark, air = files_of(scan)
    build_calibration([dark], [air], inputs={"file-dark-0": "ab"}, files={"file-dark-0": "dark.h5"}).save(
        tmp_path / "set.h5"
    )
    found = Calibration.load(tmp_path / "set.h5")
    assert found.inputs["file-dark-0"] == "ab"
    assert {"dark", "air", "air_monitor"} < set(found.inputs)
    assert found.metadata["files"] == {"file-dark-0": "dark.h5"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"valid_for": timedelta(days=1)}, "length of validity without a start"),
        ({"valid_from": NOW, "valid_until": NOW}, "after it starts"),
        ({"valid_from": NOW.replace(tzinfo=None)}, "time zone"),
        ({"valid_from": NOW, "valid_until": NOW, "valid_for": timedelta(1)}, "expected one of them"),
        ({"temperature_c": float("nan")}, "degrees Celsius"),
    ],
)
def test_dates_and_temperatures_that_make_no_sense_are_refused(scan, options, says):
    dark, air = files_of(scan)
    with pytest.raises(CalibrationError, match=says):
        build_calibration([dark], [air], **options)


def test_scans_that_are_no_references_are_refused(scan):
    dark, air = files_of(scan)
    with pytest.raises(CalibrationError, match="are not exchanged"):
        build_calibration([air], [dark])
    with pytest.raises(CalibrationError, match="no dark scan"):
        build_calibration([], [air])
    with pytest.raises(CalibrationError, match="no open-beam scan"):
        build_calibration([dark], [])
    with pytest.raises(CalibrationError, match="has scanner rail-6-4mv"):
        build_calibration([dark], [dataclasses.replace(air, scanner="rail-6-4mv")])
    with pytest.raises(CalibrationError, match=r"has binning \(4, 8\)"):
        build_calibration([dark], [dataclasses.replace(air, binning=(4, 8))])
    with pytest.raises(CalibrationError, match="expected raw counts"):
        build_calibration([dark], [dataclasses.replace(air, stage="air-normalised")])
    with pytest.raises(CalibrationError, match="1 of 2 open-beam scans have monitor"):
        gather([dark], [air, dataclasses.replace(air, monitor=None)])
    with pytest.raises(CalibrationError, match="has an open-beam reference and no dark one"):
        gather([dataclasses.replace(scan, dark=None)], [air])


def test_something_in_the_beam_is_refused(scan):
    dark, _ = files_of(scan)
    loaded = RawScan(scan.counts, scan.scanner, binning=scan.binning, monitor=scan.monitor)
    with pytest.raises(CalibrationError, match="nothing stood in the beam"):
        build_calibration([dark], [loaded])
    # Matter over most of the array moves all elements together, which looks like the beam itself.
    everywhere = Piece(Box((100, 400), (-2000, 9000), (5800, 6100)), Matter.of("steel"), 7.85)
    tall = render(Scene((everywhere,), 800.0), SCANNER, seed=3).scan
    blind = RawScan(tall.counts, tall.scanner, binning=tall.binning)
    with pytest.raises(CalibrationError, match="nothing stood in the beam"):
        build_calibration([dark], [blind])
