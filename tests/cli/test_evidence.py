"""Evidence through the command line: make, hand on, verify, replay, print."""

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scananalysis.detectors import scanner
from scananalysis.inspection import inspect
from scananalysis.inspection.evidence import seizure_report
from scananalysis.io import write
from scananalysis.simulation import container_scene, render


def run(*arguments: object, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "scananalysis", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    assert done.returncode == code, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the result of a small scan whose papers try to put markup into the report."""
    folder = tmp_path_factory.mktemp("evidence")
    device = scanner("cargo-6-4mv").binned(16, 16)
    load = container_scene(5, device, cargo=["6203"], size="22G1")
    write(render(load.scene, device, 5).scan, folder / "truck.h5")
    papers = load.declaration.model_copy(update={"consignor": "<script>alert(1)</script>"})
    (folder / "truck.json").write_text(papers.model_dump_json(exclude_none=True))
    inspect(folder / "truck.h5", folder / "truck.json").save(folder / "out")
    return folder


def test_from_result_to_proof(place: Path) -> None:
    bundle, word = place / "bundle", {"SCANANALYSIS_PASSPHRASE": "correct horse"}
    print_ = json.loads(run("evidence", "key", place / "a.key", "--passphrase", "--json", **word).stdout)["fingerprint"]
    run("evidence", "key", place / "b.key")
    sealed = ("evidence", place / "out", "--output", bundle, "--key", place / "a.key", "--who", "A. Officer")
    refused = run(*sealed, code=3)
    assert "put its passphrase into SCANANALYSIS_PASSPHRASE" in refused.stderr
    assert not bundle.exists()
    made = json.loads(run(*sealed, "--why", "case 12", "--json", **word).stdout)
    assert made["intact"]
    assert made["signed_by"] == [print_]
    added = run(
        "evidence", "log", bundle, "--who", "B. Driver", "--what", "carried", "--why", "analysis", "--key", place / "b.key",
        "--json",
    )  # fmt: skip
    assert json.loads(added.stdout)["number"] == 2

    both = ("--public-key", place / "a.key.pub", "--public-key", place / "b.key.pub")
    checked = json.loads(run("verify", bundle, *both, "--head", made["custody_head"], "--json").stdout)
    assert checked["intact"]
    assert checked["trusted"]
    assert checked["custody_entries"] == 2
    one = json.loads(run("verify", bundle, *both[:2], "--json", code=3).stdout)
    assert [p["kind"] for p in one["problems"]] == ["signature"]

    assert run("replay", bundle).stdout.startswith("IDENTICAL")
    page = place / "seizure.html"
    run("evidence", "report", bundle, "--output", page, *both)
    text = page.read_text(encoding="utf-8")
    assert "All signatures are by the keys that were given" in text
    assert "B. Driver" in text
    assert "outside of it" in run("evidence", "report", bundle, "-o", bundle / "x.html", code=3).stderr

    (bundle / "data" / "declaration" / "truck.json").unlink()
    broken = run("verify", bundle, code=3)
    assert "removed: data/declaration/truck.json" in broken.stdout
    assert "not intact (removed: data/declaration/truck.json" in run("replay", bundle, code=3).stderr


def test_an_unsigned_bundle_says_so(place: Path) -> None:
    bundle = place / "unsigned"
    run("evidence", place / "out", "-o", bundle)
    shown = run("verify", bundle).stdout
    assert shown.startswith("INTACT")
    assert "not signed" in shown
    assert "login name" in (bundle / "custody.jsonl").read_text()
    assert "not signed" in run("verify", bundle, "--public-key", _key(place), code=3).stdout


def _key(place: Path) -> Path:
    if not (place / "c.key").exists():
        run("evidence", "key", place / "c.key")
    return place / "c.key.pub"


def test_the_seizure_report_is_one_page_that_prints_and_runs_nothing(place: Path) -> None:
    bundle = place / "printed"
    run("evidence", place / "out", "-o", bundle, "--who", "<b>A</b>", "--why", "case & 12")
    page = seizure_report(bundle)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;b&gt;A&lt;/b&gt;" in page
    assert "default-src 'none'" in html.unescape(page)
    assert re.findall(r'(?:src|href)="(?!data:image/png;base64,)', page) == []
    assert "@page { size: A4;" in page
    assert 'counter(page) " of " counter(pages)' in page
    assert page.count("signature") >= 4
    for line in (bundle / "manifest-sha256.txt").read_text().splitlines():
        sha, name = line.split("  ")
        assert name.startswith("data/definitions/") or (sha in page and name in page)
    assert "This is a recommendation; an officer decides." in page


@pytest.mark.parametrize("command", ["evidence", "verify", "replay"])
def test_help_has_an_example(command: str) -> None:
    assert f"scananalysis {command}" in run(command, "--help").stdout.split("Example:")[1]


@pytest.mark.parametrize("command", ["verify", "replay"])
def test_what_is_no_bundle_is_refused(command: str, tmp_path: Path) -> None:
    assert "expected an evidence bundle" in run(command, tmp_path / "no", code=3).stderr
    run(command, tmp_path, code=3)
