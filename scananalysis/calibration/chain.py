"""The steps in order: counts to attenuation, with both kinds of uncertainty and flags."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.calibration.defects import find_defects, interpolate_defects
from scananalysis.calibration.logarithm import Noise, attenuate
from scananalysis.calibration.noise import nominal_quantum, quantum_growth
from scananalysis.calibration.openbeam import AirLevel, estimate_air
from scananalysis.calibration.recipe import Recipe
from scananalysis.calibration.references import Calibration
from scananalysis.calibration.registration import line_shift, noise_area, shift_lines
from scananalysis.calibration.store import load_calibration
from scananalysis.core import (
    CalibrationError,
    Provenance,
    Quality,
    Radiograph,
    RawScan,
    SystematicTerm,
    sha256_array,
)
from scananalysis.detectors import scanner as find_scanner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.detectors import Scanner

_BLOCK = 32
"""Elements that are worked on at once: their lines stay in the cache."""


def calibrate(
    scan: RawScan,
    calibration: Calibration | str | PathLike[str] | None = None,
    *,
    recipe: Recipe | None = None,
) -> Radiograph:
    """Turn counts into attenuation.

    T = (N − offset) / (gain · pulse), α = −ln T; bad elements are interpolated and interlaced energies registered in
    transmission, before the logarithm.

    Parameters
    ----------
    scan : RawScan
    calibration : Calibration or path-like, optional
        A set, or the file of one; by default the references inside the scan. An air-normalised scan needs none: its
        open beam is found in the image and every pixel says so.
    recipe : Recipe, optional
        Parameters of the steps; by default the recipe ``default``.

    Returns
    -------
    Radiograph

    Raises
    ------
    CalibrationError
        References are missing, the set belongs to another scanner, or no open beam is found.
    """
    recipe = recipe or Recipe.named("default")
    scanner = find_scanner(scan.scanner).binned(*scan.binning)
    if scan.shape[0] != len(scanner.channels):
        raise CalibrationError(
            f"scan has {scan.shape[0]} channels", expected=f"{len(scanner.channels)} as scanner {scan.scanner}"
        )
    if scan.stage == "air-normalised":
        return _air_normalised(scan, scanner.with_elements(scan.shape[2]), recipe)
    if scan.shape[2] != scanner.elements:
        raise CalibrationError(
            f"scan has {scan.shape[2]} elements",
            expected=f"{scanner.elements} as scanner {scan.scanner} with binning {scan.binning}",
            remedy="name the right scanner",
        )
    if calibration is None:
        used = Calibration.from_references(scan)
    else:
        used = calibration if isinstance(calibration, Calibration) else load_calibration(calibration)
        used.check_fits(scan)
    return _referenced(scan, scanner, used, recipe)


def _referenced(scan: RawScan, scanner: Scanner, used: Calibration, recipe: Recipe) -> Radiograph:
    channels, lines, elements = scan.shape
    shape = (channels, elements, lines)
    alpha, variance = np.empty(shape, np.float32), np.empty(shape, np.float32)
    quality = np.zeros(shape, np.uint32)
    flags = find_defects(used, recipe.defects)
    pulse, has_pulse = _pulse(scan, used, recipe)
    shift = line_shift(scan, interlaced=scanner.pulse.interlaced, line_pitch_mm=scanner.line_pitch_mm)
    shifts = (shift / 2, -shift / 2) if recipe.registration.enabled else (0.0, 0.0)
    full_scale = scanner.readout.full_scale_counts
    systematic: dict[str, SystematicTerm] = {}
    for c in range(channels):
        noise = Noise(used.dark_noise[c], float(used.quantum[c]), quantum_growth(scan.scanner, c))
        transmission, spread = alpha[c], variance[c]
        for start in range(0, elements, _BLOCK):
            rows = slice(start, start + _BLOCK)
            _transmission(scan.counts[c, :, rows].T, used, c, rows, pulse[c], transmission[rows])
            noise.variance(transmission[rows], used.gain[c, rows], pulse[c], rows, spread[rows])
            quality[c, rows][full_scale <= scan.counts[c, :, rows].T] |= np.uint32(Quality.SATURATED.value)
        if not has_pulse:
            quality[c] |= np.uint32(Quality.NO_MONITOR.value)
        interpolate_defects(transmission, spread, quality[c], flags[c])
        shift_lines(transmission, spread, quality[c], shifts[c] if channels == 2 else 0.0)
        zero_noise = _zero_noise(used, c, flags[c])
        attenuate(transmission, spread, quality[c], zero_noise, recipe.logarithm)
        systematic |= _terms(c, channels, used, transmission, noise_area(abs(shifts[c])) if channels == 2 else 1.0)
    areas = [noise_area(abs(s)) for s in shifts][:channels] if channels == 2 else [1.0]
    parameters = {"recipe": recipe.model_dump(mode="json"), "line_shift": shift}
    provenance = scan.provenance.then(
        "calibration.calibrate", parameters=parameters, inputs={"counts": sha256_array(scan.counts), **used.inputs}
    )
    return _radiograph(scan, scanner, (alpha, variance, quality), systematic, areas, used.curves, provenance)


def _transmission(
    counts: NDArray[Any], used: Calibration, c: int, rows: slice, pulse: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    np.subtract(counts, used.offset[c, rows, None].astype(np.float32), out=out, dtype=np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        out *= (1 / used.gain[c, rows, None]).astype(np.float32)
    out /= pulse[None]


def _zero_noise(used: Calibration, c: int, flags: NDArray[np.uint32]) -> NDArray[np.float32]:
    """Return the 1-σ noise of transmission without beam, (element,); an interpolated element has the array's."""
    good = flags == 0
    noise = used.dark_noise[c] / np.where(good, used.gain[c], 1.0)
    typical = np.median(noise[good]) if good.any() else 1.0
    return np.where(good, noise, typical).astype(np.float32)


