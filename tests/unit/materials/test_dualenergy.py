import numpy as np
import pytest

from scananalysis.calibration import StepWedge
from scananalysis.core import CalibrationError, PhysicsRangeError, Quality, has
from scananalysis.detectors import scanner
from scananalysis.materials import Beam, DualEnergyModel
from scananalysis.physics import electrons_per_gram, transmission

PORTAL = scanner("cargo-6-4mv")


@pytest.fixture(scope="module")
def portal():
    return DualEnergyModel.nominal(PORTAL)


def grid(depths, numbers):
    return np.meshgrid(np.asarray(depths, float), np.asarray(numbers, float))


@pytest.mark.parametrize("name", ["cargo-6-4mv", "cargo-9-6mv", "parcel-160kv"])
@pytest.mark.parametrize("angle", [0.0, 0.13, 0.3])
def test_round_trip_wherever_there_is_no_twin(name, angle):
    model = DualEnergyModel.nominal(scanner(name))
    if angle and model.beams[0].fan_angle_rad.size == 1:
        angle = 0.0
    depth, z = grid(
        [5, 20, 50] if name.startswith("parcel") else [20, 50, 100, 150, 250], [6, 7, 8, 10, 13, 20, 26, 29, 40]
    )
    high, low = model.forward(depth, z, angle)
    found = model.invert(high, low, fan_angle_rad=angle)
    sure = ~has(found.quality, Quality.AMBIGUOUS | Quality.EXTRAPOLATED)
    assert sure.sum() >= 6
    assert np.abs(found.z_eff - z)[sure].max() <= 0.2
    assert np.abs(found.areal_density / depth - 1)[sure].max() <= 0.02


def test_forward_agrees_with_the_transmission_of_the_element(portal):
    high, low = portal.forward([40.0], [26.0])
    for beam, alpha in zip(portal.beams, (high, low), strict=True):
        assert alpha[0] == pytest.approx(float(-np.log(transmission(beam, {"Fe": 40.0}))[()]), rel=1e-6)


def test_physical_twins_are_never_taken_for_certain(portal):
    """Iron of 20 g/cm² and an element beyond the fold have the same two attenuations: no method can tell them apart."""
    high, low = portal.forward([20.0], [26.0])
    assert has(portal.invert(high, low, (0.002 * high) ** 2, (0.002 * low) ** 2).quality, Quality.AMBIGUOUS).all()
    high, low = portal.forward([50.0], [6.0])
    assert not has(portal.invert(high, low, (0.001 * high) ** 2, (0.001 * low) ** 2).quality, Quality.AMBIGUOUS).any()


def test_stated_sigma_of_atomic_number_is_the_real_one(portal):
    rng = np.random.default_rng(0)
    high, low = portal.forward([80.0], [7.0])
    sigma = 0.003
    draws = 20_000
    found = portal.invert(
        high + sigma * rng.standard_normal(draws), low + sigma * rng.standard_normal(draws),
        np.full(draws, sigma**2), np.full(draws, sigma**2),
    )  # fmt: skip
    middle = portal.invert(high, low, [sigma**2], [sigma**2])
    assert found.z_eff.std() == pytest.approx(middle.sigma_z[0], rel=0.06)


def test_noise_around_nothing_stays_around_nothing(portal):
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.004, (2, 50_000))
    found = portal.invert(*noise, np.full(50_000, 1.6e-5), np.full(50_000, 1.6e-5))
    assert abs(found.areal_density.mean()) < 3 * found.areal_density.std() / np.sqrt(50_000)
    assert has(found.quality, Quality.EXTRAPOLATED).all()
    assert np.isinf(found.sigma_z).all()


