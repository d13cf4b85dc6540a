"""The steps in order: counts to attenuation, with both kinds of uncertainty and flags."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.calibration import pulse as pulses
from scananalysis.calibration.blocks import BLOCK_LINES, ChannelPlan
from scananalysis.calibration.corrections import Corrections
from scananalysis.calibration.drift import DriftFound, follow_drift
from scananalysis.calibration.failed import find_failed
from scananalysis.calibration.geometry import even_columns
from scananalysis.calibration.openbeam import air_level
from scananalysis.calibration.plan import plan_of_image, plans_of, saturated_counts, shifts_of
from scananalysis.calibration.recipe import Recipe
from scananalysis.calibration.record import record_of_image, record_of_references
from scananalysis.calibration.references import Calibration
from scananalysis.calibration.registration import line_shift
from scananalysis.calibration.rows import even_rows
from scananalysis.calibration.run import Done, run
from scananalysis.calibration.signal import transmission_of
from scananalysis.calibration.terms import shared_errors
from scananalysis.core import CalibrationError, Quality, Radiograph, RawScan, SystematicTerm, sha256_array
from scananalysis.detectors import scanner as find_scanner

if TYPE_CHECKING:
    from datetime import datetime

    from scananalysis.detectors import Scanner


def calibrate(
    scan: RawScan,
    calibration: Calibration | str | PathLike[str] | None = None,
    *,
    recipe: Recipe | None = None,
    block_lines: int = BLOCK_LINES,
    now: datetime | None = None,
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
        Parameters of the steps; by default the scanner's, see `Recipe.for_scanner`.
    block_lines : int
        Lines that are worked on at once; changes no bit of the result.
    now : datetime, optional
        When a scan that does not say so (metadata ``acquired``) is taken to have been taken: a set must hold then. The present by default.

    Returns
    -------
    Radiograph
        Rows are elements (topmost first), columns lines. Shared errors: ``dark-<channel>``, ``gain-<channel>`` (one random
        variable per element), ``pulse-<channel>`` (one per line), ``level-<channel>`` (one for all), or
        ``air-<channel>`` of an image without references.

    Raises
    ------
    CalibrationError
        References are missing, the set belongs to another scanner or time or was given for a scan that is air-normalised
        already, or no open beam is found.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> dark = rng.normal(900, 3, (2, 50, 172)).round().astype(np.uint16)
    >>> air = rng.normal(50_000, 90, (2, 50, 172)).round().astype(np.uint16)
    >>> counts = rng.normal(900 + 49_100 * 0.1, 30, (2, 40, 172)).round().astype(np.uint16)
    >>> scan = RawScan(counts, scanner="cargo-6-4mv", dark=dark, air=air, binning=(8, 8))
    >>> radiograph = calibrate(scan)
    >>> radiograph.shape, f"{radiograph.attenuation.mean():.2f}"  # −ln 0.1, and the scatter that was taken off
    ((2, 172, 40), '2.37')
    """
    scanner = find_scanner(scan.scanner).binned(*scan.binning)
    recipe = recipe or Recipe.for_scanner(scanner)
    if scan.shape[0] != len(scanner.channels):
        raise CalibrationError(
            f"scan has {scan.shape[0]} channels", expected=f"{len(scanner.channels)} as scanner {scan.scanner}"
        )
    if scan.stage == "air-normalised":
        if calibration is not None:
            raise CalibrationError(
                "scan is air-normalised, and a calibration set was given",
                expected="a raw scan with a set, or an air-normalised one without",
                remedy="leave the set out, or name the right stage in the layout",
            )
        return _from_image(scan, scanner.with_elements(scan.shape[2]), recipe, block_lines)
    if scan.shape[2] != scanner.elements:
        raise CalibrationError(
            f"scan has {scan.shape[2]} elements",
            expected=f"{scanner.elements} as scanner {scan.scanner} with binning {scan.binning}",
            remedy="name the right scanner",
        )
    if calibration is None:
        used = Calibration.from_references(scan, recipe=recipe)
    else:
        used = calibration if isinstance(calibration, Calibration) else Calibration.load(calibration)
        used.check_fits(scan, now=now)
    return _from_references(scan, scanner, used, recipe, block_lines)


def _from_references(
    scan: RawScan, scanner: Scanner, used: Calibration, recipe: Recipe, block_lines: int
) -> Radiograph:
    lag, lag_source = line_shift(
        scan, interlaced=scanner.pulse.interlaced, line_pitch_mm=scanner.line_pitch_mm, columns=scanner.geometry.columns
    )
    plans = plans_of(used, scanner, lag, recipe, saturated_counts(scan))
    failed = find_failed(scan.counts, plans, used.dark_noise, recipe.defects)
    if failed.any():
        plans = plans_of(used, scanner, lag, recipe, saturated_counts(scan), failed)
    grid = even_columns(scan, recipe.geometry)
    if grid is not None:
        plans = tuple(replace(plan, taps=taps) for plan, taps in zip(plans, grid.taps, strict=True))
    found, drift = pulses_of(scan, scanner, used, plans, recipe)
    with _digest(scan) as digest:
        done = run(scan.counts, plans, found, recipe, block_lines)
        record = record_of_references(
            scan, used, plans, (found, drift, failed), (lag, lag_source, grid), recipe, digest()
        )
    terms = shared_errors(plans, found, done.dark, used.level_sigma, done.effects, drift.effect)
    made = even_rows(radiograph(scan, scanner, done, plans, terms, used.curves, record), scanner, recipe.geometry)
    if grid is None:
        return made
    travel = {"start_mm": grid.start_mm, "pitch_mm": grid.pitch_mm}
    return replace(made, pixel_mm=(made.pixel_mm[0], abs(grid.pitch_mm)), metadata={**made.metadata, "columns": travel})