def _pulse(scan: RawScan, used: Calibration, recipe: Recipe) -> tuple[NDArray[np.float32], bool]:
    """Return the strength of every line's pulse relative to the open-beam reference, (channel, line)."""
    channels, lines, _ = scan.shape
    if scan.monitor is None or not recipe.pulse.enabled:
        return np.ones((channels, lines), np.float32), False
    return (scan.monitor / used.air_monitor[:, None]).astype(np.float32), True


def _terms(
    c: int, channels: int, used: Calibration, alpha: NDArray[np.float32], area: float
) -> dict[str, SystematicTerm]:
    """Shared errors of one channel: dark level (grows with α), gain, pulse."""
    lines = alpha.shape[1]

    def only(effect: NDArray[Any]) -> NDArray[np.float32]:
        full = np.zeros((channels, *effect.shape), np.float32)
        full[c] = effect
        return full

    with np.errstate(divide="ignore", invalid="ignore"):
        relative_gain = np.nan_to_num(used.gain_sigma[c] / used.gain[c], posinf=1.0)
        relative_dark = np.nan_to_num(used.offset_sigma[c] / used.gain[c], posinf=1.0)
    dark = relative_dark[:, None].astype(np.float32) * np.exp(np.minimum(alpha, 20))
    # A resampled line holds parts of two pulses.
    pulse = np.full((1, lines), used.monitor_sigma[c] / np.sqrt(area), np.float32)
    return {
        f"dark-{c}": SystematicTerm(only(dark), "x"),
        f"gain-{c}": SystematicTerm(only(relative_gain[:, None]), "x"),
        f"pulse-{c}": SystematicTerm(only(pulse), "y"),
    }


