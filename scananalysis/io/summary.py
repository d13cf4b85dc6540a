"""`info`: what a file holds, as plain JSON values."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.core import ConfigurationError, RawScan, sha256_file
from scananalysis.io import registry
from scananalysis.io.files import read
from scananalysis.io.limits import checked_file

if TYPE_CHECKING:
    from numpy.typing import NDArray


def info(
    path: str | PathLike[str],
    *,
    format: str | None = None,
    layout: str | PathLike[str] | None = None,
    scanner: str | None = None,
) -> dict[str, Any]:
    """Say what a file holds, as plain JSON values.

    A file that needs a layout or a scanner and has none is described as far as it describes itself; ``note`` says what is
    missing.

    Parameters
    ----------
    path, format, layout, scanner
        As for `read`.

    Returns
    -------
    dict
        ``file``, ``format``, ``bytes``, ``sha256``, ``details`` (what the format's header says), ``shape``, ``dtype`` and
        ``counts``: per plane minimum, median, maximum, percent at zero (starved), at full scale (saturated) and, where the
        air level is fixed, at it or above. Of a scan also ``scanner``, ``stage``, ``channels``, ``lines``, ``elements``,
        ``binning``, ``air_level``, ``references``, ``metadata`` and ``files`` (sha256 by role).

    Raises
    ------
    FormatError
        The file is missing, damaged or of no known format.
    ConfigurationError
        The layout or the scanner that is named does not exist.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "image.npy"
    >>> np.save(path, np.zeros((3, 5), np.uint16))
    >>> said = info(path)
    >>> said["shape"], said["counts"][0]["zero_percent"]
    ([3, 5], 100.0)
    """
    found = checked_file(path)
    name = format or registry.sniff(found)
    reader = registry.reader(name)
    said: dict[str, Any] = {
        "file": found.name,
        "format": name,
        "bytes": found.stat().st_size,
        "sha256": sha256_file(found),
        "details": dict(reader.describe(found)),
    }
    try:
        scan = read(found, format=name, layout=layout, scanner=scanner)
    except ConfigurationError as error:
        if layout is not None or scanner is not None:
            raise
        load = getattr(reader, "load", None)
        return said | {"note": str(error)} | ({} if load is None else _image(load(found), said["details"]))
    return said | _scan(scan)


def _scan(scan: RawScan) -> dict[str, Any]:
    channels, lines, elements = scan.shape
    full = int(scan.metadata.get("saturated_counts", np.iinfo(scan.counts.dtype).max))
    step = scan.provenance.find("io.read")
    return {
        "scanner": scan.scanner,
        "stage": scan.stage,
        "channels": channels,
        "lines": lines,
        "elements": elements,
        "shape": [channels, lines, elements],
        "dtype": str(scan.counts.dtype),
        "binning": list(scan.binning),
        "air_level": scan.air_level,
        "references": {
            "dark": None if scan.dark is None else int(scan.dark.shape[1]),
            "air": None if scan.air is None else int(scan.air.shape[1]),
        },
        "files": dict(step.inputs) if step is not None else {},
        "metadata": dict(scan.metadata),
        "counts": [_plane(plane, full, scan.air_level) for plane in scan.counts],
    }


def _image(image: NDArray[Any], details: dict[str, Any]) -> dict[str, Any]:
    said = {"shape": list(image.shape), "dtype": str(image.dtype)}
    if image.dtype.kind != "u" or image.ndim not in (2, 3):
        return said
    planes = [image] if image.ndim == 2 else list(image if image.shape[0] <= 4 else np.moveaxis(image, -1, 0))
    if len(planes) > 4:
        return said
    full = int(details.get("saturated_counts", np.iinfo(image.dtype).max))
    return said | {"counts": [_plane(plane, full, None) for plane in planes]}


def _plane(plane: NDArray[Any], full: int, air_level: float | None) -> dict[str, Any]:
    said = {
        "minimum": int(plane.min()),
        "median": float(np.median(plane)),
        "maximum": int(plane.max()),
        "zero_percent": round(100 * float((plane == 0).mean()), 3),
        "full_scale_percent": round(100 * float((plane >= full).mean()), 3),
    }
    if air_level is not None:
        said["air_level_percent"] = round(100 * float((plane >= air_level).mean()), 3)
    return said
