import numpy as np
import pytest

from scananalysis.calibration import StepWedge
from scananalysis.core import CalibrationError, ConfigurationError, PhysicsRangeError, Quality, has
from scananalysis.detectors import scanner
from scananalysis.materials import Beam, DualEnergyModel
from scananalysis.materials.measure import solve, with_model_error
from scananalysis.physics import electrons_per_gram, transmission

PORTAL = scanner("cargo-6-4mv")


@pytest.fixture(scope="module")
def portal():
    return DualEnergyModel.nominal(PORTAL)


def grid(depths, numbers):
    return np.meshgrid(np.asarray(depths, float), np.asarray(numbers, float))


@pytest.mark.parametrize("name", ["cargo-6-4mv", "cargo-9-6mv", "parcel-160kv"])
@pytest.mark.parametrize("angle", [0.0, 0.037, 0.13, 0.36])
def test_round_trip_wherever_not_flagged_ambiguous(name, angle):
    model = DualEnergyModel.nominal(scanner(name))
    if angle and model.beams[0].fan_angle_rad.size == 1:
        angle = 0.0
    depths = [0.5, 2, 5, 10, 20, 40, 60] if name.startswith("parcel") else [0.5, 2, 5, 20, 50, 100, 150, 250, 400]
    depth, z = grid(depths, np.arange(1, 93))
    high, low = model.forward(depth, z, angle)
    found = model.invert(high, low, fan_angle_rad=angle)
    sure = ~has(found.quality, Quality.AMBIGUOUS)
    assert sure.mean() >= (0.05 if name.startswith("parcel") else 0.4)
    assert np.abs(found.z_eff - z)[sure].max() <= 0.2
    assert np.abs(found.areal_density / depth - 1)[sure].max() <= 0.002
    # Where it is flagged, one of the two solutions is the truth.
    light = z <= 40
    nearest = np.minimum(np.abs(found.z_eff - z), np.nan_to_num(np.abs(found.second_z - z), nan=np.inf))
    assert np.quantile(nearest[light & ~sure], 0.95) <= 0.5


def test_forward_agrees_with_the_transmission_of_the_element(portal):
    high, low = portal.forward([40.0], [26.0])
    for beam, alpha in zip(portal.beams, (high, low), strict=True):
        assert alpha[0] == pytest.approx(float(-np.log(transmission(beam, {"Fe": 40.0}))[()]), rel=1e-6)


@pytest.mark.parametrize(("depth", "z", "twin"), [(20.0, 26.0, 77.0), (50.0, 47.0, 91.0), (50.0, 82.0, 59.0)])
def test_physical_twins_are_never_taken_for_certain(portal, depth, z, twin):
    """Two elements with the same two attenuations: no method can tell them apart, so both are kept."""
    high, low = portal.forward([depth], [z])
    found = portal.invert(high, low, (0.002 * high) ** 2, (0.002 * low) ** 2)
    assert has(found.quality, Quality.AMBIGUOUS).all()
    both = sorted([float(found.z_eff[0]), float(found.second_z[0])])
    np.testing.assert_allclose(both, sorted([z, twin]), atol=1.0)
    assert found.likelihood_ratio[0] == pytest.approx(1, abs=1e-3)
    own = found.second_areal_density if abs(found.second_z[0] - z) < 1 else found.areal_density
    assert own[0] == pytest.approx(depth, rel=0.01)


def test_carbon_has_no_twin(portal):
    high, low = portal.forward([50.0], [6.0])
    found = portal.invert(high, low, (0.001 * high) ** 2, (0.001 * low) ** 2)
    assert found.quality[0] == 0
    assert found.likelihood_ratio[0] == 0
    assert np.isnan(found.second_z[0])


def brute_force_second(model, high, low, sigma, depths):
    """Whether χ² over (λ, Z) has minima of at most 1 at two places: a search, without tables or derivatives."""
    numbers = np.concatenate([np.linspace(1, 60, 148)[:-1], np.linspace(60, 92, 321)])
    nodes = np.stack(model.forward(*np.meshgrid(depths, numbers))) / sigma
    # Between the nodes of λ both attenuations are straight lines, whose nearest point is known.
    step = np.diff(nodes, axis=2)
    found = np.zeros(high.shape, bool)
    for at in np.ndindex(high.shape):
        start = nodes[:, :, :-1] - np.array([high[at], low[at]])[:, None, None] / sigma
        along = np.clip(-(start * step).sum(axis=0) / (step**2).sum(axis=0), 0, 1)
        chi2 = ((start + along * step) ** 2).sum(axis=0).min(axis=1)
        wide = np.pad(chi2, 1, constant_values=np.inf)
        found[at] = np.sum((chi2 <= 1) & (chi2 <= wide[:-2]) & (chi2 < wide[2:])) > 1
    return found


