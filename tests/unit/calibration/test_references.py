import dataclasses
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from scananalysis.calibration import Calibration, calibrate
from scananalysis.core import CalibrationError, RawScan

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def scan_of(lines=60, seed=0, **fields):
    rng = np.random.default_rng(seed)
    shape = (2, lines, 172)
    dark = rng.normal(900, 3, shape).round().astype(np.uint16)
    air = rng.normal(50_000, 110, shape).round().astype(np.uint16)
    counts = rng.normal(20_000, 70, (2, 30, 172)).round().astype(np.uint16)
    return RawScan(counts, scanner="cargo-6-4mv", binning=(8, 8), **({"dark": dark, "air": air} | fields))


def test_exchanged_references_are_refused():
    scan = scan_of()
    with pytest.raises(CalibrationError, match="are not exchanged"):
        Calibration.from_references(dataclasses.replace(scan, dark=scan.air, air=scan.dark))


def test_too_few_lines_are_refused():
    with pytest.raises(CalibrationError, match="7 dark and 7 open-beam lines"):
        Calibration.from_references(scan_of(lines=7))


def test_references_that_say_nothing_are_refused():
    scan = scan_of()
    with pytest.raises(CalibrationError, match="saturated"):
        Calibration.from_references(dataclasses.replace(scan, air=np.full_like(scan.air, 65_535)))
    monitor = np.ones((2, 60), np.float32)
    monitor[1, 3] = 0
    with pytest.raises(CalibrationError, match="monitor reads nothing"):
        Calibration.from_references(dataclasses.replace(scan, air_monitor=monitor))


def test_few_quanta_measured_means_nominal_ones_and_the_record_says_so():
    narrow = Calibration.from_references(scan_of())
    assert narrow.metadata["quantum"] == ["measured", "measured"]
    scan = scan_of(lines=8)
    few = Calibration.from_references(
        dataclasses.replace(scan, counts=scan.counts[:, :, :4], dark=scan.dark[:, :, :4], air=scan.air[:, :, :4])
    )
    assert few.metadata["quantum"] == ["nominal", "nominal"]
    assert (few.quantum > 0).all()


@pytest.mark.parametrize(
    ("moment", "refused"), [(NOW, None), (NOW - timedelta(days=2), "one from"), (NOW + timedelta(days=2), "one until")]
)
def test_a_set_holds_for_its_time_only(moment, refused):
    used = Calibration.from_references(
        scan_of(), valid_from=NOW - timedelta(days=1), valid_until=NOW + timedelta(days=1)
    )
    scan = scan_of(metadata={"acquired": moment.isoformat()})
    if refused is None:
        calibrate(scan, used)
    else:
        with pytest.raises(CalibrationError, match=refused):
            calibrate(scan, used)
    # A scan that does not say when it was taken is taken now.
    with pytest.raises(CalibrationError, match="state when the scan was taken"):
        used.check_fits(scan_of(), now=NOW + timedelta(days=9))
    used.check_fits(scan_of(), now=NOW)


@pytest.mark.parametrize("text", ["yesterday", "2026-05-04T12:00:00"])
def test_a_moment_without_a_zone_is_refused(text):
    used = Calibration.from_references(scan_of(), valid_until=NOW)
    with pytest.raises(CalibrationError, match="ISO 8601 with a time zone"):
        used.check_fits(scan_of(metadata={"acquired": text}))
