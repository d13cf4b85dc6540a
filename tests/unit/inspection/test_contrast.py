from dataclasses import replace

import numpy as np
import pytest

from scananalysis.core import ConfigurationError, Quality, Radiograph, SystematicTerm
from scananalysis.detectors import scanner
from scananalysis.inspection.contrast import Contrast, contrast
from scananalysis.materials import DualEnergyModel, SingleEnergyModel
from scananalysis.physics import transmission

SHAPE = (24, 40)
REGION = np.zeros(SHAPE, bool)
REGION[8:16, 16:24] = True
AROUND = np.zeros(SHAPE, bool)
AROUND[4:20, 8:32] = True
AROUND[6:18, 14:26] = False
GAIN, AIR = 0.02, 0.01


def scene(name: str, layer: dict[str, float]) -> np.ndarray:
    device = scanner(name)
    alpha = np.empty((len(device.channels), *SHAPE))
    for channel, beam in enumerate(device.beams()):
        alpha[channel] = -np.log(float(transmission(beam, {"water": 40.0})))
        alpha[channel][REGION] = -np.log(float(transmission(beam, {"water": 40.0} | layer)))
    return alpha


def radiograph(name: str, alpha: np.ndarray, variance: float) -> Radiograph:
    channels = alpha.shape[0]
    systematic = {}
    for channel in range(channels):
        effect = np.zeros((channels, SHAPE[0], 1), np.float32)
        effect[channel] = GAIN
        systematic[f"gain-{channel}"] = SystematicTerm(effect, "x")
    systematic["air"] = SystematicTerm(np.full((channels, 1, 1), AIR, np.float32), "xy")
    return Radiograph(
        alpha.astype(np.float32),
        np.full(alpha.shape, variance, np.float32),
        np.zeros(alpha.shape, np.uint32),
        systematic,
        np.ones(channels, np.float32),
        (13.3, 20.0),
        np.zeros(SHAPE[0], np.float32),
        name,
    )


def exact(model: DualEnergyModel) -> DualEnergyModel:
    """The model without an error of its own: the Monte Carlo below draws with its own spectrum."""
    return replace(model, relative_sigma=0.0)


def test_block_of_steel_on_water() -> None:
    model = exact(DualEnergyModel.nominal(scanner("cargo-6-4mv")))
    found = contrast(radiograph("cargo-6-4mv", scene("cargo-6-4mv", {"Fe": 30.0}), 1e-6), model, REGION, AROUND)
    assert found.added == pytest.approx(30.0, abs=0.1)
    assert found.z_added == pytest.approx(26.0, abs=0.3)
    assert found.surroundings == pytest.approx(44.4, abs=0.3)


def test_sigma_is_the_spread_of_repeated_scans() -> None:
    """400 scans with their own noise, gains and air level spread as one of them says."""
    rng = np.random.default_rng(3)
    model = exact(DualEnergyModel.nominal(scanner("cargo-6-4mv")))
    true = scene("cargo-6-4mv", {"Fe": 30.0})
    variance = 0.02**2
    found: list[Contrast] = []
    for _ in range(400):
        alpha = true + rng.normal(0, np.sqrt(variance), true.shape)
        alpha += rng.normal(0, GAIN, (2, SHAPE[0], 1)) + rng.normal(0, AIR)
        found.append(contrast(radiograph("cargo-6-4mv", alpha, variance), model, REGION, AROUND))

    def spread(name: str) -> float:
        low, high = np.quantile([getattr(each, name) for each in found], [0.1587, 0.8413])
        return float(high - low) / 2

    def stated(name: str) -> float:
        return float(np.median([getattr(each, name) for each in found]))

    assert stated("sigma_added") == pytest.approx(spread("added"), rel=0.15)
    assert stated("sigma_areal_density") == pytest.approx(spread("areal_density"), rel=0.15)
    assert stated("sigma_z_added") == pytest.approx(spread("z_added"), rel=0.2)
    # Errors that region and surroundings share cancel, so the difference is known better than either.
    assert stated("sigma_added") < stated("sigma_areal_density")


def test_clutter_of_the_surroundings_widens_the_difference() -> None:
    model = exact(DualEnergyModel.nominal(scanner("cargo-6-4mv")))
    image = radiograph("cargo-6-4mv", scene("cargo-6-4mv", {"Fe": 30.0}), 1e-6)
    calm, cluttered = (contrast(image, model, REGION, AROUND, clutter=c) for c in (0.0, 6.0))
    assert np.hypot(calm.sigma_added, 6.0) == pytest.approx(cluttered.sigma_added, rel=0.15)
    assert cluttered.sigma_z_added > calm.sigma_z_added


def test_a_void_is_less_and_has_no_atomic_number() -> None:
    model = exact(DualEnergyModel.nominal(scanner("cargo-6-4mv")))
    alpha = scene("cargo-6-4mv", {})
    alpha[:, REGION] *= 0.7
    found = contrast(radiograph("cargo-6-4mv", alpha, 1e-6), model, REGION, AROUND)
    assert found.added < -10
    assert np.isnan(found.z_added)


def test_single_energy_gives_areal_density_alone() -> None:
    name = "gamma-co60"
    model = SingleEnergyModel.nominal(scanner(name))
    found = contrast(radiograph(name, scene(name, {"Fe": 20.0}), 1e-6), model, REGION, AROUND)
    assert 15 < found.added < 25
    assert np.isnan(found.z_eff)
    assert np.isnan(found.z_added)


def test_same_input_same_figures() -> None:
    model = DualEnergyModel.nominal(scanner("cargo-6-4mv"))
    image = radiograph("cargo-6-4mv", scene("cargo-6-4mv", {"Fe": 30.0}), 1e-4)
    assert contrast(image, model, REGION, AROUND) == contrast(image, model, REGION, AROUND)


def test_starved_region_is_refused() -> None:
    model = DualEnergyModel.nominal(scanner("cargo-6-4mv"))
    image = radiograph("cargo-6-4mv", scene("cargo-6-4mv", {}), 1e-4)
    image.quality[:, REGION] = np.uint32(Quality.STARVED)
    with pytest.raises(ConfigurationError, match="without usable pixels"):
        contrast(image, model, REGION, AROUND)
