"""`read`, `write`, `info` and `convert`: the door between files and scans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.core import ConfigurationError, FormatError, InputError, RawScan, sha256_file
from scananalysis.io import registry
from scananalysis.io.layout import Layout, named_layout
from scananalysis.io.limits import checked_file
from scananalysis.io.readers._arrays import sibling_files
from scananalysis.io.readers.hdf5 import read_truth as read_hdf5_truth
from scananalysis.io.writers.hdf5 import write as write_hdf5

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "scan.h5"
    >>> write(RawScan(np.ones((2, 4, 8), np.uint16), scanner="cargo-6-4mv"), path)
    >>> read(path).shape
    (2, 4, 8)
    """
    found = checked_file(path)
    name = format or registry.sniff(found)
    described = None if layout is None else named_layout(layout)
    try:
        scan = registry.reader(name).read(found, described, scanner)
    except InputError as error:
        raise error.at(found) from error.__cause__
    parameters = {"format": name, "layout": None if layout is None else str(layout), "scanner": scanner}
    return replace(
        scan, provenance=scan.provenance.then("io.read", parameters=parameters, inputs=_hashes(found, described))
    )


def _hashes(path: Path, layout: Layout | None) -> dict[str, str]:
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
    """
    write_hdf5(scan, path, truth)


def read_truth(path: str | PathLike[str]) -> dict[str, NDArray[Any]]:
    """Return the truth maps of a simulated scan; empty where the file has none."""
    return read_hdf5_truth(checked_file(path))


def info(
    path: str | PathLike[str],
    *,
    format: str | None = None,
    layout: str | PathLike[str] | None = None,
    scanner: str | None = None,
) -> dict[str, Any]:
    """Say what a file holds, as plain JSON values.

    A file that needs a layout or a scanner and has none is described as far as it describes itself.

    Raises
    ------
    FormatError
        The file is missing, damaged or of no known format.
    """
    found = checked_file(path)
    name = format or registry.sniff(found)
    said: dict[str, Any] = {
        "file": found.name,
        "format": name,
        "bytes": found.stat().st_size,
        "sha256": sha256_file(found),
        "details": dict(registry.reader(name).describe(found)),
    }
    try:
        scan = read(found, format=name, layout=layout, scanner=scanner)
    except ConfigurationError as error:
        if layout is not None or scanner is not None:
            raise
        return said | {"note": str(error)}
    channels, lines, elements = scan.shape
    full = np.iinfo(scan.counts.dtype).max
    return said | {
        "scanner": scan.scanner,
        "stage": scan.stage,
        "channels": channels,
        "lines": lines,
        "elements": elements,
        "dtype": str(scan.counts.dtype),
        "counts": [
            {
                "minimum": int(plane.min()),
                "median": float(np.median(plane)),
                "maximum": int(plane.max()),
                "zero_percent": round(100 * float((plane == 0).mean()), 3),
                "full_scale_percent": round(100 * float((plane == full).mean()), 3),
            }
            for plane in scan.counts
        ],
    }


def convert(
    source: str | PathLike[str],
    target: str | PathLike[str],
    *,
    format: str | None = None,
    layout: str | PathLike[str] | None = None,
    scanner: str | None = None,
) -> Path:
    """Convert a file; the target's ending says to what: ``.h5`` (whole scan), ``.npy`` or ``.tif`` (counts alone).

    A DICOM radiograph of no known scanner can be converted to ``.npy`` and ``.tif``.

    Raises
    ------
    FormatError
        The target's ending is none of these, or the source cannot be read.
    ConfigurationError
        ``.h5`` is asked for, and no scanner is named.
    """
    goal = Path(target)
    ending = goal.suffix.lower()
    if ending not in (".h5", ".npy", ".tif", ".tiff"):
        raise FormatError(f"ending {ending!r}", source=goal, expected=".h5, .npy or .tif")
    name = format or registry.sniff(source)
    if ending == ".h5":
        write(read(source, format=name, layout=layout, scanner=scanner), goal)
        return goal
    if name == "dicom" and scanner is None and layout is None:
        from scananalysis.io.readers.dicom import load

        counts = load(checked_file(source))
    else:
        counts = read(source, format=name, layout=layout, scanner=scanner).counts.transpose(0, 2, 1)
    part = goal.with_name(goal.name + ".part")
    try:
        if ending == ".npy":
            with part.open("wb") as stream:
                np.save(stream, counts, allow_pickle=False)
        else:
            import tifffile

            tifffile.imwrite(part, np.ascontiguousarray(counts), photometric="minisblack", compression="deflate")
        part.replace(goal)
    finally:
        part.unlink(missing_ok=True)
    return goal
