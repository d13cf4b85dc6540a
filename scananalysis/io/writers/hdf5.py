"""Writes the project's own HDF5 container."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

from scananalysis.io.hdf5 import write_maps

if TYPE_CHECKING:
    from scananalysis.core import RawScan

FORMAT = "scananalysis-scan"
VERSION = 1
OPTIONAL = (
    "dark", "air", "dark_monitor", "air_monitor", "dark_time_s", "air_time_s", "monitor", "position_mm", "time_s",
)  # fmt: skip
"""Arrays that a scan may have beside its counts."""


def write(scan: RawScan, path: str | PathLike[str], truth: Mapping[str, Any] | None = None) -> None:
    """Write a scan, and the truth of a simulated one; see `scananalysis.io.write`."""
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
    attributes = {
        "format": FORMAT,
        "version": VERSION,
        "head": json.dumps(head, sort_keys=True, allow_nan=False),
        "provenance": scan.provenance.to_json(),
    }
    write_maps(path, groups, attributes)
