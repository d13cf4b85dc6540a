"""Planes that are constant over cells of several pixels: kept as cells, brought to pixels when somebody asks."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class CellPlane:
    """Values per cell, and the size in pixels of the image that the cells cover.

    Parameters
    ----------
    values : ndarray, (…, y, x)
        One value per cell; a first axis may be a head. Must not be changed afterwards.
    steps : (int, int)
        Pixels per cell along y and x; the last cells may hold fewer, or more where there are no cells left.
    size : (int, int)
        Rows and columns in pixels.

    Examples
    --------
    >>> CellPlane(np.array([[1, 2]]), (2, 2), (2, 3)).pixels
    array([[1, 1, 2],
           [1, 1, 2]])
    """

    values: NDArray[Any]
    steps: tuple[int, int]
    size: tuple[int, int]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in pixels."""
        return *self.values.shape[:-2], *self.size

    @functools.cached_property
    def pixels(self) -> NDArray[Any]:
        """Every cell's value on each of its pixels; made once, and read-only, since the cells would not follow a change."""
        rows, columns = self._owners((1, 1))
        # Columns while there are few rows; whole rows are then copied as they are.
        found: NDArray[Any] = self.values.take(columns, axis=-1).take(rows, axis=-2)
        found.flags.writeable = False
        return found

    def every(self, steps: tuple[int, int]) -> NDArray[Any]:
        """Return every n-th pixel along y and x, as ``pixels[..., ::n, ::m]`` would be.

        Examples
        --------
        >>> CellPlane(np.array([[1, 2, 3]]), (1, 2), (1, 6)).every((1, 3))
        array([[1, 2]])
        """
        rows, columns = self._owners(steps)
        found: NDArray[Any] = self.values[..., rows[:, None], columns]
        return found

    def smallest(self, steps: tuple[int, int]) -> NDArray[Any]:
        """Return the smallest value over blocks of pixels that need not fit the cells; NaN, where any is in a block.

        Examples
        --------
        >>> CellPlane(np.array([[5, 1, 7]]), (1, 2), (1, 6)).smallest((1, 3))
        array([[1, 1]])
        """
        found = self.values
        for axis, step, cell, pixels in zip((-2, -1), steps, self.steps, self.size, strict=True):
            starts = np.arange(0, pixels, step)
            last = found.shape[axis] - 1
            owner = np.minimum(starts // cell, last)
            end = np.minimum(np.minimum(starts + step - 1, pixels - 1) // cell, last)
            joined = found.take(owner, axis=axis)
            for k in range(1, int((end - owner).max(initial=0)) + 1):
                joined = np.minimum(joined, found.take(np.minimum(owner + k, end), axis=axis))
            found = joined
        return found

    def map(self, job: Callable[[NDArray[Any]], NDArray[Any]]) -> CellPlane:
        """Return the plane with another value per cell, such as a function of the old one."""
        return CellPlane(job(self.values), self.steps, self.size)

    def _owners(self, steps: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows and columns of the cells that own every n-th pixel."""
        rows, columns = (
            np.minimum(np.arange(0, pixels, step) // cell, cells - 1)
            for pixels, step, cell, cells in zip(self.size, steps, self.steps, self.values.shape[-2:], strict=True)
        )
        return rows, columns


class OnDemand:
    """Attribute of a frozen dataclass that may be given as a `CellPlane`, and reads as its pixels.

    Parameters
    ----------
    name : str
        Of the attribute.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        if owner is None:
            return self
        try:
            held = vars(owner)[self._name]
        except KeyError:
            raise AttributeError(self._name) from None
        return held.pixels if isinstance(held, CellPlane) else held

    def __set__(self, owner: Any, value: Any) -> None:
        vars(owner)[self._name] = value
