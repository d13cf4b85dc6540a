"""Shared by readers of bare arrays: a layout turns samples into a scan."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import ConfigurationError, FormatError, RawScan
from scananalysis.io.layout import Layout


def needed(layout: Layout | None, path: Path) -> Layout:
    """Return the layout or refuse: an array alone does not say what its axes and counts are."""
    if layout is None:
        raise ConfigurationError(
            "is an array without a description",
            source=path,
            expected="a layout",
            remedy="name one with --layout (see 'scananalysis formats' and docs/formats.md)",
        )
    return layout


def assumed(layout: Layout | None, scanner: str | None, samples: NDArray[Any], path: Path) -> Layout:
    """Return the layout, or the only one that needs no description: one grey image of a scanner that is named.

    Rows are elements from the top, columns are lines, and the open beam is to be found in the image.

    Raises
    ------
    ConfigurationError
        Neither a layout nor a scanner is named, or the image has several planes.
    """
    if layout is not None:
        return layout
    if samples.ndim != 2:
        return needed(None, path)
    if scanner is None:
        raise ConfigurationError(
            "does not say which scanner of the catalogue made it",
            source=path,
            expected="scanner= or layout=",
            remedy="name it with --scanner (see 'scananalysis scanners') or --layout",
        )
    dtype = "<u2" if samples.dtype.itemsize == 2 else "<u4"
    return Layout(title="one grey image", axes="yx", channels=1, dtype=cast("Any", dtype), stage="air-normalised")


def scan_of(
    samples: NDArray[Any],
    layout: Layout,
    scanner: str | None,
    path: str | PathLike[str],
    metadata: dict[str, Any] | None = None,
) -> RawScan:
    """Order samples as (channel, line, element) and name their scanner.

    Raises
    ------
    FormatError
        Dimensions, channels or dtype are not the layout's.
    ConfigurationError
        Neither the layout nor the caller names the scanner.
    """
    name = scanner or layout.scanner
    if name is None:
        raise ConfigurationError(
            f"layout {layout.title!r} names no scanner",
            source=path,
            expected="scanner=",
            remedy="name it with --scanner (see 'scananalysis scanners')",
        )
    if samples.dtype.kind != "u" or samples.dtype.itemsize != np.dtype(layout.dtype).itemsize:
        raise FormatError(
            f"samples are {samples.dtype}",
            source=path,
            expected=f"{np.dtype(layout.dtype).newbyteorder('=').name} as the layout says",
            remedy="name another layout",
        )
    if samples.ndim != len(layout.axes):
        raise FormatError(
            f"{samples.ndim} axes of shape {samples.shape}",
            source=path,
            expected=f"axes {layout.axes}",
            remedy="name another layout",
        )
    order = [layout.axes.index(axis) for axis in "cxy" if axis in layout.axes]
    counts = samples.transpose(order)
    if counts.ndim == 2:
        counts = counts[None]
    if counts.shape[0] != layout.file_planes:
        raise FormatError(
            f"{counts.shape[0]} channels",
            source=path,
            expected=f"{layout.file_planes} as the layout says",
            remedy="name another layout",
        )
    if layout.planes:
        counts = counts[[layout.planes.index(plane) for plane in ("high", "low")[: layout.channels]]]
    counts = counts[:, :: -1 if layout.flip_x else 1, :: -1 if layout.flip_y else 1]
    said = dict(metadata or {})
    if layout.saturated is not None:
        said["saturated_counts"] = layout.saturated
    return RawScan(
        np.ascontiguousarray(counts, dtype=counts.dtype.newbyteorder("=")),
        scanner=name,
        stage=layout.stage,
        air_level=layout.air_level,
        binning=layout.binning,
        metadata=said,
    )


def sibling_files(path: Path, layout: Layout) -> tuple[Path, ...]:
    """Return the file of every channel, high energy first.

    Raises
    ------
    FormatError
        The name does not end as the layout says, or a sibling is missing.
    """
    if not layout.siblings:
        return (path,)
    stem = next((path.name[: -len(end)] for end in layout.siblings if path.name.endswith(end)), None)
    if stem is None:
        raise FormatError("name has an unexpected ending", source=path, expected=" or ".join(layout.siblings))
    files = tuple(path.with_name(stem + end) for end in layout.siblings)
    for file in files:
        if not file.is_file():
            raise FormatError(f"its partner {file.name} is missing", source=path, expected="both energies side by side")
    return files
