from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from scananalysis._resources import find
from scananalysis.batch import RunDefinition, read_definition
from scananalysis.batch.definition import CalibrationSet, calibration_for
from scananalysis.calibration import Calibration
from scananalysis.core import CalibrationError, ConfigurationError, InputError, RawScan
from scananalysis.detectors import scanner
from scananalysis.io.layout import layouts


def written(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_and_overrules(tmp_path: Path) -> None:
    assert read_definition(None) == RunDefinition()
    path = written(tmp_path, 'model = "mahalanobis"\n[scan]\nseconds = 10\n')
    assert read_definition(path).scan.seconds == 10
    assert read_definition(path, model="network").model == "network"
    assert read_definition(path, model=None).model == "mahalanobis"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sacn = 1", "sacn"),
        ("[scan]\nseconds = 0", "scan.seconds"),
        ("[limits]\nfalse_alarm_rate = 2", "limits.false_alarm_rate"),
        ("[scan", "not TOML"),
        ('[outputs]\nreports = "some"', "outputs.reports"),
        ('[archive]\nscanner = "cargo-6-4"', "no scanner 'cargo-6-4'"),
        ('[archive]\nformat = "hdf"', "no format 'hdf'"),
        ('[archive]\nlayout = "none.toml"', "no layout"),
    ],
)
def test_faults_are_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        read_definition(written(tmp_path, text))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_definition(tmp_path / "none.toml")


def a_set(path: Path, **validity: datetime) -> Path:
    device = scanner("cargo-6-4mv").binned(16, 16)
    rng = np.random.default_rng(0)
    shape = (len(device.channels), 48, device.elements)
    dark, air = (rng.normal(level, 30, shape).round().astype(np.uint16) for level in (1000, 50_000))
    scan = RawScan(air, "cargo-6-4mv", dark=dark, air=air, binning=(16, 16))
    Calibration.from_references(scan, **validity).save(path)
    return path


def test_calibration_sets_are_found_beside_the_definition_and_hashed(tmp_path: Path) -> None:
    a_set(tmp_path / "set.h5")
    path = written(tmp_path, '[[calibration]]\nscanner = "cargo-6-4mv"\nfile = "set.h5"\n')
    (found,) = read_definition(path).calibration
    assert found.file == str(tmp_path / "set.h5")
    assert found.sha256 is not None
    wrong = written(tmp_path, f'[[calibration]]\nscanner = "cargo-6-4mv"\nfile = "set.h5"\nsha256 = "{"0" * 64}"\n')
    with pytest.raises(CalibrationError, match="sha256 is"):
        read_definition(wrong)
    (tmp_path / "set.h5").unlink()
    with pytest.raises(CalibrationError, match="is not a file"):
        read_definition(path)


def test_a_set_of_another_scanner_is_refused_before_anything_runs(tmp_path: Path) -> None:
    a_set(tmp_path / "set.h5")
    mistyped = written(tmp_path, '[[calibration]]\nscanner = "cargo-6-4-mv"\nfile = "set.h5"\n')
    with pytest.raises(CalibrationError, match="set of the scanner cargo-6-4mv; expected cargo-6-4-mv"):
        read_definition(mistyped)
    (tmp_path / "set.h5").write_bytes(b"none")
    with pytest.raises(InputError, match="damaged"):
        read_definition(written(tmp_path, '[[calibration]]\nscanner = "cargo-6-4mv"\nfile = "set.h5"\n'))


def test_a_set_serves_no_longer_than_it_holds(tmp_path: Path) -> None:
    a_set(
        tmp_path / "set.h5", valid_from=datetime(2025, 1, 1, tzinfo=UTC), valid_until=datetime(2025, 6, 1, tzinfo=UTC)
    )
    text = '[[calibration]]\nscanner = "cargo-6-4mv"\nfile = "set.h5"\nvalid_from = 2025-02-01T00:00:00+02:00\n'
    (found,) = read_definition(written(tmp_path, text)).calibration
    assert found.valid_from == datetime(2025, 1, 31, 22, tzinfo=UTC)
    assert found.valid_until == datetime(2025, 6, 1, tzinfo=UTC), "the set says until when it holds"
    with pytest.raises(CalibrationError, match="without a date"):
        calibration_for((found,), "cargo-6-4mv", None)
    with pytest.raises(CalibrationError, match="would serve from"):
        read_definition(written(tmp_path, text.replace("2025-02", "2025-07")))


def test_the_content_of_a_layout_counts_and_not_its_place(tmp_path: Path) -> None:
    shipped = find("detectors", f"layouts/{layouts()[0]}.toml").read_bytes()
    (tmp_path / "own.toml").write_bytes(shipped)
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / "other.toml").write_bytes(shipped)
    here, there = (
        written(tmp_path, f'[archive]\nlayout = "{name}"') and read_definition(tmp_path / "run.toml")
        for name in ("own.toml", "moved/other.toml")
    )
    assert here.archive.layout == str(tmp_path / "own.toml")
    assert here.sha256 == there.sha256
    (tmp_path / "own.toml").write_bytes(shipped + b"\n# changed\n")
    assert read_definition(written(tmp_path, '[archive]\nlayout = "own.toml"')).sha256 != here.sha256
    with pytest.raises(ConfigurationError, match="sha256 is"):
        read_definition(
            written(tmp_path, f'[archive]\nlayout = "own.toml"\nlayout_sha256 = "{here.archive.layout_sha256}"')
        )


def test_the_sha256_follows_what_changes_results_and_nothing_else() -> None:
    plain = RunDefinition()
    assert plain.sha256 == RunDefinition(title="another").sha256
    assert plain.sha256 != RunDefinition(limits={"false_alarm_rate": 0.02}).sha256
    here, there = (
        RunDefinition(calibration=[{"scanner": "a", "file": file, "sha256": "ab" * 32}]) for file in ("x.h5", "y/x.h5")
    )
    assert here.sha256 == there.sha256
    assert here.sha256 != RunDefinition(calibration=[{"scanner": "a", "file": "x.h5", "sha256": "cd" * 32}]).sha256


def test_calibration_by_scanner_and_date() -> None:
    def served(scanner: str, **dates: str) -> CalibrationSet:
        return CalibrationSet(scanner=scanner, file=f"{scanner}-{len(dates)}.h5", **dates)

    year = served("a", valid_from="2024-01-01T00:00:00Z", valid_until="2025-01-01T00:00:00Z")
    later = served("a", valid_from="2024-06-01T00:00:00+02:00")
    sets = (year, later, served("b"))
    assert calibration_for(sets, "a", datetime(2024, 3, 1, tzinfo=UTC)) is year
    assert calibration_for(sets, "a", datetime(2024, 9, 1, tzinfo=UTC)) is later
    assert calibration_for(sets, "a", datetime(2024, 9, 1)) is later  # noqa: DTZ001 - a date without a zone counts as UTC
    assert calibration_for(sets, "b", None) is sets[2]
    assert calibration_for(sets, "c", None) is None
    for date in (None, datetime(2020, 1, 1, tzinfo=UTC)):
        with pytest.raises(CalibrationError, match="no calibration set of scanner a"):
            calibration_for(sets, "a", date)
