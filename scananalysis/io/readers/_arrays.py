"""Shared by readers of bare arrays: a layout turns samples into a scan."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

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


def scan_of(samples: NDArray[Any], layout: Layout, scanner: str | None, path: str | PathLike[str]) -> RawScan:
    """Order samples as (channel, line, element) and name their scanner.

    Raises
    ------
    FormatError
        Dimensions, channels or dtype are not the layout's.
    """
    if samples.dtype.kind != "u":
        raise FormatError(f"samples are {samples.dtype}", source=path, expected="unsigned integers")
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
    if counts.shape[0] != layout.channels:
        raise FormatError(
            f"{counts.shape[0]} channels",
            source=path,
            expected=f"{layout.channels} as the layout says",
            remedy="name another layout",
        )
    if layout.flip_y:
        counts = counts[:, :, ::-1]
    native = np.ascontiguousarray(counts, dtype=counts.dtype.newbyteorder("="))
    return RawScan(native, scanner=scanner or layout.scanner, stage=layout.stage, air_level=layout.air_level)


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
