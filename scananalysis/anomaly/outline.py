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
    import cv2

    margin = closing
    # Padded, since a closing near the border of the image would otherwise erode what touches it.
    padded = np.pad(goods.astype(np.uint8), margin)
    closed = _eroded(_dilated(_dilated(_eroded(padded, 2), 2), closing), closing)
    # Holes are what cannot be reached from the margin.
    reached = closed.copy()
    cv2.floodFill(reached, None, (0, 0), 2, flags=4)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((reached != 2).astype(np.uint8), connectivity=4)
    if count < 2:
        return np.zeros_like(goods)
    sizes = stats[:, cv2.CC_STAT_AREA]
    keep = sizes >= _SMALLEST_SHARE * sizes[1:].max()
    keep[0] = False
    area: NDArray[np.bool_] = keep[labels[margin:-margin, margin:-margin]]
    return area


def _eroded(mask: NDArray[np.uint8], edge: int) -> NDArray[np.uint8]:
    """Erode by a square; outside the image there is nothing."""
    import cv2

    anchor = (edge // 2, edge // 2)
    kernel = np.ones((edge, edge), np.uint8)
    eroded = cv2.erode(mask, kernel, anchor=anchor, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(eroded, np.uint8)


def _dilated(mask: NDArray[np.uint8], edge: int) -> NDArray[np.uint8]:
    """Dilate by a square, turned round so that one of even edge undoes the shift of its erosion."""
    import cv2

    anchor = (edge - 1 - edge // 2,) * 2
    kernel = np.ones((edge, edge), np.uint8)
    dilated = cv2.dilate(mask, kernel, anchor=anchor, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(dilated, np.uint8)