def test_rows_have_their_own_angle(portal):
    angle = np.array([-0.25, 0.0, 0.4])
    columns = [portal.forward([30.0, 90.0], [10.0, 10.0], a) for a in np.abs(angle)]
    high, low = (np.stack([c[i] for c in columns]) for i in (0, 1))
    found = portal.invert(high, low, fan_angle_rad=angle)
    np.testing.assert_allclose(found.areal_density, [[30, 90]] * 3, rtol=0.01)
    np.testing.assert_allclose(found.z_eff, 10, atol=0.3)
    # The axis' curves read the edge wrong, which is why the angle is carried.
    assert abs(portal.invert(high[2], low[2]).z_eff[1] - 10) > 1


def test_not_finite_input_is_flagged(portal):
    found = portal.invert([np.nan, 1.0], [1.0, np.inf])
    assert has(found.quality, Quality.NOT_FINITE).all()
    assert np.isnan(found.areal_density).all()
    with pytest.raises(PhysicsRangeError):
        portal.forward([10.0], [93.0])


def wedge(model, noise=0.0, seed=0, scale=(1.0, 1.0)):
    depth, z = (a.ravel() for a in grid([10, 30, 60, 100, 150], [6, 26, 82]))
    alpha = np.stack(model.forward(depth, z)) * np.array(scale)[:, None]
    rng = np.random.default_rng(seed)
    return StepWedge(z, depth, alpha + noise * alpha * rng.standard_normal(alpha.shape), (0.003 * alpha) ** 2)


def test_fit_recovers_scaled_processes(portal):
    truth = DualEnergyModel(
        portal.beams,
        np.array([[0.9, 0.98, 1.05], [1.1, 1.01, 0.97]]),
        portal.covariance,
        0.0,
        portal.reduced_chi2,
        400.0,
    )
    fitted = DualEnergyModel.fit(portal.beams, wedge(truth, noise=0.003))
    assert np.all(fitted.reduced_chi2 < 2.5)
    sigma = np.sqrt(np.einsum("bii->bi", fitted.covariance))
    assert np.all(np.abs(fitted.coefficients - truth.coefficients) < 4 * sigma + 1e-3)
    again = DualEnergyModel.from_calibration(fitted)
    np.testing.assert_array_equal(again.coefficients, fitted.coefficients)
    depth, z = [70.0], [29.0]
    np.testing.assert_array_equal(again.forward(depth, z), fitted.forward(depth, z))


def test_beams_that_do_not_fit_their_wedge_are_refused(portal):
    with pytest.raises(CalibrationError, match="χ²"):
        DualEnergyModel.fit(portal.beams, wedge(portal, scale=(1.0, 4.5)))
    few = StepWedge([6, 26], [10, 10], [[0.5, 0.5], [0.6, 0.6]])
    with pytest.raises(CalibrationError, match="at least 3 points"):
        DualEnergyModel.fit(portal.beams, few)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"alpha": [[0.5, -0.1, 1.0], [0.5, 0.6, 1.0]]}, "α has values below"),
        ({"z": [6, np.nan, 26]}, "z has values"),
        ({"areal_density": [1, 2]}, "areal density"),
        ({"variance": [1e-4, 0.0, 1e-4]}, "variance is not positive"),
        ({"element": [1, 2]}, "element"),
    ],
)
def test_odd_wedges_are_refused(change, sentence):
    fields = {"z": [6, 13, 26], "areal_density": [10, 20, 30], "alpha": [[0.5, 0.9, 1.2], [0.6, 1.0, 1.3]]} | change
    with pytest.raises(CalibrationError, match=sentence):
        StepWedge(**fields)


def test_water_reads_as_much_too_heavy_as_its_hydrogen_says(portal):
    alpha = [float(-np.log(transmission(beam, {"water": 50.0}))[()]) for beam in portal.beams]
    found = portal.invert(*([a] for a in alpha))
    assert found.areal_density[0] / 50 == pytest.approx(electrons_per_gram("water") / electrons_per_gram("N"), abs=0.01)
    assert 6 < found.z_eff[0] < 8.5


def test_beam_is_the_physics_beam():
    assert Beam is type(PORTAL.beams()[0])
