"""`read`, `write` and `read_truth`: the door between files and scans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scananalysis.core import ConfigurationError, InputError, RawScan, sha256_file, sha256_json
from scananalysis.io import registry
from scananalysis.io.layout import Layout, named_layout
from scananalysis.io.limits import checked_file
from scananalysis.io.readers._arrays import sibling_files
from scananalysis.io.readers.hdf5 import read_truth as read_hdf5_truth
from scananalysis.io.writers.hdf5 import write as write_hdf5

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["read", "read_truth", "write"]


def read(
    path: str | PathLike[str],
    *,
    format: str | None = None,
    layout: str | PathLike[str] | None = None,
    scanner: str | None = None,
) -> RawScan:
    """Read a scan.

    Parameters
    ----------
    path : path-like
    format : str, optional
        Name of the format (see `formats`); found from the file's first bytes by default.
    layout : str or path-like, optional
        Name or file of a layout, for formats that do not describe themselves.
    scanner : str, optional
        Scanner of the catalogue, where neither file nor layout names it or both are wrong.

    Returns
    -------
    RawScan
        Its provenance ends with this step and the sha256 of every file that was read.

    Raises
    ------
    FormatError
        The file is missing, damaged, too large or not what the layout says.
    ConfigurationError
        A layout or a scanner is needed and none is named, or it is unknown.

    Examples
    --------
    >>> import numpy as np, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "scan.h5"
    >>> write(RawScan(np.ones((2, 4, 8), np.uint16), scanner="cargo-6-4mv"), path)
    >>> read(path).shape
    (2, 4, 8)
    """
    found = checked_file(path)
    _check_scanner(scanner)
    described = None if layout is None else named_layout(layout)
    name = format or registry.sniff(found)
    try:
        scan = registry.reader(name).read(found, described, scanner)
        inputs = hashes(found, described)
    except InputError as error:
        raise error.at(found) from error.__cause__
    parameters = {"format": name, "layout": None if layout is None else fspath(layout), "scanner": scanner}
    if described is not None:
        inputs["layout"] = sha256_json(described.model_dump(mode="json"))
    return replace(scan, provenance=scan.provenance.then("io.read", parameters=parameters, inputs=inputs))


def _check_scanner(name: str | None) -> None:
    from scananalysis.detectors import scanners

    if name is not None and name not in scanners():
        raise ConfigurationError(f"no scanner {name!r}", expected=f"one of {', '.join(scanners())}")


def hashes(path: Path, layout: Layout | None) -> dict[str, str]:
    """Return the sha256 of every file of a scan by role: ``scan``, or ``scan-0`` and ``scan-1`` for a pair."""
    files = sibling_files(path, layout) if layout is not None else (path,)
    if len(files) == 1:
        return {"scan": sha256_file(path)}
    return {f"scan-{i}": sha256_file(file) for i, file in enumerate(files)}


def write(scan: RawScan, path: str | PathLike[str], *, truth: Mapping[str, NDArray[Any]] | None = None) -> None:
    """Write a scan in the project's HDF5 container; the file gets its name only when it is complete.

    Parameters
    ----------
    scan : RawScan
    path : path-like
    truth : mapping of str to ndarray, optional
        Truth maps of a simulated scan.

    Raises
    ------
    ConfigurationError
        The folder does not exist.
    FormatError
        The metadata are not plain JSON values.

    Examples
    --------
    >>> import numpy as np, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "scan.h5"
    >>> write(RawScan(np.ones((1, 4, 8), np.uint16), scanner="gamma-co60"), path, truth={"load": np.ones((8, 4), bool)})
    >>> read_truth(path)["load"].shape
    (8, 4)
    """
    write_hdf5(scan, path, truth)


def read_truth(path: str | PathLike[str]) -> dict[str, NDArray[Any]]:
    """Return the truth maps of a simulated scan; empty where the file has none.

    Raises
    ------
    FormatError
        The file is no scan container, or damaged.
    """
    return read_hdf5_truth(checked_file(path))
