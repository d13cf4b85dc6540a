"""Every labelled area of an image measured in one pass over its pixels: mean attenuation, and the covariance of those means.

What `pooling.pool` does for one mask this does for thousands of labels, with sums by label, by label and element, and by label and line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import UNUSABLE, Quality, Radiograph, SystematicTerm, has

NO_INFORMATION = UNUSABLE | Quality.INTERPOLATED
"""Pixels that add nothing to a mean: no measurement, or computed from neighbours that are in it already."""

_NOISY = 0.01
"""Relative variance of transmission from which the noise bias of a logarithm needs more than its first term."""

_NEIGHBOURHOOD = 5
"""Pixels; areas are measured two pixels away from their edges, so it holds no other area's."""


@dataclass(frozen=True, eq=False)
class Means:
    """Labelled areas.

    Parameters
    ----------
    alpha : ndarray of float64, (label, channel)
        Mean attenuation, its noise bias taken off; NaN where a label has no usable pixel.
    independent, shared : ndarray of float64, (label, channel, channel)
        Covariance of the mean by noise, and by errors that pixels share.
    rows : ndarray of float64, (label, y)
        Share of each row in the mean; rows differ in fan angle.
    pixels : ndarray of int64, (label,)
        Usable ones.
    """

    alpha: NDArray[np.float64]
    independent: NDArray[np.float64]
    shared: NDArray[np.float64]
    rows: NDArray[np.float64]
    pixels: NDArray[np.int64]


def binned(key: NDArray[np.integer[Any]], values: NDArray[Any], count: int) -> NDArray[np.float64]:
    """Return the sums of values by key, (count,)."""
    return np.asarray(np.bincount(key, values, minlength=count), np.float64)


