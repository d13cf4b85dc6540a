"""Chemical formulas, mixtures and named materials as weight fractions of elements.

Atomic weights are those of NIST XCOM (doi:10.18434/T48G6X), stored with the attenuation table.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import ConfigurationError

_PERIODIC_TABLE = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb "
    "Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au "
    "Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U"
)
SYMBOLS = tuple(_PERIODIC_TABLE.split())
"""Symbols of the elements 1 to 92."""

_DATA = Path(__file__).parent / "data"
_TOKEN = re.compile(r"[A-Z][a-z]?|[()]|\d+(?:\.\d+)?")
_LONGEST_FORMULA = 100


@dataclass(frozen=True)
class NamedMaterial:
    """A material of the list in ``materials.csv``.

    Parameters
    ----------
    name : str
    composition : mapping of str to float
        Weight fraction by element symbol; sums to 1.
    density_g_cm3 : float
    source : str
        Where composition and density come from.
    """

    name: str
    composition: Mapping[str, float]
    density_g_cm3: float
    source: str


@functools.cache
def atomic_weights() -> NDArray[np.float64]:
    """Return the atomic weights of Z 1 to 92, g/mol."""
    with np.load(_DATA / "attenuation.npz", allow_pickle=False) as stored:
        return cast("NDArray[np.float64]", stored["atomic_weight"])


def parse_formula(formula: str) -> dict[str, float]:
    """Return the number of atoms of each element in a chemical formula, brackets allowed.

    Raises
    ------
    ConfigurationError
        Not a formula.

    Examples
    --------
    >>> parse_formula("Ca3(PO4)2")
    {'Ca': 3.0, 'P': 2.0, 'O': 8.0}
    """
    if not 0 < len(formula) <= _LONGEST_FORMULA:
        raise ConfigurationError(f"formula of {len(formula)} characters", expected=f"1 to {_LONGEST_FORMULA}")
    tokens = _TOKEN.findall(formula)
    if "".join(tokens) != formula:
        raise _not_a_formula(formula)
    atoms, rest = _group(tokens, formula)
    if rest or not atoms or min(atoms.values()) <= 0:
        raise _not_a_formula(formula)
    return atoms


def _group(tokens: list[str], formula: str) -> tuple[dict[str, float], list[str]]:
    """Read atoms up to a closing bracket or the end; return them and the tokens that are left."""
    atoms: dict[str, float] = {}
    while tokens and tokens[0] != ")":
        head, tokens = tokens[0], tokens[1:]
        if head == "(":
            part, tokens = _group(tokens, formula)
            if not part or not tokens:
                raise _not_a_formula(formula)
            tokens = tokens[1:]
        elif head in SYMBOLS:
            part = {head: 1.0}
        else:
            raise _not_a_formula(formula)
        count = 1.0
        if tokens and tokens[0][0].isdigit():
            count, tokens = float(tokens[0]), tokens[1:]
        for symbol, number in part.items():
            atoms[symbol] = atoms.get(symbol, 0.0) + number * count
    return atoms, tokens


def _not_a_formula(text: str) -> ConfigurationError:
    return ConfigurationError(
        f"{text[:_LONGEST_FORMULA]!r} is neither a chemical formula nor a named material",
        expected="element symbols of Z 1 to 92 with counts and round brackets, or a name from physics.materials()",
    )


def composition(material: str | Mapping[str, float]) -> dict[str, float]:
    """Return the weight fraction of each element.

    Parameters
    ----------
    material : str or mapping
        Element symbol, chemical formula, named material, or {any of these: weight fraction}.

    Returns
    -------
    dict of str to float
        Sums to 1.

    Raises
    ------
    ConfigurationError
        Unknown material, or weight fractions that do not sum to 1 within 1 %.

    Examples
    --------
    >>> {symbol: round(weight, 4) for symbol, weight in composition("H2O").items()}
    {'H': 0.1119, 'O': 0.8881}
    """
    if isinstance(material, str):
        return dict(_composition(material))
    total = sum(material.values())
    if not material or not 0.99 <= total <= 1.01 or min(material.values()) < 0:
        raise ConfigurationError(
            f"weight fractions {dict(material)} sum to {total:g}", expected="fractions ≥ 0 that sum to 1"
        )
    mixed: dict[str, float] = {}
    for part, weight in material.items():
        for symbol, fraction in _composition(part).items():
            mixed[symbol] = mixed.get(symbol, 0.0) + weight / total * fraction
    return mixed


@functools.lru_cache(maxsize=4096)
def _composition(material: str) -> Mapping[str, float]:
    named = _materials().get(material)
    if named is not None:
        return named.composition
    atoms = parse_formula(material)
    weights = {s: n * float(atomic_weights()[SYMBOLS.index(s)]) for s, n in atoms.items()}
    total = sum(weights.values())
    return {symbol: weight / total for symbol, weight in weights.items()}


def electrons_per_gram(material: str | Mapping[str, float]) -> float:
    """Return Z/A, the moles of electrons per gram.

    Examples
    --------
    >>> round(electrons_per_gram("H2O") / electrons_per_gram("C"), 3)
    1.111
    """
    return sum(
        weight * (SYMBOLS.index(symbol) + 1) / float(atomic_weights()[SYMBOLS.index(symbol)])
        for symbol, weight in composition(material).items()
    )


@functools.cache
def _materials() -> Mapping[str, NamedMaterial]:
    found = {}
    with (_DATA / "materials.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(line for line in stream if not line.startswith("#")):
            parts = dict(part.split(":") for part in row["composition"].split())
            weights = {key: float(value) for key, value in parts.items()}
            total = sum(weights.values())
            mixed: dict[str, float] = {}
            for formula, weight in weights.items():
                atoms = parse_formula(formula)
                mass = {s: n * float(atomic_weights()[SYMBOLS.index(s)]) for s, n in atoms.items()}
                for symbol, value in mass.items():
                    mixed[symbol] = mixed.get(symbol, 0.0) + weight / total * value / sum(mass.values())
            found[row["name"]] = NamedMaterial(row["name"], mixed, float(row["density_g_cm3"]), row["source"])
    return found


def materials() -> tuple[str, ...]:
    """Return the names of all named materials.

    Examples
    --------
    >>> "water" in materials()
    True
    """
    return tuple(_materials())


def material(name: str) -> NamedMaterial:
    """Return a named material.

    Raises
    ------
    ConfigurationError
        No such name.

    Examples
    --------
    >>> material("water").density_g_cm3
    1.0
    """
    try:
        return _materials()[name]
    except KeyError:
        raise ConfigurationError(f"no material {name!r}", expected=f"one of {', '.join(_materials())}") from None
