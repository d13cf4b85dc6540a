import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scananalysis.core import ConfigurationError
from scananalysis.physics import (
    SCINTILLATORS,
    SYMBOLS,
    composition,
    deposited_energy,
    electrons_per_gram,
    element_attenuation,
    mass_attenuation,
    parse_formula,
)

ENERGIES = st.floats(0.001, 20.0)
COUNTS = st.integers(1, 30)
ATOMS = st.dictionaries(st.sampled_from(SYMBOLS), COUNTS, min_size=1, max_size=5)


def written(atoms):
    return "".join(f"{symbol}{count if count > 1 else ''}" for symbol, count in atoms.items())


@given(ATOMS, COUNTS)
def test_a_formula_is_read_as_it_was_written(atoms, times):
    assert parse_formula(written(atoms)) == pytest.approx(atoms)
    grouped = parse_formula(f"({written(atoms)}){times}")
    assert grouped == pytest.approx({symbol: count * times for symbol, count in atoms.items()})


@given(st.text(max_size=30))
def test_any_text_is_a_formula_or_is_refused(text):
    try:
        weights = composition(text)
    except ConfigurationError:
        return
    assert sum(weights.values()) == pytest.approx(1)


@given(ATOMS, ENERGIES)
def test_a_compound_attenuates_as_its_elements_by_weight(atoms, energy):
    formula = written(atoms)
    parts = sum(weight * mass_attenuation(symbol, energy) for symbol, weight in composition(formula).items())
    assert mass_attenuation(formula, energy) == pytest.approx(parts)
    every = [electrons_per_gram(symbol) for symbol in atoms]
    assert min(every) * (1 - 1e-9) <= electrons_per_gram(formula) <= max(every) * (1 + 1e-9)


@given(st.floats(1.0, 92.0), ENERGIES, st.sampled_from(("photoelectric", "incoherent", "pair", "total")))
def test_fractional_z_lies_between_its_neighbours_per_atom(z, energy, process):
    """Per gram it may leave their range by as much as the atomic weight bends, below 1 %."""
    low, high = int(np.floor(z)), int(np.ceil(z))
    found = element_attenuation([z], [energy], process)[0, 0]
    ends = [float(mass_attenuation(SYMBOLS[n - 1], energy, process)) for n in (low, high)]
    assume(low > 2)
    assert 0.99 * min(ends) <= found <= 1.01 * max(ends)


@given(
    st.sampled_from(sorted(SCINTILLATORS)),
    st.floats(0.05, 60.0),
    st.floats(0.3, 30.0),
    st.floats(0.3, 30.0),
    st.floats(0.01, 15.0),
)
def test_deposited_energy_is_that_of_some_distribution(scintillator, depth, width, height, energy):
    mean, square = deposited_energy(scintillator, depth, [energy], edge_mm=(width, height))
    assert 0 < mean[0] <= energy
    assert mean[0] ** 2 <= square[0] <= energy * mean[0] * (1 + 1e-9)
