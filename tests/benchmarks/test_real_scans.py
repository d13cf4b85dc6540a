"""The command that examines real scans: what it reads, what it names, and that its shares are right."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def task(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.tasks.real_scans")


def test_files_are_sorted_and_the_rest_is_named(task, tmp_path):
    for name in (
        "a.npy",
        "threat_x_high.png",
        "threat_x_low.png",
        "bag_high.png",
        "bag_low.png",
        "lone_high.png",
        "notes.txt",
    ):
        (tmp_path / name).write_bytes(b"")
    found = task.look(tmp_path)
    assert [p.name for p in found.rail] == ["a.npy"]
    assert [p.name for p in found.air] == ["bag_high.png"]
    assert [p.name for p in found.threats] == ["threat_x_high.png"]
    assert set(found.unread) == {"lone_high.png", "notes.txt"}
    assert "partner is missing" in found.unread["lone_high.png"]


def test_share_counts_clean_places_alike_and_the_place_itself(task):
    clean = np.stack([np.arange(100.0), np.full(100, 2.0), np.full(100, 0.5)], axis=1)
    place = {"alpha": 2.2, "clutter": 0.5}
    assert task.share(90.0, place, clean) == (11 / 101, 100)
    assert task.share(1000.0, place, clean) == (1 / 101, 100)
    assert task.share(90.0, {"alpha": 3.0, "clutter": 0.5}, clean) == (None, 0)
    assert task.share(90.0, {"alpha": 2.0, "clutter": 0.1}, clean) == (None, 0)


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(task, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "broken.npy").write_bytes(b"no array at all")
    np.save(tmp_path / "in" / "flat.npy", np.zeros((4, 4), np.uint16))
    assert task.main(["--data", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--simulated", "0"]) == 1
    written = json.loads((tmp_path / "out" / "real_scans.json").read_text())
    assert set(written["unread"]) == {"broken.npy", "flat.npy"}


@pytest.mark.real_data
def test_real_scans_small(task, real_data, tmp_path):
    """Nearly opaque rail scans are not inspectable; objects go where α is below 3.5; nothing but the output folder gets pictures."""
    arguments = ["--data", str(real_data), "--output", str(tmp_path), "--simulated", "2", "--places", "1"]
    assert task.main(arguments) == 0
    written = json.loads((tmp_path / "real_scans.json").read_text())
    rails = [scan for scan in written["scans"] if scan["file"].startswith("rail")]
    assert rails
    for scan in rails:
        assert scan["verdict"] == "not-inspectable"
        assert scan["rows"]
        assert all(row["alpha"] < 3.5 for row in scan["rows"])
        assert all(np.isfinite(row["with"]) for row in scan["rows"])
    page = (tmp_path / "real_scans.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == len(written["scans"])
