"""Mass of simulated loads, against what was loaded."""

import pytest

from scananalysis.calibration import calibrate
from scananalysis.cargo import commodity
from scananalysis.detectors import scanner
from scananalysis.materials import discriminate, mass
from scananalysis.simulation import container_scene, render


def weighed(heading: str, seed: int):
    device = scanner("cargo-6-4mv").binned(4, 4)
    load = container_scene(seed, device, cargo=[heading], size="22G1", fill=0.9)
    made = render(load.scene, device, seed)
    materials = discriminate(calibrate(made.scan))
    where = made.truth["load"].astype(bool)
    pixel_cm2 = materials.pixel_mm[0] * materials.pixel_mm[1] / 100
    # Walls in front of and behind the load are weighed with it.
    true_kg = float(made.truth["areal_density"][where].sum()) * pixel_cm2 / 1000
    return mass(materials, where, composition=commodity(heading).typical()[1]), true_kg


@pytest.mark.parametrize(("heading", "seed"), [("9403", 6), ("5201", 3), ("0803", 1), ("1704", 4), ("0805", 6)])
def test_mass_of_a_known_composition_is_within_three_per_cent(heading, seed):
    found, true_kg = weighed(heading, seed)
    assert found.unusable_share < 0.05
    assert found.kg == pytest.approx(true_kg, rel=0.03)


@pytest.mark.parametrize(("heading", "seed"), [("4801", 4), ("0901", 9), ("2523", 10)])
def test_where_nothing_comes_through_sigma_says_so(heading, seed):
    found, true_kg = weighed(heading, seed)
    assert found.unusable_share > 0.05
    assert found.opaque_kg > 0.5 * found.sigma_kg
    assert abs(found.kg - true_kg) < 2 * found.sigma_kg
