"""Bundles of a result that was compared with an earlier scan: it is inside, any change of it shows, and the result comes out again."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scananalysis.calibration import Calibration
from scananalysis.core import Declaration, FormatError, InputError
from scananalysis.detectors import scanner
from scananalysis.inspection import Earlier, inspect
from scananalysis.inspection.evidence import make, replay, seizure_report, verify
from scananalysis.inspection.evidence.configuration import read_configuration
from scananalysis.io import read, read_maps, write
from scananalysis.simulation import container_scene, render

DEVICE = scanner("cargo-6-4mv").binned(8, 8)
OPTIONS = ("compare", "compare_declaration", "compare_calibration")


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scans of one container, goods gone from the new one, with the papers of both and a calibration of the earlier one."""
    folder = tmp_path_factory.mktemp("earlier")
    # Files of one name in two folders do not collide in a bundle.
    for name in ("now", "march"):
        (folder / name).mkdir()
    honest = container_scene(0, DEVICE, cargo=["6203"], size="22G1")
    thinned = container_scene(0, DEVICE, cargo=["6203"], size="22G1", fraud="missing")
    past = render(honest.scene, DEVICE, 2, goods_seed=0).scan
    write(render(thinned.scene, DEVICE, 1, goods_seed=0).scan, folder / "now" / "truck.h5")
    Calibration.from_references(past).save(folder / "march" / "set.h5")
    # Without references of its own, only its calibration set serves.
    write(replace(past, dark=None, air=None), folder / "march" / "truck 100%.h5")
    for name in ("now", "march"):
        (folder / name / "truck.json").write_text(honest.declaration.model_dump_json(exclude_none=True))
    return folder


@pytest.fixture(scope="session")
def result(inputs: Path) -> Path:
    march = inputs / "march"
    asked = Earlier(march / "truck 100%.h5", march / "truck.json", march / "set.h5")
    found = inspect(inputs / "now" / "truck.h5", inputs / "now" / "truck.json", compare=asked)
    assert found.earlier is not None
    assert found.earlier.regions
    return found.save(inputs / "out")


