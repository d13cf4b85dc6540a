"""How the source and the drive vary from line to line: pulses, drift, monitor, travel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scananalysis.detectors import Scanner
from scananalysis.simulation.imperfections import Imperfections

Float64 = NDArray[np.float64]

_LEAST_LEVEL = 0.05
_LARGEST_WOBBLE = 0.5


@dataclass(frozen=True, eq=False)
class Pulses:
    """Output of the source, relative to its mean.

    Parameters
    ----------
    pulse, air_pulse : ndarray of float64, (channel, line)
        Fluctuation of each pulse of the scan and of the open-beam reference before it.
    drift : ndarray of float64, (line,)
        Level of the source along the scan, 1 at its start.
    monitor, air_monitor : ndarray of float64, (channel, line)
        What the beam monitor reads: output, drift included, with the monitor's own noise.
    """

    pulse: Float64
    air_pulse: Float64
    drift: Float64
    monitor: Float64
    air_monitor: Float64

    @property
    def level(self) -> Float64:
        """Output of every pulse of the scan, (channel, line)."""
        return self.pulse * self.drift


def draw_pulses(scanner: Scanner, lines: int, flaws: Imperfections, rng: np.random.Generator) -> Pulses:
    """Draw what the source does in a scan of some lines and in the open-beam reference before it; columns share their pulse."""
    channels, source = len(scanner.channels), scanner.pulse
    pulse_of = _pulse_of_lines(scanner, lines)
    pulse_of = np.concatenate(
        [pulse_of, pulse_of.max(initial=-1) + 1 + _pulse_of_lines(scanner, scanner.reference_lines)]
    )
    total = int(pulse_of[-1]) + 1
    common = rng.normal(0, source.fluctuation_common, total)[pulse_of]
    own = rng.normal(0, source.fluctuation_channel, (channels, total))[:, pulse_of]
    reading = rng.normal(0, source.monitor_noise, (channels, total))[:, pulse_of]
    change = float(rng.normal(0, scanner.artefacts.drift)) * flaws.drift
    # An accelerator that misfires still gives some dose; the bound is 19 standard deviations away for every scanner.
    pulse = np.maximum(1 + (common + own) * flaws.pulse, _LEAST_LEVEL)
    drift = np.maximum(1 + change * np.arange(lines) / max(lines - 1, 1), _LEAST_LEVEL)
    level = np.concatenate([pulse[:, :lines] * drift, pulse[:, lines:]], axis=1)
    monitor = level * (1 + reading * (flaws.pulse and flaws.noise))
    return Pulses(pulse[:, :lines], pulse[:, lines:], drift, monitor[:, :lines], monitor[:, lines:])


def _pulse_of_lines(scanner: Scanner, lines: int) -> NDArray[np.intp]:
    return np.arange(lines) // scanner.geometry.columns


def times_of(scanner: Scanner, lines: int, flaws: Imperfections) -> Float64:
    """Return when every line of every channel is taken, (channel, line), s; columns of one pulse at once."""
    columns = scanner.geometry.columns
    lag = 0.5 * (flaws.interlace and scanner.pulse.interlaced) * np.arange(len(scanner.channels))
    times: Float64 = (_pulse_of_lines(scanner, lines) + 0.5 + lag[:, None]) * columns / scanner.lines_per_s
    return times


def draw_travel(scanner: Scanner, lines: int, flaws: Imperfections, rng: np.random.Generator) -> Float64:
    """Draw where every line of every channel meets the load, (channel, line), mm.

    The speed varies smoothly: normal deviates every ``wobble_mm``, blended by Gaussian weights of that width and scaled to the
    stated spread. The low energy of an interlaced scanner fires half the time from pulse to pulse later. Columns of one pulse stand
    side by side, a line's pitch apart at the middle of the load, however the load moves.
    """
    pitch, artefacts, columns = scanner.line_pitch_mm, scanner.artefacts, scanner.geometry.columns
    pulse = _pulse_of_lines(scanner, lines)
    half = np.arange(2 * columns * (int(pulse.max(initial=-1)) + 2))
    edge = half * (pitch / 2)
    knots = np.arange(-3, int(lines * pitch / artefacts.wobble_mm) + 5)
    strength = rng.standard_normal(knots.size)
    if flaws.wobble and artefacts.wobble > 0:
        # Variations over wobble_mm: the weights of neighbouring knots meet at half their height.
        weight = np.exp(-0.5 * ((edge[:, None] / artefacts.wobble_mm - knots) / 0.5) ** 2)
        speed = artefacts.wobble * (weight * strength).sum(axis=1) / np.sqrt((weight**2).sum(axis=1))
        steps = np.clip(speed, -_LARGEST_WOBBLE, _LARGEST_WOBBLE) * (pitch / 2)
        edge = edge + np.concatenate([[0.0], np.cumsum(steps[:-1])])
    lag = int(flaws.interlace and scanner.pulse.interlaced)
    beside = (np.arange(lines) - pulse * columns - (columns - 1) / 2) * pitch
    fired = columns * (2 * pulse + 1)
    return np.stack([edge[fired + lag * columns * c] + beside for c in range(len(scanner.channels))])
