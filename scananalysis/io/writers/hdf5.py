"""Writes the project's own HDF5 container."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

from scananalysis.core import FormatError
from scananalysis.io.hdf5 import write_maps

if TYPE_CHECKING:
    from scananalysis.core import RawScan

FORMAT = "scananalysis-scan"
VERSION = 1
OPTIONAL = (
    "dark", "air", "dark_monitor", "air_monitor", "dark_time_s", "air_time_s", "monitor", "position_mm", "time_s",
)  # fmt: skip
"""Arrays that a scan may have beside its counts."""

_LINE = "channel:line"
_REFERENCE = "channel:n"
_NOTES = {
    "entry": {"NX_class": "NXentry", "default": "counts"},
    "truth": {"NX_class": "NXcollection"},
    "entry/counts": {"units": "counts", "axes": "channel:line:element"},
    "entry/dark": {"units": "counts", "axes": "channel:n:element"},
    "entry/air": {"units": "counts", "axes": "channel:n:element"},
    "entry/dark_monitor": {"units": "1", "axes": _REFERENCE},
    "entry/air_monitor": {"units": "1", "axes": _REFERENCE},
    "entry/dark_time_s": {"units": "s", "axes": _REFERENCE},
    "entry/air_time_s": {"units": "s", "axes": _REFERENCE},
    "entry/monitor": {"units": "1", "axes": _LINE},
    "entry/position_mm": {"units": "mm", "axes": _LINE},
    "entry/time_s": {"units": "s", "axes": _LINE},
}
"""NeXus classes, units and axes, so that any HDF5 viewer says what is there."""


def write(scan: RawScan, path: str | PathLike[str], truth: Mapping[str, Any] | None = None) -> None:
    """Write a scan, and the truth of a simulated one; see `scananalysis.io.write`.

    Raises
    ------
    FormatError
        The metadata are not plain JSON values.
    """
    entry = {"counts": scan.counts} | {n: getattr(scan, n) for n in OPTIONAL if getattr(scan, n) is not None}
    groups: dict[str, Mapping[str, Any]] = {"entry": entry}
    if truth:
        groups["truth"] = truth
    head = {
        "scanner": scan.scanner,
        "stage": scan.stage,
        "binning": list(scan.binning),
        "air_level": scan.air_level,
        "metadata": dict(scan.metadata),
    }
    try:
        attributes = {
            "NX_class": "NXroot",
            "format": FORMAT,
            "version": VERSION,
            "head": json.dumps(head, sort_keys=True, allow_nan=False),
            "provenance": scan.provenance.to_json(),
        }
    except (TypeError, ValueError) as error:
        raise FormatError(
            f"metadata or provenance is not plain JSON ({error})", source=path, expected="text, finite numbers, lists"
        ) from error
    write_maps(path, groups, attributes, notes=_NOTES)
