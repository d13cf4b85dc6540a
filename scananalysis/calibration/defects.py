"""Elements that cannot be trusted, found in the references, and their interpolation in transmission.

Cluster rule after ASTM E2698 (method only; no conformity is claimed): a pixel with fewer than five good neighbours out of eight
cannot be corrected. In a line array the pixels of one bad element are bad in every line, so two bad elements side by side leave three.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from scananalysis.calibration.gain import SMOOTH_ELEMENTS, quantum_of_elements
from scananalysis.core import Quality

if TYPE_CHECKING:
    from scananalysis.calibration.recipe import Defects
    from scananalysis.calibration.references import Calibration

Flags = NDArray[np.uint32]

_STATISTICAL_SIGMAS = 6.0
"""How far a noise that is estimated from n lines must lie above the expected one, in σ of that estimate."""

EDGE_SIGMAS = 4.0
"""Neighbours of a bad element that differ by more than so many σ of their noise have an edge between them."""


def find_defects(calibration: Calibration, limits: Defects) -> Flags:
    """Return flags of every element.

    Parameters
    ----------
    calibration : Calibration
    limits : Defects

    Returns
    -------
    ndarray of uint32, (channel, element)
        `DEAD`, `HOT`, `NOISY` and `FLICKERING` bits.
    """
    flags = np.zeros(calibration.offset.shape, np.uint32)
    if not limits.enabled:
        return flags
    quantum = quantum_of_elements(calibration.quantum, calibration.gain)
    dark_lines, air_lines = calibration.reference_lines
    for c in range(len(flags)):
        gain, dark_noise = calibration.gain[c], calibration.dark_noise[c]
        around = median_filter(gain, min(SMOOTH_ELEMENTS, gain.size), mode="mirror")
        dead = gain < limits.dead_share * around
        _set(flags[c], dead, Quality.DEAD)
        offset = calibration.offset[c]
        spread = 1.4826 * np.median(np.abs(offset - np.median(offset))) + dark_noise.min()
        hot = offset > np.median(offset) + limits.hot_sigmas * spread
        _set(flags[c], hot, Quality.HOT)
        typical = np.median(dark_noise)
        noisy = dark_noise > noise_limit(limits.noisy_ratio, dark_lines) * max(typical, ROUNDING)
        # In the open beam the expected noise is that of the quanta.
        expected = np.sqrt(np.maximum(quantum[c] * gain, 0) + typical**2)
        allowed = noise_limit(limits.noisy_air_ratio, air_lines) * np.maximum(expected, ROUNDING)
        noisy |= ~dead & (calibration.air_noise[c] > allowed)
        _set(flags[c], noisy, Quality.NOISY)
        for share, lines in ((calibration.dark_outliers[c], dark_lines), (calibration.air_outliers[c], air_lines)):
            # A few outliers in few lines happen; a flickering element has several.
            _set(flags[c], share > max(limits.flicker_share, 3.5 / lines), Quality.FLICKERING)
    return flags


ROUNDING = 0.29
"""Noise of rounding to whole counts, 1/√12."""


def noise_limit(ratio: float, lines: int) -> float:
    """Return the ratio of noises above which it is too large, where one of them comes from so many lines."""
    return max(ratio, 1 + _STATISTICAL_SIGMAS / float(np.sqrt(2 * (lines - 1))))


def _set(flags: Flags, where: NDArray[np.bool_], flag: Quality) -> None:
    flags[where] |= np.uint32(flag.value)


@dataclass(frozen=True, eq=False)
class Repair:
    """How bad elements are interpolated from good ones.

    Parameters
    ----------
    bad, low, high : ndarray of int64, (n,)
        Each bad element and its nearest good neighbours; at an end of the array both are the same one.
    share : ndarray of float32, (n,)
        Weight of ``high``.
    flags : ndarray of uint32, (element,)
        Flags of every element: its defect, `INTERPOLATED`, and `UNCORRECTABLE` by the cluster rule.
    """

    bad: NDArray[np.intp]
    low: NDArray[np.intp]
    high: NDArray[np.intp]
    share: NDArray[np.float32]
    flags: Flags

    @property
    def variance_weights(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weights of the neighbours' variances in that of an interpolated pixel, see `interpolate`."""
        return (2 - self.share) ** 2 - 1, (1 + self.share) ** 2 - 1


