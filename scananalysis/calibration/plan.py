"""Turns a calibration set, or the open beam of an image, into what the steps do to every channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scananalysis.calibration.blocks import ChannelPlan
from scananalysis.calibration.defects import find_defects, plan_repair
from scananalysis.calibration.gain import quantum_of_elements
from scananalysis.calibration.noise import growth_polynomial, nominal_quantum

if TYPE_CHECKING:
    from scananalysis.calibration.openbeam import AirLevel
    from scananalysis.calibration.recipe import Recipe
    from scananalysis.calibration.references import Calibration
    from scananalysis.core import RawScan
    from scananalysis.detectors import Scanner

Float64 = NDArray[np.float64]


def shifts_of(channels: int, lag: float, recipe: Recipe) -> tuple[float, ...]:
    """Return by how many lines each channel is resampled for a lag of the second one: half of it each."""
    if channels != 2 or not recipe.registration.enabled:
        return (0.0,) * channels
    return lag / 2, -lag / 2


@dataclass(frozen=True)
class _Element:
    """Figures of every element of one channel, counts."""

    offset: Float64
    offset_sigma: Float64
    dark_noise: Float64
    gain: Float64
    gain_sigma: Float64
    quantum: Float64


def plans_of(used: Calibration, scanner: Scanner, lag: float, recipe: Recipe) -> tuple[ChannelPlan, ...]:
    """Return the plans of a scan with references.

    Parameters
    ----------
    used : Calibration
    scanner : Scanner
    lag : float
        Lines by which the second channel lags.
    recipe : Recipe
    """
    flags = find_defects(used, recipe.defects)
    channels = len(used.offset)
    quantum = quantum_of_elements(used.quantum, used.gain)
    shifts = shifts_of(channels, lag, recipe)
    plans = []
    for c, beam in enumerate(scanner.beams()):
        gain = used.gain[c] if recipe.gain.enabled else np.full_like(used.gain[c], np.median(used.gain[c]))
        offset = used.offset[c] if recipe.offset.enabled else np.zeros_like(used.offset[c])
        element = _Element(offset, used.offset_sigma[c], used.dark_noise[c], gain, used.gain_sigma[c], quantum[c])
        # Quanta or electronics make two equal lines all but impossible; without either they may be the load.
        noise = np.median(used.dark_noise[c] ** 2 + 0.01 * used.quantum[c] * used.gain[c])
        plans.append(
            _plan(
                element,
                flags[c],
                growth_polynomial(beam),
                full_scale=scanner.readout.full_scale_counts,
                shift=shifts[c],
                finds_repeats=recipe.dropped_lines.enabled and bool(noise > 1),
            )
        )
    return tuple(plans)


def _plan(
    element: _Element,
    flags: NDArray[np.uint32],
    growth: tuple[float, ...],
    *,
    full_scale: int,
    shift: float,
    finds_repeats: bool,
) -> ChannelPlan:
    lit = element.gain > 0
    inverse = np.where(lit, 1 / np.where(lit, element.gain, 1), 0)
    repair = plan_repair(flags)
    zero_noise = np.where(lit, element.dark_noise * inverse, 0)
    zero_noise[repair.bad] = np.maximum(zero_noise[repair.low], zero_noise[repair.high])

    def error(values: Float64) -> NDArray[np.float32]:
        """Give an interpolated element the error that makes means over it and its neighbours right, as for noise."""
        found = np.where(lit, values * inverse, 0)
        first, second = repair.variance_weights
        found[repair.bad] = np.sqrt(first * found[repair.low] ** 2 + second * found[repair.high] ** 2)
        return found.astype(np.float32)

    return ChannelPlan(
        offset=element.offset.astype(np.float32),
        inverse_gain=inverse.astype(np.float32),
        dark_variance=((element.dark_noise * inverse) ** 2).astype(np.float32),
        quantum=(element.quantum * inverse).astype(np.float32),
        growth=growth,
        repair=repair,
        lost_signal=~lit & (flags == 0),
        zero_noise=zero_noise.astype(np.float32),
        dark_error=error(element.offset_sigma),
        gain_error=error(element.gain_sigma),
        full_scale=full_scale,
        clipped_at=None,
        shift=shift,
        finds_repeats=finds_repeats,
    )


def plan_of_image(
    scan: RawScan, scanner: Scanner, c: int, air: AirLevel, shift: float, recipe: Recipe
) -> tuple[ChannelPlan, float]:
    """Return the plan of one channel of an air-normalised image, and what a quantum is worth there, counts."""
    elements = scan.shape[2]
    quantum = air.quantum or nominal_quantum(scan.scanner, c, air.level, scan.binning)
    nothing = np.zeros(elements, np.float32)
    # A zero is starvation whatever the noise; so is a signal of less than one quantum.
    zero_noise = max(quantum, 0.5) / air.level / recipe.logarithm.starved_sigmas
    plan = ChannelPlan(
        offset=nothing,
        inverse_gain=np.full(elements, 1 / air.level, np.float32),
        # One count is the least the file can tell apart; its rounding is the floor of the noise.
        dark_variance=np.full(elements, (0.5 / air.level) ** 2, np.float32),
        quantum=np.full(elements, quantum / air.level, np.float32),
        growth=growth_polynomial(scanner.beams()[c]),
        repair=plan_repair(np.zeros(elements, np.uint32)),
        lost_signal=np.zeros(elements, bool),
        zero_noise=np.full(elements, zero_noise, np.float32),
        dark_error=nothing,
        gain_error=nothing,
        full_scale=int(np.iinfo(scan.counts.dtype).max),
        clipped_at=air.level if air.clipped else None,
        shift=shift,
        finds_repeats=False,
    )
    return plan, quantum
