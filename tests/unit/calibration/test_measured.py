import dataclasses

import numpy as np
import pytest

from scananalysis.calibration import Calibration, Recipe, Stream, build_calibration, calibrate
from scananalysis.calibration.corrections import Corrections
from scananalysis.calibration.defects import find_defects
from scananalysis.calibration.measured import Estimate, measure_crosstalk, measured_of
from scananalysis.calibration.recipe import Defects
from scananalysis.core import RawScan
from scananalysis.detectors import scanner
from scananalysis.simulation import Scene, render

COBALT = scanner("gamma-co60")


def with_crosstalk(device, share):
    return device.model_copy(update={"artefacts": device.artefacts.model_copy(update={"crosstalk": share})})


def found_in(scan):
    used = Calibration.from_references(scan)
    return measure_crosstalk(scan, used, find_defects(used, Defects()))


def references(device, seed=0):
    return render(Scene((), 2 * device.line_pitch_mm), device, seed).scan


@pytest.mark.parametrize("share", [0.0, 0.01, 0.04, 0.1])
def test_crosstalk_is_measured_without_bias_and_with_its_error(share):
    """All other imperfections are on: pulses, defects, curvature, spread of gains."""
    found = [found_in(references(with_crosstalk(COBALT, share), seed)) for seed in range(200, 216)]
    off = np.array([each.value - share for each in found])
    sigma = np.array([each.sigma for each in found])
    assert abs(off.mean()) < 3 * sigma.mean() / 4
    # 16 values: the spread is known to 18 %.
    assert np.std(off / sigma) == pytest.approx(1.0, abs=0.45)
    assert sigma.mean() < 0.003


def test_two_channels_and_afterglow_of_a_portal():
    found = found_in(references(scanner("cargo-6-4mv"), 3))
    assert abs(found.value - 0.015) < 3 * found.sigma
    assert found.sigma < 0.001


def test_interference_that_neighbours_share_is_no_crosstalk():
    """Noise of the electronics that is alike on neighbouring elements, in dark and open-beam lines, and a beam that wanders."""
    rng, portal = np.random.default_rng(5), scanner("cargo-6-4mv").binned(2, 2)
    off, ignored = [], []
    for seed in range(6):
        scan = references(portal, seed)
        shape = (*scan.air.shape[:2], portal.elements + 1)
        pairs = [each[..., 1:] + each[..., :-1] for each in (rng.normal(0, 20, shape), rng.normal(0, 20, shape))]
        slope = 1 + rng.normal(0, 0.003, (*shape[:2], 1)) * np.linspace(-1, 1, portal.elements)
        air = (scan.air * slope + pairs[0]).round().astype(np.uint16)
        dark = (scan.dark + pairs[1]).round().astype(np.uint16)
        plain = found_in(scan).value
        off.append(found_in(dataclasses.replace(scan, air=air, dark=dark)).value - plain)
        ignored.append(found_in(dataclasses.replace(scan, air=air)).value - plain)
    assert abs(np.mean(off)) < 0.0015
    # Did dark lines not tell, it would be taken for crosstalk.
    assert np.mean(ignored) > 0.01


def test_lines_without_noise_or_with_few_elements_tell_nothing():
    flat = np.full((2, 20, 344), 50_000, np.uint16)
    scan = RawScan(flat, "cargo-6-4mv", dark=np.full_like(flat, 900), air=flat, binning=(4, 4))
    assert found_in(scan) is None
    assert found_in(references(COBALT.binned(16, 16))) is None
    assert measure_crosstalk(dataclasses.replace(scan, dark=None), Calibration.from_references(scan), None) is None


def test_a_set_keeps_what_was_measured_and_scans_are_corrected_by_it(tmp_path):
    scan = references(with_crosstalk(COBALT, 0.06), 1)
    built = build_calibration([scan], [scan])
    seen = measured_of(built.metadata, "crosstalk")
    built.save(tmp_path / "set.h5")
    assert measured_of(Calibration.load(tmp_path / "set.h5").metadata, "crosstalk") == seen
    assert measured_of(Calibration.from_references(scan).metadata, "crosstalk") is None
    shares = {}
    for name, section in {
        "measured": {},
        "stated": {"measured": False},
        "own": {"share": 0.03},
        "off": {"enabled": False},
    }.items():
        radiograph = calibrate(scan, built, recipe=Recipe.model_validate({"crosstalk": section}))
        shares[name] = radiograph.provenance.find("calibration.crosstalk").parameters["found"]["share"]
    # The definition says 0.02, far from what neighbours share here: the measurement counts alone.
    assert shares == pytest.approx({"measured": seen.value, "stated": 0.02, "own": 0.03, "off": 0.0})
    assert abs(seen.value - 0.06) < 4 * seen.sigma


def test_measured_and_stated_share_count_by_their_errors():
    corrections, recipe = Corrections.of(COBALT, Recipe()), Recipe()
    found = {"measured": {"crosstalk": {"value": 0.021, "sigma": 0.001}}}
    both = corrections.with_measured(found, recipe)
    assert both.crosstalk == pytest.approx(0.0205)
    assert dict(both.sigma)["crosstalk"] == pytest.approx(0.001 / np.sqrt(2) / 0.0205)
    assert corrections.with_measured({}, recipe) is corrections
    # A scanner that states none, and noise that agrees: none. Noise that does not: as measured.
    none = Corrections.of(with_crosstalk(COBALT, 0.0), recipe)
    assert none.with_measured({"measured": {"crosstalk": {"value": 0.002, "sigma": 0.001}}}, recipe).crosstalk == 0
    assert none.with_measured(found, recipe).crosstalk == 0.021
    # Far below what is stated: there is none, and nothing is given back.
    gone = corrections.with_measured({"measured": {"crosstalk": {"value": -0.001, "sigma": 0.001}}}, recipe)
    assert (gone.crosstalk, dict(gone.sigma).get("crosstalk")) == (0.0, None)


def test_the_error_of_the_measured_share_is_a_shared_error_of_the_scan():
    scan = references(COBALT, 4)
    edge = scan.counts.copy()
    edge[:, :, 200:] = edge[:, :, 200:] // 4
    scan = dataclasses.replace(scan, counts=edge)
    built = build_calibration([scan], [scan])
    stated = calibrate(scan, Calibration.from_references(scan)).systematic["crosstalk"].effect
    found = calibrate(scan, built).systematic["crosstalk"].effect
    # Two sources of the share leave less of an error than one.
    assert np.abs(found[0, 199:201]).mean() < np.abs(stated[0, 199:201]).mean()


def test_streams_use_it_too():
    scan = references(with_crosstalk(COBALT, 0.06), 1)
    built = build_calibration([scan], [scan])
    recipe = Recipe.model_validate({"defects": {"in_scan": "off"}})
    stream = Stream(COBALT, built, recipe=recipe)
    blocks = [block for block in (stream.feed(scan.counts, scan.monitor), stream.close()) if block is not None]
    whole = calibrate(scan, built, recipe=recipe)
    np.testing.assert_array_equal(np.concatenate([b.attenuation for b in blocks], axis=2), whole.attenuation)


def test_an_estimate_that_agrees_with_a_known_value_is_that_value():
    assert Estimate(0.01, 0.01).with_stated(0.0, 0.0) == Estimate(0.0, 0.0)