@pytest.mark.parametrize(
    ("name", "depths"),
    [("cargo-6-4mv", [10, 25, 50, 90, 150, 250]), ("cargo-9-6mv", [10, 50, 120]), ("parcel-160kv", [1, 4, 10])],
)
def test_ambiguous_set_is_that_of_a_brute_force_search(name, depths):
    model, sigma = DualEnergyModel.nominal(scanner(name)), 0.01
    depth, z = grid(depths, np.arange(3, 92, 3.5))
    high, low = model.forward(depth, z)
    variance = np.full(depth.shape, sigma**2)
    flagged = has(model.invert(high, low, variance, variance).quality, Quality.AMBIGUOUS)
    largest = model.largest_areal_density
    search = np.geomspace(largest / 2e4, largest, 400)
    expected = brute_force_second(model, high, low, sigma, search)
    assert 0.1 < expected.mean() < 0.95
    assert (flagged & expected).sum() / (flagged | expected).sum() >= 0.98


@pytest.mark.parametrize("name", ["cargo-6-4mv", "cargo-9-6mv", "parcel-160kv"])
@pytest.mark.parametrize("z", [6, 7, 8, 13, 18, 19, 22, 26])
def test_stated_sigmas_and_correlation_are_the_real_ones(name, z):
    """Also where grams per electron jump from element to element, as at argon and potassium."""
    model = DualEnergyModel.nominal(scanner(name))
    depths = [5.0] if name.startswith("parcel") else [60.0, 120.0]
    rng = np.random.default_rng(z)
    draws = 20_000
    for depth in depths:
        for sigma in (0.001, 0.003):
            high, low = model.forward([depth], [z])
            noise = sigma * rng.standard_normal((2, draws))
            variance = np.full(draws, sigma**2)
            found = model.invert(high + noise[0], low + noise[1], variance, variance, systematic=False)
            stated = model.invert(high, low, [sigma**2], [sigma**2], systematic=False)
            assert found.z_eff.std() == pytest.approx(stated.sigma_z[0], rel=0.05)
            assert found.areal_density.std() == pytest.approx(stated.sigma_areal_density[0], rel=0.08)
            real = np.corrcoef(found.areal_density, found.z_eff)[0, 1]
            assert real == pytest.approx(float(stated.correlation[0]), abs=0.08)


def test_jacobian_is_that_of_the_forward_model(portal):
    high, low = portal.forward([80.0], [12.5])
    jacobian = portal.invert(high, low, systematic=False).jacobian[..., 0].astype(float)
    step = 1e-3
    ahead = [portal.forward([80.0 + step], [12.5]), portal.forward([80.0], [12.5 + step])]
    forward = np.array([[(a[i][0] - b[0]) / step for a in ahead] for i, b in enumerate((high, low))])
    np.testing.assert_allclose(jacobian @ forward, np.eye(2), atol=0.02)


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


def test_odd_input_of_an_inversion_is_refused_or_flagged(portal):
    with pytest.raises(ConfigurationError, match="negative variances"):
        portal.invert([1.0], [1.1], [-1e-4], [1e-4])
    with pytest.raises(ConfigurationError, match="shapes"):
        portal.invert(np.ones(3), np.ones(2))
    with pytest.raises(PhysicsRangeError, match="fan angles"):
        portal.invert([1.0], [1.1], fan_angle_rad=0.7)
    with pytest.raises(ConfigurationError, match="do not ascend"):
        Beam([2.0, 1.0], [1.0, 1.0], [1.0, 1.0])
    negative = portal.invert([-0.3], [-0.3], [1e-4], [1e-4])
    assert has(negative.quality, Quality.EXTRAPOLATED).all()
    assert np.isnan(negative.z_eff[0])


def test_wedge_of_no_element_is_refused(portal):
    with pytest.raises(CalibrationError, match="elements from 1 to 92"):
        DualEnergyModel.fit(portal.beams, StepWedge([6, 26, 93], [10, 20, 30], [[0.5, 0.9, 1.2], [0.6, 1.0, 1.3]]))


def test_systematic_variance_holds_the_spread_of_fitted_curves(portal):
    """Curves fitted to repeated measurements of one wedge scatter as their covariance says."""
    found = []
    for seed in range(60):
        fitted = DualEnergyModel.fit(portal.beams, wedge(portal, noise=0.003, seed=seed))
        found.append(fitted.forward(80.0, 13.0))
    spread = np.std(found, axis=0)
    stated = np.sqrt(fitted.systematic_variance(80.0, 13.0))
    alone = np.sqrt(np.square(stated) - np.square(fitted.relative_sigma * np.array(fitted.forward(80.0, 13.0))))
    np.testing.assert_allclose(alone, spread, rtol=0.35)


