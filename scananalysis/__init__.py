"""X-ray and gamma-ray cargo scan analysis.

A scan flows one way: ``read`` → ``calibrate`` → ``discriminate`` → ``find_anomalies`` → ``inspect``.
Names load on first use, so that a bare import stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from scananalysis._version import __version__

if TYPE_CHECKING:
    from scananalysis import (
        anomaly,
        calibration,
        cargo,
        core,
        datasets,
        detectors,
        inspection,
        io,
        materials,
        physics,
        report,
        simulation,
    )
    from scananalysis.anomaly import find_anomalies
    from scananalysis.calibration import calibrate
    from scananalysis.cargo import read_declaration
    from scananalysis.core import (
        AnomalyMap,
        Declaration,
        Inspection,
        MaterialMap,
        Quality,
        Radiograph,
        RawScan,
        ScanAnalysisError,
    )
    from scananalysis.detectors import scanner, scanners
    from scananalysis.inspection import inspect
    from scananalysis.io import read, write
    from scananalysis.materials import discriminate, stream

_HOME = {
    "AnomalyMap": "core",
    "Declaration": "core",
    "Inspection": "core",
    "MaterialMap": "core",
    "Quality": "core",
    "Radiograph": "core",
    "RawScan": "core",
    "ScanAnalysisError": "core",
    "calibrate": "calibration",
    "discriminate": "materials",
    "find_anomalies": "anomaly",
    "inspect": "inspection",
    "read": "io",
    "read_declaration": "cargo",
    "scanner": "detectors",
    "scanners": "detectors",
    "stream": "materials",
    "write": "io",
}
_ROOMS = (
    "anomaly",
    "calibration",
    "cargo",
    "core",
    "datasets",
    "detectors",
    "inspection",
    "io",
    "materials",
    "physics",
    "report",
    "simulation",
)

__all__ = [
    "AnomalyMap",
    "Declaration",
    "Inspection",
    "MaterialMap",
    "Quality",
    "Radiograph",
    "RawScan",
    "ScanAnalysisError",
    "__version__",
    "anomaly",
    "calibrate",
    "calibration",
    "cargo",
    "core",
    "datasets",
    "detectors",
    "discriminate",
    "find_anomalies",
    "inspect",
    "inspection",
    "io",
    "materials",
    "physics",
    "read",
    "read_declaration",
    "report",
    "scanner",
    "scanners",
    "simulation",
    "stream",
    "write",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOME:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
