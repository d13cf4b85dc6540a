"""A calibration set as one HDF5 file: values and errors, validity, curves, and the sha256 of what it was made from."""

from __future__ import annotations

import json
from datetime import datetime
from os import PathLike
from typing import Any

import numpy as np

from scananalysis.calibration.references import Calibration
from scananalysis.core import CalibrationError
from scananalysis.io import read_maps, write_maps

_FORMAT = "scananalysis-calibration"
_VERSION = 2
_ELEMENT = (
    "offset", "offset_sigma", "dark_noise", "gain", "gain_sigma", "air_noise", "dark_outliers", "air_outliers",
)  # fmt: skip
_CHANNEL = ("quantum", "level_sigma", "monitor_sigma", "air_monitor")


def save_calibration(calibration: Calibration, path: str | PathLike[str]) -> None:
    """Write a set; the file gets its name only when it is complete."""
    groups: dict[str, dict[str, Any]] = {
        "values": {name: getattr(calibration, name) for name in (*_ELEMENT, *_CHANNEL)}
    }
    if calibration.curves is not None:
        groups["curves"] = {name: np.asarray(value) for name, value in calibration.curves.items()}
    head = {
        "scanner": calibration.scanner,
        "binning": list(calibration.binning),
        "reference_lines": list(calibration.reference_lines),
        "inputs": dict(calibration.inputs),
        "valid_from": calibration.valid_from.isoformat() if calibration.valid_from else None,
        "valid_until": calibration.valid_until.isoformat() if calibration.valid_until else None,
        "metadata": dict(calibration.metadata),
    }
    write_maps(path, groups, {"format": _FORMAT, "version": _VERSION, "head": json.dumps(head, allow_nan=False)})


def load_calibration(path: str | PathLike[str]) -> Calibration:
    """Read a set.

    Raises
    ------
    CalibrationError
        Not a calibration set, one of another version, or one whose parts do not fit together.
    """
    groups, attributes = read_maps(path)
    if attributes.get("format") != _FORMAT or attributes.get("version") != _VERSION:
        raise CalibrationError(
            f"format {attributes.get('format')!r} version {attributes.get('version')!r}",
            source=path,
            expected=f"{_FORMAT} version {_VERSION}",
            remedy="name a set that 'calibrate build' wrote, or build one from this scan's references",
        )
    values = groups.get("values", {})
    missing = [name for name in (*_ELEMENT, *_CHANNEL) if name not in values]
    if missing:
        raise CalibrationError(f"no {', '.join(missing)}", source=path, expected="a complete calibration set")
    shape = values["offset"].shape
    for name in (*_ELEMENT, *_CHANNEL):
        expected = shape if name in _ELEMENT else shape[:1]
        if len(shape) != 2 or values[name].shape != expected:
            raise CalibrationError(f"{name} has shape {values[name].shape}", source=path, expected=f"{expected}")
    fields: dict[str, Any] = {name: values[name] for name in (*_ELEMENT, *_CHANNEL)}
    try:
        head = json.loads(attributes["head"])
        first, last = (
            datetime.fromisoformat(head[name]) if head[name] else None for name in ("valid_from", "valid_until")
        )
        return Calibration(
            scanner=str(head["scanner"]),
            binning=(int(head["binning"][0]), int(head["binning"][1])),
            reference_lines=(int(head["reference_lines"][0]), int(head["reference_lines"][1])),
            inputs=head["inputs"],
            metadata=head["metadata"],
            curves=groups.get("curves"),
            valid_from=first,
            valid_until=last,
            **fields,
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CalibrationError(
            f"head is damaged ({type(error).__name__}: {error})", source=path, expected="a complete calibration set"
        ) from error
