"""Reads 16-bit TIFF and BigTIFF images by a layout."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.core import FormatError, InputError, RawScan
from scananalysis.io.limits import MAX_BLOCK, checked_expansion, checked_shape
from scananalysis.io.readers.images import read_images

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.io.layout import Layout

TITLE = "16-bit TIFF or BigTIFF by a layout"
SUFFIXES = (".tif", ".tiff")
NEEDS_LAYOUT = True
_MOST_PAGES = 16
_PLAIN = {1: "none", 8: "deflate", 32946: "deflate"}
_BY_OPENCV = {5: "LZW", 32773: "PackBits"}
"""Compressions that tifffile decodes only with a further package; OpenCV brings libtiff."""


def understand(head: bytes, path: Path) -> bool:  # noqa: ARG001 - the readers' interface
    """Say whether the first bytes are those of a TIFF image."""
    return head[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


@contextmanager
def _pages(path: Path) -> Iterator[list[Any]]:
    """Open the file and yield its pages, checked: same size, known samples, nothing that unpacks to a bomb."""
    import tifffile

    try:
        # Pages, not series: the series of some dialects name other files, which would then be read.
        with tifffile.TiffFile(path) as file:
            pages = list(itertools.islice(file.pages, _MOST_PAGES + 1))
            _check(pages, path)
            yield pages
    except InputError:
        raise
    except Exception as error:
        # tifffile raises many kinds of exception for a damaged file, none of a common base.
        said = " ".join(str(error).split())[:100]
        raise FormatError(f"is damaged ({said})", source=path, expected="a complete TIFF") from error


def _check(pages: list[Any], path: Path) -> None:
    if not 1 <= len(pages) <= _MOST_PAGES:
        found = "no page" if not pages else f"more than {_MOST_PAGES} pages"
        raise FormatError(f"has {found}", source=path, expected="a page an energy")
    first = pages[0]
    if any(page.shape != first.shape or page.dtype != first.dtype for page in pages):
        raise FormatError(
            f"pages of sizes {[page.shape for page in pages]}", source=path, expected="pages of one size and type"
        )
    if first.dtype is None or first.dtype.kind != "u" or first.dtype.itemsize < 2:
        raise FormatError(
            f"samples are {first.dtype}",
            source=path,
            expected="16 or 32 bits, unsigned: a rendered picture is no measurement",
        )
    if any(page.compression not in _PLAIN and page.compression not in _BY_OPENCV for page in pages):
        raise FormatError(
            f"compression {first.compression!s}",
            source=path,
            expected="none, deflate, LZW or PackBits",
            remedy="store it with one of these",
        )
    shape = checked_shape((len(pages), *first.shape), path, "image", first.dtype.itemsize)
    checked_expansion(math.prod(shape) * first.dtype.itemsize, path.stat().st_size, path)
    tile = first.tilewidth * first.tilelength * first.dtype.itemsize if first.is_tiled else 0
    if tile > MAX_BLOCK:
        raise FormatError(f"tiles of {tile} bytes", source=path, expected=f"at most {MAX_BLOCK}")
    stored = sum(sum(page.databytecounts) for page in pages)
    if stored > path.stat().st_size:
        raise FormatError(f"declares {stored} bytes of pixels", source=path, expected="a complete TIFF")


def load(path: Path) -> NDArray[Any]:
    """Return the pixels: one page as it is, several stacked along a first axis."""
    with _pages(path) as pages:
        if pages[0].compression in _BY_OPENCV:
            planes = _by_opencv(path, len(pages), pages[0])
        else:
            planes = [np.asarray(page.asarray(maxworkers=1)) for page in pages]
    return planes[0] if len(planes) == 1 else np.stack(planes)


def _by_opencv(path: Path, count: int, first: Any) -> list[NDArray[Any]]:
    import cv2

    done, found = cv2.imdecodemulti(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    planes = [np.asarray(plane) for plane in found]
    fits = len(planes) == count and all(p.shape == first.shape and p.dtype == first.dtype for p in planes)
    if not done or not fits:
        raise FormatError(
            "cannot be decoded", source=path, expected="complete grey pages", remedy="store it with deflate"
        )
    return planes


def read(path: Path, layout: Layout | None, scanner: str | None) -> RawScan:
    """Read a scan."""
    return read_images(path, layout, scanner, load)


def describe(path: Path) -> Mapping[str, Any]:
    """Say what the image is."""
    with _pages(path) as pages:
        first = pages[0]
        return {
            "shape": [*([len(pages)] if len(pages) > 1 else []), *first.shape],
            "dtype": str(first.dtype),
            "compression": first.compression.name,
            "photometric": first.photometric.name,
        }
