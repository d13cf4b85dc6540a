"""Shared errors beside independent noise, and what both do to the mean of a region.

A line scanner uses one gain per element on every line, so an error of that gain does not average out along
the line; ignoring it understates the error of a column mean by more than ten. A term therefore holds the
1-σ *effect* on every pixel together with the image axis along which the random variable is one and the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scananalysis.core.errors import ConfigurationError

Shared = Literal["x", "y", "xy"]


@dataclass(frozen=True, slots=True)
class SystematicTerm:
    """A named 1-σ error that many pixels share.

    Parameters
    ----------
    effect : ndarray of float32, broadcasts to (channel, y, x)
        Signed 1-σ effect on the quantity. One random variable drives all channels of a cell; an error
        that is independent in each channel is as many terms as channels, each zero elsewhere.
    shared_along : {"x", "y", "xy"}
        Axis along which the random variable is the same: ``"x"`` for an error of an element (one per y),
        ``"y"`` for an error of a line (one per x), ``"xy"`` for one that the whole image shares.
    """

    effect: NDArray[np.float32]
    shared_along: Shared

    def __post_init__(self) -> None:
        if self.shared_along not in ("x", "y", "xy"):
            raise ConfigurationError(f"systematic term shared along {self.shared_along!r}", expected="'x', 'y' or 'xy'")
        if self.effect.ndim != 3:
            raise ConfigurationError(
                f"systematic term with {self.effect.ndim} axes", expected="an array over (channel, y, x)"
            )


def mean_covariance(
    variance: NDArray[np.float32],
    systematic: Mapping[str, SystematicTerm],
    noise_area: NDArray[np.float32],
    mask: NDArray[np.bool_],
    weights: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the covariance between channels of a region's weighted mean, split by kind of error.

    Parameters
    ----------
    variance : ndarray of float32, (channel, y, x)
        Independent variance of every pixel.
    systematic : mapping of str to SystematicTerm
    noise_area : ndarray of float32, (channel,)
        Noise power at zero frequency over pixel variance: above 1 where resampling along x correlates neighbouring lines. A
        mean over n lines meets 1 + (noise_area − 1)(1 − 1/n) of it: nothing on one line, all of it on many. What lines
        share (terms along y) is resampled with them.
    mask : ndarray of bool, (y, x)
        The region.
    weights : ndarray of float32, (y, x), optional
        Weights of the mean; equal by default.

    Returns
    -------
    independent, shared : ndarray of float64, (channel, channel)
        Both add up to the covariance of the mean.

    Raises
    ------
    ConfigurationError
        The region is empty.

    Examples
    --------
    A gain error of 1 % shared along x does not average out over 2000 lines:

    >>> variance = np.full((1, 1, 2000), 0.03**2, np.float32)
    >>> gain = SystematicTerm(np.full((1, 1, 1), 0.01, np.float32), "x")
    >>> noise, shared = mean_covariance(variance, {"gain": gain}, np.ones(1, np.float32), np.ones((1, 2000), bool))
    >>> f"{noise[0, 0] ** 0.5:.5f} {shared[0, 0] ** 0.5:.5f}"
    '0.00067 0.01000'
    """
    rows, columns = np.nonzero(mask)
    if rows.size == 0:
        raise ConfigurationError("empty region", expected="at least one pixel")
    channels, height, width = variance.shape
    w = np.ones(rows.size) if weights is None else weights[rows, columns].astype(np.float64)
    w = w / w.sum()
    # Correlation runs along x only, so what counts is how many lines a row of the region spans.
    per_row = rows.size / np.unique(rows).size
    correlated = 1 + (noise_area.astype(np.float64) - 1) * (1 - 1 / per_row)
    independent = np.diag(correlated * (variance[:, rows, columns].astype(np.float64) * w**2).sum(axis=1))
    shared = np.zeros((channels, channels))
    for term in systematic.values():
        effect = np.broadcast_to(term.effect, (channels, height, width))
        if term.shared_along == "x":
            cell, cells = rows, height
        elif term.shared_along == "y":
            cell, cells = columns, width
        else:
            cell, cells = np.zeros_like(rows), 1
        sums = np.stack([np.bincount(cell, w * effect[c, rows, columns], minlength=cells) for c in range(channels)])
        product = sums @ sums.T
        if term.shared_along == "y":
            lines = np.unique(columns).size
            product *= np.sqrt(np.outer(*[1 + (noise_area.astype(np.float64) - 1) * (1 - 1 / lines)] * 2))
        shared += product
    return independent, shared
