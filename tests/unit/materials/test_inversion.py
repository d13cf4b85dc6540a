"""The look-up itself: blocks, shapes and borders of the tables; that its numbers are right is `test_dualenergy`'s matter."""

import dataclasses

import numpy as np
import pytest

from scananalysis.core import Quality, has
from scananalysis.detectors import scanner
from scananalysis.materials import DualEnergyModel
from scananalysis.materials import parts as parts_module
from scananalysis.materials.electrons import BORDER, PER_Z, grams_image, grams_per_electron
from scananalysis.materials.tables import COARSE

FIELDS = ("areal_density", "z_eff", "sigma_areal_density", "sigma_z", "correlation", "quality")


@pytest.fixture(scope="module")
def model():
    return DualEnergyModel.nominal(scanner("cargo-6-4mv"))


@pytest.fixture(scope="module")
def image(model):
    """Rows at their own angles, with noise, thin and dense places, a broken pixel."""
    rng = np.random.default_rng(0)
    angle = np.linspace(-0.12, 0.45, 60)
    depth, z = rng.uniform(0, 250, 90), rng.choice([1.0, 6.0, 13.0, 26.0, 47.0, 82.0], 90)
    rows = [np.stack(model.forward(depth, z, abs(float(a)))) for a in angle]
    alpha = np.stack(rows, axis=1) + 0.01 * rng.standard_normal((2, 60, 90))
    alpha[0, 3, 4] = np.nan
    return alpha.astype(np.float32), np.full((2, 60, 90), 1e-4, np.float32), angle


@pytest.mark.parametrize("pixels", [90, 1000, 1 << 20])
def test_size_of_blocks_changes_no_bit(model, image, pixels, monkeypatch):
    alpha, variance, angle = image
    whole = model.invert(*alpha, *variance, angle)
    monkeypatch.setattr(parts_module, "_BLOCK_PIXELS", pixels)
    again = model.invert(*alpha, *variance, angle)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(whole, name), getattr(again, name), err_msg=name)
    np.testing.assert_array_equal(whole.jacobian, again.jacobian)
    np.testing.assert_array_equal(whole.second_z, again.second_z)


def test_rows_one_by_one_are_the_rows_of_the_image(model, image):
    alpha, variance, angle = image
    whole = model.invert(*alpha, *variance, angle)
    for y in (0, 17, 59):
        row = model.invert(*alpha[:, y], *variance[:, y], angle[y])
        for name in FIELDS:
            np.testing.assert_array_equal(getattr(whole, name)[y], getattr(row, name), err_msg=name)


def test_shapes_are_those_of_the_input(model):
    assert model.invert(1.0, 1.2).z_eff.shape == ()
    assert model.invert(np.ones((2, 3, 4)), 1.2).z_eff.shape == (2, 3, 4)
    assert model.invert(np.ones((0, 5)), np.ones((0, 5))).z_eff.shape == (0, 5)
    assert model.invert(np.ones(3), np.ones(3), 1e-4, [1e-4, 1e-4, 1e-4]).jacobian.shape == (2, 2, 3)


def test_a_row_wider_than_the_look_up_takes_is_cut(model):
    high, low = (np.full(70_000, a) for a in model.forward(50.0, 13.0))
    found = model.invert(high, low)
    assert np.ptp(found.z_eff) == 0
    assert found.z_eff[0] == pytest.approx(13, abs=0.1)


def test_input_is_left_alone(model, image):
    alpha, variance, angle = image
    copies = alpha.copy(), variance.copy()
    model.invert(*alpha, *variance, angle).jacobian  # noqa: B018 - working out the details is what is tested
    np.testing.assert_array_equal(alpha, copies[0])
    np.testing.assert_array_equal(variance, copies[1])


def test_not_finite_pairs_and_variances(model):
    high, low = model.forward(50.0, 13.0)
    found = model.invert([high, np.nan, high], [low, low, np.inf], [1e-4, 1e-4, 1e-4], [np.nan, 1e-4, 1e-4])
    assert has(found.quality, Quality.NOT_FINITE).tolist() == [False, True, True]
    assert np.isfinite(found.z_eff).tolist() == [True, False, False]
    # A variance that is not known leaves σ unknown, and Z as it is.
    assert np.isnan(found.sigma_z[0])
    assert found.z_eff[0] == pytest.approx(13, abs=0.1)


def test_images_end_in_repeated_rows_and_columns(model):
    """OpenCV's quick path needs them; the tables' ends stay where they were."""
    table = model._table
    first, second = (table.planes[:, start : start + table.second] for start in (0, table.second))
    for branch in (first, second):
        np.testing.assert_array_equal(branch[:, -1], branch[:, table.last_row])
        np.testing.assert_array_equal(branch[:, :, -1], branch[:, :, table.last_column])
    assert table.slopes.shape[1:] == table.planes.shape[1:]
    line = grams_image()[0]
    assert line.shape == (91 * PER_Z + 1 + BORDER, 4)
    assert line[25 * PER_Z, 0] == pytest.approx(grams_per_electron(np.array([26.0]))[0], rel=1e-6)


def test_a_table_between_two_nodes_of_the_angle_meets_the_next_one_there(model):
    table = model._table
    at_upper_node = table.planes[:-1, ..., :2] + table.planes[:-1, ..., 2:]
    np.testing.assert_allclose(at_upper_node, table.planes[1:, ..., :2], rtol=1e-5, atol=1e-5)


def test_own_error_of_fitted_curves_is_in_step_with_the_other_tables(model):
    fitted = dataclasses.replace(model, covariance=np.stack([np.eye(3) * 1e-4] * 2))
    table = fitted._table
    assert table.own.shape[0] == 2 * (table.second // COARSE) + BORDER
    high, low = (float(a[0]) for a in fitted.forward([60.0], [13.0]))
    found = fitted.invert(high, low)
    own = fitted.systematic_variance(60.0, 13.0)
    jacobian = found.jacobian[1].astype(float)
    assert found.sigma_z == pytest.approx(float(np.sqrt(jacobian**2 @ np.ravel(own))), rel=0.01)


def test_sigma_on_the_fold_is_no_more_than_the_areal_density(model):
    """Noise carries pixels beyond what any element reaches, where the slope of Z is nothing and its σ unbounded."""
    rng = np.random.default_rng(3)
    high = rng.uniform(0.5, 4.0, 20_000).astype(np.float32)
    low = (high * rng.uniform(0.85, 1.2, high.size)).astype(np.float32)
    variance = np.full_like(high, 1e-4)
    found = model.invert(high, low, variance, variance)
    known = np.isfinite(found.areal_density)
    assert np.max(found.sigma_z[known & np.isfinite(found.sigma_z)]) > 100
    # Noise of the first beam alone adds some g/cm².
    assert np.all(found.sigma_areal_density[known] <= 1.1 * found.areal_density[known] + 2)
