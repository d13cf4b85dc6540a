"""Material discrimination: two attenuations to areal density and atomic number, regions, mass, pseudo-colour."""

from scananalysis.materials.dualenergy import DualEnergyModel
from scananalysis.materials.inversion import Inverted
from scananalysis.physics import Beam

__all__ = ["Beam", "DualEnergyModel", "Inverted"]
