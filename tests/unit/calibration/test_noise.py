import dataclasses

import numpy as np
import pytest

from scananalysis.calibration.noise import LEAST_TRANSMISSION, growth, growth_curve, noise_of, nominal_quantum
from scananalysis.detectors import scanner, scanners


@pytest.mark.parametrize("name", scanners())
def test_growth_follows_the_curve(name):
    for beam in scanner(name).beams():
        attenuation, worth = growth(beam)
        seen = attenuation <= -np.log(LEAST_TRANSMISSION)
        found = at(growth_curve(beam), attenuation[seen])
        np.testing.assert_allclose(found, worth[seen], rtol=0.01)
        assert found[0] == pytest.approx(1.0, abs=1e-6)


def at(curve, attenuation):
    return curve.at(attenuation) if curve.rise else np.ones_like(attenuation)


def test_a_harder_beam_is_worth_more_per_quantum():
    _, worth = growth(scanner("cargo-6-4mv").beams()[0])
    assert np.all(np.diff(worth) > -1e-4)
    assert worth[-1] == pytest.approx(2.1, abs=0.2)


def test_nominal_quantum_falls_with_the_photons_of_a_binned_pixel():
    one = nominal_quantum("cargo-6-4mv", 0, 50_000, (1, 1))
    assert nominal_quantum("cargo-6-4mv", 0, 50_000, (4, 4)) == pytest.approx(one / 16)
    # More photons than are detected would carry a smaller one.
    assert one > 50_000 / 1.6e5


def test_noise_follows_the_hardening_of_the_beam(channel_plan):
    used = dataclasses.replace(channel_plan, dark_variance=np.zeros(channel_plan.offset.size, np.float32))
    attenuation, worth = growth(scanner("cargo-6-4mv").beams()[0])
    deep = attenuation < 10
    transmission = np.repeat(np.exp(-attenuation[deep])[:, None], channel_plan.offset.size, axis=1).astype(np.float32)
    variance = noise_of(used, transmission, np.ones(deep.sum(), np.float32))
    np.testing.assert_allclose(variance[:, 0], used.quantum[0] * worth[deep] * transmission[:, 0], rtol=0.02)
