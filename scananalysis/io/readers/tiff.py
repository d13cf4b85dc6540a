"""Reads 16-bit TIFF and BigTIFF images by a layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scananalysis.core import FormatError, RawScan
from scananalysis.io.limits import checked_shape
from scananalysis.io.readers.images import read_images

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.io.layout import Layout

TITLE = "16-bit TIFF or BigTIFF by a layout"
SUFFIXES = (".tif", ".tiff")
NEEDS_LAYOUT = True
_MOST_EXPANSION = 200


def understand(head: bytes, path: Path) -> bool:  # noqa: ARG001 - the readers' interface
    """Say whether the first bytes are those of a TIFF image."""
    return head[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def _load(path: Path) -> NDArray[Any]:
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            shape = checked_shape(series.shape, path, "image")
            promised = int(series.size) * series.dtype.itemsize
            fair = promised <= _MOST_EXPANSION * path.stat().st_size
            image: NDArray[Any] | None = series.asarray().reshape(shape) if fair else None
    except FormatError:
        raise
    except Exception as error:
        # tifffile raises many kinds of exception for a damaged file, none of a common base.
        raise FormatError(f"is damaged ({str(error)[:100]})", source=path, expected="a complete TIFF") from error
    if image is None:
        raise FormatError(f"would unpack to {promised} bytes", source=path, expected="an image, not a bomb")
    return image


def read(path: Path, layout: Layout | None, scanner: str | None) -> RawScan:
    """Read a scan."""
    return read_images(path, layout, scanner, _load)


def describe(path: Path) -> Mapping[str, Any]:
    """Say what the image is."""
    image = _load(path)
    return {"shape": list(image.shape), "dtype": str(image.dtype)}
