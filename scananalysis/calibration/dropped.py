"""Dropped lines: the readout lost a line and repeats the one before it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import Quality

_DROPPED = np.uint32(Quality.DROPPED_LINE.value)
_COMPARED = 64


def find_repeats(counts: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.bool_]:
    """Return which lines, (line, element), repeat the line before them, (line,).

    Examples
    --------
    >>> find_repeats(np.array([[1, 2], [1, 2], [1, 3]], np.uint16))
    array([False,  True, False])
    """
    repeats = np.zeros(len(counts), bool)
    # A few elements rule out nearly every line.
    some = counts[:, :: max(1, counts.shape[1] // _COMPARED)]
    for line in 1 + np.flatnonzero((some[1:] == some[:-1]).all(axis=1)):
        repeats[line] = bool(np.array_equal(counts[line], counts[line - 1]))
    return repeats


def dropped(repeats: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Return the flags of lines, (line,), from those that are lost."""
    return np.where(repeats, _DROPPED, np.uint32(0)).astype(np.uint32)
