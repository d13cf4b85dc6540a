"""Pulse normalisation: the strength of every line's pulse, from the beam monitor or from the open beam that the line itself shows.

In the image the elements above (or below) the load see the open beam in every line: their mean over the level of the reference is the
pulse. Where there are too few such elements nothing is corrected, and every pixel says so (`NO_MONITOR`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scananalysis.calibration.afterglow import Afterglow
    from scananalysis.calibration.recipe import PulseNormalisation

Float32 = NDArray[np.float32]

LEAST_MONITOR = 0.1
"""A reading below this share of the open-beam lines' is no pulse."""


@dataclass(frozen=True, eq=False)
class Pulses:
    """Strength of every line's pulse relative to the open-beam reference.

    Parameters
    ----------
    strength : ndarray of float32, (channel, line)
        1 where it is not known.
    sigma : ndarray of float32, (channel, line)
        Its relative 1-σ error; where it is not known, the beam's fluctuation from line to line.
    known : ndarray of bool, (channel, line)
    lost : ndarray of bool, (channel, line)
        The monitor saw no pulse.
    source : {"monitor", "image", "steady", "none"}
    """

    strength: Float32
    sigma: Float32
    known: NDArray[np.bool_]
    lost: NDArray[np.bool_]
    source: Literal["monitor", "image", "steady", "none"]


@dataclass(frozen=True, eq=False)
class Levels:
    """What the elements above the load read in every line, relative to the open-beam reference.

    Parameters
    ----------
    strength, sigma : ndarray of float32, (channel, line)
        Their mean and its 1-σ error.
    known : ndarray of bool, (channel, line)
        There are enough of them and they agree.
    """

    strength: Float32
    sigma: Float32
    known: NDArray[np.bool_]


def sigma_per_line(sigma: NDArray[np.float64], columns: int) -> NDArray[np.float64]:
    """Return the error of a pulse that counts for one of the lines it gives: a mean over lines holds fewer independent errors than lines.

    Parameters
    ----------
    sigma : ndarray of float64, (channel,)
        1-σ error of a pulse.
    columns : int
        Lines that share one pulse and its error.

    Examples
    --------
    The mean over a pulse's four lines, taken as independent, has the error of the pulse:

    >>> float(sigma_per_line(np.array([0.002]), 4)[0] / 4**0.5)
    0.002
    """
    found: NDArray[np.float64] = sigma * float(np.sqrt(columns))
    return found


def unknown(shape: tuple[int, int], fluctuation: NDArray[np.float64]) -> Pulses:
    """Return pulses of strength 1 that nothing is known of, with the beam's relative fluctuation per channel as their error.

    Examples
    --------
    >>> unknown((2, 3), np.array([0.02, 0.01])).known.any()
    np.False_
    """
    nothing = np.zeros(shape, bool)
    sigma = np.broadcast_to(fluctuation[:, None], shape).astype(np.float32)
    return Pulses(np.ones(shape, np.float32), sigma, nothing, nothing, "none")


def steady(shape: tuple[int, int]) -> Pulses:
    """Return the pulses of a source that does not fluctuate (a radioactive one).

    Examples
    --------
    >>> steady((1, 2)).known.all()
    np.True_
    """
    return Pulses(
        np.ones(shape, np.float32), np.zeros(shape, np.float32), np.ones(shape, bool), np.zeros(shape, bool), "steady"
    )


def from_monitor(
    monitor: NDArray[np.floating], air_monitor: NDArray[np.float64], sigma: NDArray[np.float64], *, common: bool
) -> Pulses:
    """Return the pulses that a beam monitor saw.

    Parameters
    ----------
    monitor : ndarray of float, (channel, line)
    air_monitor : ndarray of float64, (channel,)
        Mean reading of the open-beam lines.
    sigma : ndarray of float64, (channel,)
        Relative error of one reading.
    common : bool
        All channels see the same pulse: their readings are averaged.

    Examples
    --------
    >>> pulses = from_monitor(np.array([[0.9, 1.1, 0.0]]), np.ones(1), np.array([0.002]), common=False)
    >>> pulses.strength, pulses.lost
    (array([[0.9, 1.1, 1. ]], dtype=float32), array([[False, False,  True]]))
    """
    relative = monitor / air_monitor[:, None]
    error = np.broadcast_to(sigma[:, None], relative.shape)
    if common:
        error = np.broadcast_to(np.sqrt((error**2).mean(axis=0) / len(error)), relative.shape)
        relative = np.broadcast_to(relative.mean(axis=0), relative.shape)
    lost = ~(np.isfinite(relative) & (relative > LEAST_MONITOR))
    strength = np.where(lost, 1, relative).astype(np.float32)
    return Pulses(strength, error.astype(np.float32), ~lost, lost, "monitor")


def from_image(
    transmission: Callable[[slice], Float32],
    shape: tuple[int, int, int],
    usable: NDArray[np.bool_],
    fluctuation: NDArray[np.float64],
    limits: PulseNormalisation,
) -> Pulses:
    """Return the pulses that the open-beam part of every line shows: `read_levels` and `from_levels` in one."""
    return from_levels(read_levels(transmission, shape, usable, limits), fluctuation, limits)


