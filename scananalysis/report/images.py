"""From a plane of numbers to a small PNG: shrink to a sane size with square millimetres, colour by look-up, encode.

OpenCV does all three, so that the report of a full-size scan costs a fraction of a second.
"""

from __future__ import annotations

import base64
import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import ConfigurationError

RGB = tuple[int, int, int]
Lut = NDArray[np.uint8]

MISSING: RGB = (198, 202, 210)
"""Colour of places without a value: a light blue-grey that no colour map contains."""

_OPENCV_MAPS = {"viridis": "VIRIDIS", "cividis": "CIVIDIS", "inferno": "INFERNO"}


@functools.lru_cache(maxsize=16)
def colour_map(name: str) -> Lut:
    """Return a colour map as a table.

    Parameters
    ----------
    name : {"grey", "grey-inverted", "viridis", "cividis", "inferno", "blue-white-red"}

    Returns
    -------
    ndarray of uint8, (256, 3)
        Red, green, blue.

    Examples
    --------
    >>> colour_map("grey")[[0, 255]].tolist()
    [[0, 0, 0], [255, 255, 255]]
    """
    ramp = np.arange(256, dtype=np.uint8)
    if name == "grey":
        return np.repeat(ramp[:, None], 3, axis=1)
    if name == "grey-inverted":
        return np.repeat(ramp[::-1, None], 3, axis=1)
    if name == "blue-white-red":
        # White is no difference; the ends are dark enough to be told apart in grey print by the numbers beside them.
        ends, middle = np.array([[33, 76, 156], [176, 24, 43]], np.float64), np.array([247.0, 247.0, 247.0])
        share = np.abs(ramp[:, None] / 127.5 - 1) ** 0.75
        table = middle + (np.where(ramp[:, None] < 128, ends[0], ends[1]) - middle) * share
        return np.asarray(table, np.uint8)
    if name not in _OPENCV_MAPS:
        raise ConfigurationError(
            f"no colour map {name!r}", expected=f"grey, grey-inverted, blue-white-red, {', '.join(_OPENCV_MAPS)}"
        )
    import cv2

    coloured = cv2.applyColorMap(ramp[:, None], getattr(cv2, f"COLORMAP_{_OPENCV_MAPS[name]}"))
    return np.ascontiguousarray(coloured[:, 0, ::-1], np.uint8)


def display_size(shape: tuple[int, int], pixel_mm: tuple[float, float], longest: int) -> tuple[int, int]:
    """Return rows and columns of a picture with square millimetres whose longer edge has at most ``longest`` pixels.

    A picture is never made larger than its data along the finer axis.

    Examples
    --------
    >>> display_size((1378, 2295), (3.33, 5.0), 1200)
    (480, 1200)
    >>> display_size((10, 20), (4.0, 4.0), 1200)
    (10, 20)
    """
    height_mm, width_mm = shape[0] * pixel_mm[0], shape[1] * pixel_mm[1]
    scale = min(longest / max(height_mm, width_mm), 1 / min(pixel_mm))
    return max(1, round(height_mm * scale)), max(1, round(width_mm * scale))


def shrink(plane: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return a plane averaged over areas to ``size`` (rows, columns); places without a value stay out of the mean.

    Parameters
    ----------
    plane : ndarray of number, (y, x)
    size : (int, int)

    Returns
    -------
    ndarray of float32, ``size``
        NaN where nothing had a value.

    Examples
    --------
    >>> shrink(np.array([[1.0, np.nan], [3.0, np.nan]]), (1, 2))
    array([[ 2., nan]], dtype=float32)
    """
    values = np.ascontiguousarray(plane, np.float32)
    if values.shape == size:
        return values
    known = np.isfinite(values)
    if known.all():
        return _resize(values, size)
    share = _resize(known.astype(np.float32), size)
    total = _resize(np.where(known, values, np.float32(0)), size)
    return np.where(share > 0, total / np.maximum(share, np.float32(1e-6)), np.float32(np.nan)).astype(np.float32)


def shrink_mask(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return where at least half of an area carries the mask."""
    return np.asarray(shrink(mask.astype(np.float32), size) >= 0.5)


def _resize(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    import cv2

    smaller = size[0] <= values.shape[0] and size[1] <= values.shape[1]
    # Enlarging interpolates nothing: what is shown are the data's own pixels.
    method = cv2.INTER_AREA if smaller else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(values, (size[1], size[0]), interpolation=method), np.float32)


def colour(values: NDArray[np.float32], low: float, high: float, lut: Lut, missing: RGB = MISSING) -> NDArray[np.uint8]:
    """Colour a plane by look-up; what lies outside ``low`` … ``high`` takes the end colours.

    Parameters
    ----------
    values : ndarray of float32, (y, x)
        NaN gets the colour ``missing``.
    low, high : float
        Values of the first and last colour.
    lut : ndarray of uint8, (256, 3)
    missing : (int, int, int)

    Returns
    -------
    ndarray of uint8, (y, x, 3)

    Examples
    --------
    >>> colour(np.array([[0.0, 2.0]], np.float32), 0, 2, colour_map("grey")).tolist()
    [[[0, 0, 0], [255, 255, 255]]]
    """
    span = high - low if high > low else 1.0
    scaled = np.clip((values - np.float32(low)) * np.float32(255.0 / span), 0, 255)
    unknown = np.isnan(scaled)
    index = np.where(unknown, np.float32(0), scaled + np.float32(0.5)).astype(np.uint8)
    picture: NDArray[np.uint8] = lut[index]
    if unknown.any():
        picture[unknown] = missing
    return picture


def png(picture: NDArray[np.uint8]) -> bytes:
    """Encode an RGB picture, (y, x, 3), as PNG.

    Examples
    --------
    >>> png(np.zeros((2, 2, 3), np.uint8))[1:4]
    b'PNG'
    """
    import cv2

    # Noise holds no repeats that are worth a search: runs alone take half the time, and fewer bytes.
    how = [cv2.IMWRITE_PNG_COMPRESSION, 3, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    ok, encoded = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]), how)
    if not ok:
        raise RuntimeError(f"OpenCV could not encode a picture of shape {picture.shape}")
    return bytes(encoded.tobytes())


def data_uri(picture: NDArray[np.uint8]) -> str:
    """Return an RGB picture as a PNG data URI."""
    return "data:image/png;base64," + base64.b64encode(png(picture)).decode("ascii")
