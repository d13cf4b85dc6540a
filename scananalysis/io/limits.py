"""Limits on what a file may ask for, checked before anything is allocated."""

from __future__ import annotations

import math
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from scananalysis.core import FormatError

MAX_BYTES = 8 << 30
"""Largest file that is read, bytes."""

MAX_PIXELS = 1 << 30
"""Largest number of samples of one array: over a hundred times the largest known scan."""

MAX_ARRAY_BYTES = 4 << 30
"""Largest array, and largest sum of the truth maps of a file, bytes in memory."""

MAX_BLOCK = 64 << 20
"""Largest block (chunk, tile) that is unpacked at once, bytes; below it no ratio is asked for."""

MAX_EXPANSION = 200
"""Unpacked over stored bytes; counts of a real scan compress to no less than a hundredth."""

MAX_TEXT = 4 << 20
"""Largest text (metadata, layout, provenance), bytes."""


def checked_file(path: str | PathLike[str]) -> Path:
    """Return the path of an existing, non-empty regular file that is not too large.

    Raises
    ------
    FormatError
    """
    found = Path(path)
    if not found.exists():
        raise FormatError("does not exist", source=found, remedy="check the name")
    if found.is_dir():
        raise FormatError("is a folder", source=found, expected="a scan file")
    if not found.is_file():
        raise FormatError("is not a file", source=found, expected="a scan file")
    size = found.stat().st_size
    if size == 0:
        raise FormatError("is empty", source=found, expected="a scan file")
    if size > MAX_BYTES:
        raise FormatError(f"has {size} bytes", source=found, expected=f"at most {MAX_BYTES}")
    return found


def checked_shape(
    shape: Iterable[int], source: str | PathLike[str], what: str = "array", itemsize: int = 1
) -> tuple[int, ...]:
    """Return the shape if its samples and bytes are within limits.

    Parameters
    ----------
    shape : iterable of int
    source : path-like
        Named in the error.
    what : str
    itemsize : int
        Bytes of a sample.

    Raises
    ------
    FormatError

    Examples
    --------
    >>> checked_shape((1 << 20, 1 << 20), "scan.npy")
    Traceback (most recent call last):
    scananalysis.core.errors.FormatError: scan.npy: array of shape (1048576, 1048576); expected at most 1073741824 samples.
    """
    sizes = tuple(int(n) for n in shape)
    if any(n < 1 for n in sizes):
        raise FormatError(f"{what} of shape {sizes}", source=source, expected="at least one sample")
    if math.prod(sizes) > MAX_PIXELS:
        raise FormatError(f"{what} of shape {sizes}", source=source, expected=f"at most {MAX_PIXELS} samples")
    if math.prod(sizes) * itemsize > MAX_ARRAY_BYTES:
        raise FormatError(
            f"{what} of {math.prod(sizes) * itemsize} bytes", source=source, expected=f"at most {MAX_ARRAY_BYTES}"
        )
    return sizes


def checked_expansion(unpacked: int, stored: int, source: str | PathLike[str], what: str = "image") -> None:
    """Refuse what unpacks to far more than a real scan can, unless it is small anyway.

    Raises
    ------
    FormatError
    """
    if unpacked > MAX_BLOCK and unpacked > MAX_EXPANSION * stored:
        raise FormatError(
            f"{what} of {stored} bytes would unpack to {unpacked}",
            source=source,
            expected=f"at most {MAX_EXPANSION} times as much",
            remedy="store it uncompressed if it is genuine",
        )