def read_levels(
    transmission: Callable[[slice], Float32],
    shape: tuple[int, int, int],
    usable: NDArray[np.bool_],
    limits: PulseNormalisation,
    glows: tuple[Afterglow | None, ...] | None = None,
) -> Levels:
    """Return what the open-beam part of every line reads.

    Parameters
    ----------
    transmission : callable
        Returns transmission without pulse normalisation of a slice of lines, (channel, line, element).
    shape : (int, int, int)
        Channels, lines and elements of the scan.
    usable : ndarray of bool, (channel, element)
        Elements without a defect.
    limits : PulseNormalisation
    glows : tuple of Afterglow or None, optional
        Afterglow of each channel, which mixes the pulses of neighbouring lines.

    Notes
    -----
    An element counts as open when it reads within ``band`` of 1 in 95 of 100 lines, in a row that reaches one end of the array (the
    sky above the load, not a gap inside it). Lines on which these elements disagree by more than their noise are not known.
    """
    channels, lines, _ = shape
    open_elements = _open_elements(transmission, shape, usable, limits)
    strength, sigma = np.ones((channels, lines), np.float32), np.full((channels, lines), np.inf, np.float32)
    known = np.zeros((channels, lines), bool)
    glows = glows or (None,) * channels
    # The array has seen the open beam before the scan.
    states = [
        glow.settled(np.ones(n)) if glow else None for n, glow in zip(open_elements.sum(axis=1), glows, strict=True)
    ]
    step = 256
    spreads = np.full((channels, lines), np.inf)
    for start in range(0, lines, step):
        part = slice(start, min(start + step, lines))
        seen = transmission(part)
        for c in range(channels):
            if open_elements[c].sum() < limits.least_elements:
                continue
            values = seen[c][:, open_elements[c]].astype(np.float64)
            glow, state = glows[c], states[c]
            if glow is not None and state is not None:
                states[c] = glow.remove(values, state, len(values))
            middle = np.median(values, axis=1, keepdims=True)
            off = np.abs(values - middle)
            noise = np.maximum(1.4826 * np.median(off, axis=1, keepdims=True), 1e-6)
            kept = off <= 4 * noise
            number = kept.sum(axis=1)
            mean = (values * kept).sum(axis=1) / number
            strength[c, part] = mean
            sigma[c, part] = 1 / np.sqrt(number)
            spreads[c, part] = noise[:, 0]
            known[c, part] = np.abs(mean - 1) < limits.band
    for c in range(channels):
        if known[c].any():
            # Matter in front of some of the elements makes them disagree, by more than a spread of so few is uncertain.
            most = 1 + max(1.0, 6 / np.sqrt(open_elements[c].sum()))
            typical = np.median(spreads[c][known[c]])
            known[c] &= spreads[c] < most * typical
            # The noise of one line's few elements is uncertain itself; that of all lines is not.
            sigma[c] *= typical
    return Levels(strength, sigma, known)


def from_levels(levels: Levels, fluctuation: NDArray[np.float64], limits: PulseNormalisation) -> Pulses:
    """Return the pulses that the elements above the load show.

    Parameters
    ----------
    levels : Levels
    fluctuation : ndarray of float64, (channel,)
        Relative 1-σ fluctuation of the beam from line to line; the error of lines where no pulse is found. A pulse that is
        known less well than that is left alone.
    limits : PulseNormalisation
    """
    channels = len(levels.strength)
    found = unknown(levels.strength.shape, fluctuation)
    strength, sigma = levels.strength.copy(), levels.sigma.copy()
    # A pulse that is known less well than the beam is steady would add noise.
    known = levels.known & (sigma < fluctuation[:, None])
    if limits.common and known.any():
        known[:] = known.all(axis=0)
        strength[:] = strength.mean(axis=0)
        sigma[:] = np.sqrt((sigma**2).sum(axis=0)) / channels
    strength[~known] = 1
    sigma = np.where(known, sigma, found.sigma)
    return Pulses(strength, sigma, known, found.lost, "image" if known.any() else "none")


def _open_elements(
    transmission: Callable[[slice], Float32],
    shape: tuple[int, int, int],
    usable: NDArray[np.bool_],
    limits: PulseNormalisation,
) -> NDArray[np.bool_]:
    """Return which elements see the open beam throughout, (channel, element), from at most 512 lines over the scan."""
    channels, lines, elements = shape
    starts = np.unique(np.linspace(0, max(lines - 8, 0), 64).astype(int))
    seen = np.concatenate([transmission(slice(s, min(s + 8, lines))) for s in starts], axis=1)
    inside = (np.abs(seen - 1) < limits.band).mean(axis=1) >= 0.95
    result = np.zeros((channels, elements), bool)
    for c in range(channels):
        # A dead element does not end the row, and is not part of it.
        closed = np.flatnonzero(~inside[c] & usable[c])
        first, last = (closed[0], closed[-1] + 1) if closed.size else (elements, elements)
        result[c, :first] = True
        result[c, last:] = True
        result[c] &= usable[c] & inside[c]
    return result
