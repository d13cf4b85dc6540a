"""Photon physics: attenuation, beams and their spectra, detector response, transmission."""

from scananalysis.physics.attenuation import PROCESSES, element_attenuation, mass_attenuation
from scananalysis.physics.beam import Beam, transmission
from scananalysis.physics.composition import (
    SYMBOLS,
    NamedMaterial,
    composition,
    electrons_per_gram,
    material,
    materials,
    parse_formula,
)
from scananalysis.physics.response import SCINTILLATORS, deposited_energy

__all__ = [
    "PROCESSES",
    "SCINTILLATORS",
    "SYMBOLS",
    "Beam",
    "NamedMaterial",
    "composition",
    "deposited_energy",
    "electrons_per_gram",
    "element_attenuation",
    "mass_attenuation",
    "material",
    "materials",
    "parse_formula",
    "transmission",
]