@pytest.fixture(scope="session")
def bundle(result: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tests leave it as it is."""
    return make(result, tmp_path_factory.mktemp("bundled") / "bundle", who="A. Officer", why="case 12")


def test_it_holds_the_earlier_scan_with_its_papers_and_calibration(bundle: Path, inputs: Path, result: Path) -> None:
    assert verify(bundle).intact
    for inside, outside in (
        ("scan/truck 100_.h5", "truck 100%.h5"),
        ("declaration/truck.json", "truck.json"),
        ("calibration/set.h5", "set.h5"),
    ):
        content = (bundle / "data" / "earlier" / inside).read_bytes()
        assert content == (inputs / "march" / outside).read_bytes()
        assert hashlib.sha256(content).hexdigest() in (bundle / "manifest-sha256.txt").read_text()
    placed = read_configuration(bundle).inputs.earlier
    assert placed is not None
    assert placed.name == "truck 100%.h5"
    assert set(placed.reading) == {"format", "layout", "scanner"}
    report = seizure_report(bundle)
    assert "truck 100%.h5, an earlier scan" in report
    assert "data/earlier/scan/truck 100_.h5" in report


def test_provenance_holds_the_sha256_of_the_earlier_scan(bundle: Path, inputs: Path) -> None:
    written = json.loads((bundle / "data" / "provenance.json").read_text())
    read_step = next(s for s in written["earlier"] if s["name"] == "io.read")
    file = inputs / "march" / "truck 100%.h5"
    assert read_step["inputs"]["scan"] == hashlib.sha256(file.read_bytes()).hexdigest()
    recorded = {k: v for s in written["earlier"] for k, v in s["inputs"].items()}
    assert recorded["air"] == Calibration.load(inputs / "march" / "set.h5").inputs["air"]
    last = written["steps"][-1]
    assert {"earlier-scan", "earlier-declaration", "earlier-provenance"} <= set(last["inputs"])


@given(data=st.data(), at=st.integers(0, 1 << 40), value=st.integers(1, 255))
def test_any_changed_byte_of_it_is_found_and_its_file_named(
    data: st.DataObject, at: int, value: int, bundle: Path
) -> None:
    names = sorted(p for p in (bundle / "data" / "earlier").rglob("*") if p.is_file())
    path = data.draw(st.sampled_from(names))
    content = path.read_bytes()
    where = at % len(content)
    path.write_bytes(content[:where] + bytes([(content[where] + value) % 256]) + content[where + 1 :])
    checked = verify(bundle)
    path.write_bytes(content)
    assert {p.what for p in checked.problems} == {path.relative_to(bundle).as_posix()}


def test_a_removed_or_exchanged_earlier_scan_is_found(bundle: Path, inputs: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "copy"))
    name = "data/earlier/scan/truck 100_.h5"
    (copy / name).unlink()
    assert ("removed", name) in {(p.kind, p.what) for p in verify(copy).problems}
    shutil.copy(inputs / "now" / "truck.h5", copy / name)
    assert {(p.kind, p.what) for p in verify(copy).problems} == {("changed", name)}


def test_replay_gives_identical_bits_with_the_earlier_scan(bundle: Path) -> None:
    proved = replay(bundle)
    assert proved.identical, proved.differences
    assert proved.versions == ()
    groups = read_maps(bundle / "data/result/maps.h5")[0]
    assert "earlier" in groups
    assert proved.maps == sum(len(group) for group in groups.values())


def test_replay_uses_the_earlier_scan_of_the_bundle(result: Path, inputs: Path, tmp_path: Path) -> None:
    """A result whose comparison was tampered with before it was bagged: the bag is intact, and the recomputation tells."""
    false = Path(shutil.copytree(result, tmp_path / "false"))
    written = json.loads((false / "inspection.json").read_text())
    written["earlier"]["measured"]["places"] = 0.0
    (false / "inspection.json").write_text(json.dumps(written))
    proved = replay(make(false, tmp_path / "bundle", who="A", why="b"))
    assert proved.differences == ("earlier of inspection.json differs",)


def test_an_earlier_scan_that_changed_or_went_since_is_refused(result: Path, inputs: Path, tmp_path: Path) -> None:
    other = tmp_path / "truck.h5"
    other.write_bytes((inputs / "march" / "truck 100%.h5").read_bytes() + b"\0")
    with pytest.raises(FormatError, match="which the result was made from"):
        make(result, tmp_path / "bundle", who="A", why="b", compare=other)
    with pytest.raises(FormatError, match="expected the earlier scan of the result; name it with --compare"):
        make(result, tmp_path / "bundle", who="A", why="b", compare=tmp_path / "no.h5")
    assert not (tmp_path / "bundle").exists()
    moved = [Path(shutil.move(shutil.copy(inputs / "march" / name, tmp_path), tmp_path / f"moved-{name}"))
             for name in ("truck 100%.h5", "truck.json", "set.h5")]  # fmt: skip
    where = dict(zip(OPTIONS, moved, strict=True))
    assert verify(make(result, tmp_path / "bundle", who="A", why="b", **where)).intact


def test_what_came_from_memory_is_asked_for_and_checked(inputs: Path, tmp_path: Path) -> None:
    march = inputs / "march"
    past = read(march / "truck 100%.h5")
    papers = Declaration.model_validate_json((march / "truck.json").read_text())
    asked = Earlier(past, papers, Calibration.load(march / "set.h5"))
    folder = inspect(inputs / "now" / "truck.h5", compare=asked).save(tmp_path / "out")
    given: dict[str, Path] = {}
    for option, what, name in zip(
        OPTIONS,
        ("earlier scan", "earlier scan's declaration", "earlier scan's calibration"),
        ("truck 100%.h5", "truck.json", "set.h5"),
        strict=True,
    ):
        with pytest.raises(InputError, match=f"does not say where its {what} was.*--{option.replace('_', '-')}\\.$"):
            make(folder, tmp_path / "bundle", who="A", why="b", **given)
        given[option] = march / name
    other = tmp_path / "other.json"
    other.write_text(papers.model_copy(update={"consignor": "Somebody else"}).model_dump_json(exclude_none=True))
    with pytest.raises(FormatError, match="expected the same fields"):
        make(folder, tmp_path / "bundle", who="A", why="b", **{**given, "compare_declaration": other})
    Calibration.from_references(read(inputs / "now" / "truck.h5")).save(tmp_path / "other.h5")
    with pytest.raises(FormatError, match="expected the same references"):
        make(folder, tmp_path / "bundle", who="A", why="b", **{**given, "compare_calibration": tmp_path / "other.h5"})
    assert replay(make(folder, tmp_path / "bundle", who="A", why="b", **given)).identical


def test_a_result_without_a_comparison_takes_no_earlier_scan(inputs: Path, tmp_path: Path) -> None:
    folder = inspect(inputs / "now" / "truck.h5").save(tmp_path / "out")
    with pytest.raises(InputError, match="was not compared with an earlier scan; leave --compare out"):
        make(folder, tmp_path / "bundle", who="A", why="b", compare=inputs / "march" / "set.h5")
