import dataclasses

import numpy as np
import pytest

from scananalysis.calibration import calibrate
from scananalysis.core import CalibrationError, Quality, has
from scananalysis.detectors import scanner
from scananalysis.materials import DualEnergyModel, SingleEnergyModel, discriminate, model_for
from scananalysis.simulation import Box, Matter, Piece, Scene, render

QUARTER = scanner("cargo-6-4mv").binned(4, 4)


@pytest.fixture(scope="module")
def radiograph():
    block = Piece(Box((300, 900), (1000, 2000), (5900, 6100)), Matter.of("Fe"), 3.9)
    return calibrate(render(Scene((block,), 1300.0), QUARTER, 3).scan)


def test_without_curves_the_nominal_ones_serve_and_are_flagged(radiograph):
    assert radiograph.curves is None
    model, nominal = model_for(radiograph)
    assert nominal
    assert isinstance(model, DualEnergyModel)
    assert has(discriminate(radiograph).quality, Quality.NOMINAL_CURVES).all()


def test_curves_of_the_calibration_come_first(radiograph):
    nominal = DualEnergyModel.nominal(QUARTER)
    own = dataclasses.replace(nominal, coefficients=nominal.coefficients * 1.02)
    carried = dataclasses.replace(radiograph, curves=own.curves)
    model, is_nominal = model_for(carried)
    assert not is_nominal
    np.testing.assert_array_equal(model.coefficients, own.coefficients)
    found = discriminate(carried)
    assert not has(found.quality, Quality.NOMINAL_CURVES).any()
    np.testing.assert_array_equal(found.areal_density, discriminate(radiograph, own).areal_density)
    np.testing.assert_array_equal(found.curves["coefficients"], own.coefficients)


def test_sigma_is_that_of_noise_alone(radiograph):
    """Shared errors stay with the radiograph; the model's own one, shared too, is counted where areas are measured."""
    model, _ = model_for(radiograph)
    found = discriminate(radiograph)
    alpha, variance = radiograph.attenuation, radiograph.variance
    alone = model.invert(*alpha, *variance, radiograph.fan_angle_rad, systematic=False)
    np.testing.assert_array_equal(found.sigma_z, alone.sigma_z)
    both = model.invert(*alpha, *variance, radiograph.fan_angle_rad)
    inside = np.isfinite(both.sigma_z) & (alpha[0] > 1)
    assert np.all(both.sigma_z[inside] > alone.sigma_z[inside])


def test_flags_of_the_radiograph_are_kept_and_the_step_is_recorded(radiograph):
    found = discriminate(radiograph)
    for plane in radiograph.quality:
        assert np.all(found.quality & plane == plane)
    step = found.provenance.find("materials.discriminate")
    assert step.parameters == {"model": "DualEnergyModel", "nominal": True}
    assert "coefficients" in step.inputs


def test_broken_pixels_are_flagged_and_the_rest_is_as_before(radiograph):
    alpha = radiograph.attenuation.copy()
    alpha[1, 5, 7] = np.nan
    found, before = discriminate(dataclasses.replace(radiograph, attenuation=alpha)), discriminate(radiograph)
    assert has(found.quality[5, 7], Quality.NOT_FINITE)
    assert np.isnan(found.areal_density[5, 7])
    others = np.ones(found.shape, bool)
    others[5, 7] = False
    np.testing.assert_array_equal(found.areal_density[others], before.areal_density[others])


def test_a_model_of_another_number_of_energies_is_refused(radiograph):
    with pytest.raises(CalibrationError, match="radiograph of 2 energies; expected as many as the material model"):
        discriminate(radiograph, SingleEnergyModel.nominal(scanner("gamma-co60")))
