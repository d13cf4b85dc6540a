"""`Calibration`: what the references say of every element, for which scanner and how long it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.calibration.afterglow import Afterglow
from scananalysis.calibration.corrections import Corrections
from scananalysis.calibration.crosstalk import smoothing
from scananalysis.calibration.curves import check_curves
from scananalysis.calibration.curves import validity as curves_validity
from scananalysis.calibration.gain import open_beam
from scananalysis.calibration.linearity import linearise
from scananalysis.calibration.noise import nominal_quantum
from scananalysis.calibration.offset import dark_level
from scananalysis.calibration.recipe import Recipe
from scananalysis.core import CalibrationError, RawScan, sha256_array
from scananalysis.detectors import scanner as find_scanner

Float64 = NDArray[np.float64]

LEAST_LINES = 8
_LEAST_QUANTUM_PRECISION = 0.1

TEMPERATURE = "temperature_c"
"""Name under which scans and sets state the temperature of the array, °C."""
TEMPERATURE_LIMITS = "temperature_limits_c"
"""Name under which a set states between which temperatures it holds."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Values of every element with their errors, and where they came from.

    Parameters
    ----------
    scanner : str
    binning : (int, int)
    offset, offset_sigma : ndarray of float64, (channel, element)
        Mean reading without beam and the error of that mean, counts.
    dark_noise : ndarray of float64, (channel, element)
        1-σ noise of one dark reading, counts.
    gain, gain_sigma : ndarray of float64, (channel, element)
        Open-beam signal above the offset at the mean monitor reading, and the error of that mean, counts.
    air_noise : ndarray of float64, (channel, element)
        1-σ noise of one open-beam reading, the fluctuation of whole lines taken off, counts.
    dark_outliers, air_outliers : ndarray of float64, (channel, element)
        Share of readings far off the element's own median.
    quantum : ndarray of float64, (channel,)
        Variance over mean of the open-beam signal, counts: what one detected quantum is worth.
    level_sigma : ndarray of float64, (channel,)
        Relative error of the open-beam level that all elements share.
    monitor_sigma : ndarray of float64, (channel,)
        Relative 1-σ error of one monitor reading; without a monitor, the beam's fluctuation from line to line.
    air_monitor : ndarray of float64, (channel,)
        Mean monitor reading of the open-beam lines; NaN without a monitor.
    reference_lines : (int, int)
        Dark and open-beam lines that it was made from.
    curves : mapping of str to ndarray, or None
        Material curves that were measured with it.
    inputs : mapping of str to str
        sha256 of the references by role.
    valid_from, valid_until : datetime or None
        When it holds; a scan outside is refused. None: no limit.
    metadata : mapping
    """

    scanner: str
    binning: tuple[int, int]
    offset: Float64
    offset_sigma: Float64
    dark_noise: Float64
    gain: Float64
    gain_sigma: Float64
    air_noise: Float64
    dark_outliers: Float64
    air_outliers: Float64
    quantum: Float64
    level_sigma: Float64
    monitor_sigma: Float64
    air_monitor: Float64
    reference_lines: tuple[int, int]
    curves: Mapping[str, NDArray[Any]] | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_references(
        cls,
        scan: RawScan,
        *,
        recipe: Recipe | None = None,
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
    ) -> Calibration:
        """Build the calibration from the dark and open-beam lines inside a scan.

        Parameters
        ----------
        scan : RawScan
        recipe : Recipe, optional
            Its linearity and afterglow act on the open-beam lines as they will on the scan; the scanner's by default.
        valid_from, valid_until : datetime, optional
            With a time zone.

        Raises
        ------
        CalibrationError
            A reference is missing, too short or saturated, or shows no beam.
        """
        missing = [name for name in ("dark", "air") if getattr(scan, name) is None]
        if scan.dark is None or scan.air is None:
            raise CalibrationError(
                f"no {' and no '.join(missing)} reference in the scan",
                expected="dark and open-beam lines",
                remedy="give a calibration set that was built for this scanner",
            )
        lines = scan.dark.shape[1], scan.air.shape[1]
        if min(lines) < LEAST_LINES:
            raise CalibrationError(
                f"{lines[0]} dark and {lines[1]} open-beam lines", expected=f"at least {LEAST_LINES} of each"
            )
        if scan.air_monitor is not None and not np.all(np.isfinite(scan.air_monitor) & (scan.air_monitor > 0)):
            raise CalibrationError(
                "the beam monitor reads nothing on some open-beam lines",
                expected="positive readings",
                remedy="leave those lines out of the reference",
            )
        device = find_scanner(scan.scanner).binned(*scan.binning)
        corrections = Corrections.of(device, recipe or Recipe.for_scanner(device))
        full_scale = device.readout.full_scale_counts
        if np.any(np.median(scan.air, axis=(1, 2)) >= full_scale):
            raise CalibrationError(
                "open-beam lines are saturated",
                expected=f"readings below {full_scale}",
                remedy="take the reference with less beam or gain",
            )
        dark = dark_level(scan.dark)
        level = open_beam(scan.air, dark, scan.air_monitor, correction(corrections))
        typical = np.median(level.gain, axis=1)
        if np.any(typical <= 5 * np.median(dark.noise, axis=1)) or np.any(typical <= 0):
            raise CalibrationError(
                f"open-beam lines read {typical.min():.1f} counts above the dark lines",
                expected="lines with the beam on",
                remedy="check that dark and open-beam references are not exchanged",
            )
        inputs = {"dark": sha256_array(scan.dark), "air": sha256_array(scan.air)}
        if scan.air_monitor is not None:
            inputs["air_monitor"] = sha256_array(scan.air_monitor)
        measured = (level.quantum > 0) & (level.quantum_sigma < _LEAST_QUANTUM_PRECISION)
        quantum = level.quantum
        if np.all(level.quantum > 0) and not measured.all():
            nominal = [nominal_quantum(scan.scanner, c, typical[c], scan.binning) for c in range(len(typical))]
            # As it would be measured: with the crosstalk that the plan of a scan takes off again.
            quantum = np.where(measured, level.quantum, np.array(nominal) * smoothing(corrections.crosstalk))
        return cls(
            scan.scanner,
            scan.binning,
            dark.offset,
            dark.sigma,
            dark.noise,
            level.gain,
            level.sigma,
            level.noise,
            dark.outliers,
            level.outliers,
            quantum,
            level.level_sigma,
            level.monitor_sigma,
            level.air_monitor if scan.air_monitor is not None else np.full(len(typical), np.nan),
            lines,
            inputs=inputs,
            valid_from=valid_from,
            valid_until=valid_until,
            metadata={
                "quantum": ["measured" if m else "nominal" for m in measured],
                "curvature": corrections.curvature,
            },
        )

    def check_corrections(self, corrections: Corrections) -> None:
        """Refuse to straighten a scan otherwise than the set's own open-beam lines.

        Raises
        ------
        CalibrationError
        """
        own = float(self.metadata.get("curvature", 0.0))
        if corrections.curvature != own:
            raise CalibrationError(
                f"recipe asks for curvature {corrections.curvature:g}",
                expected=f"{own:g}, with which the open-beam lines of the calibration set were straightened",
                remedy="build the set again with the same recipe",
            )

    @property
    def has_monitor(self) -> bool:
        """Whether the open-beam lines came with a monitor reading."""
        return bool(np.isfinite(self.air_monitor).all())

    def check_fits(self, scan: RawScan, *, now: datetime | None = None) -> None:
        """Refuse a scan of another scanner, binning or element count, or outside the time and temperatures for which the set holds.

        Parameters
        ----------
        scan : RawScan
            Its moment is ``metadata["acquired"]`` (ISO 8601 with a time zone); one without it is taken as scanned now. Its temperature is
            ``metadata["temperature_c"]``; one that does not state it is not refused for it.
        now : datetime, optional

        Raises
        ------
        CalibrationError
        """
        moment = acquired(scan) if self.timed else None
        self.check(scan.scanner, scan.binning, (scan.shape[0], scan.shape[2]), moment or now, temperature(scan))

    @property
    def timed(self) -> bool:
        """Whether the set, or its curves, hold for a time only."""
        return bool(self.valid_from or self.valid_until or any(curves_validity(self.metadata)))

    @property
    def temperature_limits_c(self) -> tuple[float, float] | None:
        """Temperatures of the array between which the set holds, °C, or None where it has no such limits."""
        stated = self.metadata.get(TEMPERATURE_LIMITS)
        return None if stated is None else (float(stated[0]), float(stated[1]))

    def within_temperature(self, degrees: float) -> Calibration:
        """Return the set with limits: a scan that states a temperature further off than some degrees is refused.

        Raises
        ------
        CalibrationError
            The set does not know the temperature of its references.
        """
        middle = self.metadata.get(TEMPERATURE)
        if middle is None or not degrees > 0:
            raise CalibrationError(
                f"a set that holds within {degrees:g} °C of {'a temperature it does not know' if middle is None else middle}",
                expected="a positive number of degrees and references that state their temperature (metadata temperature_c)",
                remedy="state the temperature of the array",
            )
        limits = [float(middle) - degrees, float(middle) + degrees]
        return replace(self, metadata={**self.metadata, TEMPERATURE_LIMITS: limits})

    def check(
        self,
        scanner: str,
        binning: tuple[int, int],
        shape: tuple[int, int],
        moment: datetime | None = None,
        temperature_c: float | None = None,
    ) -> None:
        """Refuse another scanner, binning, number of channels and elements, moment (now by default), or temperature if it is known.

        Curves that did not fit their step wedge, or do not hold at that moment, are refused too.

        Raises
        ------
        CalibrationError
        """
        found = (scanner, tuple(binning), shape)
        expected = (self.scanner, tuple(self.binning), self.offset.shape)
        for name, a, b in zip(("scanner", "binning", "channels and elements"), found, expected, strict=True):
            if a != b:
                raise CalibrationError(
                    f"scan has {name} {a}", expected=f"{b} as the calibration set", remedy="use a set of this scanner"
                )
        limits = self.temperature_limits_c
        if temperature_c is not None and limits is not None and not limits[0] <= float(temperature_c) <= limits[1]:
            raise CalibrationError(
                f"scan at {float(temperature_c):.1f} °C",
                expected=f"one between {limits[0]:.1f} and {limits[1]:.1f} °C, for which the calibration set holds",
                remedy="build a set from references at this temperature",
            )
        moment = moment or datetime.now(UTC)
        check_curves(self, moment)
        early = self.valid_from is not None and moment < self.valid_from
        late = self.valid_until is not None and moment > self.valid_until
        limit = self.valid_from if early else self.valid_until
        if (early or late) and limit is not None:
            raise CalibrationError(
                f"scan of {moment.isoformat(timespec='seconds')}",
                expected=f"one {'from' if early else 'until'} {limit.isoformat(timespec='seconds')}, for which the calibration set holds",
                remedy="build a set from new references, or state when the scan was taken (metadata acquired)",
            )

    def save(self, path: str | PathLike[str]) -> None:
        """Write the set as one HDF5 file; see `load`."""
        from scananalysis.calibration.store import save_calibration

        save_calibration(self, path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Calibration:
        """Read a set.

        Raises
        ------
        CalibrationError
            Not a calibration set, or one of another version.
        """
        from scananalysis.calibration.store import load_calibration

        return load_calibration(path)


def correction(corrections: Corrections) -> Callable[[Float64], float]:
    """Return what straightens open-beam lines and takes their afterglow off, in place: the ``correct`` of `gain.open_beam`."""

    def correct(signal: Float64) -> float:
        linearise(signal, corrections.curvature, corrections.full_scale)
        glow = Afterglow.of(corrections.afterglow_share, corrections.afterglow_lines)
        if glow is None:
            return 1.0
        for plane in signal:
            glow.remove(plane, glow.settled(plane.mean(axis=0)), len(plane))
        return glow.noise_gain

    return correct


def acquired(scan: RawScan) -> datetime | None:
    """Return when the scan was taken, from ``metadata["acquired"]``, or None where the scan does not say.

    Raises
    ------
    CalibrationError
        The text is not ISO 8601 with a time zone.
    """
    text = scan.metadata.get("acquired")
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise CalibrationError(f"metadata acquired is {text!r}", expected="ISO 8601 with a time zone")
    return moment


def temperature(scan: RawScan) -> float | None:
    """Return the temperature of the array, °C, from ``metadata["temperature_c"]``, or None where the scan does not say.

    Raises
    ------
    CalibrationError
        It is no finite number.
    """
    stated = scan.metadata.get(TEMPERATURE)
    if stated is None:
        return None
    if isinstance(stated, bool) or not isinstance(stated, (int, float, np.number)) or not np.isfinite(stated):
        raise CalibrationError(f"metadata {TEMPERATURE} is {stated!r}", expected="degrees Celsius")
    return float(stated)