def plan_repair(flags: Flags) -> Repair:
    """Return how the bad elements of one channel are interpolated.

    Parameters
    ----------
    flags : ndarray of uint32, (element,)
        From `find_defects`.

    Examples
    --------
    >>> repair = plan_repair(np.array([0, 8, 0, 8, 8, 0], np.uint32))
    >>> repair.low, repair.high
    (array([0, 2, 2]), array([2, 5, 5]))
    >>> (repair.flags & Quality.UNCORRECTABLE.value) != 0
    array([False, False, False,  True,  True, False])
    """
    bad, good = np.flatnonzero(flags), np.flatnonzero(flags == 0)
    marked = flags.copy()
    if good.size == 0:
        marked |= np.uint32(Quality.UNCORRECTABLE.value)
        nothing = np.zeros(0, np.intp)
        return Repair(nothing, nothing, nothing, np.zeros(0, np.float32), marked)
    after = np.searchsorted(good, bad)
    low, high = good[np.maximum(after - 1, 0)], good[np.minimum(after, good.size - 1)]
    # At an end of the array only one neighbour is left.
    low, high = np.where(low > bad, high, low), np.where(high < bad, low, high)
    share = np.where(low == high, 0.5, (bad - low) / np.maximum(high - low, 1)).astype(np.float32)
    marked[bad] |= np.uint32(Quality.INTERPOLATED.value)
    marked[bad[high - low != 2]] |= np.uint32(Quality.UNCORRECTABLE.value)
    return Repair(bad, low, high, share, marked)


def fill(repair: Repair, plane: NDArray[np.float32]) -> None:
    """Fill bad elements of a plane, (line, element), in place from their neighbours.

    Examples
    --------
    >>> plane = np.array([[1.0, 0.0, 3.0]], np.float32)
    >>> fill(plan_repair(np.array([0, 8, 0], np.uint32)), plane)
    >>> plane
    array([[1., 2., 3.]], dtype=float32)
    """
    if repair.bad.size:
        plane[:, repair.bad] = (1 - repair.share) * plane[:, repair.low] + repair.share * plane[:, repair.high]


def interpolate(repair: Repair, transmission: NDArray[np.float32], variance: NDArray[np.float32]) -> None:
    """Fill bad elements in place from their neighbours, in transmission, along edges that run between them.

    Parameters
    ----------
    repair : Repair
    transmission, variance : ndarray of float32, (line, element)
        The first and the last line are filled from themselves alone.

    Notes
    -----
    Where the two neighbours of a single bad element differ by more than `EDGE_SIGMAS` of their noise, an edge passes between them. If it
    runs slantwise, the neighbour of the line before on one side is alike that of the line after on the other, and one such pair only:
    the pixel is then their mean (edge-based line averaging; De Haan and Bellers, Proc. IEEE 86 (1998) 1839, doi:10.1109/5.705528).
    Elsewhere it is the mean of the neighbours on its own line: to choose between pairs that noise alone
    tells apart would gain nothing.

    An interpolated pixel repeats the noise of its neighbours. Its variance is set such that the mean of a region that holds all three
    has the right error when all pixels are taken as independent: with weights 1 − s and s, (2 − s)² − 1 times the variance of one
    and (1 + s)² − 1 times that of the other, five times its own noise for s = ½. The square of half the step between the
    two that were taken, which is what the interpolation may miss, is added.
    """
    if repair.bad.size == 0:
        return
    below, above = transmission[:, repair.low], transmission[:, repair.high]
    noise_below, noise_above = variance[:, repair.low], variance[:, repair.high]
    first, second = repair.variance_weights
    filled = (1 - repair.share) * below + repair.share * above
    missed = (above - below) / 2
    spread = first * noise_below + second * noise_above
    beyond = np.float32(EDGE_SIGMAS**2)
    edge = (above - below) ** 2 > beyond * (noise_below + noise_above)
    edge &= repair.high - repair.low == 2
    if len(below) > 2 and edge[1:-1].any():
        earlier, here, later = slice(None, -2), slice(1, -1), slice(2, None)
        pairs = [(earlier, later), (later, earlier)]
        steps = [above[up] - below[low] for low, up in pairs]
        alike = [
            step**2 <= beyond * (noise_below[low] + noise_above[up])
            for step, (low, up) in zip(steps, pairs, strict=True)
        ]
        for (low, up), step, this, other in zip(pairs, steps, alike, alike[::-1], strict=True):
            # Both alike: something small lies on this line alone, and neither pair says what.
            chosen = edge[here] & this & ~other
            filled[here][chosen] = ((below[low] + above[up]) / 2)[chosen]
            missed[here][chosen] = step[chosen] / 2
            spread[here][chosen] = (first * noise_below[low] + second * noise_above[up])[chosen]
    transmission[:, repair.bad] = filled
    variance[:, repair.bad] = spread + missed * missed