def test_sigma_counts_the_error_of_the_curves_and_flags_do_not(portal):
    """σ is that of noise and of `systematic_variance` through the Jacobian; who asks for noise alone gets it."""
    fitted = DualEnergyModel.fit(portal.beams, wedge(portal, noise=0.003, seed=4))
    depth, z = (a.ravel() for a in grid([30, 60, 120], [6, 13, 26]))
    high, low = fitted.forward(depth, z)
    noise = np.full(high.shape, 1e-6)
    stated, alone = (fitted.invert(high, low, noise, noise, systematic=both) for both in (True, False))
    jacobian = fitted.invert(high, low, noise, noise, systematic=False).jacobian[1].astype(float)
    own = fitted.systematic_variance(depth, z)
    expected = np.sqrt(sum(jacobian[c] ** 2 * (noise + own[c]) for c in range(2)))
    np.testing.assert_allclose(stated.sigma_z, expected, rtol=0.02)
    np.testing.assert_allclose(alone.sigma_z, np.hypot(*jacobian) * 1e-3, rtol=0.02)
    assert np.all(stated.sigma_areal_density > alone.sigma_areal_density)
    np.testing.assert_array_equal(stated.quality, alone.quality)
    # The same through the curves at which regions are solved.
    pairs, covariance = np.stack([high, low], axis=1), noise[:, None, None] * np.eye(2)
    regions = solve(fitted, pairs, with_model_error(fitted, pairs, covariance))
    np.testing.assert_allclose(regions.sigma_z, stated.sigma_z, rtol=0.05)


