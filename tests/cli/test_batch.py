"""``scananalysis batch`` as a process."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scananalysis.batch.results import Results, status
from scananalysis.datasets import read_recipe, sample
from scananalysis.io import write

COMMANDS = ("run", "status", "rank", "diff", "summary")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scananalysis", "batch", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str], *says: str) -> None:
    assert done.returncode == 3, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    for text in says:
        assert text in line


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    made = sample(read_recipe("declared-cargo"), "test", 1, scanner="cargo-6-4mv")
    for index in range(8):
        write(made.simulated.scan, folder / f"scan-{index}.h5")
        (folder / f"scan-{index}.json").write_text(
            made.declaration.model_dump_json(exclude_none=True), encoding="utf-8"
        )
    (folder / "scan-8.h5").write_bytes(b"no scan")
    (folder / "run.toml").write_text('title = "A <small> archive"\nshard_scans = 2\n', encoding="utf-8")
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert "scananalysis batch" in done.stdout.split("Example:")[1]


def test_help_of_the_group_names_its_commands() -> None:
    done = run("--help")
    assert all(command in done.stdout for command in COMMANDS)


def test_wrong_usage_and_refusals(tmp_path: Path) -> None:
    assert run("archive").returncode == 2
    refused(run(tmp_path / "none", "--output", tmp_path / "out"), "none", "is not there")
    (tmp_path / "empty").mkdir()
    refused(run(tmp_path / "empty", "-o", tmp_path / "out"), "holds no scans")
    (tmp_path / "run.toml").write_text("shard_scans = 0", encoding="utf-8")
    refused(
        run(tmp_path / "empty", "-o", tmp_path / "o", "--definition", tmp_path / "run.toml"), "run.toml", "shard_scans"
    )
    for command in ("status", "rank", "summary"):
        refused(run(command, tmp_path / "empty"), "no run.json")
    refused(run("diff", tmp_path / "empty", tmp_path / "empty"), "no run.json")


def test_importing_the_package_loads_no_dask() -> None:
    code = "import sys, scananalysis, scananalysis.cli.app; print([m for m in ('dask', 'distributed', 'pyarrow') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_stopped_with_ctrl_c_resumed_and_looked_at(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    arguments = [archive, "--declarations", archive, "--definition", archive / "run.toml", "--workers", 1]
    # Ctrl-C on a terminal reaches every process of the group, and so it does here.
    process = subprocess.Popen(
        [sys.executable, "-m", "scananalysis", "batch", *map(str, arguments), "--output", str(output)],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    ledger = output / "ledger.jsonl"
    while process.poll() is None and not (ledger.exists() and ledger.stat().st_size):
        time.sleep(0.05)
    assert process.poll() is None, process.stderr.read() if process.stderr else ""
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130, said
    (line,) = said.splitlines()
    assert "stopped on request" in line
    assert "--resume" in line
    found = status(Results.open(output), verify=True)
    assert not found.complete
    assert found.done >= 2
    assert found.damaged == {}

    refused(run(*arguments, "--output", output), "a run was begun here", "--resume")
    done = run(*arguments, "--output", output, "--resume", "--json")
    assert done.returncode == 1, done.stderr
    outcome = json.loads(done.stdout)
    assert (outcome["scans"], outcome["errors"]) == (9, 1)
    assert outcome["skipped"] >= found.done
    assert outcome["inspected"] + outcome["skipped"] == 9

    shown = json.loads(run("status", output, "--verify", "--json").stdout)
    assert shown["complete"]
    assert [failure["path"] for failure in shown["failures"]] == ["scan-8.h5"]
    assert "scan-8.h5" in run("status", output).stdout
    queue = json.loads(run("rank", output, "--json", "--csv", tmp_path / "queue.csv").stdout)
    assert len(queue) == 9
    assert queue[0]["factors"]
    assert len((tmp_path / "queue.csv").read_text().splitlines()) == 10
    difference = json.loads(run("diff", output, output, "--json").stdout)
    assert (difference["same"], difference["moves"]) == (9, [])
    assert json.loads(run("summary", output, "--json").stdout)["summary"] == str(output / "summary.html")
    assert "A &lt;small&gt; archive" in (output / "summary.html").read_text(encoding="utf-8")
    again = run(*arguments, "--output", output)
    assert again.returncode == 1
    assert "Nothing to do: all 9 scans are done" in again.stdout
    events = [json.loads(line)["event"] for line in (output / "log.jsonl").read_text().splitlines()]
    assert events[0] == "begin"
    assert "stopping" in events
    assert events[-1] == "end"


def test_a_full_disk_has_a_clear_word(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    output.mkdir()
    (output / "log.jsonl").symlink_to("/dev/full")
    done = run(archive, "--output", output, "--workers", 1)
    refused(done, "the disk is full", "--resume")
