import dataclasses

import numpy as np
import pytest

from scananalysis.calibration import Calibration, Recipe, calibrate, replay
from scananalysis.core import CalibrationError, Provenance, RawScan
from scananalysis.detectors import scanner
from scananalysis.simulation import Box, Matter, Piece, Scene, render

SCENE = Scene((Piece(Box((400, 1200), (500, 2500), (5900, 6000)), Matter.of("steel"), 7.85),), 1600.0)
CHANGED = Recipe.model_validate(
    {"logarithm": {"starved_sigmas": 4.0}, "registration": {"enabled": False}, "defects": {"dead_share": 0.3}}
)


@pytest.fixture(scope="module")
def scan():
    return render(SCENE, scanner("cargo-6-4mv").binned(8, 8), seed=3).scan


def same_bits(first, second):
    for name in ("attenuation", "variance", "quality", "noise_area"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    for name, term in first.systematic.items():
        np.testing.assert_array_equal(term.effect, second.systematic[name].effect)


@pytest.mark.parametrize("recipe", [None, CHANGED])
def test_replaying_the_record_gives_the_same_bits(scan, recipe):
    first = calibrate(scan, recipe=recipe)
    # Through text, as a file would keep it.
    record = Provenance.from_json(first.provenance.to_json())
    again = replay(scan, record)
    same_bits(first, again)
    assert again.provenance == first.provenance


def test_every_step_has_an_entry_with_its_inputs(scan):
    record = calibrate(scan).provenance
    names = [step.name for step in record.steps if step.name.startswith("calibration.")]
    steps = "offset linearity gain afterglow pulse drift defects dropped_lines crosstalk scatter registration geometry logarithm"
    assert names == [f"calibration.{n}" for n in steps.split()]
    assert set(record.find("calibration.offset").inputs) == {"counts", "dark"}
    assert set(record.find("calibration.gain").inputs) == {"air", "air_monitor"}
    assert set(record.find("calibration.pulse").inputs) == {"monitor"}
    found = record.find("calibration.registration").parameters["found"]
    # The truck's speed is not even.
    assert found == {"lag_lines": pytest.approx(0.5, abs=0.02), "source": "positions"}


@pytest.mark.parametrize("other", ["counts", "dark", "air", "monitor"])
def test_a_record_of_other_inputs_is_refused(scan, other):
    record = calibrate(scan).provenance
    changed = getattr(scan, other).copy()
    changed[0, 0] += 1
    with pytest.raises(CalibrationError, match=f"other {other}"):
        replay(dataclasses.replace(scan, **{other: changed}), record)


def test_a_record_with_a_set_needs_that_set(scan):
    used = Calibration.from_references(scan)
    bare = dataclasses.replace(scan, dark=None, air=None, air_monitor=None)
    first = calibrate(bare, used)
    same_bits(first, replay(bare, first.provenance, used))
    with pytest.raises(CalibrationError, match="no dark and no air"):
        replay(bare, first.provenance)


def test_an_image_is_replayed_too():
    rng = np.random.default_rng(0)
    counts = rng.normal(60_000, 900, (2, 200, 80)).clip(1, 65_000)
    counts[:, :, 40:] *= 0.1
    scan = RawScan(counts.astype(np.uint16), scanner="rail-6-4mv", stage="air-normalised")
    first = calibrate(scan)
    same_bits(first, replay(scan, first.provenance))


def test_a_record_without_calibration_is_refused(scan):
    with pytest.raises(CalibrationError, match=r"without calibration\.offset"):
        replay(scan, scan.provenance)
