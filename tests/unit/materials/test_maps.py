import dataclasses

import numpy as np
import pytest

from scananalysis.calibration import calibrate
from scananalysis.core import CalibrationError, ConfigurationError, Quality, has
from scananalysis.detectors import scanner
from scananalysis.materials import SingleEnergyModel, discriminate, legend, mass, model_for, pool, pseudo_colour
from scananalysis.simulation import Box, Imperfections, Matter, Piece, Scene, render

QUARTER = scanner("cargo-6-4mv").binned(4, 4)
# A cuboid of known mass at the middle of the load: 1.2 m × 1 m × 0.4 m.
BLOCK = Box((500, 1700), (1200, 2200), (5800, 6200))


def scan(matter, density, name="cargo-6-4mv", binning=(4, 4), seed=0, **imperfections):
    device = scanner(name).binned(*binning)
    scene = Scene((Piece(BLOCK, Matter.of(matter), density),), 2200.0)
    flaws = Imperfections(**({"dead_share": 0.0, "hot_share": 0.0} | imperfections))
    return discriminate(calibrate(render(scene, device, seed, imperfections=flaws).scan))


@pytest.fixture(scope="module")
def water():
    return scan("water", 1.0)


def inside(materials, margin=0.2):
    height = scanner(materials.scanner).binned(4, 4).object_height_mm
    x = (np.arange(materials.shape[1]) + 0.5) * materials.pixel_mm[1]
    rows = (height > 1200 + 1000 * margin) & (height < 2200 - 1000 * margin)
    return rows[:, None] & ((x > 500 + 1200 * margin) & (x < 1700 - 1200 * margin))[None]


def test_nominal_curves_are_said_on_every_pixel(water):
    assert has(water.quality, Quality.NOMINAL_CURVES).all()
    step = water.provenance.find("materials.discriminate")
    assert step.parameters["nominal"] is True
    model, _ = model_for(water.radiograph)
    assert not has(discriminate(water.radiograph, model).quality, Quality.NOMINAL_CURVES).any()


def test_mass_of_known_goods(water):
    """480 kg of water: the fan crosses the block obliquely, so its outline spreads and its mass stays."""
    found = mass(water, np.ones(water.shape, bool), composition="water")
    assert found.kg == pytest.approx(480, rel=0.03)
    assert abs(found.kg - 480) < 2 * found.sigma_kg
    without = mass(water, np.ones(water.shape, bool))
    assert abs(without.kg - 480) < 2.5 * without.sigma_kg
    assert without.composition_kg > found.composition_kg


def test_pooled_area_states_its_error(drawn):
    """Over scans, areal density and Z of a pooled area miss the truth by their stated σ."""
    block = Piece(BLOCK, Matter.of("aluminium"), 2.7)
    pulls = []
    for seed in range(24):
        simulated = render(Scene((block,), 2200.0), drawn(QUARTER, seed), seed)
        radiograph = calibrate(simulated.scan)
        model, _ = model_for(radiograph)
        area = inside(discriminate(radiograph))
        found = pool(radiograph, dataclasses.replace(model, relative_sigma=0.0), area)
        truth = float(simulated.truth["areal_density"][area].mean())
        pulls.append(((found.areal_density - truth) / found.sigma_areal_density, (found.z_eff - 13) / found.sigma_z))
    # 24 scans know the root mean square to 14 %; A/Z steps from element to element, so σ of areal density is on the safe side.
    depth, z = np.sqrt(np.mean(np.square(pulls), axis=0))
    assert 0.5 < depth < 1.35
    assert 0.65 < z < 1.35


def test_pooling_needs_a_usable_pixel(water):
    model, _ = model_for(water.radiograph)
    with pytest.raises(ConfigurationError, match="usable"):
        pool(water.radiograph, model, np.zeros(water.shape, bool))


def test_single_energy_states_a_material():
    device = scanner("gamma-co60")
    scene = Scene((Piece(BLOCK, Matter.of("Fe"), 1.0),), 2200.0)
    materials = discriminate(calibrate(render(scene, device, 0).scan))
    assert has(materials.quality, Quality.STATED_MATERIAL).all()
    assert np.isnan(materials.z_eff).all()
    middle = np.abs(device.object_height_mm - 1700).argmin()
    assert materials.areal_density[middle, 90:130].mean() == pytest.approx(40, rel=0.03)
    model, _ = model_for(materials.radiograph)
    pooled = pool(materials.radiograph, model, np.isfinite(materials.areal_density))
    assert pooled.sigma_areal_density > 0.01 * pooled.areal_density
    assert model.spread(1.0) > 0.02


def test_a_model_for_another_number_of_energies_is_refused(water):
    with pytest.raises(CalibrationError, match="2 energies"):
        discriminate(water.radiograph, SingleEnergyModel.nominal(scanner("gamma-co60")))


def test_colours_follow_the_field():
    steel, organic = scan("steel", 1.5), scan("polyethylene", 0.9)
    r, _, b = pseudo_colour(steel)[inside(steel)].mean(axis=0)
    assert b > r
    r, _, b = pseudo_colour(organic)[inside(organic)].mean(axis=0)
    assert r > b
    assert pseudo_colour(steel, palette="safe").shape == (*steel.shape, 3)
    assert len(legend("safe")) == len(legend("field"))


def test_one_energy_refuses_negative_variances_and_flags_what_is_not_a_number():
    model = SingleEnergyModel.nominal(scanner("gamma-co60"))
    with pytest.raises(ConfigurationError, match="negative variances"):
        model.invert([1.0], [-1e-4])
    assert has(model.invert([np.nan, 1.0]).quality, Quality.NOT_FINITE).tolist() == [True, False]
