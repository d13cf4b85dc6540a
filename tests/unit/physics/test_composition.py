import pytest

from scananalysis.core import ConfigurationError
from scananalysis.physics import composition, electrons_per_gram, material, materials, parse_formula


@pytest.mark.parametrize(
    ("formula", "atoms"),
    [
        ("H2O", {"H": 2, "O": 1}),
        ("Ca3(PO4)2", {"Ca": 3, "P": 2, "O": 8}),
        ("(NH4)2SO4", {"N": 2, "H": 8, "S": 1, "O": 4}),
        ("Mg(Al(OH)4)2", {"Mg": 1, "Al": 2, "O": 8, "H": 8}),
        ("Fe0.5Ni0.5", {"Fe": 0.5, "Ni": 0.5}),
    ],
)
def test_formulas(formula, atoms):
    assert parse_formula(formula) == pytest.approx(atoms)


@pytest.mark.parametrize("text", ["", "h2o", "H2O)", "(H2O", "2H", "Xx", "H-2", "H2 O", "()2", "Pu", "H" * 200])
def test_what_is_no_formula_is_refused(text):
    with pytest.raises(ConfigurationError):
        composition(text)


def test_every_named_material_sums_to_one_and_names_a_source():
    assert len(materials()) >= 60
    for name in materials():
        found = material(name)
        assert sum(found.composition.values()) == pytest.approx(1)
        assert found.density_g_cm3 > 0
        assert found.source


@pytest.mark.parametrize("weights", [{"H2O": 0.5}, {"H2O": 1.5, "Fe": -0.5}, {}])
def test_weights_that_are_no_mixture_are_refused(weights):
    with pytest.raises(ConfigurationError, match="sum to"):
        composition(weights)


def test_electrons_per_gram_of_hydrogenous_matter():
    carbon = electrons_per_gram("C")
    assert electrons_per_gram("polyethylene") / carbon == pytest.approx(1.14, abs=0.01)
    assert electrons_per_gram("H2O") / carbon == pytest.approx(1.11, abs=0.01)
