"""Atomic number at 160 kV: twelve materials of Z 5.4 to 22, from raw counts with every imperfection, regions found by the program."""

import numpy as np
import pytest

import scananalysis as sa
from scananalysis.materials import discriminate, segment
from scananalysis.physics import SYMBOLS, composition, electrons_per_gram
from scananalysis.simulation import Box, Matter, Piece, Scene, render

MATERIALS = {
    "polyethylene": 0.94, "C": 2.0, "C5H8O2": 1.18, "H2O": 1.0, "C2F4": 2.2, "Mg": 1.74, "Al": 2.7, "SiO2": 2.2, "NaCl": 2.16,
    "CaCO3": 2.7, "S": 2.0, "Ti": 4.5,
}  # fmt: skip
AREAL_DENSITY = 4.0
EXPONENT = 3.3
"""Of the power law that defines the effective number of a compound between 60 and 160 keV; 2.9 to 3.5 in the literature."""


def effective(material):
    """Effective atomic number by the power law over electrons."""
    electrons = {symbol: weight * electrons_per_gram(symbol) for symbol, weight in composition(material).items()}
    total = sum(electrons.values())
    mean = sum(n / total * (SYMBOLS.index(symbol) + 1) ** EXPONENT for symbol, n in electrons.items())
    return mean ** (1 / EXPONENT)


@pytest.fixture(scope="module")
def found():
    scanner = sa.scanner("parcel-160kv").binned(4, 4)
    middle = scanner.geometry.source_height_mm
    pieces = []
    for i, (material, density) in enumerate(MATERIALS.items()):
        half, x = AREAL_DENSITY / density * 5, 10 + 60 * i
        box = Box((x, x + 45), (middle - 60, middle + 60), (800 - half, 800 + half))
        pieces.append(Piece(box, Matter.of(material), density))
    scan = render(Scene(tuple(pieces), 740.0), scanner, seed=1).scan
    materials = segment(discriminate(sa.calibrate(scan)))
    row = int(np.abs(scanner.object_height_mm - middle).argmin())
    labels = materials.regions.labels[row]
    at = [int(labels[int((10 + 60 * i + 22) / materials.pixel_mm[1])]) for i in range(len(MATERIALS))]
    assert all(at)
    return dict(zip(MATERIALS, [materials.regions.table[label - 1] for label in at], strict=True))


@pytest.mark.parametrize("material", MATERIALS)
def test_atomic_number_is_within_eight_per_cent(found, material):
    assert found[material]["z_eff"] == pytest.approx(effective(material), rel=0.08)


def test_the_materials_span_the_range():
    numbers = [effective(material) for material in MATERIALS]
    assert min(numbers) < 5.6
    assert max(numbers) == pytest.approx(22)


def test_no_class_is_wrong(found):
    for material, row in found.items():
        right = (
            "organic"
            if effective(material) < 10
            else "light metal or mineral"
            if effective(material) < 20
            else "steel-like"
        )
        assert row["class"] in (right, "undecided")
