"""Every labelled area of an image measured in one pass over its pixels: mean attenuation, and the covariance of those means.

What `pooling.pool` does for one mask this does for thousands of labels, with sums by label, by label and element, and by label and line.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import Quality, Radiograph, SystematicTerm, has
from scananalysis.materials.unbiased import counted, unbiased


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
    starved : ndarray of float64, (label,)
        Share of them that is starved.
    between : ndarray of float64, (label, channel, label, channel)
        Covariance of all means with each other, noise included; empty unless it was asked for.
    """

    alpha: NDArray[np.float64]
    independent: NDArray[np.float64]
    shared: NDArray[np.float64]
    rows: NDArray[np.float64]
    pixels: NDArray[np.int64]
    starved: NDArray[np.float64]
    between: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0, 0, 0)))


def binned(key: NDArray[np.integer[Any]], values: NDArray[Any], count: int) -> NDArray[np.float64]:
    """Return the sums of values by key, (count,)."""
    return np.asarray(np.bincount(key, values, minlength=count), np.float64)


def means(
    radiograph: Radiograph,
    labels: NDArray[np.int32],
    weights: NDArray[np.float32] | None = None,
    differences: NDArray[np.float64] | None = None,
    *,
    between: bool = False,
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
    between : bool
        State the covariance of areas with each other, too; without ``differences``, and for few areas.

    Returns
    -------
    Means
    """
    channels, height, width = radiograph.shape
    count = int(labels.max(initial=0))
    usable = (labels > 0) & counted(radiograph)
    at = np.flatnonzero(usable)
    label, row, column = labels.ravel()[at] - 1, (at // width), (at % width)
    pixels = np.bincount(label, minlength=count)
    starved = binned(label, has(radiograph.quality, Quality.STARVED).any(axis=0).ravel()[at], count)
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
        mean, variance = (plane.ravel()[at] for plane in unbiased(radiograph, c, usable))
        alpha[:, c] = binned(label, w * mean, count)
        independent[:, c, c] = binned(label, w * w * variance, count)
        independent[:, c, c] *= 1 + (area[c] - 1) * (1 - 1 / per_row)
    sums_of = _Sums(at, (label, by_row, by_column), (row_sums, column_sums), w, (count, height, width))
    shared = _shared(radiograph, sums_of, lines_met, np.eye(count) if differences is None else differences)
    if differences is not None:
        alpha, row_sums = differences @ alpha, np.abs(differences) @ row_sums
        independent = np.einsum("ml,lcd->mcd", differences**2, independent)
        met = np.abs(differences) @ np.stack([pixels, starved], axis=1)
        return Means(
            alpha, independent, shared, row_sums, met[:, 0].astype(np.int64), met[:, 1] / np.maximum(met[:, 0], 1)
        )
    empty = pixels == 0
    alpha[empty] = np.nan
    found = Means(alpha, independent, shared, row_sums, pixels, starved / np.maximum(pixels, 1))
    return replace(found, between=_joint(radiograph, sums_of, lines_met, independent)) if between else found


def _shared(
    radiograph: Radiograph, sums_of: _Sums, lines_met: NDArray[np.integer[Any]], combined: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Covariance of sums of areas by the errors that pixels share, (m, channel, channel)."""
    channels = radiograph.shape[0]
    found = np.zeros((combined.shape[0], channels, channels))
    alone = combined.shape[0] == combined.shape[1] and np.array_equal(combined, np.eye(combined.shape[0]))
    for term in radiograph.systematic.values():
        parts = [
            part if part is None or alone else combined @ part for part in _parts(radiograph, term, sums_of, lines_met)
        ]
        for c, one in enumerate(parts):
            for d, other in enumerate(parts):
                if one is not None and other is not None:
                    found[:, c, d] += (one * other).sum(axis=1)
    return found


def _joint(
    radiograph: Radiograph,
    sums_of: _Sums,
    lines_met: NDArray[np.integer[Any]],
    independent: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Covariance of all means with each other, (label, channel, label, channel)."""
    count, channels = independent.shape[:2]
    found = np.zeros((count, channels, count, channels))
    index = np.arange(count)
    found[index, :, index, :] = independent
    for term in radiograph.systematic.values():
        parts = _parts(radiograph, term, sums_of, lines_met)
        for c, one in enumerate(parts):
            for d, other in enumerate(parts):
                if one is not None and other is not None:
                    found[:, c, :, d] += one @ other.T
    return found


def _parts(
    radiograph: Radiograph, term: SystematicTerm, sums_of: _Sums, lines_met: NDArray[np.integer[Any]]
) -> list[NDArray[np.float64] | None]:
    """Weighted sums of a term's effect in each channel, (label, cell); None where it has none."""
    area = radiograph.noise_area.astype(np.float64)
    parts: list[NDArray[np.float64] | None] = []
    for c in range(radiograph.shape[0]):
        if not term.effect[min(c, term.effect.shape[0] - 1)].any():
            parts.append(None)
            continue
        sums = sums_of(term, c)
        if term.shared_along == "y":
            # What lines share is resampled with them.
            sums = sums * np.sqrt(1 + (area[c] - 1) * (1 - 1 / lines_met))[:, None]
        parts.append(sums)
    return parts


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
