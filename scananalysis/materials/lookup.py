"""Reads tables at many places at once with OpenCV, into memory that every block of a thread uses anew.

Planes of a block that stay in the cache cost a few hundredths of a nanosecond per pixel and step; planes that are fetched from the
system anew cost ten times as much. All arithmetic is NumPy's, whose results do not depend on where a block ends.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]

CHANNELS = 4
"""Of every table: OpenCV reads one as quickly as four."""


class Scratch:
    """Named arrays of one shape with any content; those of the thread's last block are used again.

    Parameters
    ----------
    shape : (int, int)

    Examples
    --------
    >>> Scratch((2, 3)).plane("row").shape
    (2, 3)
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self._planes: dict[str, Plane] = {}
        self._masks: dict[str, Mask] = {}
        self._image = np.empty((*shape, CHANNELS), np.float32)

    def plane(self, name: str) -> Plane:
        """Return a plane of float32."""
        found = self._planes.get(name)
        if found is None:
            found = self._planes[name] = np.empty(self.shape, np.float32)
        return found

    def mask(self, name: str) -> Mask:
        """Return a plane of truth values."""
        found = self._masks.get(name)
        if found is None:
            found = self._masks[name] = np.empty(self.shape, np.bool_)
        return found

    def read(self, name: str, image: NDArray[np.float32], column: Plane, row: Plane) -> list[Plane]:
        """Look an image of four channels up, linearly in both directions and held at its borders; returns four planes."""
        return self.read_runs(name, [(slice(None), image)], column, row)

    def read_runs(
        self, name: str, images: Sequence[tuple[slice, NDArray[np.float32]]], column: Plane, row: Plane
    ) -> list[Plane]:
        """Look some rows up in one image, the next in another; returns four planes."""
        import cv2

        for rows, image in images:
            cv2.remap(
                image,
                column[rows],
                row[rows],
                cv2.INTER_LINEAR,
                dst=self._image[rows],
                borderMode=cv2.BORDER_REPLICATE,
            )
        planes = [self.plane(name + digit) for digit in "0123"]
        cv2.split(self._image, planes)
        return planes


class _Held(threading.local):
    scratch = Scratch((0, 0))


_HELD = _Held()


def scratch(shape: tuple[int, int]) -> Scratch:
    """Return the thread's memory for blocks of a shape."""
    if _HELD.scratch.shape != shape:
        _HELD.scratch = Scratch(shape)
    return _HELD.scratch
