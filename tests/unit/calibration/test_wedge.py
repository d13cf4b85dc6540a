import dataclasses
import json

import numpy as np
import pytest

from scananalysis._resources import find
from scananalysis.calibration import Recipe, ReferenceWedge, calibrate, measure_wedge
from scananalysis.core import CalibrationError, ConfigurationError
from scananalysis.detectors import scanner
from scananalysis.materials import DualEnergyModel
from scananalysis.physics import SYMBOLS, transmission
from scananalysis.simulation import Box, Imperfections, Matter, Piece, Scene, render

SCANNER = scanner("cargo-6-4mv").binned(8, 8)
DENSITY = {6: 2.0, 26: 7.85, 82: 11.35}
WEDGE = ReferenceWedge.named("step-wedge-c-fe-pb")


def scanned(steps, seed=0):
    """Slabs of 0.5 m, 0.3 m of air between them, over the whole height."""
    pieces = []
    for i, step in enumerate(steps):
        thick = 10 * step.areal_density / DENSITY[step.z]
        x = (400.0 + 800 * i, 900.0 + 800 * i)
        matter = Matter.of(SYMBOLS[step.z - 1])
        pieces.append(Piece(Box(x, (-2000, 9000), (6000 - thick / 2, 6000 + thick / 2)), matter, DENSITY[step.z]))
    # The shared error of the scatter's strength would hide the noise.
    flaws = Imperfections(
        **dict.fromkeys(("scatter", "focal_spot", "crosstalk", "afterglow", "curvature", "drift", "wobble"), False)
    )
    names = ("linearity", "afterglow", "crosstalk", "scatter", "drift")
    recipe = Recipe.model_validate({name: {"enabled": False} for name in names})
    scene = Scene(tuple(pieces), 800.0 + 800 * len(steps))
    return calibrate(render(scene, SCANNER, seed, imperfections=flaws).scan, recipe=recipe)


@pytest.fixture(scope="module")
def radiograph():
    return scanned(WEDGE.steps)


def test_steps_are_found_and_measured_within_their_errors(radiograph):
    found = measure_wedge(radiograph, WEDGE)
    assert found.z.size == 9 * 8
    pulls = []
    for i, beam in enumerate(SCANNER.beams()):
        for k in range(found.z.size):
            seen = transmission(
                beam, {SYMBOLS[int(found.z[k]) - 1]: found.areal_density[k]}, float(found.fan_angle_rad[k])
            )
            pulls.append((found.alpha[i, k] + np.log(float(np.squeeze(seen)))) / np.sqrt(found.variance[i, k]))
    assert np.std(pulls) == pytest.approx(1.0, abs=0.3)
    # Off the axis the path is longer.
    carbon = found.areal_density[:8]
    np.testing.assert_allclose(carbon, 20 / np.cos(found.fan_angle_rad[:8]))


@pytest.mark.parametrize("groups", [3, 24])
def test_wide_and_narrow_parts_of_the_array_are_both_unbiased(radiograph, groups):
    found = measure_wedge(radiograph, WEDGE, groups=groups)
    pulls = []
    for i, beam in enumerate(SCANNER.beams()):
        for k in range(found.z.size):
            seen = transmission(
                beam, {SYMBOLS[int(found.z[k]) - 1]: found.areal_density[k]}, float(found.fan_angle_rad[k])
            )
            pulls.append((found.alpha[i, k] + np.log(float(np.squeeze(seen)))) / np.sqrt(found.variance[i, k]))
    assert np.std(pulls) == pytest.approx(1.0, abs=0.35)


def test_a_wedge_that_travels_the_other_way_is_recognised(radiograph):
    backwards = WEDGE.model_copy(update={"steps": WEDGE.steps[::-1]})
    first, second = measure_wedge(radiograph, WEDGE), measure_wedge(radiograph, backwards)
    np.testing.assert_array_equal(np.sort(first.alpha[0]), np.sort(second.alpha[0]))
    order = np.lexsort((second.fan_angle_rad, second.areal_density, second.z))
    np.testing.assert_array_equal(
        first.alpha[0, np.lexsort((first.fan_angle_rad, first.areal_density, first.z))], second.alpha[0, order]
    )


def test_a_model_can_be_fitted_to_it(radiograph):
    model = DualEnergyModel.fit(SCANNER.beams(), measure_wedge(radiograph, WEDGE))
    high, low = model.forward(60.0, 26.0)
    expected = [-np.log(float(np.squeeze(transmission(b, {"Fe": 60.0}, 0.0)))) for b in SCANNER.beams()]
    assert float(high) == pytest.approx(expected[0], rel=0.01)
    assert float(low) == pytest.approx(expected[1], rel=0.01)


def test_another_number_of_steps_is_refused(radiograph):
    fewer = WEDGE.model_copy(update={"steps": WEDGE.steps[:-1]})
    with pytest.raises(CalibrationError, match="9 steps in the scan"):
        measure_wedge(radiograph, fewer)


def test_steps_in_another_order_are_refused(radiograph):
    mixed = WEDGE.model_copy(update={"steps": (WEDGE.steps[2], *WEDGE.steps[1:2], WEDGE.steps[0], *WEDGE.steps[3:])})
    with pytest.raises(CalibrationError, match="check the order"):
        measure_wedge(radiograph, mixed)


def test_an_empty_scan_is_refused(radiograph):
    empty = dataclasses.replace(radiograph, attenuation=np.zeros_like(radiograph.attenuation))
    with pytest.raises(CalibrationError, match="nothing in the beam"):
        measure_wedge(empty, WEDGE)


@pytest.mark.parametrize("text", ["steps = []\n", "title = 3\n", "x ="])
def test_a_bad_description_is_refused(tmp_path, text):
    path = tmp_path / "wedge.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"wedge\.toml"):
        ReferenceWedge.read(path)


def test_the_published_schema_is_the_codes():
    schema = json.loads(find("calibration", "objects/wedge.schema.json").read_text())
    assert schema == ReferenceWedge.model_json_schema()
