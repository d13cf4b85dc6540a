import importlib.util
from pathlib import Path

import numpy as np
import pytest

from scananalysis.core import ConfigurationError
from scananalysis.detectors.spectra import read_spectrum
from scananalysis.physics import deposited_energy, mass_attenuation
from scananalysis.physics.spectra import Target, bremsstrahlung, schiff

EDGES = np.linspace(0.2, 6.4, 32)
MIDDLE = (EDGES[1:] + EDGES[:-1]) / 2
TARGET = Target(3.0, {"Cu": 4.48})
SCRIPT = Path(__file__).parents[3] / "scripts" / "build_spectra.py"


@pytest.fixture(scope="module")
def build_spectra():
    if not SCRIPT.is_file():
        pytest.skip("the build script is not part of an installed package")
    spec = importlib.util.spec_from_file_location("build_spectra", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def six():
    return bremsstrahlung(6.0, EDGES, np.array([0.0, 0.1, 0.2, 0.4]), TARGET, electrons=6000)


def test_nothing_above_the_endpoint(six):
    assert np.all(six[:, MIDDLE < 5.8] > 0)
    assert np.all(six[:, EDGES[:-1] >= 6.0] == 0)


def test_schiff_integrates_to_the_closed_form():
    """Over all angles, formula 2BS gives formula 3BS(e) of Koch and Motz, which also has Schiff's screening."""
    angle = np.linspace(0, 1.5, 20_000)
    for total, photon in ((10.511, 3.0), (6.511, 2.0), (4.511, 1.0)):
        found = np.trapezoid(schiff(np.array(total), np.array(photon), angle) * 2 * np.pi * angle, angle)
        before, k = total / 0.511, photon / 0.511
        after, ratio, screen = before - k, 1 - k / before, 74 ** (1 / 3) / 111
        log_m = -np.log((k / (2 * before * after)) ** 2 + screen**2)
        b = 2 * before * after * screen / k
        shape = (1 + ratio**2 - 2 * ratio / 3) * (log_m + 1 - 2 / b * np.arctan(b))
        shape += ratio * (
            2 / b**2 * np.log(1 + b**2) + 4 * (2 - b**2) / (3 * b**3) * np.arctan(b) - 8 / (3 * b**2) + 2 / 9
        )
        assert found == pytest.approx(2 * 74**2 * 0.0794078 / 137.036 / photon * shape, rel=0.01)


def test_beam_is_softer_and_weaker_off_the_axis(six):
    assert np.all(np.diff(six.sum(axis=1)) < 0)
    mean = (six * MIDDLE).sum(axis=1) / six.sum(axis=1)
    assert np.all(np.diff(mean) < 0)


def test_lobe_narrows_with_energy():
    """Half width at half maximum of the intensity: some 0.2 to 0.5 rad at 4 to 10 MV, narrower the higher."""
    angle = np.array([0.0, 0.2])
    at = {
        endpoint: bremsstrahlung(endpoint, np.geomspace(0.1, endpoint, 31), angle, TARGET, electrons=4000).sum(axis=1)
        for endpoint in (4.0, 10.0)
    }
    share = {endpoint: found[1] / found[0] for endpoint, found in at.items()}
    assert 0.35 < share[10.0] < share[4.0] < 0.75


def test_thicker_target_hardens():
    edges = np.geomspace(0.1, 6.0, 31)
    middle = np.sqrt(edges[1:] * edges[:-1])
    mean = []
    for thickness in (2.0, 4.0, 8.0):
        found = bremsstrahlung(6.0, edges, np.zeros(1), Target(thickness), electrons=4000)[0]
        mean.append((found * middle).sum() / found.sum())
    assert mean[0] < mean[1] < mean[2]


def test_filter_hardens_as_its_attenuation_says():
    angle = np.array([0.0, 0.4])
    edges = np.linspace(1.0, 5.5, 46)
    middle = (edges[1:] + edges[:-1]) / 2
    bare = bremsstrahlung(6.0, edges, angle, Target(3.0), electrons=2000)
    behind = bremsstrahlung(6.0, edges, angle, Target(3.0, {"Cu": 5.0}), electrons=2000)
    expected = np.exp(-5 / np.cos(angle)[:, None] * mass_attenuation("Cu", middle))
    np.testing.assert_allclose(behind / bare, expected, rtol=5e-4)


def test_same_seed_same_spectrum():
    make = [bremsstrahlung(4.0, EDGES[:10], np.zeros(1), TARGET, electrons=500, seed=seed) for seed in (3, 3, 4)]
    np.testing.assert_array_equal(make[0], make[1])
    assert np.any(make[0] != make[2])


@pytest.mark.parametrize(
    ("endpoint", "edges", "angle"),
    [(0.1, EDGES, 0.0), (30.0, EDGES, 0.0), (6.0, EDGES, 1.2), (6.0, EDGES[::-1], 0.0), (6.0, EDGES - 0.15, 0.0)],
)
def test_outside_the_model_is_refused(endpoint, edges, angle):
    with pytest.raises(ConfigurationError, match="expected"):
        bremsstrahlung(endpoint, edges, np.array([angle]), Target(3.0))


@pytest.mark.parametrize("target", [(0.0, {}), (3.0, {"Cu": -1.0}), (float("nan"), {})])
def test_targets_that_cannot_be_built_are_refused(target):
    with pytest.raises(ConfigurationError, match="target of"):
        Target(*target)


@pytest.mark.parametrize("endpoint", [4.0, 6.0, 9.0, 10.0])
def test_committed_table_ends_at_its_endpoint_and_is_normalised(endpoint):
    energy, angle, photons = read_spectrum(f"bremsstrahlung-{endpoint:g}mv")
    axis = photons[np.argmin(np.abs(angle))]
    assert energy[-1] < endpoint < energy[-1] ** 2 / energy[-2]
    assert axis.sum() == pytest.approx(1, abs=1e-4)
    assert energy.size == 60


def test_committed_table_is_what_the_script_builds(build_spectra, tmp_path, monkeypatch, capsys):
    committed = build_spectra.FOLDER / "bremsstrahlung-4mv.csv"
    monkeypatch.setattr(build_spectra, "FOLDER", tmp_path)
    build_spectra.megavolt(4.0)
    numbers = [
        np.array([line.split(",") for line in path.read_text().splitlines() if line[0].isdigit()], float)
        for path in (committed, tmp_path / committed.name)
    ]
    np.testing.assert_allclose(numbers[1], numbers[0], rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("endpoint", [4.0, 10.0])
def test_sixty_bins_are_enough_for_deep_transmission(endpoint, build_spectra):
    """α behind 400 g/cm² changes by less than 0.2 % with four times as many bins."""
    found = {}
    for bins in (build_spectra.BINS, 4 * build_spectra.BINS):
        edges = np.geomspace(0.1, endpoint, bins + 1)
        energy = np.sqrt(edges[1:] * edges[:-1])
        photons = bremsstrahlung(endpoint, edges, np.zeros(1), TARGET, electrons=2000)[0]
        weight = photons * deposited_energy("CdWO4", 30.0, energy)[0]
        for material, depth in (("Fe", 400.0), ("H2O", 400.0), ("Pb", 200.0)):
            behind = (weight * np.exp(-depth * mass_attenuation(material, energy))).sum()
            found.setdefault(material, []).append(-np.log(behind / weight.sum()))
    for few, many in found.values():
        assert few == pytest.approx(many, rel=2e-3)


def layers_of_iron(endpoint):
    """First half-value layer, and the tenth, of the axis' signal in a CdWO4 element: cm of iron."""
    energy, angle, photons = read_spectrum(f"bremsstrahlung-{endpoint}mv")
    weight = photons[np.argmin(np.abs(angle))] * deposited_energy("CdWO4", 30.0, energy)[0]
    depth = np.linspace(0, 40, 4001)
    halvings = -np.log2(np.exp(-7.874 * depth[:, None] * mass_attenuation("Fe", energy)) @ weight / weight.sum())
    return np.interp(1, halvings, depth), np.interp(10, halvings, depth) - np.interp(9, halvings, depth)


def test_half_value_layers_grow_with_endpoint_and_depth():
    first, tenth = np.transpose([layers_of_iron(endpoint) for endpoint in (4, 6, 9, 10)])
    assert np.all(np.diff(first) > 0)
    assert np.all(np.diff(tenth) > 0)
    assert np.all(tenth > 1.15 * first)
    # No layer can be thicker than iron's at the energy where it attenuates least, near 8 MeV.
    assert tenth[-1] < np.log(2) / (7.874 * mass_attenuation("Fe", np.array([8.0]))[0])


def test_deep_steel_at_six_megavolt():
    """Attenuation behind 200, 300 and 350 mm of steel as an independent calculation gives it."""
    energy, angle, photons = read_spectrum("bremsstrahlung-6mv")
    weight = photons[np.argmin(np.abs(angle))] * deposited_energy("CdWO4", 30.0, energy)[0]
    depth = 0.787 * np.array([200.0, 300.0, 350.0])
    alpha = -np.log(np.exp(-depth[:, None] * mass_attenuation("Fe", energy)) @ weight / weight.sum())
    np.testing.assert_allclose(alpha, [6.05, 8.73, 10.04], rtol=0.01)


def test_tubes_end_at_their_voltage_and_show_tungsten_lines():
    for kilovolt in (100, 140, 160, 225):
        energy, _, photons = read_spectrum(f"tube-{kilovolt}kv")
        assert energy[-1] <= kilovolt / 1e3
        near = photons[0, np.argmin(np.abs(energy - 0.059))]
        aside = photons[0, np.argmin(np.abs(energy - 0.063))]
        assert near > 1.5 * aside
