"""Reads 16-bit grey PNG images by a layout."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.core import FormatError, RawScan
from scananalysis.io.limits import checked_expansion, checked_shape
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


def _size(path: Path) -> tuple[int, int]:
    """Return (height, width) of a 16-bit grey image within limits."""
    with path.open("rb") as stream:
        head = stream.read(29)
    if not head.startswith(_MAGIC) or len(head) < 29 or head[12:16] != b"IHDR":
        raise FormatError("is not a PNG image", source=path, expected="a 16-bit grey PNG")
    width, height, bits, colour, _, _, interlace = struct.unpack(">IIBBBBB", head[16:29])
    if bits != 16 or colour != 0 or interlace != 0:
        raise FormatError(
            f"has {bits} bits, colour type {colour}, interlacing {interlace}",
            source=path,
            expected="16-bit grey, not interlaced: a rendered picture is no measurement",
        )
    checked_shape((height, width), path, "image", 2)
    checked_expansion(2 * height * width, path.stat().st_size, path)
    return height, width


def _check_whole(data: bytes, height: int, width: int, path: Path) -> None:
    """Refuse a damaged or cut file: the decoder would fill the missing rows without a word."""
    at, inflated, packed = 8, 0, zlib.decompressobj()
    promised = height * (1 + 2 * width)
    try:
        while True:
            length, kind = struct.unpack_from(">I4s", data, at)
            end = at + 8 + length
            if struct.unpack_from(">I", data, end)[0] != zlib.crc32(memoryview(data)[at + 4 : end]):
                raise FormatError("is damaged (a checksum is wrong)", source=path, expected="a complete PNG")
            if kind == b"IDAT":
                rest: bytes | memoryview = memoryview(data)[at + 8 : end]
                while rest and inflated <= promised:
                    inflated += len(packed.decompress(rest, 1 << 20))
                    rest = packed.unconsumed_tail
            at = end + 4
            if kind == b"IEND":
                break
    except (struct.error, zlib.error) as error:
        raise FormatError("is damaged or truncated", source=path, expected="a complete PNG") from error
    inflated += len(packed.flush()) if inflated < promised else 0
    if inflated != promised:
        raise FormatError(
            f"holds {inflated} bytes of rows", source=path, expected=f"{promised} for {height}×{width} pixels"
        )


def load(path: Path) -> NDArray[Any]:
    """Return the pixels, (y, x) uint16."""
    import cv2

    height, width = _size(path)
    data = path.read_bytes()
    _check_whole(data, height, width, path)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.shape != (height, width):
        raise FormatError("cannot be decoded", source=path, expected="a complete PNG")
    return np.asarray(image)


def read(path: Path, layout: Layout | None, scanner: str | None) -> RawScan:
    """Read a scan."""
    return read_images(path, layout, scanner, load)


def describe(path: Path) -> Mapping[str, Any]:
    """Say what the image is."""
    return {"shape": list(_size(path)), "dtype": "uint16"}
