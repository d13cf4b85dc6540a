"""``calibrate monitor`` as a process, on a handful of simulated parcels."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCANNER = "parcel-160kv"


def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "scananalysis", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("passing")
    run("simulate", "--scanner", SCANNER, "--binning", 8, "--count", 4, "--output", folder, "--quiet")
    return sorted(folder.glob("*.h5"))


def test_scans_are_counted_once_and_a_refused_one_is_named(scans: list[Path], tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    common = ("--model", "mahalanobis", "--state", state, "--workers", 1, "--json")
    first = json.loads(run("calibrate", "monitor", *scans[:3], *common).stdout)
    assert first["scans"] == 3
    assert first["guarantee"]["holds"] is True
    assert first["guarantee"]["limit"] == 200
    bad = tmp_path / "bad.h5"
    bad.write_bytes(scans[3].read_bytes()[:500])
    bad.with_suffix(".json").write_bytes(scans[3].with_suffix(".json").read_bytes())
    again = run("calibrate", "monitor", *scans, bad, *common, code=1)
    assert "bad.h5" in again.stderr
    counted = json.loads(again.stdout)
    assert (counted["scans"], counted["counted_before"]) == (4, 3)
    table = run("calibrate", "monitor", scans[0], "--model", "mahalanobis", "--state", state)
    assert "false-alarm rate" in table.stdout
    assert "4 scans of parcel-160kv" in table.stdout


def test_what_does_not_fit_the_state_is_refused(scans: list[Path], tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    run("calibrate", "monitor", scans[0], "--model", "mahalanobis", "--state", state, "--false-warning", 0.1)
    done = run("calibrate", "monitor", scans[1], "--model", "network", "--state", state, code=3)
    assert "another calibration or other weights" in done.stderr
    run("calibrate", "monitor", scans[1], "--model", "mahalanobis", "--state", state, "--false-warning", 0.1, code=2)
