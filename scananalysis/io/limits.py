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
    if not found.is_file():
        raise FormatError("is not a file", source=found, expected="a scan file")
    size = found.stat().st_size
    if size == 0:
        raise FormatError("is empty", source=found, expected="a scan file")
    if size > MAX_BYTES:
        raise FormatError(f"has {size} bytes", source=found, expected=f"at most {MAX_BYTES}")
    return found


def checked_shape(shape: Iterable[int], source: str | PathLike[str], what: str = "array") -> tuple[int, ...]:
    """Return the shape if its number of samples is within limits.

    Raises
    ------
    FormatError
    """
    sizes = tuple(int(n) for n in shape)
    if math.prod(sizes) > MAX_PIXELS or any(n < 0 for n in sizes):
        raise FormatError(f"{what} of shape {sizes}", source=source, expected=f"at most {MAX_PIXELS} samples")
    return sizes
