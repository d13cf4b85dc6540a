"""``scananalysis simulate`` from a recipe: resumable, in parallel, the same bytes whatever the number of workers."""

import csv
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

RECIPE = """
title = "small scans"
seed = 11
headings = ["0803", "7208", "6109"]
[[scanners]]
name = "cargo-6-4mv"
binning = [8, 8]
[[scanners]]
name = "gamma-co60"
binning = [4, 4]
[splits.train]
count = 6
frauds = { shield = 0.3, void = 0.2 }
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return path


def command(recipe: Path, output: Path, *arguments: object) -> list[str]:
    line = ("simulate", "--recipe", recipe, "--split", "train", "--count", 6, "--output", output, "--quiet", *arguments)
    return [sys.executable, "-m", "scananalysis", *map(str, line)]


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_killed_and_resumed_with_other_workers_gives_the_same_bytes(recipe: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    # Numerical libraries may use several threads or one: that changes no byte either.
    single = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run(command(recipe, one, "--workers", 1), check=True, env=single)
    threads = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    running = subprocess.Popen(command(recipe, other, "--workers", 2), start_new_session=True, env=threads)
    deadline = time.monotonic() + 500
    while not list(other.glob("*.json")) and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    if running.poll() is None:
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    complete = list(other.glob("*.json"))
    assert complete
    before = {path.name: path.stat().st_mtime_ns for path in complete}
    subprocess.run(command(recipe, other, "--workers", 3), check=True, env=threads)
    assert {name: (other / name).stat().st_mtime_ns for name in before} == before
    made = {name: digest for name, digest in contents(other).items() if not _left_over(name)}
    assert made == contents(one)
    with (one / "small-train.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 6
    assert {row["scanner"] for row in rows} <= {"cargo-6-4mv", "gamma-co60"}
    for row in rows:
        assert hashlib.sha256((one / row["scan"]).read_bytes()).hexdigest() == row["sha256"]


def _left_over(name: str) -> bool:
    """Whether a killed process left a file that was never given its name."""
    return name.endswith((".part", ".tmp")) or name.startswith(".")


def test_help_names_every_kind_of_fraud():
    from scananalysis.simulation.loads import FRAUDS

    done = subprocess.run(
        [sys.executable, "-m", "scananalysis", "simulate", "--help"],
        capture_output=True, text=True, check=True, env=os.environ | {"COLUMNS": "400", "TERMINAL_WIDTH": "400"},
    )  # fmt: skip
    assert [kind for kind in FRAUDS if kind not in done.stdout] == []
