"""Builds a calibration set from dark and open-beam scans: gathers their lines, dates the set, and refuses what is no reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.calibration.curves import curves_for
from scananalysis.calibration.defects import find_defects
from scananalysis.calibration.measured import MEASURED, measure_crosstalk
from scananalysis.calibration.recipe import Defects
from scananalysis.calibration.references import TEMPERATURE, Calibration, acquired, temperature
from scananalysis.core import CalibrationError, RawScan

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_BAD = 0.1
"""Share of bad elements above which the scans are no references: an array that bad needs repair, not calibration."""

MOST_FLUCTUATION = 0.1
"""Spread of the open beam from line to line (beside its monitor) above which something moved through it; beams fluctuate by 0.02."""


def gather(dark: Sequence[RawScan], air: Sequence[RawScan], names: Sequence[str] = ()) -> RawScan:
    """Return one scan that holds the dark and open-beam lines of several.

    A scan that carries references gives those; of one that carries none, all lines are the reference.

    Parameters
    ----------
    dark : sequence of RawScan
        May be empty: the result then has no dark reference.
    air : sequence of RawScan
        At least one.
    names : sequence of str
        Of the dark scans and then of the open-beam scans, for errors.

    Returns
    -------
    RawScan
        ``dark``, ``air`` and ``air_monitor`` are those of all scans, one after the other; ``counts`` are the open beam.

    Raises
    ------
    CalibrationError
        The scans are of different scanners or sizes, not raw, or some have a monitor and some do not.

    Examples
    --------
    >>> lines = [RawScan(np.full((2, 20, 344), n, np.uint16), "cargo-6-4mv", binning=(4, 4)) for n in (900, 50_000)]
    >>> gather(lines[:1], [lines[1], lines[1]]).air.shape
    (2, 40, 344)
    """
    if not air:
        raise CalibrationError("no open-beam scan", expected="at least one")
    every = (*dark, *air)
    first = every[0]
    called = (*names, *(None for _ in every))
    for name, scan in zip(called, every, strict=False):
        _check_alike(scan, first, name)
    for name, scan in zip(called, dark, strict=False):
        if scan.dark is None and scan.air is not None:
            raise CalibrationError(
                "scan given for its dark lines has an open-beam reference and no dark one",
                source=name,
                expected="a dark reference inside, or a scan of dark lines without references",
            )
    without_beam = [scan.counts if scan.dark is None else scan.dark for scan in dark]
    open_beam = [_open_beam(scan) for scan in air]
    monitors = [monitor for _, monitor in open_beam if monitor is not None]
    if monitors and len(monitors) < len(open_beam):
        raise CalibrationError(
            f"{len(monitors)} of {len(open_beam)} open-beam scans have monitor readings",
            expected="readings in all or in none",
            remedy="leave out the scans without",
        )
    lines = np.concatenate([lines for lines, _ in open_beam], axis=1)
    return RawScan(
        lines[:, :1],
        first.scanner,
        dark=np.concatenate(without_beam, axis=1) if without_beam else None,
        air=lines,
        air_monitor=np.concatenate(monitors, axis=1) if monitors else None,
        binning=first.binning,
    )


def _check_alike(scan: RawScan, first: RawScan, source: str | None) -> None:
    if scan.stage != "raw":
        raise CalibrationError(
            f"scan is {scan.stage}", source=source, expected="raw counts", remedy="give the scanner's own readings"
        )
    for name, found, expected in (
        ("scanner", scan.scanner, first.scanner),
        ("binning", scan.binning, first.binning),
        ("channels and elements", scan.shape[::2], first.shape[::2]),
        ("counts of type", scan.counts.dtype, first.counts.dtype),
    ):
        if found != expected:
            raise CalibrationError(f"scan has {name} {found}", source=source, expected=f"{expected} as the first one")


def _open_beam(scan: RawScan) -> tuple[NDArray[np.unsignedinteger[Any]], NDArray[np.float32] | None]:
    return (scan.counts, scan.monitor) if scan.air is None else (scan.air, scan.air_monitor)


def build_calibration(
    dark: Sequence[RawScan],
    air: Sequence[RawScan],
    *,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    valid_for: timedelta | None = None,
    temperature_c: float | None = None,
    inputs: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
) -> Calibration:
    """Build a set from dark and open-beam scans.

    It also measures the crosstalk of neighbours, from their noise (`measured`); what such scans do not tell, afterglow, scatter and
    curvature among it, comes from the scanner's definition.

    Parameters
    ----------
    dark, air : sequence of RawScan
        See `gather`.
    valid_from, valid_until : datetime, optional
        With a time zone. By default from the earliest ``metadata["acquired"]`` of the scans, and without an end.
    valid_for : timedelta, optional
        Instead of ``valid_until``: how long from ``valid_from``.
    temperature_c : float, optional
        Of the array, °C; by default the mean of what the scans state in ``metadata["temperature_c"]``.
    inputs, files : mapping of str to str, optional
        sha256 and name of the files by role, those of dark scans first; kept with the set beside the sha256 of the lines themselves.

    Returns
    -------
    Calibration

    Raises
    ------
    CalibrationError
        The scans are no references: too short, exchanged, saturated, with something in the beam, or most of the array is bad;
        or the dates do not fit together.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> def lines(level, noise):
    ...     return RawScan(rng.normal(level, noise, (2, 50, 172)).round().astype(np.uint16), "cargo-6-4mv", binning=(8, 8))
    >>> build_calibration([lines(900, 3)], [lines(50_000, 110)], temperature_c=21.5).metadata["temperature_c"]
    21.5
    """
    if not dark:
        raise CalibrationError("no dark scan", expected="at least one")
    every = (*dark, *air)
    start = valid_from or min((moment for scan in every if (moment := acquired(scan)) is not None), default=None)
    end = _end(start, valid_until, valid_for)
    lines = gather(dark, air, tuple((files or {}).values()))
    if lines.dark is not None and lines.air is not None:
        check_beam(lines.air, lines.dark.mean(axis=1), lines.dark.std(axis=1))
    made = Calibration.from_references(lines, valid_from=start, valid_until=end)
    _check_array(made)
    share = measure_crosstalk(lines, made, find_defects(made, Defects()))
    stated = [warmth for scan in every if (warmth := temperature(scan)) is not None]
    warmth = float(np.mean(stated)) if temperature_c is None and stated else temperature_c
    if warmth is not None and not np.isfinite(warmth):
        raise CalibrationError(f"temperature is {warmth}", expected="degrees Celsius")
    extra: dict[str, Any] = {} if warmth is None else {TEMPERATURE: warmth}
    if files:
        extra["files"] = dict(files)
    if share is not None:
        extra[MEASURED] = {"crosstalk": asdict(share)}
    return replace(made, inputs={**made.inputs, **(inputs or {})}, metadata={**made.metadata, **extra})


def hold_from_scans(calibration: Calibration, scans: Sequence[RawScan], length: timedelta) -> Calibration:
    """Return the set with curves that hold for so long from when the first of the wedge's scans was taken.

    Raises
    ------
    CalibrationError
        No scan says when it was taken.
    """
    moments = [moment for scan in scans if (moment := acquired(scan)) is not None]
    if not moments:
        raise CalibrationError(
            "a time for curves from wedge scans that do not say when they were taken",
            expected="metadata acquired in one of them",
            remedy="leave the time out: the curves then hold as long as the set",
        )
    return curves_for(calibration, min(moments), min(moments) + length)


def check_beam(air: NDArray[np.unsignedinteger[Any]], offset: NDArray[np.float64], noise: NDArray[np.float64]) -> None:
    """Refuse open-beam lines, (channel, n, element), that show no beam above the dark level, (channel, element).

    Raises
    ------
    CalibrationError

    Examples
    --------
    >>> check_beam(np.full((1, 9, 4), 901, np.uint16), np.full((1, 4), 900.0), np.full((1, 4), 3.0))
    Traceback (most recent call last):
    scananalysis.core.errors.CalibrationError: open-beam lines read 1.0 counts above the dark lines; expected lines with the
    beam on; check that dark and open-beam scans are not exchanged.
    """
    signal = np.median(air.mean(axis=1) - offset, axis=1)
    if np.any(signal <= 5 * np.median(noise, axis=1)) or np.any(signal <= 0):
        raise CalibrationError(
            f"open-beam lines read {signal.min():.1f} counts above the dark lines",
            expected="lines with the beam on",
            remedy="check that dark and open-beam scans are not exchanged",
        )


def _end(start: datetime | None, until: datetime | None, length: timedelta | None) -> datetime | None:
    if until is not None and length is not None:
        raise CalibrationError("an end and a length of validity", expected="one of them")
    if length is not None and start is None:
        raise CalibrationError(
            "a length of validity without a start",
            expected="scans that say when they were taken (metadata acquired), or a start",
            remedy="state from when the set holds",
        )
    end = start + length if start is not None and length is not None else until
    for moment in (start, end):
        if moment is not None and moment.tzinfo is None:
            raise CalibrationError(f"validity {moment.isoformat()}", expected="a date with a time zone")
    if start is not None and end is not None and end <= start:
        raise CalibrationError(f"validity ends {end.isoformat()}", expected=f"after it starts, {start.isoformat()}")
    return end


def _check_array(made: Calibration) -> None:
    bad = (find_defects(made, Defects()) != 0).mean(axis=1)
    worst = int(bad.argmax())
    if bad[worst] > MOST_BAD:
        raise CalibrationError(
            f"{100 * bad[worst]:.0f} % of the elements of channel {worst} are dead, noisy or unsteady in these references",
            expected=f"at most {100 * MOST_BAD:.0f} %",
            remedy=_NOTHING_IN_BEAM,
        )
    unsteady = int(made.monitor_sigma.argmax())
    if made.monitor_sigma[unsteady] > MOST_FLUCTUATION:
        raise CalibrationError(
            f"the open beam of channel {unsteady} varies by {100 * made.monitor_sigma[unsteady]:.0f} % from line to line",
            expected=f"at most {100 * MOST_FLUCTUATION:.0f} %",
            remedy=_NOTHING_IN_BEAM,
        )


_NOTHING_IN_BEAM = "check that nothing stood in the beam and that it was on throughout"
