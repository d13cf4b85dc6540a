"""One scan to one row."""

import base64
import errno
import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from scananalysis.batch.definition import RunDefinition, read_definition
from scananalysis.batch.inspectone import Inspector
from scananalysis.batch.schema import PLAN, REGIONS, SCANS
from scananalysis.batch.store import StorageError
from scananalysis.calibration import Calibration
from scananalysis.core import ConfigurationError, RawScan, sha256_file
from scananalysis.datasets import read_recipe, sample
from scananalysis.inspection import inspect
from scananalysis.io import write


def plan_row(path: str, **changes: Any) -> dict[str, Any]:
    return {column.name: None for column in PLAN} | {"path": path} | changes


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    recipe = read_recipe("declared-cargo")
    made = sample(recipe, "test", 3, fraud="metal", scanner="cargo-6-4mv")
    write(made.simulated.scan, folder / "scan.h5")
    (folder / "scan.json").write_text(made.declaration.model_dump_json(exclude_none=True), encoding="utf-8")
    return folder


@pytest.fixture
def inspector(archive: Path, tmp_path: Path) -> Inspector:
    definition = RunDefinition(outputs={"reports": "all"})
    return Inspector(archive, tmp_path, definition, papers=True)


def test_a_row_says_what_an_inspection_says(inspector: Inspector, archive: Path) -> None:
    row = inspector.row(
        plan_row("scan.h5", declaration=str(archive / "scan.json"), consignor="Manifest Ltd", route="A-B")
    )
    found = inspect(archive / "scan.h5", archive / "scan.json")
    assert row["status"] == "done"
    assert row["verdict"] == found.verdict
    assert row["scan_p_value"] == found.measured["scan_p_value"]
    assert row["load_mass_kg"] == found.measured.get("load_mass_kg")
    assert row["region_count"] == len(found.regions) == len(row["regions"])
    assert row["scan_sha256"] == sha256_file(archive / "scan.h5")
    assert row["declaration_sha256"] == sha256_file(archive / "scan.json")
    assert row["route"] == "A-B"
    assert row["consignor"] == (found.declaration.consignor or "Manifest Ltd")
    assert row["headings"]
    assert len(row["air_level"]) == 2
    assert row["air_level"][0] > 1000 > row["gain_spread"][0]
    thumbnail = base64.b64decode(row["thumbnail"])
    assert thumbnail.startswith(b"\xff\xd8\xff")
    assert len(thumbnail) < 20_000
    assert max(cv2.imdecode(np.frombuffer(thumbnail, np.uint8), cv2.IMREAD_COLOR).shape[:2]) <= 320
    assert (inspector.store.folder / row["report"] / "report.html").is_file()
    assert json.loads((inspector.store.folder / row["report"] / "inspection.json").read_text())["source"] == "scan.h5"
    json.dumps(row, allow_nan=False)
    known = {column.name for column in SCANS} | {"regions"}
    assert row.keys() <= known
    for region in row["regions"]:
        assert region.keys() == {column.name for column in REGIONS}


def test_the_same_scan_gives_the_same_row(inspector: Inspector, archive: Path) -> None:
    plan = plan_row("scan.h5", declaration=str(archive / "scan.json"))
    assert inspector.row(plan) == inspector.row(plan)


@pytest.mark.parametrize(
    ("changes", "kind", "says"),
    [
        ({"path": "none.h5"}, "FormatError", "none.h5: does not exist"),
        ({"declaration": "/none.json"}, "DeclarationError", "not a file"),
        ({}, "DeclarationError", "has no declaration"),
        ({"sha256": "0" * 64}, "FormatError", "sha256 is"),
        ({"scanner": "no-such"}, "ConfigurationError", "no scanner"),
        ({"date": "yesterday"}, "FormatError", "date 'yesterday'"),
    ],
)
def test_what_is_refused_is_an_error_row(
    inspector: Inspector, archive: Path, changes: dict[str, Any], kind: str, says: str
) -> None:
    papers = {"declaration": str(archive / "scan.json")} if changes else {}
    row = inspector.row(plan_row("scan.h5", **papers) | changes)
    assert (row["status"], row["error_kind"]) == ("error", kind)
    assert says in row["reason"]
    assert str(archive) not in row["reason"], "the same archive mounted elsewhere gives the same rows"
    assert row.keys() <= {column.name for column in SCANS}


def test_without_papers_only_if_the_definition_says_so(archive: Path, tmp_path: Path) -> None:
    chosen = RunDefinition(archive={"missing_declaration": "inspect"}, outputs={"thumbnails": False})
    row = Inspector(archive, tmp_path, chosen, papers=True).row(plan_row("scan.h5"))
    assert row["status"] == "done"
    assert "declaration_sha256" not in row
    assert "thumbnail" not in row
    assert "report" not in row


