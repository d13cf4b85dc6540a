"""Writes the counts of a scan as a bare array or image: no references, no metadata."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.io.atomic import complete

if TYPE_CHECKING:
    from numpy.typing import NDArray


def write_npy(image: NDArray[Any], path: str | PathLike[str]) -> None:
    """Write an array, (channel, y, x) or (y, x), as ``.npy``."""
    with complete(path) as part, part.open("wb") as stream:
        np.save(stream, image, allow_pickle=False)


def write_tiff(image: NDArray[Any], path: str | PathLike[str]) -> None:
    """Write an image, (channel, y, x) or (y, x), as TIFF: a page a channel, deflated; BigTIFF where 4 GB are passed."""
    import tifffile

    with complete(path) as part:
        tifffile.imwrite(part, np.ascontiguousarray(image), photometric="minisblack", compression="deflate")


WRITERS = {".npy": write_npy, ".tif": write_tiff, ".tiff": write_tiff}
"""By ending."""


def ending(path: str | PathLike[str]) -> str:
    """Return a name's ending in small letters."""
    return Path(path).suffix.lower()