def disturbed(beam, rng):
    """A beam whose spectrum is tilted and whose endpoint is off, as no nominal one is exact."""
    share = beam.energy_mev / beam.energy_mev[-1]
    spectrum = np.atleast_2d(beam.spectrum)[beam.fan_angle_rad.size // 2] * share ** rng.normal(0, 0.05)
    return Beam(beam.energy_mev * (1 + rng.normal(0, 0.01)), spectrum, beam.response)


def test_curves_fitted_to_three_elements_predict_the_others(portal):
    """Carbon, iron and lead of a beam that is not the nominal one; then elements that were not fitted, 50 to 150 g/cm²."""
    rng = np.random.default_rng(3)
    right = covered = unflagged = alone = count = 0
    for _ in range(4):
        beams = tuple(disturbed(beam, rng) for beam in portal.beams)
        scale = 1 + rng.normal(0, [0.1, 0.005, 0.005], (2, 3))
        truth = DualEnergyModel(beams, scale, np.zeros((2, 3, 3)), 0.0, np.ones(2), 400.0)
        depth, z = (a.ravel() for a in grid([10, 20, 30, 50, 75, 100, 135, 155], [6, 26, 82]))
        alpha = np.stack(truth.forward(depth, z))
        steps = alpha + 0.003 * rng.standard_normal(alpha.shape)
        fitted = DualEnergyModel.fit(portal.beams, StepWedge(z, depth, steps, np.full(alpha.shape, 9e-6)))
        depth, z = (a.ravel() for a in grid([50, 75, 100, 150], [4, 8, 13, 16, 20, 22, 29, 32, 40, 47, 50, 60]))
        alpha = np.stack(truth.forward(depth, z))
        variance = np.full(z.size, 9e-6)
        found = fitted.invert(*(alpha + 0.003 * rng.standard_normal(alpha.shape)), variance, variance)
        flagged = found.quality != 0
        error = np.abs(found.z_eff - z)
        near = (error <= np.where(z <= 30, 2, 6)) | flagged
        right += (near | (error <= found.sigma_z)).sum()
        covered += (near | (error <= 3 * found.sigma_z)).sum()
        twin = has(truth.invert(*alpha, variance, variance).quality, Quality.AMBIGUOUS)
        unflagged, alone, count = unflagged + (~flagged & ~twin).sum(), alone + (~twin).sum(), count + z.size
    assert right >= 0.9 * count
    assert covered == count
    assert unflagged >= 0.8 * alone


def test_uranium_is_flagged_although_curves_place_it_a_little_off(portal):
    """It stands at the end of the second branch, where the error of curves that were fitted up to lead decides, not noise."""
    rng = np.random.default_rng(5)
    flagged, by_noise = [], []
    for _ in range(8):
        beams = tuple(disturbed(beam, rng) for beam in portal.beams)
        truth = DualEnergyModel(
            beams, 1 + rng.normal(0, [0.1, 0.005, 0.005], (2, 3)), np.zeros((2, 3, 3)), 0.0, np.ones(2), 400.0
        )
        depth, z = (a.ravel() for a in grid([10, 20, 30, 50, 75, 100, 135, 155], [6, 26, 82]))
        alpha = np.stack(truth.forward(depth, z))
        steps = alpha + 0.003 * rng.standard_normal(alpha.shape)
        fitted = DualEnergyModel.fit(portal.beams, StepWedge(z, depth, steps, np.full(alpha.shape, 9e-6)))
        pair = np.stack(truth.forward(np.linspace(50, 150, 40), 92.0)) + 0.003 * rng.standard_normal((2, 40))
        flagged.append(fitted.invert(*pair, np.full(40, 9e-6), np.full(40, 9e-6)).quality != 0)
        by_noise.append(fitted.invert(*pair, np.full(40, 9e-6), np.full(40, 9e-6), systematic=False).quality != 0)
    flagged, by_noise = np.array(flagged), np.array(by_noise)
    assert (flagged | ~by_noise).all()  # counting an error takes no flag away
    assert flagged.mean() > 0.8
    assert by_noise.mean() < 0.7


def points(**change):
    return StepWedge(
        **({"z": [6, 13, 26], "areal_density": [10, 20, 30], "alpha": [[0.5, 0.9, 1.2], [0.6, 1, 1.3]]} | change)
    )


@pytest.mark.parametrize(
    ("job", "error", "says"),
    [
        (
            lambda m: DualEnergyModel.fit(m.beams, wedge(m, scale=(1.0, 1.9))),
            CalibrationError,
            "χ² per degree of freedom",
        ),
        (lambda m: DualEnergyModel.fit(m.beams[::-1], wedge(m)), CalibrationError, "χ² per degree of freedom"),
        (lambda m: DualEnergyModel.fit(m.beams[:1], wedge(m)), CalibrationError, "1 beams"),
        (
            lambda m: DualEnergyModel.fit(m.beams, StepWedge([6, 26], [10, 10], [[0.5, 0.6], [0.6, 0.7]])),
            CalibrationError,
            "at least 3 points",
        ),
        (lambda m: DualEnergyModel.fit(m.beams, points(z=[6, 6, 6])), CalibrationError, "at least 2 elements"),
        (lambda _: Beam([2.0, 1.0], [1.0, 1.0], [1.0, 1.0]), ConfigurationError, "energies do not ascend"),
        (lambda _: Beam([1.0, 2.0], [1.0, np.nan], [1.0, 1.0]), ConfigurationError, "spectrum"),
        (lambda _: Beam([1.0, 2.0], [1.0, -1.0], [1.0, 1.0]), ConfigurationError, "spectrum"),
        (lambda _: points(alpha=[[0.5, -0.9, 1.2], [0.6, 1, 1.3]]), CalibrationError, "α has values below 0"),
        (lambda _: points(alpha=[[0.5, np.nan, 1.2], [0.6, 1, 1.3]]), CalibrationError, "not finite"),
        (lambda _: points(areal_density=[10, np.nan, 30]), CalibrationError, "areal density"),
        (lambda m: m.invert([1.0], [1.1], [-1e-4], [1e-4]), ConfigurationError, "negative variances"),
        (lambda m: m.invert([1.0], [1.1], fan_angle_rad=np.nan), PhysicsRangeError, "fan angles"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(portal, job, error, says):
    with pytest.raises(error, match=says) as refused:
        job(portal)
    said = str(refused.value)
    assert "\n" not in said
    assert said.endswith(".")
    assert said.count(". ") == 0
    assert "nan to nan" not in said or "fan angles" in said


def test_bad_pixels_are_flagged(portal):
    good = [float(a) for a in portal.forward(50.0, 13.0)]
    high = [good[0], -0.5, good[0], np.nan, np.inf]
    low = [good[1], -0.5, 0.2, good[1], good[1]]
    found = portal.invert(high, low, np.full(5, 1e-4), np.full(5, 1e-4))
    assert found.quality[0] == 0
    assert has(found.quality[1:3], Quality.EXTRAPOLATED).all()
    assert has(found.quality[3:], Quality.NOT_FINITE).all()


def test_a_poor_fit_widens_the_errors_of_its_curves(portal):
    """Half per cent steps with 0.2 % stated: χ² says so, and the coefficients' errors grow by as much."""
    measured = wedge(portal, noise=0.005, seed=3)
    stated = StepWedge(measured.z, measured.areal_density, measured.alpha, (0.002 * measured.alpha) ** 2)
    honest = StepWedge(measured.z, measured.areal_density, measured.alpha, (0.005 * measured.alpha) ** 2)
    poor, fair = (DualEnergyModel.fit(portal.beams, points) for points in (stated, honest))
    np.testing.assert_allclose(poor.reduced_chi2, 6.25 * fair.reduced_chi2, rtol=1e-3)
    assert np.all(poor.reduced_chi2 > 2.5)
    ratio = np.sqrt(np.diagonal(poor.covariance, axis1=1, axis2=2) / np.diagonal(fair.covariance, axis1=1, axis2=2))
    assert np.all((ratio > 0.5) & (ratio < 2))
    assert np.all(poor.relative_sigma > 0)
