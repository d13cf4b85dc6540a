"""What two pictures are registered by: attenuation between two scales, and its values between cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LARGEST_ALPHA = 6.0
"""Attenuation above which noise, not matter, makes the picture."""


def _blur(plane: NDArray[np.float32], cells: float) -> NDArray[np.float32]:
    import cv2

    blurred = cv2.GaussianBlur(plane, (0, 0), sigmaX=cells, sigmaY=cells, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, np.float32)


def feature(alpha: NDArray[np.float32], weight: NDArray[np.float32], blur: float, band: float) -> NDArray[np.float32]:
    """Return attenuation between two scales in cells; places without weight take the mean of their surroundings."""
    seen = np.clip(alpha, np.float32(-0.1), np.float32(_LARGEST_ALPHA)) * weight

    def mean(cells: float) -> NDArray[np.float32]:
        if cells <= 0:
            return np.asarray(seen / np.maximum(weight, np.float32(1e-3)), np.float32)
        blurred = _blur(seen, cells) / np.maximum(_blur(weight, cells), np.float32(1e-3))
        return np.asarray(blurred, np.float32)

    return np.asarray(mean(blur) - mean(band), np.float32)


def sample(
    plane: NDArray[np.float32], columns: NDArray[np.float64], rows: NDArray[np.float64], outside: float | None = 0.0
) -> NDArray[np.float32]:
    """Return a plane at places between its cells; beyond its ends a value, or (None) that of the end."""
    import cv2

    across, down = np.broadcast_to(columns, rows.shape).astype(np.float32), rows.astype(np.float32)
    border = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    source = np.ascontiguousarray(plane, np.float32)  # (y, x), or (y, x, plane) with four planes at most
    found = cv2.remap(source, across, down, cv2.INTER_LINEAR, borderMode=border, borderValue=outside or 0.0)
    return np.asarray(found, np.float32)