def means(
    radiograph: Radiograph,
    labels: NDArray[np.int32],
    weights: NDArray[np.float32] | None = None,
    differences: NDArray[np.float64] | None = None,
) -> Means:
    """Measure all labelled areas.

    Parameters
    ----------
    radiograph : Radiograph
    labels : ndarray of int32, (y, x)
        0 outside, else 1 … n.
    weights : ndarray of float32, (y, x), optional
        Of each pixel in its area's mean; equal by default.
    differences : ndarray of float64, (m, label), optional
        Measure these sums of areas in place of the areas, e.g. ``[[1, -1]]`` for what the first has more than the second: errors that
        both share cancel as far as they are the same.

    Returns
    -------
    Means
    """
    channels, height, width = radiograph.shape
    count = int(labels.max(initial=0))
    usable = (labels > 0) & ~has(radiograph.quality, NO_INFORMATION).any(axis=0)
    at = np.flatnonzero(usable)
    label, row, column = labels.ravel()[at] - 1, (at // width), (at % width)
    pixels = np.bincount(label, minlength=count)
    w = np.ones(at.size) if weights is None else weights.ravel()[at].astype(np.float64)
    w = w / binned(label, w, count)[label]
    by_row, by_column = label * height + row, label * width + column
    row_sums = binned(by_row, w, count * height).reshape(count, height)
    column_sums = binned(by_column, w, count * width).reshape(count, width)
    rows_met, lines_met = (np.maximum((sums > 0).sum(axis=1), 1) for sums in (row_sums, column_sums))
    area = radiograph.noise_area.astype(np.float64)
    alpha = np.empty((count, channels))
    independent = np.zeros((count, channels, channels))
    # Resampling correlates lines, so what counts is how many lines a row of the area spans.
    per_row = np.maximum(pixels / rows_met, 1)
    for c in range(channels):
        variance = radiograph.variance[c].ravel()[at]
        mean = _unbiased(radiograph, c, usable).ravel()[at]
        alpha[:, c] = binned(label, w * mean, count)
        independent[:, c, c] = binned(label, w * w * variance, count)
        independent[:, c, c] *= 1 + (area[c] - 1) * (1 - 1 / per_row)
    sums_of = _Sums(at, (label, by_row, by_column), (row_sums, column_sums), w, (count, height, width))
    shared = _shared(radiograph, sums_of, lines_met, np.eye(count) if differences is None else differences)
    if differences is not None:
        alpha, row_sums = differences @ alpha, np.abs(differences) @ row_sums
        independent = np.einsum("ml,lcd->mcd", differences**2, independent)
        return Means(alpha, independent, shared, row_sums, np.asarray(np.abs(differences) @ pixels, np.int64))
    empty = pixels == 0
    alpha[empty] = np.nan
    return Means(alpha, independent, shared, row_sums, pixels)


def _unbiased(radiograph: Radiograph, channel: int, usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Attenuation whose mean is not biased by noise.

    The logarithm of a noisy transmission T is high by σ²/2. Where noise is large that is not enough, and σ² itself is drawn with the
    noise: there the logarithm is that of the mean over the neighbourhood, and the pixel adds its own T to first order, which noise does
    not bias.
    """
    import cv2

    alpha, variance = radiograph.attenuation[channel], radiograph.variance[channel]
    plain = alpha - variance / 2
    noisy = usable & (variance > _NOISY)
    if not noisy.any():
        return np.asarray(plain, np.float32)
    side = (_NEIGHBOURHOOD, _NEIGHBOURHOOD)
    good = np.where(usable, np.float32(1), np.float32(0))
    share = np.maximum(np.asarray(cv2.blur(good, side)), np.float32(1e-6))
    transmission = np.exp(-np.where(usable, alpha, np.float32(0))) * good
    mean = np.asarray(cv2.blur(transmission, side)) / share
    relative = np.asarray(cv2.blur(np.where(usable, variance, np.float32(0)), side)) / share
    met = share * (_NEIGHBOURHOOD**2) / float(radiograph.noise_area[channel])
    with np.errstate(divide="ignore", invalid="ignore"):
        better = -np.log(mean) - relative / (2 * met) - (transmission / mean - 1)
    return np.asarray(np.where(usable & (relative > _NOISY) & (mean > 0), better, plain), np.float32)


def _shared(
    radiograph: Radiograph, sums_of: _Sums, lines_met: NDArray[np.integer[Any]], combined: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Covariance of sums of areas by the errors that pixels share, (m, channel, channel)."""
    channels = radiograph.shape[0]
    area = radiograph.noise_area.astype(np.float64)
    found = np.zeros((combined.shape[0], channels, channels))
    alone = combined.shape[0] == combined.shape[1] and np.array_equal(combined, np.eye(combined.shape[0]))
    for term in radiograph.systematic.values():
        parts: list[NDArray[np.float64] | None] = []
        for c in range(channels):
            if not term.effect[min(c, term.effect.shape[0] - 1)].any():
                parts.append(None)
                continue
            sums = sums_of(term, c)
            if term.shared_along == "y":
                # What lines share is resampled with them.
                sums = sums * np.sqrt(1 + (area[c] - 1) * (1 - 1 / lines_met))[:, None]
            parts.append(sums if alone else combined @ sums)
        for c, one in enumerate(parts):
            for d, other in enumerate(parts):
                if one is not None and other is not None:
                    found[:, c, d] += (one * other).sum(axis=1)
    return found


class _Sums:
    """Weighted sums of a term's effect by label and by cell of its own axis, (label, cell)."""

    def __init__(
        self,
        at: NDArray[np.int64],
        keys: tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]], NDArray[np.integer[Any]]],
        sums: tuple[NDArray[np.float64], NDArray[np.float64]],
        w: NDArray[np.float64],
        size: tuple[int, int, int],
    ) -> None:
        self._at, self._keys, self._sums, self._w, self._size = at, keys, sums, w, size

    def __call__(self, term: SystematicTerm, channel: int) -> NDArray[np.float64]:
        effect = term.effect[min(channel, term.effect.shape[0] - 1)]
        count, height, width = self._size
        rows, columns = self._sums
        axis = term.shared_along
        # An effect that is constant along an axis needs no pass over the pixels.
        if effect.shape[1] == 1 and axis != "y":
            by_row: NDArray[np.float64] = rows * effect[:, 0]
            return by_row if axis == "x" else by_row.sum(axis=1, keepdims=True)
        if effect.shape[0] == 1 and axis != "x":
            by_column: NDArray[np.float64] = columns * effect[0]
            return by_column if axis == "y" else by_column.sum(axis=1, keepdims=True)
        label, by_row_key, by_column_key = self._keys
        key, cells = {"x": (by_row_key, height), "y": (by_column_key, width), "xy": (label, 1)}[axis]
        full = np.broadcast_to(effect, (height, width)).ravel()[self._at]
        found: NDArray[np.float64] = binned(key, self._w * full, count * cells).reshape(count, cells)
        return found
