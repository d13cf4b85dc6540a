"""Curves are looked at whenever a set is used: how well they fitted, and until when they hold."""

import dataclasses
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from scananalysis.calibration import Calibration, Recipe, Stream, calibrate, check_calibration
from scananalysis.calibration.building import hold_from_scans
from scananalysis.calibration.curves import VALID, curves_for, validity
from scananalysis.core import CalibrationError, RawScan
from scananalysis.detectors import scanner

ELEMENTS = scanner("cargo-6-4mv").binned(8, 8).elements
CURVES = {"reduced_chi2": np.array([1.0, 2.0]), "coefficients": np.ones((2, 3)), "covariance": np.zeros((2, 3, 3))}
MAY = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def scan():
    rng = np.random.default_rng(0)
    dark, air = (rng.normal(n, s, (2, 50, ELEMENTS)).round().astype(np.uint16) for n, s in ((900, 3), (50_000, 110)))
    return RawScan(
        air[:, :20], "cargo-6-4mv", dark=dark, air=air, binning=(8, 8), metadata={"acquired": MAY.isoformat()}
    )


@pytest.fixture(scope="module")
def used(scan):
    return dataclasses.replace(Calibration.from_references(scan), curves=CURVES)


def test_curves_that_fit_and_hold_are_used(scan, used, tmp_path):
    held = curves_for(used, MAY - timedelta(days=1), MAY + timedelta(days=1))
    held.save(tmp_path / "set.h5")
    made = calibrate(scan, tmp_path / "set.h5")
    np.testing.assert_array_equal(made.curves["coefficients"], CURVES["coefficients"])
    assert validity(Calibration.load(tmp_path / "set.h5").metadata) == (
        MAY - timedelta(days=1),
        MAY + timedelta(days=1),
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"reduced_chi2": np.array([1.0, 26.0])}, "channel 1 fit their step wedge with χ² per degree of freedom 26.0"),
        ({"reduced_chi2": np.array([np.nan, 1.0])}, "channel 0"),
        ({"coefficients": np.full((2, 3), np.inf)}, "coefficients of the curves are not finite"),
        ({"covariance": -np.ones((2, 3, 3))}, "variance of the curves is negative"),
    ],
)
def test_a_set_whose_curves_did_not_fit_is_refused_in_use(scan, used, change, says, tmp_path):
    wrong = dataclasses.replace(used, curves=CURVES | change)
    wrong.save(tmp_path / "set.h5")
    with pytest.raises(CalibrationError, match=says):
        calibrate(scan, tmp_path / "set.h5")
    with pytest.raises(CalibrationError, match=says):
        Stream("cargo-6-4mv", wrong, recipe=Recipe.model_validate({"pulse": {"enabled": False}}), binning=(8, 8))
    # A check of the references says nothing of curves.
    assert check_calibration(wrong, scan).holds


@pytest.mark.parametrize(("first", "last", "word"), [(None, -1, "until"), (1, None, "from")])
def test_a_scan_outside_the_time_of_the_curves_is_refused(scan, used, first, last, word):
    dates = [None if days is None else MAY + timedelta(days=days) for days in (first, last)]
    with pytest.raises(
        CalibrationError, match=rf"expected one {word} 2026-0.*, for which the step wedge of the set holds"
    ):
        calibrate(scan, curves_for(used, *dates))


def test_they_hold_from_when_the_wedge_was_scanned(scan, used):
    held = hold_from_scans(used, [scan, dataclasses.replace(scan, metadata={})], timedelta(days=365))
    assert validity(held.metadata) == (MAY, MAY + timedelta(days=365))
    with pytest.raises(CalibrationError, match="do not say when"):
        hold_from_scans(used, [dataclasses.replace(scan, metadata={})], timedelta(days=365))


def test_dates_that_make_no_sense_are_refused(scan, used):
    with pytest.raises(CalibrationError, match="without any"):
        curves_for(dataclasses.replace(used, curves=None), MAY, None)
    with pytest.raises(CalibrationError, match="after they start"):
        curves_for(used, MAY, MAY)
    with pytest.raises(CalibrationError, match="time zone"):
        curves_for(used, datetime(2026, 5, 1), None)  # noqa: DTZ001 (it is what must be refused)
    for stated in ("soon", [None, "soon"], [None, "2026-05-01"], 3):
        wrong = dataclasses.replace(used, metadata={VALID: stated})
        with pytest.raises(CalibrationError, match="two dates"):
            calibrate(scan, wrong)
