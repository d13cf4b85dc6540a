"""Reads raw dumps: a header of known length, then samples, as a layout says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.core import ConfigurationError, FormatError, RawScan
from scananalysis.io.limits import checked_shape
from scananalysis.io.readers._arrays import needed, scan_of, sibling_files

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.io.layout import Layout

TITLE = "raw dump by a layout"
SUFFIXES = (".raw", ".img", ".bin")
NEEDS_LAYOUT = True


def understand(head: bytes, path: Path) -> bool:  # noqa: ARG001 - the readers' interface
    """Say whether the name is one of a raw dump; the bytes say nothing."""
    return path.suffix.lower() in SUFFIXES


def _plane(path: Path, layout: Layout, axes: str, sizes: Mapping[str, int]) -> NDArray[Any]:
    dtype = np.dtype(layout.dtype)
    data = np.fromfile(path, np.uint8)
    head = data[: layout.header_bytes].tobytes()
    found = dict(sizes)
    for axis, at in (("x", layout.width_at), ("y", layout.height_at)):
        if at is not None:
            if at + 2 > len(head):
                raise FormatError(f"has {data.size} bytes", source=path, expected=f"a header of {layout.header_bytes}")
            found[axis] = int(np.frombuffer(head, np.dtype(layout.dtype[0] + "u2"), 1, at)[0])
    if any(axis not in found for axis in axes):
        raise ConfigurationError("layout gives no shape", source=path, expected="shape, or width_at and height_at")
    shape = checked_shape([found[axis] for axis in axes], path)
    promised = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if data.size - layout.header_bytes != promised:
        raise FormatError(
            f"has {data.size - layout.header_bytes} bytes behind the header",
            source=path,
            expected=f"{promised} for {dict(zip(axes, shape, strict=True))}",
            remedy="name another layout",
        )
    return data[layout.header_bytes :].view(dtype).reshape(shape)


def read(path: Path, layout: Layout | None, scanner: str | None) -> RawScan:
    """Read a scan."""
    known = needed(layout, path)
    files = sibling_files(path, known)
    sizes = {} if known.shape is None else dict(zip(known.axes, known.shape, strict=True))
    if len(files) == 1:
        return scan_of(_plane(path, known, known.axes, {"c": known.channels} | sizes), known, scanner, path)
    axes = known.axes.replace("c", "")
    planes = [_plane(file, known, axes, sizes) for file in files]
    if any(plane.shape != planes[0].shape for plane in planes):
        raise FormatError(f"energies of sizes {[p.shape for p in planes]}", source=path, expected="equal sizes")
    return scan_of(np.stack(planes, known.axes.index("c")), known, scanner, path)


def describe(path: Path) -> Mapping[str, Any]:
    """Say what is known without a layout: the size."""
    return {"bytes": path.stat().st_size}
