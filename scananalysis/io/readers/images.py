"""Reads 16-bit PNG and TIFF images by a layout, one image a channel or all in one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.core import FormatError, RawScan
from scananalysis.io.readers._arrays import needed, scan_of, sibling_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scananalysis.io.layout import Layout


def read_images(
    path: Path, layout: Layout | None, scanner: str | None, load: Callable[[Path], NDArray[Any]]
) -> RawScan:
    """Read every channel's image and stack them.

    Raises
    ------
    FormatError
        Images of different sizes, or of 8 bits: a rendered picture is no measurement.
    """
    known = needed(layout, path)
    planes = [load(file) for file in sibling_files(path, known)]
    for plane in planes:
        if plane.dtype == np.uint8:
            raise FormatError("has 8 bits", source=path, expected="16 bits: a rendered picture is no measurement")
        if plane.shape != planes[0].shape:
            raise FormatError(f"energies of sizes {[p.shape for p in planes]}", source=path, expected="equal sizes")
    samples = (
        np.stack(planes) if known.axes.startswith("c") else planes[0] if len(planes) == 1 else np.stack(planes, -1)
    )
    return scan_of(samples, known, scanner, path)
