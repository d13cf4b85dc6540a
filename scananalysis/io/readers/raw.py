"""Reads raw dumps: a header of known length, then samples, as a layout says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.core import ConfigurationError, FormatError, RawScan
from scananalysis.io.limits import checked_shape
from scananalysis.io.readers._arrays import needed
from scananalysis.io.readers.images import read_images

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.io.layout import Layout

TITLE = "raw dump by a layout"
SUFFIXES = (".raw", ".img", ".bin", ".ase")
NEEDS_LAYOUT = True


def understand(head: bytes, path: Path) -> bool:  # noqa: ARG001 - the readers' interface
    """Say whether the name is one of a raw dump; the bytes say nothing."""
    return path.suffix.lower() in SUFFIXES


def _shape(head: bytes, path: Path, layout: Layout) -> tuple[int, ...]:
    """Return the sizes of the file's axes, from the header or from the layout."""
    axes = layout.file_axes
    if layout.width_at is not None and layout.height_at is not None:
        width, height = (_number(head, at, layout) for at in (layout.width_at, layout.height_at))
        if "c" not in axes:
            return height, width
        if width % layout.file_planes:
            raise FormatError(
                f"rows of {width} samples", source=path, expected=f"{layout.file_planes} planes of one size"
            )
        return height, layout.file_planes, width // layout.file_planes
    if layout.shape is None:
        raise ConfigurationError("layout gives no shape", source=path, expected="shape, or width_at and height_at")
    sizes = dict(zip(layout.axes, layout.shape, strict=True))
    return tuple(sizes[axis] for axis in axes)


def _number(head: bytes, at: int, layout: Layout) -> int:
    order = ">u2" if layout.dtype.startswith(">") else "<u2"
    return int(np.frombuffer(head, order, 1, at)[0])


def _check_header(head: bytes, path: Path, layout: Layout) -> None:
    magic = bytes.fromhex(layout.magic)
    if len(head) < layout.header_bytes:
        raise FormatError(f"has {len(head)} bytes", source=path, expected=f"a header of {layout.header_bytes}")
    if not head.startswith(magic):
        raise FormatError(
            f"starts with {head[: len(magic)].hex()}",
            source=path,
            expected=f"{layout.magic} as the layout says",
            remedy="name another layout",
        )
    for expected in layout.expect:
        value = _number(head, expected.at, layout)
        if value != expected.value:
            raise FormatError(
                f"{expected.meaning} is {value}",
                source=path,
                expected=f"{expected.value} as the layout says",
                remedy="name another layout",
            )


def _plane(path: Path, layout: Layout) -> NDArray[Any]:
    dtype = np.dtype(layout.dtype)
    with path.open("rb") as stream:
        head = stream.read(layout.header_bytes)
    _check_header(head, path, layout)
    shape = checked_shape(_shape(head, path, layout), path, itemsize=dtype.itemsize)
    promised = math.prod(shape) * dtype.itemsize
    held = path.stat().st_size - layout.header_bytes
    if held < promised or (held > promised and not layout.trailer):
        raise FormatError(
            f"has {held} bytes behind the header",
            source=path,
            expected=f"{promised} for {dict(zip(layout.file_axes, shape, strict=True))}",
            remedy="name another layout",
        )
    return np.fromfile(path, dtype, math.prod(shape), offset=layout.header_bytes).reshape(shape)


def read(path: Path, layout: Layout | None, scanner: str | None) -> RawScan:
    """Read a scan."""
    known = needed(layout, path)
    return read_images(path, known, scanner, lambda file: _plane(file, known))


def describe(path: Path) -> Mapping[str, Any]:
    """Say what is known without a layout: the first bytes."""
    with path.open("rb") as stream:
        return {"first_bytes": stream.read(16).hex(" ")}
