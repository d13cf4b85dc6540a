import numpy as np
import pytest

from scananalysis.detectors import scanner, scanners
from scananalysis.physics import Beam, mass_attenuation
from scananalysis.simulation.quadrature import effective_beam

BEAMS = [(name, c) for name in scanners() for c in range(len(scanner(name).channels))]


@pytest.mark.parametrize(("name", "c"), BEAMS)
def test_mean_and_noise_are_those_of_the_full_beam(name, c):
    """Elements and compounds that the fit did not see, one behind the other, to an attenuation of 12, at every angle."""
    beam = scanner(name).beams()[c]
    few = effective_beam(beam)
    angles = np.linspace(beam.fan_angle_rad[0], beam.fan_angle_rad[-1], 5) if beam.fan_angle_rad.size > 1 else [0.0]
    rng = np.random.default_rng(0)
    goods = ["water", "polyethylene", "SiO2", "Mg", "Ti", "Cu", "Y", "Nb", "Sb", "Nd", "Hf", "Tl", "Bi"]
    worst = 0.0
    for _ in range(200):
        mix = dict(zip(rng.choice(goods, 3, replace=False), rng.dirichlet([0.5, 0.5, 0.5]), strict=True))
        for angle in angles:
            mu = sum(w * mass_attenuation(m, beam.energy_mev) for m, w in mix.items())
            depth = rng.uniform(0, 12) / mu.min()
            full = beam.photons(angle) * np.exp(-depth * mu)
            if -np.log(full @ beam.response / (beam.photons(angle) @ beam.response)) > 12:
                continue
            less = few.photons(angle) * np.exp(
                -depth * sum(w * mass_attenuation(m, few.energy_mev) for m, w in mix.items())
            )
            for response, response_few in ((beam.response, few.response), (beam.response_square, few.response_square)):
                worst = max(worst, abs(less @ response_few / (full @ response) - 1))
    assert worst < 1e-3
    assert few.energy_mev.size <= beam.energy_mev.size


def test_a_megavolt_beam_needs_a_third_of_its_bins():
    for beam in scanner("cargo-6-4mv").beams():
        assert effective_beam(beam).energy_mev.size <= 20


def test_a_beam_of_few_lines_stays_as_it_is():
    beam = Beam([0.5, 1.0], [1.0, 2.0], [0.3, 0.5])
    assert effective_beam(beam) is beam
