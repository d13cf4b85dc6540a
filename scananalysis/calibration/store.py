"""A calibration set as one HDF5 file."""

from __future__ import annotations

import dataclasses
import json
from os import PathLike
from typing import Any

import numpy as np

from scananalysis.calibration.references import Calibration
from scananalysis.core import CalibrationError
from scananalysis.io import read_maps, write_maps

_FORMAT = "scananalysis-calibration"
_VERSION = 1
_ARRAYS = tuple(
    f.name
    for f in dataclasses.fields(Calibration)
    if f.name not in ("scanner", "binning", "curves", "inputs", "metadata")
)


def save_calibration(calibration: Calibration, path: str | PathLike[str]) -> None:
    """Write a set; the file gets its name only when it is complete."""
    groups: dict[str, dict[str, Any]] = {"values": {name: getattr(calibration, name) for name in _ARRAYS}}
    if calibration.curves is not None:
        groups["curves"] = {name: np.asarray(value) for name, value in calibration.curves.items()}
    head = {
        "scanner": calibration.scanner,
        "binning": list(calibration.binning),
        "inputs": dict(calibration.inputs),
        "metadata": dict(calibration.metadata),
    }
    write_maps(path, groups, {"format": _FORMAT, "version": _VERSION, "head": json.dumps(head)})


def load_calibration(path: str | PathLike[str]) -> Calibration:
    """Read a set.

    Raises
    ------
    CalibrationError
        Not a calibration set, or one of a later version.
    """
    groups, attributes = read_maps(path)
    if attributes.get("format") != _FORMAT or attributes.get("version") != _VERSION:
        raise CalibrationError(
            f"format {attributes.get('format')!r} version {attributes.get('version')!r}",
            source=path,
            expected=f"{_FORMAT} version {_VERSION}",
        )
    missing = [name for name in _ARRAYS if name not in groups.get("values", {})]
    if missing:
        raise CalibrationError(f"no {', '.join(missing)}", source=path, expected="a complete calibration set")
    head = json.loads(attributes["head"])
    return Calibration(
        scanner=head["scanner"],
        binning=tuple(head["binning"]),
        inputs=head["inputs"],
        metadata=head["metadata"],
        curves=groups.get("curves"),
        **{name: groups["values"][name] for name in _ARRAYS},
    )
