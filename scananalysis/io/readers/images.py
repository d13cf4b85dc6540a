"""Reads 16-bit PNG and TIFF images by a layout, one image a channel or all in one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.core import FormatError, RawScan
from scananalysis.io.limits import checked_file
from scananalysis.io.readers._arrays import assumed, scan_of, sibling_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scananalysis.io.layout import Layout


def read_images(
    path: Path, layout: Layout | None, scanner: str | None, load: Callable[[Path], NDArray[Any]]
) -> RawScan:
    """Read every channel's image and stack them; without a layout, one grey image of a named scanner.

    Raises
    ------
    FormatError
        Images of different sizes, or not what the layout says.
    """
    files = (path,) if layout is None else sibling_files(path, layout)
    planes = [load(checked_file(file)) for file in files]
    known = assumed(layout, scanner, planes[0], path)
    if any(plane.shape != planes[0].shape for plane in planes):
        raise FormatError(f"energies of sizes {[p.shape for p in planes]}", source=path, expected="equal sizes")
    samples = np.stack(planes, known.axes.index("c")) if known.siblings and "c" in known.axes else planes[0]
    return scan_of(samples, known, scanner, path)