def _air_normalised(scan: RawScan, scanner: Scanner, recipe: Recipe) -> Radiograph:
    channels, lines, elements = scan.shape
    shape = (channels, elements, lines)
    alpha, variance = np.empty(shape, np.float32), np.empty(shape, np.float32)
    quality = np.zeros(shape, np.uint32)
    full_scale = int(np.iinfo(scan.counts.dtype).max)
    systematic: dict[str, SystematicTerm] = {}
    levels = [_air_level(scan, c, full_scale, recipe) for c in range(channels)]
    for c, air in enumerate(levels):
        counts = scan.counts[c].T
        np.multiply(counts, np.float32(1 / air.level), out=alpha[c], dtype=np.float32)
        quantum = air.quantum or nominal_quantum(scan.scanner, c, air.level, scan.binning)
        # One count is the least the file can tell apart; its rounding is the floor of the noise.
        noise = Noise(np.full(elements, 0.5), quantum, quantum_growth(scan.scanner, c))
        gain = np.full(elements, air.level)
        noise.variance(alpha[c], gain, np.ones(lines, np.float32), slice(None), variance[c])
        quality[c][counts >= full_scale] |= np.uint32(Quality.SATURATED.value)
        quality[c] |= np.uint32(Quality.NO_DARK.value | Quality.NO_MONITOR.value)
        if scan.air_level is None:
            quality[c] |= np.uint32(Quality.AIR_ESTIMATED.value)
        if air.clipped:
            quality[c][counts >= air.level] |= np.uint32(Quality.CLIPPED_AIR.value)
        # A zero is starvation whatever the noise; so is a signal of less than one quantum.
        zero_noise = np.full(elements, max(quantum, 0.5) / air.level / recipe.logarithm.starved_sigmas, np.float32)
        attenuate(alpha[c], variance[c], quality[c], zero_noise, recipe.logarithm)
        effect = np.zeros((channels, 1, 1), np.float32)
        effect[c] = air.sigma / air.level
        systematic[f"air-{c}"] = SystematicTerm(effect, "xy")
    parameters = {
        "recipe": recipe.model_dump(mode="json"),
        "air_level": [air.level for air in levels],
        "quantum_counts": [air.quantum for air in levels],
    }
    provenance = scan.provenance.then(
        "calibration.calibrate", parameters=parameters, inputs={"counts": sha256_array(scan.counts)}
    )
    return _radiograph(scan, scanner, (alpha, variance, quality), systematic, [1.0] * channels, None, provenance)


def _air_level(scan: RawScan, channel: int, full_scale: int, recipe: Recipe) -> AirLevel:
    if scan.air_level is None:
        return estimate_air(scan.counts[channel], full_scale, recipe.open_beam)
    counts = scan.counts[channel]
    at_cap = counts == counts.max()
    clipped = bool(counts.max() <= scan.air_level and at_cap.mean() > recipe.open_beam.least_share)
    return AirLevel(scan.air_level, scan.air_level * recipe.open_beam.tolerance / 6, None, clipped)


def _radiograph(
    scan: RawScan,
    scanner: Scanner,
    planes: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint32]],
    systematic: dict[str, SystematicTerm],
    areas: list[float],
    curves: Any,
    provenance: Provenance,
) -> Radiograph:
    return Radiograph(
        *planes,
        systematic=systematic,
        noise_area=np.array(areas, np.float32),
        pixel_mm=scanner.pixel_mm,
        fan_angle_rad=scanner.fan_angle_rad,
        scanner=scan.scanner,
        curves=curves,
        metadata={**scan.metadata, "stage": scan.stage, "binning": list(scan.binning)},
        provenance=provenance,
    )


def replay(scan: RawScan, provenance: Provenance, calibration: Calibration | None = None) -> Radiograph:
    """Run the calibration that a provenance record speaks of once more; the result has identical bits.

    Parameters
    ----------
    scan : RawScan
    provenance : Provenance
        Of a `Radiograph` or anything made from it.
    calibration : Calibration, optional
        The set that was used, if one was.

    Raises
    ------
    CalibrationError
        The record has no calibration step, or speaks of other counts.
    """
    step = provenance.find("calibration.calibrate")
    if step is None:
        raise CalibrationError("provenance without a calibration step", expected="the record of a calibrated scan")
    if step.inputs.get("counts") != sha256_array(scan.counts):
        raise CalibrationError("provenance speaks of other counts", expected="the record of this scan")
    return calibrate(scan, calibration, recipe=Recipe.model_validate(step.parameters["recipe"]))
