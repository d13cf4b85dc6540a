"""Turns deposited energy into counts: quanta, scintillator, electronics, defects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.detectors import Scanner
from scananalysis.simulation.artefacts import Afterglow, crosstalk
from scananalysis.simulation.imperfections import Imperfections

Float32 = NDArray[np.float32]

_HOT = 0.3
_FLICKER_SIGMAS = (6.0, 25.0)
_FLICKER_TIME = (0.08, 0.35)
_BURST_LINES = 9
_LEAST_BREADTH = 1e-6


@dataclass(frozen=True, eq=False)
class Elements:
    """What differs from element to element.

    Parameters
    ----------
    offset, gain : ndarray of float64, (channel, element)
    dead, hot, flicker : ndarray of bool, (channel, element)
    flicker_sigmas, flicker_time : ndarray of float64, (element,)
        Height of a flickering element's jumps in standard deviations of its open-beam reading, with their sign, and the
        share of the time in which it stands on its second level; 0 for others.
    low_gain : ndarray of float64, (channel, element)
        Low gain over high gain, as the electronics join them: 1 where they do it right.
    """

    offset: NDArray[np.float64]
    gain: NDArray[np.float64]
    dead: NDArray[np.bool_]
    hot: NDArray[np.bool_]
    flicker: NDArray[np.bool_]
    flicker_sigmas: NDArray[np.float64]
    flicker_time: NDArray[np.float64]
    low_gain: NDArray[np.float64]


def draw_elements(scanner: Scanner, flaws: Imperfections, rng: np.random.Generator) -> Elements:
    """Draw the elements of an array. An element is one diode for both interlaced energies, so both see its defect."""
    shape, readout = (len(scanner.channels), scanner.elements), scanner.readout
    offset = np.full(shape, readout.offset_counts) + rng.normal(0, readout.offset_spread_counts, shape) * flaws.offset
    gain = np.maximum(1 + rng.normal(0, readout.gain_spread, shape) * flaws.gain, 0.2)
    draw, height, sign, time = rng.random((4, scanner.elements))
    dead, hot = draw < flaws.dead_share, draw > 1 - flaws.hot_share
    flicker = (draw >= flaws.dead_share) & (draw < flaws.dead_share + flaws.flicker_share) & ~hot
    low, high = _FLICKER_SIGMAS
    sigmas = (low + (high - low) * height) * np.where(sign < 0.5, -1, 1) * flicker
    least, most = _FLICKER_TIME
    return Elements(
        np.maximum(offset, 0),
        gain,
        dead=np.broadcast_to(dead, shape).copy(),
        hot=np.broadcast_to(hot, shape).copy(),
        flicker=np.broadcast_to(flicker, shape).copy(),
        flicker_sigmas=sigmas,
        flicker_time=(least + (most - least) * time) * flicker,
        low_gain=np.maximum(1 + rng.normal(0, readout.low_gain_spread, shape) * flaws.gain, 0.2),
    )


@dataclass(frozen=True, eq=False)
class Quanta:
    """Pixels with few quanta, to be drawn photon by photon.

    Parameters
    ----------
    at : ndarray of intp, (n,)
        Flat index of the pixel.
    number, worth : ndarray of float64, (energy, n)
        Expected quanta of each energy, and what each of them deposits, MeV.
    """

    at: NDArray[np.intp]
    number: NDArray[np.float64]
    worth: NDArray[np.float64]


def two_energies(at: NDArray[np.intp], moments: NDArray[np.float64]) -> Quanta:
    """Replace the spectrum that reaches each pixel by two energies with the same number, mean, variance and skewness of the signal.

    Parameters
    ----------
    at : ndarray of intp, (n,)
        Flat index of the pixel.
    moments : ndarray of float64, (4, n)
        Σ λ v⁰ … Σ λ v³ over the spectrum, λ the expected quanta that deposit v, MeV: the cumulants of a compound Poisson signal.

    Returns
    -------
    Quanta
        The Gauss quadrature of the spectrum on two points.

    Examples
    --------
    >>> few = two_energies(np.array([0]), np.array([[3.0], [5.0], [9.0], [17.0]]))
    >>> few.number.ravel().round(6).tolist(), few.worth.ravel().round(6).tolist()
    ([2.0, 1.0], [2.0, 1.0])
    """
    # Where nothing arrives there is nothing to share out.
    number = np.maximum(moments[0], 1e-300)
    mean, second, third = moments[1:] / number
    variance = np.maximum(second - mean**2, 0)
    broad = variance > _LEAST_BREADTH * mean**2
    spread = np.sqrt(variance)
    skew = np.where(broad, third - 3 * mean * second + 2 * mean**3, 0) / np.where(broad, spread * variance, 1)
    root = np.sqrt(skew**2 + 4)
    upper, lower = mean + spread * (skew + root) / 2, mean + spread * (skew - root) / 2
    share = (1 - skew / root) / 2
    return Quanta(at, np.stack([number * share, number * (1 - share)]), np.stack([upper, lower]))


class Channel:
    """The array as one beam sees it; signals are deposited energy in MeV, (element, line).

    Parameters
    ----------
    scanner : Scanner
    index : int
    elements : Elements
    open_mean, open_square : ndarray of float64, (element,)
        Mean and variance of the energy in the open beam.
    flaws : Imperfections
    seed : SeedSequence

    Attributes
    ----------
    jump : ndarray of float64, (flickering element,)
        Height of the second level, counts.
    """

    def __init__(
        self,
        scanner: Scanner,
        index: int,
        elements: Elements,
        open_beam: tuple[NDArray[np.float64], NDArray[np.float64]],
        flaws: Imperfections,
        seed: np.random.SeedSequence,
    ) -> None:
        readout, channel = scanner.readout, scanner.channels[index]
        per_mev = readout.air_counts / (channel.photons_per_line * scanner.beams()[index].mean_signal())
        self._scanner, self._flaws = scanner, flaws
        self.open_mean = open_beam[0].astype(np.float32)[:, None]
        self._open_square = open_beam[1].astype(np.float32)[:, None]
        self._scale = (elements.gain[index] * per_mev * ~elements.dead[index]).astype(np.float32)
        self._offset = (elements.offset[index] + _HOT * readout.full_scale_counts * elements.hot[index]).astype(
            np.float32
        )
        # One stream of numbers per purpose: two scenes that differ in one object have the same noise elsewhere.
        self._quantum, self._electronic, self._few, self._jumps = (np.random.default_rng(s) for s in seed.spawn(4))
        spread = np.sqrt(open_beam[1]) * self._scale
        reading = np.sqrt(spread**2 + readout.electronic_noise_counts**2)
        self._flickers = np.flatnonzero(elements.flicker[index])
        self.jump = (elements.flicker_sigmas * reading)[self._flickers]
        self._jump_time = elements.flicker_time[self._flickers]
        self._low_gain = elements.low_gain[index].astype(np.float32)
        self._dtype = np.uint16 if readout.bits <= 16 else np.uint32
        # Single precision rounds 2³² − 1 up.
        top = np.float32(readout.full_scale_counts)
        self._highest = top if float(top) <= readout.full_scale_counts else np.nextafter(top, np.float32(0))

    def start(self, *, lit: bool) -> Afterglow:
        """Return the scintillator's state after a long time in the open beam, or in the dark."""
        level = (
            crosstalk(self.open_mean, self._crosstalk)[:, 0] if lit else np.zeros(self._scanner.elements, np.float32)
        )
        return Afterglow.of(self._scanner, level, on=self._flaws.afterglow)

    @property
    def _crosstalk(self) -> float:
        return self._scanner.artefacts.crosstalk * self._flaws.crosstalk

    def active(self, lines: int) -> NDArray[np.bool_]:
        """Draw when each flickering element stands on its second level, (flickering element, line)."""
        noise = self._jumps.standard_normal((self._flickers.size, lines + _BURST_LINES - 1))
        if lines == 0 or not self._flickers.size:
            return np.zeros((self._flickers.size, lines), bool)
        smooth = np.lib.stride_tricks.sliding_window_view(noise, _BURST_LINES, axis=1).mean(axis=2)
        rank = np.argsort(np.argsort(-smooth, axis=1), axis=1)
        jumping: NDArray[np.bool_] = rank < np.ceil(self._jump_time[:, None] * lines)
        return jumping

    def counts(
        self,
        mean: Float32,
        square: Float32 | None,
        few: Quanta | None,
        level: NDArray[np.float64],
        glow: Afterglow,
        active: NDArray[np.bool_],
        low: NDArray[np.bool_] | None = None,
    ) -> NDArray[Any]:
        """Read out the next lines, (line, element).

        Parameters
        ----------
        mean, square : ndarray of float32, (element, line)
            Mean energy and its variance at the beam's mean output; zeros and None in the dark, after a long time of it; used up.
        few : Quanta, optional
        level : ndarray, (line,)
            Output of the beam.
        glow : Afterglow
        active : ndarray of bool, (flickering element, line)
        low : ndarray of bool, (line, element), optional
            Filled with where the low gain is used.
        """
        readout, beam = self._scanner.readout, level.astype(np.float32)
        signal = np.multiply(mean, beam, out=mean)
        if self._flaws.noise and square is not None:
            square *= beam
            np.sqrt(square, out=square)
            square *= self._quantum.standard_normal(signal.shape, np.float32)
            signal += square
            if few is not None and few.at.size:
                drawn = self._few.poisson(few.number * beam[few.at % beam.size])
                signal.reshape(-1)[few.at] = (drawn * few.worth).sum(axis=0)
        # From here on lines first, as they are read out: each line is one run of memory.
        if square is None:
            values = np.ascontiguousarray(signal.T)
        else:
            values = glow.apply(np.ascontiguousarray(crosstalk(signal, self._crosstalk).T))
        values *= self._scale
        bend = self._scanner.artefacts.curvature * self._flaws.curvature
        if bend:
            lost = values * np.float32(-bend / readout.full_scale_counts)
            lost += 1
            values *= lost
        values += self._offset
        if self._flickers.size:
            values[:, self._flickers] += active.T * self.jump
        switched = self._switch(values) if readout.low_gain_from_counts else None
        if self._flaws.noise:
            noise = self._electronic.standard_normal(values.shape, np.float32)
            high = np.float32(readout.electronic_noise_counts)
            noise *= high if switched is None else np.where(switched, np.float32(readout.low_gain_noise_counts), high)
            values += noise
        if switched is not None:
            step = np.float32(readout.low_gain_step_counts)
            values[switched] = np.rint(values[switched] / step) * step
            if low is not None:
                low[:] = switched
        # Truncation of half a count more rounds.
        values += np.float32(0.5)
        np.clip(values, 0, self._highest, out=values)
        return values.astype(self._dtype)

    def _switch(self, values: Float32) -> NDArray[np.bool_]:
        """Give readings that use the low gain the error with which it is joined, in place; return which they are."""
        switched: NDArray[np.bool_] = values >= np.float32(self._scanner.readout.low_gain_from_counts)
        off = (values - self._offset) * (self._low_gain - 1)
        values += np.where(switched, off, np.float32(0))
        return switched

    def references(self, level: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Read out open beam and dark, each (line, element); the array has settled in both."""
        lines = level.size
        shape = (self._scanner.elements, lines)
        mean, square = (np.broadcast_to(part, shape).copy() for part in (self.open_mean, self._open_square))
        air = self.counts(mean, square, None, level, self.start(lit=True), self.active(lines))
        nothing = np.zeros(shape, np.float32)
        dark = self.counts(nothing, None, None, level, self.start(lit=False), self.active(lines))
        return air, dark


def drop_lines(counts: NDArray[Any], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Lose lines in place: each repeats the line before it. Returns which, (line,)."""
    lost: NDArray[np.bool_] = (rng.random(counts.shape[0]) < share) & (np.arange(counts.shape[0]) > 0)
    for line in np.flatnonzero(lost):
        counts[line] = counts[line - 1]
    return lost
