"""Reads 16-bit grey PNG images by a layout."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.core import FormatError, RawScan
from scananalysis.io.limits import checked_shape
from scananalysis.io.readers.images import read_images

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.io.layout import Layout

TITLE = "16-bit PNG, one image an energy, by a layout"
SUFFIXES = (".png",)
NEEDS_LAYOUT = True
_MAGIC = b"\x89PNG\r\n\x1a\n"


def understand(head: bytes, path: Path) -> bool:  # noqa: ARG001 - the readers' interface
    """Say whether the first bytes are those of a PNG image."""
    return head.startswith(_MAGIC)


def _load(path: Path) -> NDArray[Any]:
    import cv2

    with path.open("rb") as stream:
        head = stream.read(26)
    if not head.startswith(_MAGIC) or len(head) < 26:
        raise FormatError("is not a PNG image", source=path, expected="a 16-bit grey PNG")
    width, height, bits, colour = struct.unpack(">IIBB", head[16:26])
    checked_shape((height, width), path, "image")
    if bits != 16 or colour != 0:
        raise FormatError(
            f"has {bits} bits, colour type {colour}",
            source=path,
            expected="16-bit grey: a rendered picture is no measurement",
        )
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise FormatError("is damaged or truncated", source=path, expected="a complete PNG")
    return np.asarray(image)


def read(path: Path, layout: Layout | None, scanner: str | None) -> RawScan:
    """Read a scan."""
    return read_images(path, layout, scanner, _load)


def describe(path: Path) -> Mapping[str, Any]:
    """Say what the image is."""
    image = _load(path)
    return {"shape": list(image.shape), "dtype": str(image.dtype)}
