import numpy as np
import pytest

from scananalysis.core import ConfigurationError
from scananalysis.physics import deposited_energy, mass_attenuation, material

ENERGY = np.geomspace(0.03, 9, 25)


@pytest.mark.parametrize("scintillator", ["CdWO4", "CsI", "GOS", "NaI"])
def test_moments_are_possible(scintillator):
    """The mean lies below energy times interaction probability, and the mean square between the bounds of any distribution."""
    thickness = 20.0
    mean, square = deposited_energy(scintillator, thickness, ENERGY)
    name = {
        "CdWO4": "cadmium tungstate",
        "CsI": "caesium iodide",
        "GOS": "gadolinium oxysulfide",
        "NaI": "sodium iodide",
    }[scintillator]
    depth = material(name).density_g_cm3 * thickness / 10
    interacts = -np.expm1(-mass_attenuation(name, ENERGY, "total_without_coherent") * depth)
    assert np.all(mean <= ENERGY * interacts * (1 + 1e-9))
    assert np.all(square <= ENERGY * mean * (1 + 1e-9))
    assert np.all(square >= mean**2 / interacts * (1 - 1e-9))


def test_low_energies_are_absorbed_whole_but_for_fluorescence():
    mean, _ = deposited_energy("CdWO4", 30.0, [0.05])
    assert mean[0] == pytest.approx(0.05, rel=0.02)
    above, _ = deposited_energy("CdWO4", 30.0, [0.075], edge_mm=0.5)
    assert above[0] < 0.075 * 0.98


def test_thicker_elements_keep_more():
    thin, _ = deposited_energy("CsI", 2.0, ENERGY)
    thick, _ = deposited_energy("CsI", 20.0, ENERGY)
    assert np.all(thick > thin)


def test_filter_takes_the_soft_photons():
    bare, _ = deposited_energy("CsI", 4.0, [0.03, 0.15])
    behind, _ = deposited_energy("CsI", 4.0, [0.03, 0.15], filter={"copper": 0.54})
    np.testing.assert_allclose(behind / bare, np.exp(-0.54 * mass_attenuation("copper", [0.03, 0.15])))


def test_compton_energy_agrees_with_the_energy_transfer_of_klein_and_nishina():
    """Tiny element: only the recoil stays. Mean recoil share at 1 MeV is 0.440 (Evans, The Atomic Nucleus, 1955, ch. 23)."""
    mean, _ = deposited_energy("CsI", 1e-4, [1.0], edge_mm=1e-4)
    depth = material("caesium iodide").density_g_cm3 * 1e-5
    compton = mass_attenuation("caesium iodide", 1.0, "incoherent")
    photo = mass_attenuation("caesium iodide", 1.0, "photoelectric")
    assert (mean[0] / depth - photo) / compton == pytest.approx(0.440, abs=0.006)


@pytest.mark.parametrize(("name", "thickness"), [("BGO", 10.0), ("CsI", 0.0), ("CsI", -1.0)])
def test_unknown_crystals_and_sizes_are_refused(name, thickness):
    with pytest.raises(ConfigurationError):
        deposited_energy(name, thickness, ENERGY)
