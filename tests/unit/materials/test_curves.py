import dataclasses

import numpy as np
import pytest

from scananalysis.calibration import Calibration, ReferenceWedge, build_calibration, calibrate
from scananalysis.core import CalibrationError, Quality
from scananalysis.detectors import scanner
from scananalysis.materials import DualEnergyModel, discriminate, fit_curves
from scananalysis.materials.curves import points_of
from scananalysis.physics import SYMBOLS, transmission
from scananalysis.simulation import Box, Matter, Piece, Scene, render

SCANNER = scanner("cargo-6-4mv").binned(8, 8)
DENSITY = {6: 2.0, 26: 7.85, 82: 11.35}
WEDGE = ReferenceWedge.named("step-wedge-c-fe-pb")


def wedge_scan(seed=0):
    """Slabs of 0.5 m, 0.3 m of air between them, over the whole height."""
    pieces = []
    for i, step in enumerate(WEDGE.steps):
        thick = 10 * step.areal_density / DENSITY[step.z]
        x = (400.0 + 800 * i, 900.0 + 800 * i)
        matter = Matter.of(SYMBOLS[step.z - 1])
        pieces.append(Piece(Box(x, (-2000, 9000), (6000 - thick / 2, 6000 + thick / 2)), matter, DENSITY[step.z]))
    return render(Scene(tuple(pieces), 800.0 + 800 * len(WEDGE.steps)), SCANNER, seed).scan


@pytest.fixture(scope="module")
def scan():
    return wedge_scan()


@pytest.fixture(scope="module")
def fitted(scan):
    return fit_curves(build_calibration([scan], [scan]), [scan], WEDGE)


def test_curves_travel_with_the_set_through_its_file(fitted, scan, tmp_path):
    fitted.calibration.save(tmp_path / "set.h5")
    found = Calibration.load(tmp_path / "set.h5")
    model = DualEnergyModel.from_calibration(found)
    np.testing.assert_array_equal(model.coefficients, fitted.model.coefficients)
    np.testing.assert_array_equal(model.covariance, fitted.model.covariance)
    points = points_of(found.curves)
    np.testing.assert_array_equal(points.alpha, fitted.wedge.alpha)
    assert "wedge-0" in found.inputs
    # The nominal curves are said to be such; those of the set are not.
    flagged = [
        (discriminate(calibrate(scan, used)).quality & Quality.NOMINAL_CURVES.value).any()
        for used in (found, build_calibration([scan], [scan]))
    ]
    assert flagged == [False, True]


def test_the_fit_says_what_the_simulated_beams_are(fitted):
    assert fitted.wedge.z.size == 9 * 8
    for i, beam in enumerate(SCANNER.beams()):
        expected = -np.log(float(np.squeeze(transmission(beam, {"Fe": 60.0}, 0.1))))
        assert float(fitted.model.forward(60.0, 26.0, 0.1)[i]) == pytest.approx(expected, rel=0.01)
    assert (fitted.model.reduced_chi2 < 3).all()


def test_several_wedge_scans_give_all_their_points(scan):
    found = fit_curves(build_calibration([scan], [scan]), [scan, scan], WEDGE, groups=4)
    assert found.wedge.z.size == 2 * 9 * 4
    assert found.wedge.fan_angle_rad.shape == found.wedge.z.shape


def test_one_energy_another_scanner_and_no_scan_are_refused(scan):
    used = build_calibration([scan], [scan])
    with pytest.raises(CalibrationError, match="no wedge scan"):
        fit_curves(used, [], WEDGE)
    with pytest.raises(CalibrationError, match="name the right scanner"):
        fit_curves(used, [dataclasses.replace(scan, scanner="rail-6-4mv")], WEDGE)
    with pytest.raises(CalibrationError, match="gamma-co60 has one energy"):
        fit_curves(dataclasses.replace(used, scanner="gamma-co60"), [scan], WEDGE)
