"""Matrix products whose last bit does not depend on the number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LARGEST = 1 << 17
"""Multiplications per call of the library: OpenBLAS works on up to 2¹⁸ in one thread, and threads share out larger ones in parts that
may round differently."""


def product(a: NDArray[Any], b: NDArray[Any], out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return the matrix product, in parts that numerical libraries do not divide among threads.

    Examples
    --------
    >>> a, b = np.ones((400, 50)), np.ones((50, 300))
    >>> bool((product(a, b) == 50).all())
    True
    """
    (m, k), n = a.shape, b.shape[1]
    if m * k * n <= _LARGEST:
        small: NDArray[Any] = np.matmul(a, b, out=out)
        return small
    out = np.empty((m, n), np.result_type(a, b)) if out is None else out
    columns = max(1, min(n, _LARGEST // max(1, min(m, 8) * k)))
    rows = max(1, min(m, _LARGEST // max(1, columns * k)))
    for y in range(0, m, rows):
        for x in range(0, n, columns):
            np.matmul(a[y : y + rows], b[:, x : x + columns], out=out[y : y + rows, x : x + columns])
    return out
