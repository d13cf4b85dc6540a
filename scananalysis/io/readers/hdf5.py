"""Reads the project's own HDF5 container; its groups are described in docs/formats.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scananalysis.core import FormatError, Provenance, RawScan
from scananalysis.io.hdf5 import array, opened, text
from scananalysis.io.writers.hdf5 import FORMAT, OPTIONAL, VERSION

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.io.layout import Layout

TITLE = "scananalysis HDF5 container"
SUFFIXES = (".h5", ".hdf5")
NEEDS_LAYOUT = False
_MAGIC = b"\x89HDF\r\n\x1a\n"


def understand(head: bytes, path: Path) -> bool:  # noqa: ARG001 - the readers' interface
    """Say whether the first bytes are those of an HDF5 file."""
    return head.startswith(_MAGIC)


def read(path: Path, layout: Layout | None, scanner: str | None) -> RawScan:  # noqa: ARG001 - the container needs no layout
    """Read a scan."""
    with opened(path) as file:
        if text(file, "format") != FORMAT:
            raise FormatError(
                f"HDF5 of format {text(file, 'format')!r}",
                source=path,
                expected=f"{FORMAT!r}",
                remedy="convert it first",
            )
        version = int(file.attrs.get("version", 0))
        if not 1 <= version <= VERSION:
            raise FormatError(
                f"container version {version}", source=path, expected=f"1 to {VERSION}", remedy="update the package"
            )
        counts = array(file, "entry/counts", path, "u")
        if counts is None:
            raise FormatError("no entry/counts", source=path, expected="a scan container")
        try:
            head = json.loads(text(file, "head"))
            provenance = Provenance.from_json(text(file, "provenance"))
            fields: dict[str, Any] = {
                "scanner": scanner or str(head["scanner"]),
                "stage": head["stage"],
                "binning": tuple(head["binning"]),
                "air_level": head["air_level"],
                "metadata": head["metadata"],
            }
        except (ValueError, KeyError, TypeError) as error:
            raise FormatError(
                f"head is malformed ({error})", source=path, expected="JSON as the writer leaves it"
            ) from error
        series: dict[str, Any] = {name: array(file, f"entry/{name}", path) for name in OPTIONAL}
    return RawScan(counts, provenance=provenance, **fields, **series)


def read_truth(path: Path) -> dict[str, NDArray[Any]]:
    """Read the truth maps of a simulated scan; empty where the file has none."""
    with opened(path) as file:
        group = file.get("truth")
        names = list(group.keys()) if group is not None else []
        found = {name: array(file, f"truth/{name}", path) for name in names}
    return {name: values for name, values in found.items() if values is not None}


def describe(path: Path) -> Mapping[str, Any]:
    """Say what the container holds."""
    scan = read(path, None, None)
    return {
        "references": {
            name: None if getattr(scan, name) is None else getattr(scan, name).shape[1] for name in ("dark", "air")
        },
        "monitor": scan.monitor is not None,
        "binning": list(scan.binning),
        "truth": sorted(read_truth(path)),
        "metadata": dict(scan.metadata),
    }
