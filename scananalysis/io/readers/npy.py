"""Reads NumPy ``.npy`` arrays by a layout."""

from __future__ import annotations

import math
import tokenize
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.core import FormatError, RawScan
from scananalysis.io.limits import checked_shape
from scananalysis.io.readers.images import read_images

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.io.layout import Layout

TITLE = "NumPy array (.npy) by a layout"
SUFFIXES = (".npy",)
NEEDS_LAYOUT = True


def understand(head: bytes, path: Path) -> bool:  # noqa: ARG001 - the readers' interface
    """Say whether the first bytes are those of a NumPy array."""
    return head.startswith(b"\x93NUMPY")


def _header(path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and dtype; the header's promise is held against the file's size, and objects are refused."""
    try:
        with path.open("rb") as stream:
            version = np.lib.format.read_magic(stream)
            read_header = (
                np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read_header(stream, max_header_size=10_000)
            start = stream.tell()
    except (ValueError, TypeError, SyntaxError, tokenize.TokenError, MemoryError, RecursionError) as error:
        said = " ".join(str(error).split())[:100]
        raise FormatError(f"header is malformed ({said})", source=path, expected="a NumPy array") from error
    if dtype.hasobject:
        raise FormatError("holds Python objects", source=path, expected="numbers")
    promised = math.prod(checked_shape(shape, path, itemsize=dtype.itemsize)) * dtype.itemsize
    if path.stat().st_size - start != promised:
        raise FormatError(
            f"has {path.stat().st_size - start} bytes of data", source=path, expected=f"{promised} as its header says"
        )
    return shape, dtype


def load(path: Path) -> NDArray[Any]:
    """Return the array."""
    _header(path)
    array: NDArray[Any] = np.load(path, allow_pickle=False)
    return array


def read(path: Path, layout: Layout | None, scanner: str | None) -> RawScan:
    """Read a scan."""
    return read_images(path, layout, scanner, load)


def describe(path: Path) -> Mapping[str, Any]:
    """Say what the array is."""
    shape, dtype = _header(path)
    return {"shape": list(shape), "dtype": str(dtype)}
