"""Sums over the cells of a grid: transmission, its noise and flags, in one pass over the pixels.

Every cell is first summed as if all of its pixels served. That takes the planes once, by blocks of rows that stay in the processor's
cache. The few cells with pixels that do not serve are then summed again from those that do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scananalysis.core import UNUSABLE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.core import Radiograph

_CELL_ROWS = 16
"""Rows of cells that are summed at a time: what is in between stays in the cache."""

_UNUSABLE = np.uint32(UNUSABLE.value)
_BRIGHTEST = 5.0
"""−α of a pixel whose transmission is infinite."""


class CellSums(NamedTuple):
    """Sums over cells; arrays are (channel, y, x).

    Parameters
    ----------
    transmission, spread : ndarray of float32
        Sum of transmission, and of its variance, over the pixels that count.
    pixels : ndarray of float32
        How many count.
    flags : ndarray of uint32
        Flags of any pixel; those of unusable pixels only where fewer than half of the cell's pixels are usable.
    """

    transmission: NDArray[np.float32]
    spread: NDArray[np.float32]
    pixels: NDArray[np.float32]
    flags: NDArray[np.uint32]


def cell_sums(radiograph: Radiograph, factors: tuple[int, int]) -> CellSums:
    """Sum transmission, exp(−α), and its variance over cells.

    Parameters
    ----------
    radiograph : Radiograph
    factors : (int, int)
        Pixels per cell along y and x; the last cells may hold fewer.

    Returns
    -------
    CellSums
        Unusable pixels do not count, unless they are the majority: then their own values say how dark it is. A pixel without a number
        lets nothing through; a variance without one is 0.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        found = _all_pixels(radiograph, factors)
        for channel in range(radiograph.shape[0]):
            _without_unusable(radiograph, factors, channel, found)
    return found


def _all_pixels(radiograph: Radiograph, factors: tuple[int, int]) -> CellSums:
    """Sum over all pixels of every cell."""
    import cv2

    fy, fx = factors
    channels, height, width = radiograph.shape
    rows, columns = -(-height // fy), -(-width // fx)
    total, spread = np.empty((2, channels, rows, columns), np.float32)
    flags = np.empty((channels, rows, columns), np.uint32)
    step = _CELL_ROWS * fy
    held = np.empty((2, min(step, height), width), np.float32)
    # Filled up to whole cells with zeros.
    by_rows = np.zeros((2, min(_CELL_ROWS, rows), columns * fx), np.float32)
    flags_by_rows = by_rows[0].view(np.uint32)
    for channel in range(channels):
        for top in range(0, height, step):
            at = np.s_[channel, top : top + step]
            into = np.s_[channel, top // fy : top // fy + _CELL_ROWS]
            transmission, work = held[:, : radiograph.attenuation[at].shape[0]]
            np.negative(radiograph.attenuation[at], out=work)
            cv2.exp(work, transmission)
            np.multiply(transmission, transmission, out=work)
            work *= radiograph.variance[at]
            _join(np.add, transmission, factors, by_rows[0], total[into])
            _join(np.add, work, factors, by_rows[1], spread[into])
            _join(np.bitwise_or, radiograph.quality[at], factors, flags_by_rows, flags[into])
    inside = (np.minimum(size - np.arange(0, size, f), f) for size, f in ((height, fy), (width, fx)))
    pixels = np.multiply.outer(*inside).astype(np.float32)
    return CellSums(total, spread, np.repeat(pixels[None], channels, axis=0), flags)


def _join(
    how: np.ufunc, plane: NDArray[Any], factors: tuple[int, int], by_rows: NDArray[Any], out: NDArray[Any]
) -> None:
    """Join the pixels of every cell of some rows; ``by_rows`` holds what is in between."""
    fy, fx = factors
    whole, width = plane.shape[0] // fy, plane.shape[1]
    # Rows first: they lie one after the other in memory, and what is left to join along them is a fraction.
    how.reduce(plane[: whole * fy].reshape(whole, fy, width), axis=1, out=by_rows[:whole, :width])
    if whole < out.shape[0]:
        how.reduce(plane[whole * fy :], axis=0, out=by_rows[whole, :width])
    held = by_rows[: out.shape[0]]
    # Of a few columns whole planes are joined; NumPy's own loop would take each cell for itself.
    np.copyto(out, held[:, ::fx])
    for k in range(1, fx):
        how(out, held[:, k::fx], out=out)


def _without_unusable(radiograph: Radiograph, factors: tuple[int, int], channel: int, sums: CellSums) -> None:
    """Sum cells again, in place, of which pixels are unusable or no number."""
    total, spread, pixels, flags = (plane[channel].reshape(-1) for plane in sums)
    odd = ~np.isfinite(total) | ~np.isfinite(spread)
    cells = np.flatnonzero(((flags & _UNUSABLE) != 0) | odd)
    if not cells.size:
        return
    place, outside = _places(radiograph.shape[1:], factors, cells)
    good = (_pixels(radiograph.quality[channel], place) & _UNUSABLE) == 0
    if outside is not None:
        good &= ~outside
    usable = _row_sums(good)
    majority = 2 * usable >= good.shape[1]
    flags[cells[majority]] &= ~_UNUSABLE
    # Where all pixels count, and all are numbers, the sums stand.
    again = np.flatnonzero((majority & (usable < pixels[cells])) | odd[cells])
    cells, place, counts = cells[again], place.take(again, axis=0), good.take(again, axis=0)
    alpha, noise = (_pixels(plane[channel], place) for plane in (radiograph.attenuation, radiograph.variance))
    if odd.any():
        dark = ~majority[again]
        counts[dark] = True if outside is None else ~outside[again[dark]]
        alpha = np.nan_to_num(alpha, nan=np.inf, posinf=np.inf, neginf=-_BRIGHTEST)
        noise = np.where(np.isfinite(noise), noise, np.float32(0))
        alpha[~counts] = np.inf
    transmission = np.exp(np.negative(alpha, out=alpha), out=alpha)
    transmission *= counts
    total[cells] = _row_sums(transmission)
    transmission *= transmission
    noise *= transmission
    spread[cells] = _row_sums(noise)
    pixels[cells] = _row_sums(counts)


def _row_sums(values: NDArray[Any]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.einsum("ij->i", values.astype(np.float32, copy=False))
    return found


def _places(
    shape: tuple[int, int], factors: tuple[int, int], cells: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.bool_] | None]:
    """Return the pixels of cells as places in a flat plane, (cell, pixel), and which of them lie outside the image, if any do."""
    (height, width), (fy, fx) = shape, factors
    rows, columns = np.divmod(cells, -(-width // fx))
    top, left = rows * fy, columns * fx
    down, along = (each.reshape(-1) for each in np.indices(factors))
    place = (top * width + left)[:, None] + (down * width + along)
    cut = np.flatnonzero((top + fy > height) | (left + fx > width))
    if not cut.size:
        return place, None
    outside = np.zeros(place.shape, np.bool_)
    y, x = top[cut, None] + down, left[cut, None] + along
    outside[cut] = (y >= height) | (x >= width)
    place[cut] = np.minimum(y, height - 1) * width + np.minimum(x, width - 1)
    return place, outside


def _pixels(plane: NDArray[Any], place: NDArray[np.intp]) -> NDArray[Any]:
    found: NDArray[Any] = np.ascontiguousarray(plane).reshape(-1).take(place)
    return found
