"""Scatter: radiation that reaches an element from elsewhere in its line, subtracted.

Measured T + s · K ∗ (P T ln 1/T) / P, with the open beam's profile P along the array and a normalised Gaussian K: single scattering is
proportional to T ln(1/T) (Ohnesorge, Flohr and Klingenbeck-Regn, Eur. Radiol. 9 (1999) 563, doi:10.1007/s003300050710). T is found
by iteration from the measured line; each round leaves s · (ln 1/T − 1), a few per cent, of the error of the one before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_PER_WIDTH = 6
_REACH = 5.0
_TINY = np.float32(1e-30)


@dataclass(frozen=True, eq=False)
class Scatter:
    """How a line scatters.

    Parameters
    ----------
    group : int
        Elements that are taken together: at most a sixth of the kernel's width.
    kernel : ndarray of float32, (2 reach + 1,)
        Over groups, times the share.
    profile : ndarray of float32, (group,)
        Open beam of every group, any unit.
    inverse_profile : ndarray of float32, (element,)
    rounds : int
    """

    group: int
    kernel: Float32
    profile: Float32
    inverse_profile: Float32
    rounds: int

    @classmethod
    def of(cls, share: float, width_elements: float, profile: NDArray[np.float64]) -> Scatter | None:
        """Return the scatter of an array, or None where there is none.

        Parameters
        ----------
        share : float
        width_elements : float
            1-σ width of the kernel.
        profile : ndarray of float64, (element,)
            Open beam along the array, smooth.

        Examples
        --------
        >>> Scatter.of(0.0, 30.0, np.ones(100)) is None
        True
        """
        if share == 0:
            return None
        group = max(1, int(width_elements / _PER_WIDTH))
        # Taking the mean over a group and going back linearly widen the kernel by (g² − 1)/4 in all.
        narrow = float(np.sqrt(max(width_elements**2 - (group**2 - 1) / 4, 1e-6))) / group
        reach = int(np.ceil(_REACH * narrow))
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / narrow) ** 2)
        level = profile / profile.mean()
        starts = np.arange(0, profile.size, group)
        sizes = np.diff(np.append(starts, profile.size))
        means = np.add.reduceat(level, starts) / sizes
        rounds = 3 if share <= 0.005 else 4
        weights = (share / group) * kernel / kernel.sum()
        return cls(group, weights.astype(np.float32), means.astype(np.float32), (1 / level).astype(np.float32), rounds)


def scattered(scatter: Scatter, transmission: Float32) -> Float32:
    """Return what a line adds to itself by scattering, (line, element), relative to the open beam.

    Examples
    --------
    >>> scatter = Scatter.of(0.01, 6.0, np.ones(200))
    >>> bool(abs(scattered(scatter, np.full((1, 200), 0.1, np.float32))[0, 100] - 0.01 * 0.1 * np.log(10)) < 1e-6)
    True
    """
    import cv2

    elements = scatter.inverse_profile.size
    potential = np.maximum(transmission, _TINY)
    np.minimum(potential, np.float32(1), out=potential)
    logarithm = np.asarray(cv2.log(potential), np.float32).reshape(potential.shape)
    potential *= logarithm
    groups: Float32 = np.add.reduceat(potential, np.arange(0, elements, scatter.group), axis=1)
    groups *= -scatter.profile
    one = np.ones(1, np.float32)
    spread = cv2.sepFilter2D(groups, cv2.CV_32F, scatter.kernel, one, borderType=cv2.BORDER_CONSTANT)
    spread = np.asarray(spread, np.float32).reshape(groups.shape)
    if scatter.group > 1:
        # Linear between the middles of the groups, and on beyond the outermost.
        step: Float32 = np.diff(spread, axis=1)
        ends = step[:, :1], step[:, -1:]
        if groups.size == len(groups):
            ends = (np.zeros((len(groups), 1), np.float32),) * 2
        left, right = np.concatenate([ends[0], step], axis=1), np.concatenate([step, ends[1]], axis=1)
        fine = np.empty((*groups.shape, scatter.group), np.float32)
        for j in range(scatter.group):
            place = np.float32((j - (scatter.group - 1) / 2) / scatter.group)
            np.multiply(left if place < 0 else right, place, out=fine[:, :, j])
            fine[:, :, j] += spread
        spread = fine.reshape(len(fine), -1)[:, :elements]
    return spread * scatter.inverse_profile


def subtract_scatter(scatter: Scatter, transmission: Float32) -> Float32:
    """Take scatter off in place, and return what was taken off.

    Parameters
    ----------
    scatter : Scatter
    transmission : ndarray of float32, (line, element)
        Of the open beam at the same pulse; bad elements filled already.

    Examples
    --------
    >>> scatter, truth = Scatter.of(0.02, 6.0, np.ones(60)), np.full((1, 60), 0.01, np.float32)
    >>> seen = truth + scattered(scatter, truth)
    >>> _ = subtract_scatter(scatter, seen)
    >>> bool(np.abs(seen / truth - 1).max() < 1e-4)
    True
    """
    found = scattered(scatter, transmission)
    for _ in range(scatter.rounds - 1):
        found = scattered(scatter, transmission - found)
    transmission -= found
    return found
