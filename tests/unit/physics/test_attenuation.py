import numpy as np
import pytest
import xraylib

from scananalysis.core import ConfigurationError, PhysicsRangeError
from scananalysis.physics import SYMBOLS, element_attenuation, mass_attenuation

# NIST XCOM, total with coherent scatter, cm²/g, read from its tables.
XCOM = [
    ("Fe", 1.0, 0.05995), ("Fe", 6.0, 0.03057), ("Fe", 9.0, 0.02987), ("Fe", 10.0, 0.02994),
    ("Pb", 1.0, 0.07102), ("Pb", 6.0, 0.04391), ("Pb", 10.0, 0.04972),
    ("water", 1.0, 0.07072), ("water", 6.0, 0.02770),
]  # fmt: skip

# K and L regions where two evaluations of the same cross sections differ by more than 0.3 %.
EXCEPTIONS = {"Cr", "Cu", "Zn", "Sn", "Nd", "Pm", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Pt",
    "Mn", "Xe", "Cs", "Ba", "La", "Ce", "Pr", "Hf", "Ta", "W", "Re", "Os", "Ir", "Au", "Hg", "Tl", "Pb", "Bi", "Po", "Rn"}  # fmt: skip


@pytest.mark.parametrize(("material", "energy", "expected"), XCOM)
def test_agrees_with_xcom_at_tabulated_energies(material, energy, expected):
    assert mass_attenuation(material, energy) == pytest.approx(expected, rel=2e-3)


def test_agrees_with_xraylib_below_its_limit():
    energy = np.geomspace(0.01, 0.8, 40)
    far, outside = 0, set()
    for z in range(1, 87):
        ours = mass_attenuation(SYMBOLS[z - 1], energy)
        theirs = np.array([xraylib.CS_Total(z, e * 1e3) for e in energy])
        off = np.abs(ours / theirs - 1) > 3e-3
        far += int(off.sum())
        if off.any():
            outside.add(SYMBOLS[z - 1])
    assert far <= 0.02 * 86 * energy.size
    assert outside <= EXCEPTIONS


@pytest.mark.parametrize("z", [*range(30, 93, 4), *range(87, 93)])
def test_k_edge_stands_on_the_right_side(z):
    edge = xraylib.EdgeEnergy(z, xraylib.K_SHELL) * 1e-3
    symbol = SYMBOLS[z - 1]
    below, above = mass_attenuation(symbol, [edge * 0.997, edge * 1.003], "photoelectric")
    expected = xraylib.CS_Photo(z, edge * 1003) / xraylib.CS_Photo(z, edge * 997)
    assert above / below == pytest.approx(expected, rel=0.03)


def test_uranium_above_its_k_edge():
    assert mass_attenuation("U", 0.118) == pytest.approx(4.65, rel=0.01)


def test_pairs_start_at_their_thresholds():
    assert mass_attenuation("Pb", 1.0, "pair") == 0
    assert mass_attenuation("Pb", 1.2, "pair_nuclear") > 0
    assert mass_attenuation("Pb", 2.0, "pair_electron") == 0
    assert mass_attenuation("Pb", 3.0, "pair_electron") > 0


def test_partial_processes_sum_to_the_total():
    energy = np.geomspace(0.001, 20, 30)
    parts = ("photoelectric", "coherent", "incoherent", "pair_nuclear", "pair_electron")
    total = sum(mass_attenuation("W", energy, process) for process in parts)
    np.testing.assert_allclose(total, mass_attenuation("W", energy), rtol=1e-12)


def test_mixture_is_the_weighted_sum():
    energy = np.array([0.08, 0.6, 6.0])
    mixed = mass_attenuation({"Fe": 0.7, "water": 0.3}, energy)
    np.testing.assert_allclose(mixed, 0.7 * mass_attenuation("Fe", energy) + 0.3 * mass_attenuation("water", energy))


@pytest.mark.parametrize("energy", [0.0009, 20.1, -1.0, float("nan")])
def test_energies_outside_are_refused(energy):
    with pytest.raises(PhysicsRangeError, match=r"0\.001 to 20 MeV"):
        mass_attenuation("Fe", energy)


def test_unknown_process_is_refused():
    with pytest.raises(ConfigurationError, match="process 'compton'"):
        mass_attenuation("Fe", 1.0, "compton")


def test_fractional_z_meets_the_elements_and_lies_between():
    energy = np.array([0.2, 1.0, 6.0])
    np.testing.assert_allclose(element_attenuation([26.0], energy)[0], mass_attenuation("Fe", energy), rtol=1e-9)
    np.testing.assert_allclose(element_attenuation([92.0], energy)[0], mass_attenuation("U", energy), rtol=1e-9)
    between = element_attenuation([26.5], energy, "photoelectric")[0]
    iron, cobalt = (mass_attenuation(s, energy, "photoelectric") for s in ("Fe", "Co"))
    assert np.all((between > iron) & (between < cobalt))
    with pytest.raises(PhysicsRangeError, match="1 to 92"):
        element_attenuation([0.5], energy)
