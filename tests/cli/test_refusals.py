"""The command line as a process: what is refused gives one sentence and exit code 3, and nothing is written."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scananalysis.core import RawScan
from scananalysis.io import write


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scananalysis", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A scan without references."""
    path = tmp_path / "truck.h5"
    counts = np.random.default_rng(1).integers(5000, 50000, (2, 40, 344), dtype=np.uint16)
    write(RawScan(counts, scanner="cargo-6-4mv", binning=(4, 4)), path)
    return path


def papers(folder: Path, **changes: object) -> Path:
    path = folder / "papers.json"
    content = {
        "container": "CSQU3054383",
        "items": [{"hs_code": changes.pop("hs_code", "0803.90"), "net_weight_kg": 100}],
    } | changes
    path.write_text(json.dumps(content))
    return path


def refused(done: subprocess.CompletedProcess[str], *says: str) -> None:
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert "Traceback" not in line
    for text in says:
        assert text in line


def test_missing_reference(scan: Path, tmp_path: Path) -> None:
    refused(run("inspect", scan, "--output", tmp_path / "out"), "reference")
    assert not (tmp_path / "out").exists()


def test_truncated_file(scan: Path, tmp_path: Path) -> None:
    scan.write_bytes(scan.read_bytes()[: scan.stat().st_size // 2])
    refused(run("inspect", scan, "--output", tmp_path / "out"), "truck.h5")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["truck.h5"]


def test_wrong_layout(tmp_path: Path) -> None:
    path = tmp_path / "rail.npy"
    np.save(path, np.ones((30, 40, 3), np.uint16))
    refused(run("inspect", path, "--layout", "rail-air-normalised", "--output", tmp_path / "out"), "rail.npy")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "says"), [({"hs_code": "08X3"}, "hs_code"), ({"container": "CSQU3054384"}, "container")]
)
def test_bad_declaration(scan: Path, tmp_path: Path, change: dict[str, object], says: str) -> None:
    declaration = papers(tmp_path, **change)
    refused(run("inspect", scan, "--declaration", declaration, "--output", tmp_path / "out"), "papers.json", says)
    assert not (tmp_path / "out").exists()


def test_missing_file_and_unknown_scanner(tmp_path: Path) -> None:
    refused(run("info", tmp_path / "no.h5"), "no.h5")
    refused(run("scanners", "no-such"), "no-such")


def test_wrong_usage_is_2() -> None:
    assert run("inspect").returncode == 2
    assert run("no-such-command").returncode == 2
    assert run("simulate", "--output", "x").returncode == 2


def test_one_of_several_fails(scan: Path, tmp_path: Path) -> None:
    done = run("info", scan, tmp_path / "no.h5", "--json")
    assert done.returncode == 1
    good, bad = json.loads(done.stdout)
    assert good["lines"] == 40
    assert "no.h5" in bad["error"]


@pytest.mark.parametrize("command", ["inspect", "info", "convert", "simulate", "scanners", "formats", "commodities"])
def test_help_has_an_example(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert f"scananalysis {command}" in done.stdout.split("Example:")[1]


@pytest.mark.parametrize("command", ["scanners", "formats", "commodities"])
def test_listings_are_json(command: str) -> None:
    assert json.loads(run(command, "--json").stdout)


def test_simulated_scans_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        done = run(
            "simulate", "--scanner", "cargo-6-4mv", "--binning", 16, "--seed", 4, "-o", tmp_path / name, "--json"
        )
        assert done.returncode == 0, done.stderr
        (entry,) = json.loads(done.stdout)
        made.append(Path(entry["scan"]).read_bytes())
    assert made[0] == made[1]
