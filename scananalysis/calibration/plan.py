"""Turns a calibration set, or the open beam of an image, into what the steps do to every channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scananalysis.calibration.afterglow import Afterglow
from scananalysis.calibration.blocks import ChannelPlan
from scananalysis.calibration.corrections import Corrections
from scananalysis.calibration.crosstalk import Unmixing
from scananalysis.calibration.defects import find_defects, plan_repair
from scananalysis.calibration.gain import quantum_of_elements
from scananalysis.calibration.noise import Growth, growth_curve, nominal_quantum
from scananalysis.calibration.scatter import Scatter
from scananalysis.core import CalibrationError

if TYPE_CHECKING:
    from scananalysis.calibration.openbeam import AirLevel
    from scananalysis.calibration.recipe import Recipe
    from scananalysis.calibration.references import Calibration
    from scananalysis.core import RawScan
    from scananalysis.detectors import Scanner
    from scananalysis.detectors.scanner import Readout
    from scananalysis.physics import Beam

Float64 = NDArray[np.float64]


def shifts_of(channels: int, lag: float, recipe: Recipe) -> tuple[float, ...]:
    """Return by how many lines each channel is resampled for a lag of the second one: half of it each."""
    if channels != 2 or not recipe.registration.enabled:
        return (0.0,) * channels
    return lag / 2, -lag / 2


def saturated_counts(scan: RawScan) -> int | None:
    """Return the counts from which the scan's file says that a pixel is saturated, or None where it does not say.

    Raises
    ------
    CalibrationError
        What it says is no positive whole number.

    Examples
    --------
    >>> from scananalysis.core import RawScan
    >>> saturated_counts(RawScan(np.ones((1, 1, 1), np.uint16), "gamma-co60", metadata={"saturated_counts": 4095}))
    4095
    """
    said = scan.metadata.get("saturated_counts")
    if said is None:
        return None
    if isinstance(said, bool) or not isinstance(said, (int, np.integer)) or said < 1:
        raise CalibrationError(f"metadata saturated_counts is {said!r}", expected="a positive whole number")
    return int(said)


@dataclass(frozen=True)
class _Element:
    """Figures of every element of one channel, counts."""

    offset: Float64
    offset_sigma: Float64
    dark_noise: Float64
    gain: Float64
    gain_sigma: Float64
    quantum: Float64
    profile: Float64


def plans_of(
    used: Calibration,
    scanner: Scanner,
    lag: float,
    recipe: Recipe,
    saturated: int | None = None,
    failed: NDArray[np.uint32] | None = None,
) -> tuple[ChannelPlan, ...]:
    """Return the plans of a scan with references.

    Parameters
    ----------
    used : Calibration
    scanner : Scanner
    lag : float
        Lines by which the second channel lags.
    recipe : Recipe
    saturated : int, optional
        Counts from which the scan's file says that a pixel is saturated; full scale by default.
    failed : ndarray of uint32, (channel, element), optional
        Flags of elements that failed since, see `failed.find_failed`.

    Raises
    ------
    CalibrationError
        The set was straightened by another curvature than the recipe asks for.
    """
    corrections = Corrections.of(scanner, recipe).with_measured(used.metadata, recipe)
    used.check_corrections(corrections)
    needs_profile = bool(corrections.crosstalk or corrections.scatter_share)
    full_scale = scanner.readout.full_scale_counts
    flags = find_defects(used, recipe.defects)
    if failed is not None:
        flags |= failed
    channels = len(used.offset)
    quantum = quantum_of_elements(used.quantum, used.gain / scanner.boom_exposure)
    shifts = shifts_of(channels, lag, recipe)
    plans = []
    for c, beam in enumerate(scanner.beams()):
        gain = used.gain[c] if recipe.gain.enabled else np.full_like(used.gain[c], np.median(used.gain[c]))
        offset = used.offset[c] if recipe.offset.enabled else np.zeros_like(used.offset[c])
        element = _Element(
            offset,
            used.offset_sigma[c],
            used.dark_noise[c],
            gain,
            used.gain_sigma[c],
            quantum[c],
            _profile(scanner, beam) if needs_profile else np.ones_like(gain),
        )
        # Quanta or electronics make two equal lines all but impossible; without either they may be the load.
        noise = np.median(used.dark_noise[c] ** 2 + 0.01 * used.quantum[c] * used.gain[c])
        plans.append(
            _plan(
                element,
                flags[c],
                growth_curve(beam),
                corrections,
                full_scale=full_scale if saturated is None else min(saturated, full_scale),
                shift=shifts[c],
                finds_repeats=recipe.dropped_lines.enabled and bool(noise > 1),
                readout=scanner.readout,
            )
        )
    return tuple(plans)


def _plan(
    element: _Element,
    flags: NDArray[np.uint32],
    growth: Growth,
    corrections: Corrections,
    *,
    full_scale: int,
    shift: float,
    finds_repeats: bool,
    readout: Readout,
) -> ChannelPlan:
    lit = element.gain > 0
    inverse = np.where(lit, 1 / np.where(lit, element.gain, 1), 0)
    repair = plan_repair(flags)
    glow = Afterglow.of(corrections.afterglow_share, corrections.afterglow_lines)
    unmixing = Unmixing.of(corrections.crosstalk, element.profile)
    # Quanta cross over with the signal and come back with it; the noise of the electronics is sharpened.
    quantum = element.quantum / (unmixing.smoothing if unmixing else 1.0)
    sharpened = float(np.sqrt((glow.noise_gain if glow else 1.0) * (unmixing.noise_gain if unmixing else 1.0)))
    dark_noise = element.dark_noise * sharpened
    zero_noise = np.where(lit, dark_noise * inverse, 0)
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
        dark_variance=((dark_noise * inverse) ** 2).astype(np.float32),
        quantum=(quantum * inverse).astype(np.float32),
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
        curvature=corrections.curvature,
        counts_per_gain=(element.gain / corrections.full_scale).astype(np.float32),
        readout_scale=corrections.full_scale,
        afterglow=glow,
        unmixing=unmixing,
        scatter=Scatter.of(corrections.scatter_share, corrections.scatter_elements, element.profile),
        uncertain=dict(corrections.sigma) | ({"join": readout.low_gain_spread} if readout.low_gain_spread else {}),
        low_gain_from=readout.low_gain_from_counts,
        air_at_low_gain=element.offset + element.gain >= readout.low_gain_from_counts
        if readout.low_gain_from_counts
        else None,
    )


def _profile(scanner: Scanner, beam: Beam) -> Float64:
    """Return the open beam along the array, (element,), any unit: spectrum and response by fan angle, distance and obliquity.

    The scanner's nominal figures: an element's own gain stands in the way of measuring it, and only its slope matters.
    """
    angle = scanner.fan_angle_rad.astype(np.float64)
    found: Float64 = (beam.photons(angle) @ beam.response) * scanner.element_exposure
    found /= found.mean()
    return found


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
        growth=growth_curve(scanner.beams()[c]),
        repair=plan_repair(np.zeros(elements, np.uint32)),
        lost_signal=np.zeros(elements, bool),
        zero_noise=np.full(elements, zero_noise, np.float32),
        dark_error=nothing,
        gain_error=nothing,
        full_scale=saturated_counts(scan) or int(np.iinfo(scan.counts.dtype).max),
        clipped_at=air.level if air.clipped else None,
        shift=shift,
        finds_repeats=False,
    )
    return plan, quantum
