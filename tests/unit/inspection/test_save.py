import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scananalysis.core import ConfigurationError, Inspection
from scananalysis.inspection import save
from scananalysis.inspection.save import rounded, save_inspection
from scananalysis.io import read_maps

FILES = ["inspection.json", "maps.h5", "overlay.png", "report.html"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_folder_is_made_with_its_parents_and_nothing_else(inspection: Inspection, tmp_path: Path) -> None:
    folder = inspection.save(tmp_path / "a" / "b")
    assert names(folder) == FILES
    assert names(tmp_path / "a") == ["b"]
    assert json.loads((folder / "inspection.json").read_text())["verdict"] == "inspect"
    assert (folder / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert (folder / "overlay.png").read_bytes().startswith(b"\x89PNG")
    mask = os.umask(0)
    os.umask(mask)
    assert folder.stat().st_mode & 0o777 == 0o777 & ~mask


def test_maps_are_those_of_the_inspection(inspection: Inspection, tmp_path: Path) -> None:
    groups, attributes = read_maps(inspection.save(tmp_path / "out") / "maps.h5")
    assert set(groups) == {"radiograph", "materials", "anomalies"}
    density = inspection.materials.areal_density
    assert np.abs(groups["materials"]["areal_density"] - density).max() <= 3e-4 * np.abs(density).max()
    assert (groups["materials"]["quality"] == inspection.materials.quality).all()
    assert groups["anomalies"]["p_value"].shape == (2, *density.shape)
    assert attributes["scanner"] == "cargo-6-4mv"
    assert attributes["verdict"] == "inspect"


def test_earlier_result_is_replaced_and_other_files_stay(inspection: Inspection, tmp_path: Path) -> None:
    folder = inspection.save(tmp_path / "out")
    (folder / "notes.txt").write_text("mine")
    replace(inspection, verdict="clear").save(folder)
    assert names(folder) == sorted([*FILES, "notes.txt"])
    assert json.loads((folder / "inspection.json").read_text())["verdict"] == "clear"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("existing", [False, True])
def test_an_error_leaves_nothing_half_written(
    inspection: Inspection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, existing: bool
) -> None:
    target = tmp_path / "new" / "out"
    if existing:
        inspection.save(target)
        before = {path.name: path.read_bytes() for path in target.iterdir()}

    def fail(_: Inspection) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(save, "maps", fail)
    with pytest.raises(OSError, match="No space"):
        save_inspection(replace(inspection, verdict="clear"), target)
    if existing:
        assert {path.name: path.read_bytes() for path in target.iterdir()} == before
        assert names(target.parent) == ["out"]
    else:
        assert names(tmp_path) == []


def test_a_file_is_no_folder(inspection: Inspection, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ConfigurationError, match="out: is a file; expected a folder to write into"):
        inspection.save(tmp_path / "out")
    assert names(tmp_path) == ["out"]


def test_same_inspection_same_report(inspection: Inspection, tmp_path: Path) -> None:
    one, two = (inspection.save(tmp_path / name) for name in ("one", "two"))
    for name in ("report.html", "inspection.json", "overlay.png"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


@given(hnp.arrays(np.float32, 20, elements=st.floats(width=32, allow_subnormal=False)))
def test_rounding_keeps_eleven_bits_and_everything_that_is_no_number(values: np.ndarray) -> None:
    kept = rounded(values)
    finite = np.isfinite(values)
    assert (np.isnan(kept) == np.isnan(values)).all()
    assert (kept[np.isinf(values)] == values[np.isinf(values)]).all()
    ordinary = finite & (np.abs(values) < 1e38)
    assert (np.abs(kept[ordinary] - values[ordinary]) <= np.abs(values[ordinary]) * 2.0**-11).all()
