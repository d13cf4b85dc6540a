"""Runs the steps on a block of lines of one channel: everything that touches every pixel is here.

A block of 128 lines of a usual array stays in the cache from the counts to the logarithm. Every operation works pixel by pixel, or on a
line and its neighbours, so the size of a block changes no bit of the result; a whole file and a stream of lines share this code.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scananalysis.calibration.crosstalk import remove_crosstalk, second_difference
from scananalysis.calibration.defects import Repair, fill, interpolate
from scananalysis.calibration.logarithm import attenuate, mark_negative, mark_starved
from scananalysis.calibration.noise import Growth, noise_of, relative_noise_of
from scananalysis.calibration.planes import Lines, Planes, along_elements, transpose
from scananalysis.calibration.registration import noise_area, shift_lines, shift_plane
from scananalysis.calibration.scatter import subtract_scatter
from scananalysis.calibration.signal import signal_of
from scananalysis.core import Quality

if TYPE_CHECKING:
    from scananalysis.calibration.afterglow import Afterglow
    from scananalysis.calibration.crosstalk import Unmixing
    from scananalysis.calibration.geometry import Taps
    from scananalysis.calibration.recipe import Logarithm
    from scananalysis.calibration.scatter import Scatter

Float32 = NDArray[np.float32]

BLOCK_LINES = 128
CONTEXT = 2
"""Lines on either side that a line depends on: bad elements are filled with regard to the next line, and so is what is resampled."""

_SATURATED = np.uint32(Quality.SATURATED.value)
_CLIPPED = np.uint32(Quality.CLIPPED_AIR.value)
_NOT_FINITE = np.uint32(Quality.NOT_FINITE.value)


@dataclass(frozen=True, eq=False)
class ChannelPlan:
    """What the steps do to the pixels of one channel.

    Parameters
    ----------
    offset, inverse_gain : ndarray of float32, (element,)
        Counts, and one over counts; 0 for an element without signal.
    dark_variance : ndarray of float32, (element,)
        Variance of transmission without beam.
    quantum : ndarray of float32, (element,)
        Variance over mean of transmission in the open beam.
    growth : Growth
        Of what a quantum is worth behind matter.
    repair : Repair
    lost_signal : ndarray of bool, (element,)
        Elements without signal that are not interpolated: their attenuation is not a number.
    zero_noise : ndarray of float32, (element,)
        1-σ noise of transmission below which a pixel is starved.
    dark_error, gain_error : ndarray of float32, (element,)
        1-σ shared errors: of transmission by the dark level, relative by the gain.
    full_scale : int
        Counts from which a pixel is saturated.
    clipped_at : float or None
        Counts above which the file stores nothing.
    shift : float
        Lines by which the channel is resampled.
    finds_repeats : bool
        A line that repeats the one before is a dropped line (without noise it may be the load).
    curvature : float
        See `linearity.linearise`.
    counts_per_gain : ndarray of float32, (element,), or None
        Open-beam signal over full scale.
    readout_scale : int
        Counts at full scale that the curvature refers to.
    afterglow, unmixing, scatter : optional
        None where there is none.
    uncertain : mapping of str to float
        Relative 1-σ error of the parameter of each step that has one.
    taps : Taps, optional
        Lines that make up every column, instead of ``shift``.
    low_gain_from : float, optional
        Counts from which the readout uses its low gain; none has two gains by default.
    air_at_low_gain : ndarray of bool, (element,), optional
        Elements whose open beam was read at the low gain.
    """

    offset: Float32
    inverse_gain: Float32
    dark_variance: Float32
    quantum: Float32
    growth: Growth
    repair: Repair
    lost_signal: NDArray[np.bool_]
    zero_noise: Float32
    dark_error: Float32
    gain_error: Float32
    full_scale: int
    clipped_at: float | None
    shift: float
    finds_repeats: bool
    curvature: float = 0.0
    counts_per_gain: Float32 | None = None
    readout_scale: int = 65_535
    afterglow: Afterglow | None = None
    unmixing: Unmixing | None = None
    scatter: Scatter | None = None
    uncertain: Mapping[str, float] = field(default_factory=dict)
    taps: Taps | None = None
    low_gain_from: float = 0.0
    air_at_low_gain: NDArray[np.bool_] | None = None

    @property
    def lookahead(self) -> int:
        """Lines after a line that must be known before it is done, where it is not made of columns of equal travel."""
        return int(self.shift > 0) + int(self.repair.bad.size > 0)

    @property
    def context(self) -> int:
        """Lines on either side that a block needs: none where no line depends on another."""
        return CONTEXT if self.shift != 0 or self.repair.bad.size else 0

    @property
    def mixes(self) -> bool:
        """Whether the noise of a pixel is not that of its own reading alone."""
        return self.context > 0 or self.taps is not None or self.scatter is not None

    @property
    def noise_area(self) -> float:
        """Noise power at zero frequency over pixel variance, after resampling."""
        return noise_area(self.shift) if self.taps is None else self.taps.noise_area

    @property
    def alone(self) -> bool:
        """Whether every element can be worked on without the others, and all its lines at once."""
        return not self.mixes and self.afterglow is None and self.unmixing is None

    def of_elements(self, elements: slice) -> ChannelPlan:
        """Return the plan of some elements, where they stand alone."""
        values = {
            name: getattr(self, name)[elements]
            for name in (
                "offset", "inverse_gain", "dark_variance", "quantum", "lost_signal", "zero_noise", "dark_error", "gain_error"
            )
        }  # fmt: skip
        scale = None if self.counts_per_gain is None else self.counts_per_gain[elements]
        return replace(
            self, repair=replace(self.repair, flags=self.repair.flags[elements]), counts_per_gain=scale, **values
        )

    def blurred(self, sigma: Float32) -> Float32:
        """Return the error of every column from that of every line, (line,): a resampled column holds parts of several."""
        if self.taps is not None:
            return np.sqrt(self.taps.variance(sigma**2))
        share = abs(self.shift)
        return sigma * np.float32(np.sqrt(share**2 + (1 - share) ** 2))

    @functools.cached_property
    def _offset_block(self) -> Float32:
        """The offset of every line of a block with its neighbours, (line, element): OpenCV does not repeat a line by itself."""
        return np.repeat(self.offset[None], BLOCK_LINES + 2, axis=0)

    def offset_lines(self, lines: int) -> Float32:
        """Return the offset of that many lines, (line, element), as a view where a usual block asks."""
        if lines <= BLOCK_LINES + 2:
            return self._offset_block[:lines]
        return np.repeat(self.offset[None], lines, axis=0)

    def settled(self) -> Float32 | None:
        """Return the state of the afterglow in the open beam, or None where there is no afterglow."""
        if self.afterglow is None:
            return None
        lit: Float32 = (self.inverse_gain > 0).astype(np.float32)
        found: Float32 = self.afterglow.settled(lit)
        return found


@dataclass(frozen=True, eq=False)
class _Seen:
    """A block in transmission, (line, element), and what is known of it.

    ``variance`` is None where `relative_noise_of` will tell it, no transmission of an element lies below ``least`` or, where that is
    known, above ``most``; ``zero`` is the noise without beam, ``changes`` are those of T per σ of a parameter.
    """

    transmission: Float32
    least: Float32
    most: Float32 | None
    variance: Float32 | None
    zero: Float32
    changes: dict[str, Float32]
    quality: NDArray[np.uint32]
    inverse_pulse: Float32
    pulse_sigma: Float32


def _see(
    plan: ChannelPlan, lines: Lines, signal: Float32, quality: NDArray[np.uint32], changes: dict[str, Float32]
) -> _Seen:
    """Go from signals without afterglow to the transmission of the direct beam, with its noise."""
    signal *= lines.inverse_pulse[:, None]
    transmission, uncertain = signal, plan.uncertain
    if plan.unmixing is not None or plan.scatter is not None:
        # A bad element must not pass its reading on.
        fill(plan.repair, transmission)
    if plan.unmixing is not None:
        transmission = remove_crosstalk(plan.unmixing, transmission)
        if "crosstalk" in uncertain:
            sharper = second_difference(transmission)
            sharper *= np.float32(-uncertain["crosstalk"] * plan.unmixing.share)
            changes["crosstalk"] = sharper
    taken = None
    if plan.scatter is not None:
        taken = subtract_scatter(plan.scatter, transmission)
        if "scatter" in uncertain:
            changes["scatter"] = taken * np.float32(-uncertain["scatter"])
    variance, zero = None, plan.zero_noise
    if plan.alone:
        least, most = _bounds(plan, lines)
    else:
        least, most = transmission.min(axis=0), None
    if plan.mixes:
        variance = noise_of(plan, transmission, lines.inverse_pulse, least)
        if taken is not None:
            # Scattered quanta are subtracted in the mean; their noise stays.
            noise = taken * plan.quantum
            noise *= lines.inverse_pulse[:, None]
            variance += noise
            zero = np.sqrt(noise + plan.zero_noise**2 + (np.float32(uncertain.get("scatter", 0)) * taken) ** 2)
        interpolate(plan.repair, transmission, variance)
        least[plan.repair.bad] = transmission[:, plan.repair.bad].min(axis=0)
        for change in changes.values():
            fill(plan.repair, change)
    return _Seen(transmission, least, most, variance, zero, changes, quality, lines.inverse_pulse, lines.pulse_sigma)


def _bounds(plan: ChannelPlan, lines: Lines) -> tuple[Float32, Float32]:
    """Return what no transmission of an element lies below or above: counts are narrower than what is made of them.

    Signals rise with counts, and a rounded product with each of its factors.
    """
    least, most = (signal_of(plan, extreme[None])[0] for extreme in lines.extremes)
    weak, strong = lines.inverse_pulse.min(), lines.inverse_pulse.max()
    return np.minimum(least * weak, least * strong), np.maximum(most * weak, most * strong)


def _registered(plan: ChannelPlan, seen: _Seen, where: slice | Taps) -> _Seen:
    """Move a block to where its columns stand, without its neighbours."""
    variance, zero, pulse, sigma = seen.variance, seen.zero, seen.inverse_pulse, seen.pulse_sigma
    if not isinstance(where, slice):
        return replace(
            seen,
            transmission=where.mean(seen.transmission),
            variance=None if variance is None else where.variance(variance),
            zero=where.mean(zero) if zero.ndim == 2 else zero,
            changes={name: where.mean(change) for name, change in seen.changes.items()},
            quality=where.flags(seen.quality),
            inverse_pulse=where.mean(pulse),
            pulse_sigma=np.sqrt(where.variance(sigma**2)),
        )
    if variance is not None:
        shift_lines(seen.transmission, variance, seen.quality, plan.shift)
        for change in seen.changes.values():
            shift_plane(change, plan.shift)
    # Context lines have done their part; their own results belong to other blocks.
    return replace(
        seen,
        transmission=seen.transmission[where],
        variance=None if variance is None else variance[where],
        zero=zero[where] if zero.ndim == 2 else zero,
        changes={name: change[where] for name, change in seen.changes.items()},
        quality=seen.quality[where],
        inverse_pulse=pulse[where],
        pulse_sigma=sigma[where],
    )


def run_block(
    plan: ChannelPlan,
    lines: Lines,
    where: slice | Taps,
    limits: Logarithm,
    out: Planes,
    state: Float32 | None = None,
    keep_at: int = 0,
) -> Float32 | None:
    """Take a block of lines from counts to attenuation, and return the state of the afterglow before line ``keep_at``.

    Parameters
    ----------
    plan : ChannelPlan
    lines : Lines
        The block with its neighbours.
    where : slice or Taps
        The block itself, with its context ahead of it and behind it except at an end of the scan; or the lines that make up its
        columns.
    limits : Logarithm
    out : Planes
        Planes of the block itself, flags 0 so far. Where the counts lie in memory as the planes do, everything is worked out in its place.
    state : ndarray of float32, (component, element), optional
        Of the afterglow before the first line of ``lines``.
    keep_at : int
    """
    own = out.turned() if plan.alone and along_elements(lines.counts) else None
    signal = signal_of(plan, lines.counts)
    quality = _flags(plan, lines, own.quality if own else np.zeros_like(lines.counts, np.uint32))
    changes: dict[str, Float32] = {}
    kept = None
    if plan.afterglow is not None and state is not None:
        glowing = signal.copy() if "afterglow" in plan.uncertain else None
        kept = plan.afterglow.remove(signal, state, keep_at)
        if glowing is not None:
            np.subtract(signal, glowing, out=glowing)
            glowing *= np.float32(plan.uncertain["afterglow"]) * lines.inverse_pulse[:, None]
            changes["afterglow"] = glowing
    if "join" in plan.uncertain and plan.air_at_low_gain is not None:
        # Read at the gain at which the open beam was read, the join has no part in it.
        other = (lines.counts >= plan.low_gain_from) != plan.air_at_low_gain
        joined = signal * np.where(other, np.float32(-plan.uncertain["join"]), np.float32(0))
        joined *= np.where(plan.air_at_low_gain, np.float32(1), np.float32(-1)) * lines.inverse_pulse[:, None]
        changes["join"] = joined
    seen = _see(plan, lines, signal, quality, changes)
    mark_starved(seen.transmission, quality, seen.zero, limits, seen.least)
    _finish(plan, _registered(plan, seen, where), limits, out, own)
    return kept


def _finish(plan: ChannelPlan, seen: _Seen, limits: Logarithm, out: Planes, own: Planes | None) -> None:
    """Go from transmission to attenuation, and write what came out."""
    quality, pulse = seen.quality, seen.inverse_pulse[:, None]
    alpha, inverse = attenuate(seen.transmission, seen.zero, seen.least, own.attenuation if own else None)
    inverse_signal = inverse * pulse
    if seen.variance is None:
        variance = relative_noise_of(plan, alpha, inverse_signal, own.variance if own else None)
    else:
        variance = seen.variance
        variance *= inverse
        variance *= inverse
    mark_negative(inverse, variance, quality, limits, (plan.gain_error, seen.pulse_sigma), seen.most)
    dark = np.multiply(inverse_signal, plan.dark_error, out=own.dark if own else inverse_signal)
    effects = {}
    if seen.changes:
        np.negative(inverse, out=inverse)
        effects = {name: change * inverse for name, change in seen.changes.items()}
    if "linearity" in plan.uncertain and plan.counts_per_gain is not None:
        # ∂(ln S)/∂c = S/F, and the same of the open beam.
        short = np.float32(1) - seen.transmission / pulse
        short *= np.float32(plan.uncertain["linearity"] * plan.curvature) * plan.counts_per_gain
        effects["linearity"] = short
    if plan.lost_signal.any():
        alpha[:, plan.lost_signal], variance[:, plan.lost_signal] = np.nan, np.inf
        for effect in (dark, *effects.values()):
            effect[:, plan.lost_signal] = 0
        quality[:, plan.lost_signal] |= _NOT_FINITE
    if own is None:
        transpose(alpha, out.attenuation)
        transpose(variance, out.variance)
        transpose(quality.view(np.int32), out.quality.view(np.int32))
        transpose(dark, out.dark)
    for name, effect in effects.items():
        transpose(effect, out.effects[name])


def _flags(plan: ChannelPlan, lines: Lines, quality: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Add what element, line and counts say to the flags of a block, and return them."""
    counts = lines.counts
    # Most elements have none: planes that begin as zeros are not written there.
    flagged = np.flatnonzero(plan.repair.flags)
    quality[:, flagged] |= plan.repair.flags[flagged]
    if lines.flags.any():
        quality |= lines.flags[:, None]
    most = lines.extremes[1].max()
    if most >= plan.full_scale:
        quality[counts >= plan.full_scale] |= _SATURATED
    if plan.clipped_at is not None and most >= plan.clipped_at:
        quality[counts >= plan.clipped_at] |= _CLIPPED
    return quality