def _from_image(scan: RawScan, scanner: Scanner, recipe: Recipe, block_lines: int) -> Radiograph:
    channels = scan.shape[0]
    levels = [air_level(scan, c, recipe.open_beam) for c in range(channels)]
    lag, lag_source = line_shift(
        scan, interlaced=scanner.pulse.interlaced, line_pitch_mm=scanner.line_pitch_mm, columns=scanner.geometry.columns
    )
    shifts = shifts_of(channels, lag, recipe)
    made = [plan_of_image(scan, scanner, c, air, shifts[c], recipe) for c, air in enumerate(levels)]
    plans = tuple(plan for plan, _ in made)
    found, _ = pulses_of(scan, scanner, None, plans, recipe)
    flags = Quality.NO_DARK | (Quality.AIR_ESTIMATED if scan.air_level is None else Quality.GOOD)
    with _digest(scan) as digest:
        done = run(scan.counts, plans, found, recipe, block_lines, everywhere=flags)
        worth = [quantum for _, quantum in made]
        record = record_of_image(scan, (levels, worth), found, (lag, lag_source), recipe, digest())
    terms: dict[str, SystematicTerm] = {}
    for c, air in enumerate(levels):
        effect = np.zeros((channels, 1, 1), np.float32)
        effect[c] = air.sigma / air.level
        terms[f"air-{c}"] = SystematicTerm(effect, "xy")
    return even_rows(radiograph(scan, scanner, done, plans, terms, None, record), scanner, recipe.geometry)


@contextmanager
def _digest(scan: RawScan) -> Iterator[Callable[[], str]]:
    """Take the sha256 of the counts beside the work on them: it lets go of the interpreter, and needs a tenth of the time."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(sha256_array, scan.counts).result


def pulses_of(
    scan: RawScan, scanner: Scanner, used: Calibration | None, plans: tuple[ChannelPlan, ...], recipe: Recipe
) -> tuple[pulses.Pulses, DriftFound]:
    """Return the pulse of every line, from the source that the recipe names, with the drift where no pulse is known.

    Raises
    ------
    CalibrationError
        The recipe asks for the monitor, and scan or calibration have no readings of it.
    """
    channels, lines, _ = scan.shape
    nominal = float(np.hypot(scanner.pulse.fluctuation_common, scanner.pulse.fluctuation_channel))
    columns = scanner.geometry.columns
    measured = used is not None and not used.has_monitor
    fluctuation = used.monitor_sigma if used is not None and measured else np.full(channels, nominal)
    steady = nominal == 0 and not scanner.pulse.monitor
    # A normalised image keeps no level of the references that a drift could have left.
    usual = Corrections.of(scanner, recipe).drift if used is not None else 0.0
    wanted = recipe.pulse.enabled and not steady
    has_monitor = scan.monitor is not None and used is not None and used.has_monitor
    if wanted and recipe.pulse.source == "monitor" and not has_monitor:
        missing = "scan" if scan.monitor is None else "calibration"
        raise CalibrationError(
            f"no monitor reading in the {missing}",
            expected="one per line, as the recipe asks",
            remedy="use a recipe with pulse.source = 'auto'",
        )
    if wanted and recipe.pulse.source != "image" and scan.monitor is not None and used is not None and has_monitor:
        sigma = pulses.sigma_per_line(used.monitor_sigma, columns)
        seen = pulses.from_monitor(scan.monitor, used.air_monitor, sigma, common=recipe.pulse.common)
        return follow_drift(seen, None, usual, fluctuation)
    blind = pulses.unknown((channels, lines), pulses.sigma_per_line(fluctuation, columns))
    if steady and recipe.pulse.enabled:
        blind = pulses.steady((channels, lines))
    if not wanted and usual == 0:
        return follow_drift(blind, None, usual, fluctuation)

    def transmission(part: slice) -> NDArray[np.float32]:
        ones = np.ones(scan.counts[0, part].shape[0], np.float32)
        return np.stack([transmission_of(plan, scan.counts[c, part], ones) for c, plan in enumerate(plans)])

    # Where the file stores nothing above its air level, the mean of the open beam says nothing of the pulse.
    usable = np.stack([(plan.repair.flags == 0) & (plan.clipped_at is None) for plan in plans])
    glows = tuple(plan.afterglow for plan in plans)
    levels = pulses.read_levels(transmission, scan.shape, usable, recipe.pulse, glows)
    found = pulses.from_levels(levels, fluctuation, recipe.pulse) if wanted else blind
    return follow_drift(found, levels, usual, fluctuation)


def radiograph(
    scan: RawScan,
    scanner: Scanner,
    done: Done,
    plans: tuple[ChannelPlan, ...],
    terms: dict[str, SystematicTerm],
    curves: Any,
    record: Any,
) -> Radiograph:
    """Return the stage that the planes make up."""
    return Radiograph(
        done.attenuation,
        done.variance,
        done.quality,
        systematic=terms,
        noise_area=np.array([plan.noise_area for plan in plans], np.float32),
        pixel_mm=scanner.pixel_mm,
        fan_angle_rad=scanner.fan_angle_rad,
        scanner=scan.scanner,
        curves=curves,
        metadata={**scan.metadata, "stage": scan.stage, "binning": list(scan.binning)},
        provenance=record,
    )
