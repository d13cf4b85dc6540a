"""Which cells belong to the load: goods and what stands among them, without air, container frame or vehicle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMALLEST_SHARE = 0.02
"""Pieces smaller than this share of the largest are specks of structure that look like goods."""


def load_area(goods: NDArray[np.bool_], *, closing: int = 5) -> NDArray[np.bool_]:
    """Return the filled outline of the load.

    A dense object hidden in goods may look like container structure; it still lies inside the outline of the goods.

    Parameters
    ----------
    goods : ndarray of bool, (y, x)
        Cells that look like goods of any family.
    closing : int
        Gaps up to this many cells between goods are bridged.

    Returns
    -------
    ndarray of bool, (y, x)
    """
    from scipy import ndimage

    margin = closing
    # Padded, since a closing near the border of the image would otherwise erode what touches it.
    padded = np.pad(goods, margin)
    kernel = np.ones((closing, closing), bool)
    opened = ndimage.binary_opening(padded, np.ones((2, 2), bool))
    filled = ndimage.binary_fill_holes(ndimage.binary_closing(opened, kernel))
    labels, count = ndimage.label(filled)
    if count == 0:
        return np.zeros_like(goods)
    sizes = np.bincount(labels.ravel())[1:]
    keep = np.flatnonzero(sizes >= _SMALLEST_SHARE * sizes.max()) + 1
    area: NDArray[np.bool_] = np.isin(labels, keep)[margin:-margin, margin:-margin]
    return area
