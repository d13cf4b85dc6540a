"""Reads the project's own HDF5 container; its groups are described in docs/formats.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scananalysis.core import FormatError, Provenance, RawScan
from scananalysis.io.hdf5 import array, children, dataset, opened, text, whole_number
from scananalysis.io.limits import MAX_ARRAY_BYTES
from scananalysis.io.writers.hdf5 import FORMAT, OPTIONAL, VERSION

if TYPE_CHECKING:
    import h5py
    from numpy.typing import NDArray

    from scananalysis.io.layout import Layout

TITLE = "scananalysis HDF5 container"
SUFFIXES = (".h5", ".hdf5")
NEEDS_LAYOUT = False
_MAGIC = b"\x89HDF\r\n\x1a\n"
_MOST_TRUTH = 256
_Positive = Annotated[int, Field(ge=1, le=4096)]


class _Head(BaseModel):
    """What the attribute ``head`` holds."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    scanner: str = Field(min_length=1, max_length=200)
    stage: Literal["raw", "air-normalised"]
    binning: tuple[_Positive, _Positive]
    air_level: float | None = Field(gt=0)
    metadata: dict[str, Any]


def understand(head: bytes, path: Path) -> bool:  # noqa: ARG001 - the readers' interface
    """Say whether the first bytes are those of an HDF5 file."""
    return head.startswith(_MAGIC)


def _head(file: h5py.File, path: Path) -> tuple[_Head, Provenance]:
    if text(file, "format", path) != FORMAT:
        raise FormatError(
            f"HDF5 of format {text(file, 'format', path)[:60]!r}",
            source=path,
            expected=f"{FORMAT!r}",
            remedy="convert it first",
        )
    version = whole_number(file, "version", path)
    if not 1 <= version <= VERSION:
        raise FormatError(
            f"container version {version}", source=path, expected=f"1 to {VERSION}", remedy="update the package"
        )
    try:
        return (
            _Head.model_validate(json.loads(text(file, "head", path))),
            Provenance.from_json(text(file, "provenance", path)),
        )
    except ValidationError as error:
        first = error.errors()[0]
        said = f"head.{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        said = f"head or provenance is malformed ({' '.join(str(error).split())[:80]})"
    raise FormatError(said, source=path, expected="a container as docs/formats.md describes")


def read(path: Path, layout: Layout | None, scanner: str | None) -> RawScan:  # noqa: ARG001 - the container needs no layout
    """Read a scan."""
    with opened(path) as file:
        head, provenance = _head(file, path)
        counts = array(file, "entry/counts", path, "u")
        if counts is None:
            raise FormatError("no entry/counts", source=path, expected="a scan container")
        series: dict[str, Any] = {name: array(file, f"entry/{name}", path) for name in OPTIONAL}
    return RawScan(
        counts,
        scanner=scanner or head.scanner,
        stage=head.stage,
        binning=head.binning,
        air_level=head.air_level,
        metadata=head.metadata,
        provenance=provenance,
        **series,
    )


def read_truth(path: Path) -> dict[str, NDArray[Any]]:
    """Read the truth maps of a simulated scan; empty where the file has none."""
    with opened(path) as file:
        _head(file, path)
        names = children(file, "truth", path)
        if len(names) > _MOST_TRUTH:
            raise FormatError(f"{len(names)} truth maps", source=path, expected=f"at most {_MOST_TRUTH}")
        sizes = [dataset(file, f"truth/{name}", path) for name in names]
        if sum(d.size * d.dtype.itemsize for d in sizes if d is not None) > MAX_ARRAY_BYTES:
            raise FormatError("truth maps are too large", source=path, expected=f"at most {MAX_ARRAY_BYTES} bytes")
        found = {name: array(file, f"truth/{name}", path) for name in names}
    return {name: values for name, values in found.items() if values is not None}


def describe(path: Path) -> Mapping[str, Any]:
    """Say what the container holds."""
    with opened(path) as file:
        head, _ = _head(file, path)
        found = {name: dataset(file, f"entry/{name}", path) for name in OPTIONAL}
        truth = list(children(file, "truth", path))
        return {
            "version": whole_number(file, "version", path),
            "references": {name: None if (d := found[name]) is None else int(d.shape[1]) for name in ("dark", "air")},
            "monitor": found["monitor"] is not None,
            "position": found["position_mm"] is not None,
            "time": found["time_s"] is not None,
            "binning": list(head.binning),
            "truth": truth,
            "metadata": head.metadata,
        }
