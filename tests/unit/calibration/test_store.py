import dataclasses
from datetime import UTC, datetime

import h5py
import numpy as np
import pytest

from scananalysis.calibration import Calibration, calibrate
from scananalysis.core import CalibrationError
from scananalysis.detectors import scanner
from scananalysis.simulation import Box, Matter, Piece, Scene, render

SCENE = Scene((Piece(Box((400, 1200), (500, 2500), (5900, 6000)), Matter.of("steel"), 7.85),), 1600.0)


@pytest.fixture(scope="module")
def scan():
    return render(SCENE, scanner("cargo-6-4mv").binned(8, 8), seed=3).scan


@pytest.fixture
def path(scan, tmp_path):
    used = Calibration.from_references(scan, valid_until=datetime(2099, 1, 1, tzinfo=UTC))
    used = dataclasses.replace(used, curves={"a": np.arange(6.0).reshape(2, 3)})
    used.save(tmp_path / "set.h5")
    return tmp_path / "set.h5"


def test_a_saved_set_is_whole_and_gives_the_same_bits(scan, path):
    again = Calibration.load(path)
    made = Calibration.from_references(scan)
    for field in dataclasses.fields(Calibration):
        if field.name not in {"curves", "valid_until"}:
            np.testing.assert_equal(getattr(again, field.name), getattr(made, field.name))
    assert again.valid_until == datetime(2099, 1, 1, tzinfo=UTC)
    np.testing.assert_array_equal(again.curves["a"], np.arange(6.0).reshape(2, 3))
    from_file, from_scan = calibrate(scan, path), calibrate(scan)
    np.testing.assert_array_equal(from_file.attenuation, from_scan.attenuation)
    np.testing.assert_array_equal(from_file.curves["a"], again.curves["a"])
    assert from_scan.curves is None


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: f.attrs.__setitem__("version", 99), "version 99"),
        (lambda f: f.attrs.__setitem__("head", "{}"), "head is damaged"),
        (lambda f: f.attrs.__setitem__("head", "nonsense"), "head is damaged"),
        (lambda f: f.__delitem__("values/gain"), "no gain"),
        (lambda f: (f.__delitem__("values/quantum"), f.create_dataset("values/quantum", data=np.ones(5))), "quantum has shape"),
    ],
)  # fmt: skip
def test_a_damaged_set_is_refused(path, damage, message):
    with h5py.File(path, "a") as file:
        damage(file)
    with pytest.raises(CalibrationError, match=message):
        Calibration.load(path)
