"""Calibrates lines as they arrive, in blocks of any size, with the same bits as a whole file."""

from __future__ import annotations

import threading
from datetime import datetime
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.calibration import pulse as pulses
from scananalysis.calibration.blocks import BLOCK_LINES, CONTEXT
from scananalysis.calibration.corrections import Corrections
from scananalysis.calibration.plan import plans_of
from scananalysis.calibration.recipe import Recipe
from scananalysis.calibration.references import Calibration
from scananalysis.calibration.rows import even_rows
from scananalysis.calibration.run import Window, repeats_of, run
from scananalysis.calibration.terms import shared_errors
from scananalysis.core import CalibrationError, Provenance, Radiograph
from scananalysis.detectors import Scanner
from scananalysis.detectors import scanner as find_scanner


class Stream:
    """Calibration of a scan that is still being taken.

    Only causal steps can run: the pulse must come from the monitor, since the open beam is looked for in the whole image. A result
    lags one line behind where energies are registered (by the scanner's timing), and one where the array has bad elements. May be
    fed from several threads; lines count in the order of the calls.

    Parameters
    ----------
    scanner : str or Scanner
        A scanner of the catalogue (give ``binning`` too), or a binned one.
    calibration : Calibration or path-like
    recipe : Recipe, optional
        The scanner's by default.
    binning : (int, int)
    moment : datetime, optional
        When the scan is taken, for the set's validity; now by default.
    temperature_c : float, optional
        Of the array; a set that holds at other temperatures is refused.

    Raises
    ------
    CalibrationError
        The set does not fit the scanner or has expired, or the recipe asks for a step that needs the whole scan.

    Examples
    --------
    >>> from scananalysis.core import RawScan
    >>> rng = np.random.default_rng(1)
    >>> counts, dark, air = (
    ...     rng.normal(level, 20, (2, 30, 172)).round().astype(np.uint16) for level in (6_000, 900, 50_000)
    ... )
    >>> monitor = np.ones((2, 30), np.float32)
    >>> scan = RawScan(counts, "cargo-6-4mv", dark=dark, air=air, air_monitor=monitor, binning=(8, 8))
    >>> stream = Stream("cargo-6-4mv", Calibration.from_references(scan), binning=(8, 8))
    >>> [stream.feed(counts[:, k : k + 10], monitor[:, k : k + 10]).shape[2] for k in (0, 10, 20)]
    [9, 10, 10]
    >>> stream.close().shape
    (2, 172, 1)
    """

    def __init__(
        self,
        scanner: str | Scanner,
        calibration: Calibration | str | PathLike[str],
        *,
        recipe: Recipe | None = None,
        binning: tuple[int, int] = (1, 1),
        moment: datetime | None = None,
        temperature_c: float | None = None,
    ) -> None:
        used = calibration if isinstance(calibration, Calibration) else Calibration.load(calibration)
        found = find_scanner(scanner).binned(*binning) if isinstance(scanner, str) else scanner
        binned = binning if isinstance(scanner, str) else used.binning
        used.check(found.name, binned, (len(found.channels), found.elements), moment, temperature_c)
        self._scanner, self._used, self._recipe = found, used, recipe or Recipe.for_scanner(found)
        self._nominal = float(np.hypot(found.pulse.fluctuation_common, found.pulse.fluctuation_channel))
        self._drift = Corrections.of(found, self._recipe).drift
        self._steady = self._nominal == 0 and not found.pulse.monitor
        wants_image = not self._steady and (self._recipe.pulse.source == "image" or not used.has_monitor)
        if self._recipe.pulse.enabled and wants_image:
            raise CalibrationError(
                "pulses from the image are a step over the whole scan",
                expected="a causal recipe",
                remedy="use a calibration with monitor readings, or a recipe with pulse.enabled = false",
            )
        if self._recipe.geometry.enabled and self._recipe.geometry.required:
            raise CalibrationError(
                "columns of equal travel are a step over the whole scan",
                expected="a causal recipe",
                remedy="use a recipe with geometry.required = false: columns are then the lines as they come",
            )
        if self._recipe.defects.enabled and self._recipe.defects.in_scan == "required":
            raise CalibrationError(
                "defects found in the scan are a step over the whole scan",
                expected="a causal recipe",
                remedy="use a recipe with defects.in_scan = 'auto': a stream then knows the bad elements of the references alone",
            )
        lag = 0.5 * found.geometry.columns if found.pulse.interlaced and len(found.channels) == 2 else 0.0
        self._plans = plans_of(used, found, lag, self._recipe)
        self._lookahead = max(plan.lookahead for plan in self._plans)
        self._lock = threading.Lock()
        shape = (len(self._plans), 0)
        self._counts: NDArray[np.unsignedinteger[Any]] = np.zeros((*shape, found.elements), np.uint16)
        self._monitor = np.zeros(shape, np.float64)
        self._repeats = np.zeros(shape, bool)
        self._context = 0
        self._states: tuple[NDArray[np.float32] | None, ...] = tuple(plan.settled() for plan in self._plans)
        self._done = 0
        self._ended: str | None = None

    @property
    def delay_lines(self) -> int:
        """Lines by which results lag behind what was fed."""
        return self._lookahead

    @property
    def lines_done(self) -> int:
        """Lines whose results were returned."""
        return self._done

    def feed(
        self, counts: NDArray[np.unsignedinteger[Any]], monitor: NDArray[np.floating] | None = None
    ) -> Radiograph | None:
        """Take the next lines and return those that are ready, or None if there are none yet.

        Parameters
        ----------
        counts : ndarray of unsigned integer, (channel, n, element)
        monitor : ndarray of float, (channel, n)
            Needed unless the recipe leaves the pulse alone.

        Raises
        ------
        CalibrationError
            Shapes do not fit, the monitor is missing, or the stream was closed or cancelled.
        """
        channels, elements = len(self._plans), self._scanner.elements
        if counts.ndim != 3 or counts.dtype.kind != "u" or (counts.shape[0], counts.shape[2]) != (channels, elements):
            raise CalibrationError(
                f"block of {counts.dtype} with shape {counts.shape}",
                expected=f"unsigned integers of shape ({channels}, n, {elements})",
            )
        if monitor is None and self._recipe.pulse.enabled and not self._steady:
            raise CalibrationError(
                "block without monitor readings", expected=f"({channels}, {counts.shape[1]}) of them"
            )
        reading = np.ones(counts.shape[:2]) if monitor is None else np.asarray(monitor, np.float64)
        if reading.shape != counts.shape[:2]:
            raise CalibrationError(f"monitor has shape {reading.shape}", expected=f"{counts.shape[:2]}")
        with self._lock:
            self._check_open()
            last = self._counts[:, -1:]
            repeats = repeats_of(np.concatenate([last, counts], axis=1), self._plans)[:, last.shape[1] :]
            self._counts = np.concatenate([self._counts, counts], axis=1) if self._counts.shape[1] else counts.copy()
            self._monitor = np.concatenate([self._monitor, reading], axis=1)
            self._repeats = np.concatenate([self._repeats, repeats], axis=1)
            return self._take(self._counts.shape[1] - self._lookahead)

    def close(self) -> Radiograph | None:
        """End the scan and return the lines that were waiting for a neighbour, or None if there are none."""
        with self._lock:
            self._check_open()
            self._ended = "closed"
            return self._take(self._counts.shape[1])

    def cancel(self) -> None:
        """Give the scan up: what waits is dropped, and further blocks are refused."""
        with self._lock:
            self._ended = "cancelled"
            self._counts = self._counts[:, :0]

    def _check_open(self) -> None:
        if self._ended is not None:
            raise CalibrationError(f"stream was {self._ended}", expected="an open stream", remedy="start a new one")

    def _take(self, stop: int) -> Radiograph | None:
        first = self._context
        if stop <= first:
            return None
        found = self._pulses()
        done = run(
            self._counts,
            self._plans,
            found,
            self._recipe,
            BLOCK_LINES,
            window=Window(slice(first, stop), self._repeats, self._states),
        )
        self._states = done.states
        part = slice(first, stop)
        shown = pulses.Pulses(
            found.strength[:, part], found.sigma[:, part], found.known[:, part], found.lost[:, part], found.source
        )
        # The drift of a whole scan cannot be seen in a part of it: where no pulse is known, all of it is an error.
        blind = ~shown.known if shown.source != "steady" else np.ones_like(shown.known)
        drift = np.where(blind, np.float32(self._drift), np.float32(0))
        terms = shared_errors(self._plans, shown, done.dark, self._used.level_sigma, done.effects, drift)
        record = Provenance().then(
            "calibration.stream",
            parameters={
                "recipe": self._recipe.model_dump(mode="json"),
                "first_line": self._done,
                "lines": stop - first,
            },
            inputs=self._used.inputs,
        )
        result = Radiograph(
            done.attenuation,
            done.variance,
            done.quality,
            systematic=terms,
            noise_area=np.array([plan.noise_area for plan in self._plans], np.float32),
            pixel_mm=self._scanner.pixel_mm,
            fan_angle_rad=self._scanner.fan_angle_rad,
            scanner=self._scanner.name,
            curves=self._used.curves,
            metadata={"stage": "raw", "binning": list(self._used.binning), "first_line": self._done},
            provenance=record,
        )
        result = even_rows(result, self._scanner, self._recipe.geometry)
        self._done += stop - first
        # Some lines stay as the neighbours of the next.
        self._context = min(stop, CONTEXT)
        keep = slice(stop - self._context, None)
        self._counts, self._monitor = self._counts[:, keep].copy(), self._monitor[:, keep].copy()
        self._repeats = self._repeats[:, keep].copy()
        return result

    def _pulses(self) -> pulses.Pulses:
        used = self._used
        columns = self._scanner.geometry.columns
        if not self._recipe.pulse.enabled:
            spread = np.full(len(self._plans), self._nominal) if used.has_monitor else used.monitor_sigma
            return pulses.unknown((len(self._plans), self._counts.shape[1]), pulses.sigma_per_line(spread, columns))
        if self._steady:
            return pulses.steady((len(self._plans), self._counts.shape[1]))
        sigma = pulses.sigma_per_line(used.monitor_sigma, columns)
        return pulses.from_monitor(self._monitor, used.air_monitor, sigma, common=self._recipe.pulse.common)
