"""Catalogue of scanners: geometry, beams and noise, read from ``detectors/*.toml``. A new scanner needs no Python."""

from scananalysis.detectors.array import Geometry
from scananalysis.detectors.catalogue import scanner, scanners
from scananalysis.detectors.scanner import Channel, Pulse, Readout, Scanner

__all__ = ["Channel", "Geometry", "Pulse", "Readout", "Scanner", "scanner", "scanners"]