def test_the_calibration_set_of_the_date_is_used(archive: Path, tmp_path: Path) -> None:
    from scananalysis.io import read

    Calibration.from_references(read(archive / "scan.h5")).save(tmp_path / "set.h5")
    definition = RunDefinition(
        calibration=[
            {
                "scanner": "cargo-6-4mv", "file": str(tmp_path / "set.h5"), "sha256": sha256_file(tmp_path / "set.h5"),
                "valid_from": "2025-01-01T00:00:00Z",
            }
        ]
    )  # fmt: skip
    inspector = Inspector(archive, tmp_path, definition, papers=False)
    row = inspector.row(plan_row("scan.h5", date="2025-02-01"))
    assert row["status"] == "done"
    assert row["calibration_sha256"] == sha256_file(tmp_path / "set.h5")
    row = inspector.row(plan_row("scan.h5", date="2024-02-01"))
    assert (row["status"], row["error_kind"]) == ("error", "CalibrationError")


def test_the_date_of_the_manifest_is_held_against_the_set(archive: Path, tmp_path: Path) -> None:
    from scananalysis.io import read

    moments = [datetime(2025, month, 1, tzinfo=UTC) for month in (1, 3)]
    references = Calibration.from_references(read(archive / "scan.h5"), valid_from=moments[0], valid_until=moments[1])
    references.save(tmp_path / "set.h5")
    toml = tmp_path / "run.toml"
    toml.write_text('[[calibration]]\nscanner = "cargo-6-4mv"\nfile = "set.h5"\n[outputs]\nreports = "all"\n')
    inspector = Inspector(archive, tmp_path / "out", read_definition(toml), papers=True)
    plan = plan_row("scan.h5", declaration=str(archive / "scan.json"))
    row = inspector.row(plan | {"date": "2025-02-01 08:00:00"})
    assert row["status"] == "done", "the file says no date, the manifest does, and the set held then"
    recorded = json.loads((tmp_path / "out" / row["report"] / "inspection.json").read_text())["inputs"]
    assert recorded["calibration"] == {"path": None, "sha256": sha256_file(tmp_path / "set.h5")}
    assert recorded["declaration"] == {"path": None, "sha256": sha256_file(archive / "scan.json")}
    for date in (None, "2025-04-01"):
        row = inspector.row(plan | {"date": date})
        assert row["error_kind"] == "CalibrationError"
        assert datetime.now(UTC).date().isoformat() not in row["reason"], "rows do not depend on when they are made"


def test_a_full_disk_is_named_by_where_it_is(
    inspector: Inspector, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("scananalysis.inspection.save_inspection", full)
    with pytest.raises(StorageError, match=re.escape(f"{inspector.store.folder}: the disk is full")):
        inspector.row(plan_row("scan.h5", declaration=str(archive / "scan.json")))


def test_a_layout_that_was_changed_since_the_run_began_is_refused(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("changed")
    definition = RunDefinition(archive={"layout": str(tmp_path / "own.toml"), "layout_sha256": "0" * 64})
    with pytest.raises(ConfigurationError, match="sha256 is"):
        Inspector(archive, tmp_path, definition, papers=False)


def test_a_lost_archive_is_no_row(archive: Path, tmp_path: Path) -> None:
    lost = tmp_path / "lost"
    shutil.copytree(archive, lost)
    inspector = Inspector(lost, tmp_path, RunDefinition(), papers=False)
    (lost / "scan.h5").unlink()
    assert inspector.row(plan_row("scan.h5"))["status"] == "error", "one file that is gone is one error"
    shutil.rmtree(lost)
    lost.mkdir()
    with pytest.raises(StorageError, match="does not answer"):
        inspector.row(plan_row("scan.h5"))


def test_a_lost_part_of_an_archive_is_no_row(archive: Path, tmp_path: Path) -> None:
    lane = tmp_path / "lost" / "lane-2" / "2025"
    shutil.copytree(archive, tmp_path / "lost" / "lane-1")
    shutil.copytree(archive, lane)
    inspector = Inspector(tmp_path / "lost", tmp_path, RunDefinition(), papers=False)
    shutil.rmtree(lane)
    with pytest.raises(StorageError, match="lane-2: the disk does not answer"):
        inspector.row(plan_row("lane-2/2025/scan.h5"))
    shutil.rmtree(lane.parent)
    row = inspector.row(plan_row("lane-2/2025/scan.h5"))
    assert row["status"] == "error", "a folder that was taken away, its place with it, is no lost disk"


def test_a_date_is_found_in_the_scan(archive: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from scananalysis.io import read

    scan = read(archive / "scan.h5")
    dated: RawScan = replace(scan, metadata={"acquired": "2025-03-04T05:06:07"})
    folder = tmp_path / "dated"
    folder.mkdir()
    write(dated, folder / "scan.h5")
    row = Inspector(folder, tmp_path, RunDefinition(), papers=False).row(plan_row("scan.h5"))
    assert row["date"] == "2025-03-04T05:06:07"
    assert np.isfinite(row["scan_p_value"])
