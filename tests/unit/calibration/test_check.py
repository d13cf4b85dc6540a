import dataclasses
from datetime import UTC, datetime

import numpy as np
import pytest

from scananalysis.calibration import Calibration, check_calibration
from scananalysis.calibration.check import Limits
from scananalysis.core import CalibrationError
from scananalysis.detectors import scanner
from scananalysis.simulation import Box, Imperfections, Matter, Piece, Scene, render

SCANNER = scanner("cargo-6-4mv").binned(8, 8)
SCENE = Scene((Piece(Box((100, 200), (500, 900), (5900, 5950)), Matter.of("steel"), 7.85),), 300.0)


@pytest.fixture(scope="module")
def scan():
    return render(SCENE, SCANNER, seed=3, imperfections=Imperfections(dead_share=0.01)).scan


@pytest.fixture(scope="module")
def used(scan):
    return Calibration.from_references(scan, valid_until=datetime(2020, 1, 1, tzinfo=UTC))


def redrawn(scan, seed=1):
    """The same scanner later: lines drawn with replacement from its references."""
    rng = np.random.default_rng(seed)
    lines = scan.dark.shape[1]
    return tuple(reference[:, rng.integers(0, lines, lines)].astype(float) for reference in (scan.dark, scan.air))


def check(used, scan, dark, air, **limits):
    new = dataclasses.replace(
        scan, dark=dark.astype(np.uint16), air=air.clip(0, 65_535).astype(np.uint16), air_monitor=None
    )
    return check_calibration(used, new, limits=Limits(**limits))


def names_of(result):
    return {measure.name for measure in result.measures if not measure.holds}


def test_an_unchanged_scanner_passes_even_after_the_set_expired(scan, used):
    result = check_calibration(used, scan)
    assert result.holds
    assert result.reasons == ()
    assert result.new_defects == ()
    assert result.to_dict()["holds"] is True


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("level", lambda dark, air, _: (dark, dark + (air - dark) * 0.9)),
        ("shape", lambda dark, air, rng: (dark, dark + (air - dark) * (1 + rng.normal(0, 0.05, air.shape[2])))),
        ("offset", lambda dark, air, rng: (dark + rng.normal(0, 40, dark.shape[2]).round(), air)),
        ("dark noise", lambda dark, air, rng: (dark + rng.normal(0, 2, dark.shape).round(), air)),
        ("quanta", lambda dark, air, rng: (dark, air + rng.normal(0, 150, air.shape).round())),
    ],
)
def test_each_change_is_named(scan, used, name, change):
    dark, air = redrawn(scan)
    assert name not in names_of(check(used, scan, dark, air))
    result = check(used, scan, *change(dark, air, np.random.default_rng(2)))
    assert name in names_of(result)
    assert not result.holds
    assert any(reason.startswith("Channel 0: ") for reason in result.reasons)


def test_a_new_dead_element_is_named(scan, used):
    dark, air = redrawn(scan)
    air[:, :, 77] = dark[:, :, 77]
    result = check(used, scan, dark, air)
    assert names_of(result) == {"new defects"}
    assert result.new_defects == ((0, 77), (1, 77))
    assert "1 element that was good is bad now" in result.reasons[0]
    assert check(used, scan, dark, air, new_defects=1).holds


def test_another_scanner_and_missing_references_are_refused(scan, used):
    with pytest.raises(CalibrationError, match="scan has scanner"):
        check_calibration(used, dataclasses.replace(scan, scanner="rail-6-4mv"))
    with pytest.raises(CalibrationError, match="no air reference"):
        check_calibration(used, dataclasses.replace(scan, air=None, air_monitor=None))
    with pytest.raises(CalibrationError, match="5 open-beam lines"):
        check_calibration(
            used, dataclasses.replace(scan, dark=None, air=scan.air[:, :5], air_monitor=scan.air_monitor[:, :5])
        )


def test_open_beam_lines_alone_are_checked_against_the_dark_level_of_the_set(scan, used):
    dark, air = redrawn(scan)
    alone = dataclasses.replace(scan, dark=None, air=air.astype(np.uint16), air_monitor=None)
    result = check_calibration(used, alone)
    assert result.holds
    assert {m.name for m in result.measures} == {"level", "shape", "quanta", "new defects"}
    whole = {(m.name, m.channel): m.value for m in check(used, scan, dark, air).measures}
    for measure in result.measures:
        assert measure.value == pytest.approx(whole[measure.name, measure.channel], abs=0.01)
    air[:, :, 77] = dark[:, :, 77]
    dead = dataclasses.replace(alone, air=air.astype(np.uint16))
    assert check_calibration(used, dead).new_defects == ((0, 77), (1, 77))
    off = dataclasses.replace(alone, air=dark.astype(np.uint16))
    with pytest.raises(CalibrationError, match="lines with the beam on"):
        check_calibration(used, off)


def test_air_alone_is_straightened_as_the_set_was(scan, used):
    # The very lines of the set: any difference would be one of treatment.
    alone = check_calibration(used, dataclasses.replace(scan, dark=None))
    assert max(measure.value for measure in alone.measures if measure.name in {"level", "shape", "quanta"}) < 1e-9
