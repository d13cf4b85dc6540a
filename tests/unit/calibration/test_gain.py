import numpy as np
import pytest

from scananalysis.calibration.gain import common_mode, open_beam, quantum_of_elements
from scananalysis.calibration.offset import dark_level

ELEMENTS = 120


def references(lines=300, quantum=6.0, fluctuation=0.03, monitor_noise=0.002, seed=0):
    rng = np.random.default_rng(seed)
    profile = 40_000 * (1 - 0.3 * np.linspace(-1, 1, ELEMENTS) ** 2)
    electronic = 1 + rng.normal(0, 0.05, ELEMENTS)
    pulse = 1 + rng.normal(0, fluctuation, lines)
    dark = rng.normal(900, 3, (1, lines, ELEMENTS)).round().astype(np.uint16)
    quanta = rng.poisson(profile / quantum * pulse[:, None])
    air = 900 + quanta * quantum * electronic + rng.normal(0, 3, quanta.shape)
    monitor = (pulse * (1 + rng.normal(0, monitor_noise, lines)))[None]
    return dark, air.round().astype(np.uint16)[None], monitor, profile * electronic, electronic


def test_gain_and_its_error():
    pulls = []
    for seed in range(30):
        dark, air, monitor, gain, _ = references(seed=seed)
        found = open_beam(air, dark_level(dark), monitor)
        level = (found.gain[0] / gain).mean()
        pulls.append((found.gain[0] / level - gain) / found.sigma[0])
    assert np.std(pulls) == pytest.approx(1.0, abs=0.05)


def test_worth_of_a_quantum_follows_the_elements_gain():
    dark, air, monitor, _, electronic = references(lines=2000)
    found = open_beam(air, dark_level(dark), monitor)
    assert found.quantum[0] == pytest.approx(6.0, rel=0.03)
    each = quantum_of_elements(found.quantum, found.gain)[0]
    # Following the gain explains most of the spread between elements.
    assert np.std(each / (6 * electronic)) < 0.5 * np.std(electronic)


def test_error_of_the_monitor_is_measured():
    dark, air, monitor, *_ = references(monitor_noise=0.004, lines=1000)
    assert open_beam(air, dark_level(dark), monitor).monitor_sigma[0] == pytest.approx(0.004, rel=0.1)
    # Without a monitor it is the fluctuation of the beam.
    assert open_beam(air, dark_level(dark)).monitor_sigma[0] == pytest.approx(0.03, rel=0.1)


def test_dead_elements_do_not_spoil_the_common_mode():
    signal = np.tile(np.linspace(0.9, 1.1, 50)[None, :, None], (1, 1, 40)) * 1000.0
    signal[:, :, :15] = 0.0
    np.testing.assert_allclose(common_mode(signal)[0], np.linspace(0.9, 1.1, 50), rtol=1e-12)
