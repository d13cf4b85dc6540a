"""From counts to attenuation: offset, gain, pulse, defects, registration, logarithm, each with its uncertainty."""

from scananalysis.calibration.building import build_calibration, gather
from scananalysis.calibration.chain import calibrate
from scananalysis.calibration.check import CheckResult, check_calibration
from scananalysis.calibration.recipe import Recipe
from scananalysis.calibration.record import replay
from scananalysis.calibration.references import Calibration
from scananalysis.calibration.stepwedge import StepWedge
from scananalysis.calibration.store import load_calibration, save_calibration
from scananalysis.calibration.stream import Stream
from scananalysis.calibration.wedge import ReferenceWedge, measure_wedge

__all__ = [
    "Calibration",
    "CheckResult",
    "Recipe",
    "ReferenceWedge",
    "StepWedge",
    "Stream",
    "build_calibration",
    "calibrate",
    "check_calibration",
    "gather",
    "load_calibration",
    "measure_wedge",
    "replay",
    "save_calibration",
]
