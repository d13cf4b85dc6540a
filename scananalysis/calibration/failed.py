"""Elements that failed after the references were taken, found in the scan itself.

A load has edges, and the roof and floor of a container lie along the array's rows, so contrast says nothing. What is used is what no
load can do: a reading at the dark level, noise and all, while the rest of the array is lit, before and behind the vehicle too; a
reading that does not move by one count; a signal that fell between two that see the open beam, on all lines without vehicle; and a
signal above the open beam by more than noise. Lines are picked over the whole scan, so this is a step over the whole scan: a stream
cannot do it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from scananalysis.calibration.defects import noise_limit
from scananalysis.calibration.signal import signal_of
from scananalysis.core import Quality

if TYPE_CHECKING:
    from scananalysis.calibration.blocks import ChannelPlan
    from scananalysis.calibration.planes import Counts
    from scananalysis.calibration.recipe import Defects

Float32 = NDArray[np.float32]
Flags = NDArray[np.uint32]

_LINES = 384
_LEAST_LINES = 16
"""Lines that it takes to judge an element."""
_LEAST_ELEMENTS = 32
_NEARLY_ALL = 0.95
_BAND = 0.12
"""Open beam reads within this much of 1: pulses and drift are not taken off here."""
_LIT_SHARE, _OFF_SHARE = 0.8, 0.003
"""Share of the array that sees the open beam on a line where it is lit, and share that may be off on one without vehicle."""
_MOVED = 0.1
"""Relative change of an element's signal against its neighbours' that no references of the same day show."""
_JUMP_SIGMAS = 5.0
_AROUND = 9
_OTHER_ERRORS = 0.001
"""What afterglow and scatter may leave between neighbours in the open beam, 1-σ: noise and jumps must stand out from it too."""
_LEAST_NOISE = 0.7
"""Counts of noise above which an element cannot give the same count line after line."""


@dataclass(frozen=True, eq=False)
class _Sample:
    """Lines of the good elements of one channel, (line, element): readings, transmission, and that of the neighbours on each side.

    ``below`` and ``above`` are the greater of the two nearest ones, so that two bad elements side by side do not hide each other;
    ``open`` says where both see the open beam, ``lit_share`` how much of the array does, (line,).
    """

    counts: Counts
    transmission: Float32
    below: Float32
    above: Float32
    open: NDArray[np.bool_]
    lit_share: NDArray[np.floating]


def find_failed(
    counts: Counts, plans: tuple[ChannelPlan, ...], dark_noise: NDArray[np.float64], limits: Defects
) -> Flags:
    """Return flags of elements that the references show as good and the scan does not.

    Parameters
    ----------
    counts : ndarray of unsigned integer, (channel, line, element)
    plans : tuple of ChannelPlan
        As the references make them.
    dark_noise : ndarray of float64, (channel, element)
        1-σ noise of one dark reading, counts.
    limits : Defects

    Returns
    -------
    ndarray of uint32, (channel, element)
        `DEAD` (no signal, or one reading throughout), `FLICKERING` (level moved, or jumps upwards) and `NOISY` bits.

    Notes
    -----
    An element is judged by at least 16 lines, of 384 that are spread over the scan. A failure that shows nowhere in the open beam and
    leaves some signal is not found.
    """
    flags = np.zeros((len(plans), counts.shape[2]), np.uint32)
    if not limits.enabled or limits.in_scan == "off":
        return flags
    picked = np.unique(np.linspace(0, counts.shape[1] - 1, _LINES).round().astype(int))
    if picked.size < _LEAST_LINES:
        return flags
    with ThreadPoolExecutor(len(plans)) as pool:
        found = pool.map(lambda c: _of_channel(counts[c][picked], plans[c], dark_noise[c], limits), range(len(plans)))
        return np.stack(list(found))


def _of_channel(counts: Counts, plan: ChannelPlan, dark_noise: NDArray[np.float64], limits: Defects) -> Flags:
    flags = np.zeros(counts.shape[1], np.uint32)
    good = np.flatnonzero((plan.repair.flags == 0) & ~plan.lost_signal)
    if good.size < _LEAST_ELEMENTS:
        return flags
    sample, noise = _sample(plan, counts, good), dark_noise[good]
    dead = _at_dark(plan, sample, noise, good) | _stuck(plan, sample, good)
    moved, noisy = _unsteady(plan, sample, good, dead, limits)
    for found, flag in ((dead, Quality.DEAD), (moved & ~dead, Quality.FLICKERING), (noisy & ~dead, Quality.NOISY)):
        flags[good[found]] |= np.uint32(flag.value)
    return flags


def _sample(plan: ChannelPlan, counts: Counts, good: NDArray[np.intp]) -> _Sample:
    transmission = signal_of(plan, counts)[:, good]
    below, above = np.empty_like(transmission), np.empty_like(transmission)
    np.maximum(transmission[:, :-3], transmission[:, 1:-2], out=below[:, 2:-1])
    np.maximum(transmission[:, 2:-1], transmission[:, 3:], out=above[:, 1:-2])
    below[:, -1] = np.maximum(transmission[:, -2], transmission[:, -3])
    above[:, 0] = np.maximum(transmission[:, 1], transmission[:, 2])
    # The ends of the array have neighbours on one side, the elements beside them one beyond.
    below[:, 1], above[:, -2] = transmission[:, 0], transmission[:, -1]
    below[:, 0], above[:, -1] = above[:, 0], below[:, -1]
    both = (np.abs(below - 1) < _BAND) & (np.abs(above - 1) < _BAND)
    lit = (np.abs(transmission - 1) < _BAND).mean(axis=1)
    return _Sample(counts[:, good], transmission, below, above, both, lit)


def _at_dark(
    plan: ChannelPlan, sample: _Sample, noise: NDArray[np.float64], good: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Find the dark level and its noise throughout, while the array is lit: no crosstalk, no scatter, no quanta.

    Where no line shows the open beam, both neighbours must be lit instead. The last quarter of the scan is judged on its own too: it
    shows what died on the way, on the lines behind the vehicle.
    """
    counts = sample.counts.astype(np.float32) - plan.offset[good]
    least = np.float32(2) * np.maximum(noise, 0.5).astype(np.float32)
    low = np.abs(counts) < 3 * least
    lit = sample.lit_share >= _LIT_SHARE
    if lit.sum() < _LEAST_LINES:
        return _none_seen(counts, low, np.minimum(sample.below, sample.above) > 100 * plan.zero_noise[good], least)
    last = slice(len(lit) * 3 // 4, None)
    every = np.repeat(lit[:, None], good.size, axis=1)
    return _none_seen(counts, low, every, least) | _none_seen(counts[last], low[last], every[last], least)


def _none_seen(counts: Float32, low: NDArray[np.bool_], lit: NDArray[np.bool_], least: Float32) -> NDArray[np.bool_]:
    number = lit.sum(axis=0)
    mean = (counts * lit).sum(axis=0) / np.maximum(number, 1)
    steady = (low & lit).sum(axis=0) >= _NEARLY_ALL * number
    found: NDArray[np.bool_] = (number >= _LEAST_LINES) & (np.abs(mean) < least) & steady
    return found


def _stuck(plan: ChannelPlan, sample: _Sample, good: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Find one reading on all lines, short of full scale, where the noise of readout and quanta should move it."""
    top, bottom = sample.counts.max(axis=0), sample.counts.min(axis=0)
    quanta = plan.quantum[good] * np.maximum(sample.transmission[0], 0)
    noise = np.sqrt(plan.dark_variance[good] + quanta) / plan.inverse_gain[good]
    found: NDArray[np.bool_] = (top == bottom) & (top < plan.full_scale) & (noise > _LEAST_NOISE)
    return found


def _unsteady(
    plan: ChannelPlan, sample: _Sample, good: NDArray[np.intp], dead: NDArray[np.bool_], limits: Defects
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Find elements whose level moved or jumps, and noisy ones, on lines without vehicle.

    Matter takes signal away, so only what lies above the open beam counts for noise and jumps (above an element's own median where
    that is higher), and a level that fell must have fallen on nearly all lines, between two that see the open beam.
    """
    elements = sample.transmission.shape[1]
    off = np.abs(sample.transmission - 1) >= _BAND
    lit = sample.lit_share >= _LIT_SHARE
    nothing = np.zeros(elements, bool)
    if lit.sum() < _LEAST_LINES:
        return nothing, nothing
    # Scatter brightens what lies beside matter, so a line counts only where nothing is in the beam; what is off throughout is no matter.
    live = ~dead & (off[lit].mean(axis=0) < _NEARLY_ALL)
    empty = np.flatnonzero(lit & (off[:, live].sum(axis=1) <= max(1, _OFF_SHARE * elements)))
    if empty.size < _LEAST_LINES:
        return nothing, nothing
    # Pulse and drift of a line are what most of its elements show.
    act = np.flatnonzero(~dead)
    ratio = sample.transmission[np.ix_(empty, act)]
    ratio /= np.median(ratio, axis=1, keepdims=True)
    middle = np.median(ratio, axis=0)
    # Afterglow and scatter, which are not taken off here, leave what neighbours share.
    local = 1 + ratio - np.stack([median_filter(line, _AROUND, mode="nearest") for line in ratio])
    noise = np.sqrt((plan.dark_variance + plan.quantum)[good[act]] + _OTHER_ERRORS**2)
    up = (local - np.maximum(np.median(local, axis=0), 1)) / noise
    above = up > 0
    number = above.sum(axis=0)
    power = (up * up * above).sum(axis=0) / np.maximum(number, 1)
    jumps = (up > _JUMP_SIGMAS).sum(axis=0)
    between = sample.open[np.ix_(empty, act)].mean(axis=0) >= _NEARLY_ALL
    low = between & ((ratio < 1 - _MOVED).mean(axis=0) >= _NEARLY_ALL)
    allowed = np.array([noise_limit(limits.noisy_air_ratio, max(int(n), 2)) for n in number])
    moved, noisy = nothing.copy(), nothing.copy()
    moved[act] = low | (middle > 1 + _MOVED) | (jumps > max(limits.flicker_share * empty.size, 3.5))
    noisy[act] = np.sqrt(power) > allowed
    return moved, noisy
