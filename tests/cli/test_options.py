"""Options that all commands share, as processes: ``--definitions``, ``--fail-on-alarm``, ``--debug``, the bar on a terminal."""

import errno
import json
import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from scananalysis._resources import find
from scananalysis.detectors import scanner
from scananalysis.io import write
from scananalysis.simulation import Box, Matter, Piece, Scene, render

EXAMPLES = Path(__file__).parents[2] / "examples"
COMMAND = (sys.executable, "-m", "scananalysis")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False)


def on_terminal(*arguments: object) -> tuple[int, str, str]:
    """Run with standard error on a terminal; return exit code, standard output and what the terminal was sent."""
    own, others = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "120"}
    environment.pop("NO_COLOR", None)
    # Standard output goes to a file: a pipe that nobody empties would hold the process up.
    with (
        tempfile.TemporaryFile("w+") as written,
        subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=written, stderr=others, env=environment) as process,
    ):
        os.close(others)
        sent = b""
        while True:
            try:
                part = os.read(own, 65_536)
            except OSError as error:
                # Linux says so when the last process has closed its end.
                if error.errno != errno.EIO:
                    raise
                break
            if not part:
                break
            sent += part
        os.close(own)
        process.wait(120)
        written.seek(0)
        out = written.read()
    return process.returncode, out, sent.decode()


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A steel block in the air: nothing that needs papers."""
    device = scanner("cargo-6-4mv").binned(8, 8)
    block = Piece(Box((400, 1600), (900, 2300), (5990, 6010)), Matter.of("steel"), 7.85)
    path = tmp_path_factory.mktemp("scan") / "block.h5"
    write(render(Scene((block,), 2400.0), device, 3).scan, path)
    return path


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site's own definitions: one scanner, one wedge."""
    folder = tmp_path / "site"
    (folder / "detectors").mkdir(parents=True)
    (folder / "calibration" / "objects").mkdir(parents=True)
    text = find("detectors", "cargo-6-4mv.toml").read_text(encoding="utf-8")
    changed = re.sub(r'^title = ".*"$', 'title = "The portal at our gate"', text, count=1, flags=re.MULTILINE)
    assert changed != text
    (folder / "detectors" / "our-gate.toml").write_text(changed, encoding="utf-8")
    return folder


def test_a_sites_scanner_is_known_with_its_definitions_and_without_them_is_not(site: Path, tmp_path: Path) -> None:
    for arguments in (("scanners", "our-gate", "--definitions", site), ("--definitions", site, "scanners", "our-gate")):
        done = run(*arguments)
        assert done.returncode == 0, done.stderr
        assert "The portal at our gate" in done.stdout
    listed = {each["name"] for each in json.loads(run("scanners", "--definitions", site, "--json").stdout)}
    assert {"our-gate", "cargo-6-4mv"} <= listed
    made = run(
        "simulate", "--scanner", "our-gate", "--binning", 16, "--definitions", site, "-o", tmp_path / "out", "--json"
    )
    assert made.returncode == 0, made.stderr
    path = json.loads(made.stdout)[0]["scan"]
    assert json.loads(run("info", path, "--definitions", site, "--json").stdout)["scanner"] == "our-gate"
    unknown = run("inspect", path, "--output", tmp_path / "report")
    assert unknown.returncode == 3
    assert "our-gate" in unknown.stderr
    assert len(unknown.stderr.splitlines()) == 1


def test_a_sites_own_definition_comes_before_the_one_that_ships(site: Path) -> None:
    (site / "detectors" / "our-gate.toml").rename(site / "detectors" / "cargo-6-4mv.toml")
    assert "The portal at our gate" in run("scanners", "cargo-6-4mv", "--definitions", site).stdout
    assert "The portal at our gate" not in run("scanners", "cargo-6-4mv").stdout


def test_definitions_that_are_no_folder_or_malformed_are_refused(site: Path, tmp_path: Path) -> None:
    missing = run("scanners", "--definitions", tmp_path / "no")
    assert missing.returncode == 3
    assert "is not a folder" in missing.stderr
    (site / "detectors" / "our-gate.toml").write_text("title = 3\n")
    broken = run("scanners", "our-gate", "--definitions", site)
    assert broken.returncode == 3
    assert "our-gate" in broken.stderr
    assert "Traceback" not in broken.stderr


def test_a_verdict_is_an_exit_code_only_if_asked_for(scan: Path, tmp_path: Path) -> None:
    clear = run("inspect", scan, "--output", tmp_path / "clear", "--json", "--fail-on-alarm")
    assert (json.loads(clear.stdout)["verdict"], clear.returncode) == ("clear", 0), clear.stderr
    hidden = EXAMPLES / "garments-with-hidden-object.h5"
    arguments = (
        "inspect",
        hidden,
        "--declaration",
        hidden.with_suffix(".json"),
        "--json",
        "--output",
        tmp_path / "loud",
    )
    for extra, code in (((), 0), (("--fail-on-alarm",), 10)):
        loud = run(*arguments, *extra)
        assert json.loads(loud.stdout)["verdict"] == "inspect"
        assert loud.returncode == code, loud.stderr
        assert (tmp_path / "loud" / "report.html").stat().st_size > 1000


def test_a_refusal_is_3_even_under_fail_on_alarm(tmp_path: Path) -> None:
    done = run("inspect", tmp_path / "no.h5", "--output", tmp_path / "out", "--fail-on-alarm")
    assert done.returncode == 3


def test_a_terminal_gets_a_bar_and_pipes_do_not(scan: Path, tmp_path: Path) -> None:
    code, out, sent = on_terminal("inspect", scan, "--output", tmp_path / "out")
    assert code == 0
    # Percent and colours move on the terminal; the text of the result is on standard output alone.
    assert "%" in sent
    assert "\x1b[" in sent
    assert "CLEAR" in out
    assert "\x1b" not in out
    assert "CLEAR" not in sent
    stages = ("calibrating", "measuring materials", "looking for anomalies", "writing the report")
    assert any(stage in sent for stage in stages)
    piped = run("inspect", scan, "--output", tmp_path / "out")
    assert (piped.returncode, piped.stderr) == (0, "")


@pytest.mark.parametrize("option", ["--quiet", "--json"])
def test_quiet_and_json_leave_the_terminal_alone(scan: Path, tmp_path: Path, option: str) -> None:
    code, out, sent = on_terminal("inspect", scan, "--output", tmp_path / "out", option)
    assert (code, sent) == (0, "")
    if option == "--json":
        assert json.loads(out)["verdict"] == "clear"
    else:
        assert out == ""


def test_an_error_on_a_terminal_is_one_sentence_after_the_bar(scan: Path, tmp_path: Path) -> None:
    code, out, sent = on_terminal("inspect", scan, "--output", tmp_path / "out", "--calibration", tmp_path / "no.h5")
    assert (code, out) == (3, "")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", sent).replace("\r", "\n")
    errors = [line for line in text.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert "no.h5" in errors[0]


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = run("info", tmp_path / "no.h5", "--debug")
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "FormatError" in done.stderr
