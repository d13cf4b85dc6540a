"""Material discrimination: attenuation to areal density and atomic number, pooled areas, mass, pseudo-colour."""

from scananalysis.materials.classes import CLASSES
from scananalysis.materials.colour import legend, pseudo_colour
from scananalysis.materials.curves import FittedCurves, fit_curves
from scananalysis.materials.discriminate import discriminate, model_for
from scananalysis.materials.dualenergy import DualEnergyModel
from scananalysis.materials.inversion import Inverted
from scananalysis.materials.mass import Mass, hydrogen_factor, mass
from scananalysis.materials.peeling import Layer, peel
from scananalysis.materials.pooling import Pooled, pool
from scananalysis.materials.regions import identify, segment
from scananalysis.materials.singleenergy import SingleEnergyModel
from scananalysis.materials.streaming import MaterialStream, stream
from scananalysis.physics import Beam

__all__ = [
    "CLASSES",
    "Beam",
    "DualEnergyModel",
    "FittedCurves",
    "Inverted",
    "Layer",
    "Mass",
    "MaterialStream",
    "Pooled",
    "SingleEnergyModel",
    "discriminate",
    "fit_curves",
    "hydrogen_factor",
    "identify",
    "legend",
    "mass",
    "model_for",
    "peel",
    "pool",
    "pseudo_colour",
    "segment",
    "stream",
]
