"""Evidence bundles: nothing changes unseen, nothing outside is touched, and the result comes out again bit by bit."""

import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import bagit
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from scananalysis.calibration import Calibration
from scananalysis.core import CalibrationError, ConfigurationError, FormatError, InputError
from scananalysis.detectors import scanner
from scananalysis.inspection import document, inspect
from scananalysis.inspection.evidence import Verification, again, bag, custody, files, keys, log, make, replay, verify
from scananalysis.inspection.evidence.configuration import read_configuration
from scananalysis.io import read, read_maps, write, write_maps
from scananalysis.simulation import container_scene, render

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))


@pytest.fixture(scope="session")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved inspection of a small scan, with the scan and its papers in the folder ``in`` beside it."""
    folder = tmp_path_factory.mktemp("evidence")
    (folder / "in").mkdir()
    device = scanner("cargo-6-4mv").binned(16, 16)
    load = container_scene(5, device, cargo=["6203"], size="22G1")
    write(render(load.scene, device, 5).scan, folder / "in" / "truck 100%.h5")
    (folder / "in" / "truck.json").write_text(load.declaration.model_dump_json(exclude_none=True))
    inspect(folder / "in" / "truck 100%.h5", folder / "in" / "truck.json").save(folder / "out")
    return folder / "out"


def made(result: Path, bundle: Path, key: Ed25519PrivateKey | None) -> Path:
    make(result, bundle, who="A. Officer", why="case 12", key=key)
    log(bundle, who="B. Driver", what="carried to the laboratory", why="analysis", key=key)
    log(bundle, who="C. Chemist", what="received", why="analysis", key=key)
    return bundle


@pytest.fixture(scope="session")
def signed(result: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed bundle with three custody entries; tests leave it as it is."""
    return made(result, tmp_path_factory.mktemp("signed") / "bundle", KEY)


@pytest.fixture(scope="session")
def unsigned(result: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without signatures."""
    return made(result, tmp_path_factory.mktemp("unsigned") / "bundle", None)


@pytest.fixture
def bundle(signed: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(signed, tmp_path / "bundle"))


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def found(checked: Verification) -> set[tuple[str, str]]:
    return {(p.kind, p.what) for p in checked.problems}


def public(key: Ed25519PrivateKey, folder: Path) -> Path:
    from cryptography.hazmat.primitives import serialization as s

    path = folder / f"{keys.public_of(key)[:8]}.pub"
    path.write_bytes(key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo))
    return path


# What is in it


def test_it_holds_everything_that_the_result_was_made_from(signed: Path, result: Path) -> None:
    assert verify(signed).intact
    inside = names(signed / "data")
    assert {f"result/{name}" for name in ("inspection.json", "maps.h5", "overlay.png", "report.html")} <= set(inside)
    # Manifests use % for escapes, so it is not kept in names.
    assert {"scan/truck 100_.h5", "declaration/truck.json", "model/metadata.json", "model/network.onnx"} <= set(inside)
    assert {"model/MODEL_CARD.md", "definitions/detectors/cargo-6-4mv.toml", "provenance.json"} <= set(inside)
    for name in ("truck 100%.h5", "truck.json"):
        copied = next(p for p in (signed / "data").rglob("*") if p.name == name.replace("%", "_"))
        assert copied.read_bytes() == (result.parent / "in" / name).read_bytes()
    kept = read_configuration(signed)
    written = json.loads((result / "inspection.json").read_text())
    assert kept.model is not None
    assert kept.model.weights_sha256 == hashlib.sha256((signed / "data/model/network.onnx").read_bytes()).hexdigest()
    assert kept.limits.items() <= written["limits"].items()
    assert json.loads((signed / "data/provenance.json").read_text())["steps"] == written["provenance"]


def test_it_is_a_valid_bag_for_the_library_of_congress(signed: Path, unsigned: Path) -> None:
    for folder in (signed, unsigned):
        bagit.Bag(str(folder)).validate()


def test_custody_says_who_when_what_and_why(signed: Path) -> None:
    checked = verify(signed)
    assert checked.log is not None
    entries = checked.log.entries
    assert [(e.number, e.who, e.why) for e in entries] == [
        (1, "A. Officer", "case 12"),
        (2, "B. Driver", "analysis"),
        (3, "C. Chemist", "analysis"),
    ]
    assert (
        entries[0].what
        == "made the bundle from truck 100%.h5; verdict "
        + json.loads((signed / "data/result/inspection.json").read_text())["verdict"]
    )
    assert all(before.sha256 == after.fields["previous"] for before, after in itertools.pairwise(entries))
    assert entries[0].fields["previous"] == checked.bag_sha256


# What verify finds


def spoiled(path: Path, at: int, value: int) -> Iterator[None]:
    content = path.read_bytes()
    where = at % len(content)
    path.write_bytes(content[:where] + bytes([(content[where] + value) % 256]) + content[where + 1 :])
    yield
    path.write_bytes(content)


@pytest.mark.parametrize("kind", ["signed", "unsigned"])
@given(data=st.data(), at=st.integers(0, 1 << 40), value=st.integers(1, 255))
def test_any_changed_byte_is_found_and_its_file_named(
    kind: str, data: st.DataObject, at: int, value: int, signed: Path, unsigned: Path
) -> None:
    folder = signed if kind == "signed" else unsigned
    name = data.draw(st.sampled_from(names(folder)))
    for _ in spoiled(folder / name, at, value):
        checked = verify(folder)
    assert not checked.intact
    if name != custody.NAME:
        assert name in {p.what for p in checked.problems}
    else:
        assert any(p.what.startswith("custody") for p in checked.problems)


@pytest.mark.parametrize("kind", ["signed", "unsigned"])
def test_every_byte_of_the_custody_log_counts(kind: str, signed: Path, unsigned: Path) -> None:
    """Not a sample: each byte of the log, its hexadecimal digits and its spaces, in both a small and a large step."""
    folder = signed if kind == "signed" else unsigned
    path, tags = folder / custody.NAME, verify(folder).bag_sha256
    content = path.read_bytes()
    try:
        for at in range(len(content)):
            for value in (1, 32) if kind == "unsigned" else (1,):
                path.write_bytes(content[:at] + bytes([(content[at] + value) % 256]) + content[at + 1 :])
                assert custody.check(path, tags).problems, (at, value)
    finally:
        path.write_bytes(content)


def test_every_removed_file_is_named(bundle: Path) -> None:
    for name in names(bundle):
        content = (bundle / name).read_bytes()
        (bundle / name).unlink()
        assert ("removed", name) in found(verify(bundle)), name
        (bundle / name).write_bytes(content)
    assert verify(bundle).intact


@pytest.mark.parametrize("name", ["data/scan/more.h5", "data/new/x.txt", "notes.txt", "fetch.txt", "manifest-md5.txt"])
def test_an_added_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).parent.mkdir(exist_ok=True)
    (bundle / name).write_text("new")
    assert found(verify(bundle)) == {("added", name)}


def test_an_empty_folder_is_an_addition(bundle: Path) -> None:
    (bundle / "data" / "empty").mkdir()
    assert found(verify(bundle)) == {("added", "data/empty")}


def test_a_payload_changed_together_with_its_manifests_is_found(bundle: Path) -> None:
    """Who changes a file and repairs both manifests still cannot repair the signed log."""
    (bundle / "data/declaration/truck.json").write_text("{}")
    payload = {n: files.digest(bundle / n) for n in names(bundle) if n.startswith("data/")}
    bag.write_bag(bundle, payload, bag.read_info(bundle / bag.INFO))
    assert found(verify(bundle)) == {("changed", bag.TAG_MANIFEST)}


def lines_of(folder: Path) -> list[bytes]:
    return (folder / custody.NAME).read_bytes().split(b"\n")[:-1]


def put(folder: Path, lines: list[bytes]) -> Verification:
    (folder / custody.NAME).write_bytes(b"\n".join(lines) + b"\n")
    return verify(folder)


@pytest.mark.parametrize("order", [p for p in itertools.permutations(range(3)) if p != (0, 1, 2)])
def test_reordered_custody_entries_are_named(bundle: Path, order: tuple[int, ...]) -> None:
    *entries, seal = lines_of(bundle)
    checked = put(bundle, [*(entries[i] for i in order), seal])
    moved = {("re-ordered", f"custody entry {n + 1}") for place, n in enumerate(order) if n != place}
    assert moved <= found(checked)


@pytest.mark.parametrize("dropped", [0, 1, 2])
def test_a_dropped_custody_entry_is_named(bundle: Path, dropped: int) -> None:
    *entries, seal = lines_of(bundle)
    checked = put(bundle, [*(e for i, e in enumerate(entries) if i != dropped), seal])
    assert ("removed", f"custody entry {dropped + 1}") in found(checked)


def test_a_missing_seal_and_a_repeated_entry_are_found(bundle: Path) -> None:
    *entries, seal = lines_of(bundle)
    assert ("changed", "custody seal") in found(put(bundle, entries))
    assert ("added", "custody entry 3") in found(put(bundle, [*entries, entries[-1], seal]))
    assert not put(bundle, []).intact
    assert put(bundle, [*entries, seal]).intact


def test_a_log_cut_and_sealed_anew_without_the_key_is_found(bundle: Path) -> None:
    entries = lines_of(bundle)[:2]
    tags = verify(bundle).bag_sha256
    seal = {"bag": tags, "entries": 2, "head": hashlib.sha256(entries[1]).hexdigest(), "seal": 1}
    assert ("signature", "custody seal") in found(put(bundle, [*entries, custody.canonical(seal)]))
    # Another key can make a seal that holds, but it is not that of the last entry.
    forged = custody._signed(seal, OTHER, seal=True)
    assert ("signature", "custody seal") in found(put(bundle, [*entries, forged]))


def test_a_log_set_back_to_an_older_copy_shows_against_a_noted_head(signed: Path, result: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    make(result, bundle, who="A", why="b", key=KEY)
    older = (bundle / custody.NAME).read_bytes()
    noted = log(bundle, who="B", what="opened", why="c", key=KEY).sha256
    assert verify(bundle, head=noted).intact
    log(bundle, who="C", what="closed", why="c", key=KEY)
    assert verify(bundle, head=noted).intact
    (bundle / custody.NAME).write_bytes(older)
    # Nothing inside the bundle can show it: that is why heads are noted elsewhere.
    assert verify(bundle).intact
    assert found(verify(bundle, head=noted)) == {("removed", "custody entry")}


# Whose it is


def test_signatures_by_given_keys_are_trusted_and_others_refused(signed: Path, tmp_path: Path) -> None:
    checked = verify(signed, [public(KEY, tmp_path)])
    assert checked.intact
    assert checked.trusted
    assert checked.signers == (keys.fingerprint(keys.public_of(KEY)),)
    assert not verify(signed).trusted
    wrong = verify(signed, [public(OTHER, tmp_path)])
    assert {kind for kind, _ in found(wrong)} == {"signature"}
    assert not wrong.trusted


def test_stripped_signatures_show(bundle: Path, unsigned: Path, tmp_path: Path) -> None:
    """The log of a signed bundle replaced by an unsigned one that fits the bag."""
    tags = verify(bundle).bag_sha256
    (bundle / custody.NAME).write_bytes(custody.begin(tags, who="X", what="y", why="z", key=None))
    assert ("signature", "custody entry 1") in found(verify(bundle))
    assert ("signature", custody.NAME) in found(verify(unsigned, [public(KEY, tmp_path)]))
    assert any("not signed" in note for note in verify(unsigned).notes)


def test_a_signed_bundle_takes_signed_entries_only(bundle: Path, unsigned: Path, tmp_path: Path) -> None:
    before = (bundle / custody.NAME).read_bytes()
    with pytest.raises(ConfigurationError, match="takes signed entries only; name a key"):
        log(bundle, who="A", what="b", why="c")
    assert (bundle / custody.NAME).read_bytes() == before
    with pytest.raises(ConfigurationError, match="made without a key"):
        log(unsigned, who="A", what="b", why="c", key=KEY)
    entry = log(bundle, who="D", what="e", why="f", key=OTHER)
    assert entry.number == 4
    checked = verify(bundle, [public(KEY, tmp_path), public(OTHER, tmp_path)])
    assert checked.intact
    assert len(checked.signers) == 2


def test_nothing_is_added_to_a_broken_log(bundle: Path) -> None:
    *entries, seal = lines_of(bundle)
    put(bundle, [entries[1], entries[0], entries[2], seal])
    with pytest.raises(FormatError, match="custody log is not intact"):
        log(bundle, who="A", what="b", why="c", key=KEY)
    assert custody.NAME in names(bundle)
    assert not [n for n in names(bundle) if "lock" in n or "part" in n]


def test_two_writers_do_not_lose_an_entry(bundle: Path) -> None:
    (bundle / f".{custody.NAME}.lock").touch()
    with pytest.raises(FormatError, match="another entry is being written"):
        log(bundle, who="A", what="b", why="c", key=KEY)


@pytest.mark.parametrize("bad", ["", "  ", "x" * 2001, "a\x00b", "a\x1b[31m", "\ud800"])
def test_custody_texts_are_plain(bundle: Path, bad: str) -> None:
    with pytest.raises(ConfigurationError, match="what"):
        log(bundle, who="A", what=bad, why="c", key=KEY)


# Nothing outside, nothing unbounded


@pytest.mark.parametrize(
    "name",
    ["../secret", "/etc/passwd", "data/../../secret", "data/./x", "data//x", "C:/x", "data\\..\\x", "data/a%0Ab"],
)
def test_manifests_that_lead_outside_are_refused(bundle: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("x")
    sha = hashlib.sha256(b"x").hexdigest()
    with (bundle / bag.MANIFEST).open("a") as stream:
        stream.write(f"{sha}  {name}\n")
    with pytest.raises(FormatError, match="a name inside the bundle"):
        bag.read_manifest(bundle / bag.MANIFEST)
    assert ("changed", bag.MANIFEST) in found(verify(bundle))


@pytest.mark.parametrize("name", ["data/scan/truck 100_.h5", "bagit.txt", custody.NAME, "data/more", "data/model"])
def test_links_are_refused_and_never_followed(bundle: Path, tmp_path: Path, name: str) -> None:
    """A link to the very bytes that are expected is refused all the same: they could change behind it."""
    target = bundle / name
    aside = tmp_path / "aside"
    if target.exists():
        target.rename(aside)
    else:
        aside.write_text("outside")
    target.symlink_to(aside)
    assert ("refused", name) in found(verify(bundle))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_does_not_hang_it(bundle: Path) -> None:
    os.mkfifo(bundle / "data" / "pipe")
    assert ("refused", "data/pipe") in found(verify(bundle))
    (bundle / custody.NAME).unlink()
    os.mkfifo(bundle / custody.NAME)
    assert ("refused", custody.NAME) in found(verify(bundle))


def test_configuration_that_leads_outside_is_refused(bundle: Path, tmp_path: Path) -> None:
    path = bundle / "data" / "configuration.json"
    text = path.read_text()
    for name in ("../aside.h5", "/etc/passwd", "data/link.h5"):
        changed = json.loads(text)
        changed["inputs"]["scan"] = [name]
        path.write_text(json.dumps(changed))
        (bundle / "data" / "link.h5").unlink(missing_ok=True)
        (bundle / "data" / "link.h5").symlink_to(tmp_path / "aside.h5")
        with pytest.raises(FormatError, match="expected a file inside the bundle"):
            read_configuration(bundle)


def test_reads_are_bounded(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Sparse files claim much and hold nothing.
    for name, most in ((bag.MANIFEST, bag.MAX_TAG), (custody.NAME, custody.MAX_LOG)):
        with (bundle / name).open("r+b") as stream:
            stream.truncate(most + 1)
        assert name in {p.what for p in verify(bundle).problems}
    with pytest.raises(FormatError, match="is larger than"):
        bag.read_manifest(bundle / bag.MANIFEST)
    with pytest.raises(FormatError, match="is larger than"):
        custody.check(bundle / custody.NAME, "")
    monkeypatch.setattr(files, "MAX_FILES", 10)
    with pytest.raises(FormatError, match="more than 10 files"):
        verify(bundle)


def test_folders_are_not_followed_without_end(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(files.MAX_DEPTH + 2):
        folder = folder / "d"
    folder.mkdir(parents=True)
    with pytest.raises(FormatError, match="nested too deeply"):
        verify(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[]\n", b"{}\n{}\n", b"[" * 100_000 + b"\n", b'{"seal":1e999}\n']
)
def test_a_log_of_anything_is_a_problem_not_a_fault(bundle: Path, content: bytes) -> None:
    (bundle / custody.NAME).write_bytes(content)
    assert any(p.what.startswith("custody") for p in verify(bundle).problems)


def test_names_that_are_no_text_are_refused(bundle: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(bundle) + b"/\xff")).touch()
    except OSError:
        pytest.skip("this file system takes plain names only")
    assert ("refused", "\\udcff") in found(verify(bundle))
    json.dumps(verify(bundle).plain()).encode("utf-8")


# Making one


def test_an_input_that_changed_since_is_refused(result: Path, tmp_path: Path) -> None:
    scan = tmp_path / "truck.h5"
    scan.write_bytes((result.parent / "in" / "truck 100%.h5").read_bytes() + b"\0")
    with pytest.raises(FormatError, match="which the result was made from"):
        make(result, tmp_path / "bundle", who="A", why="b", scan=scan)
    with pytest.raises(FormatError, match="name it with --scan"):
        make(result, tmp_path / "bundle", who="A", why="b", scan=tmp_path / "no.h5")
    with pytest.raises(ConfigurationError, match="made without a calibration; leave --calibration out"):
        make(result, tmp_path / "bundle", who="A", why="b", calibration=scan)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["truck.h5"]


def test_maps_of_another_inspection_are_refused(result: Path, tmp_path: Path) -> None:
    mixed = Path(shutil.copytree(result, tmp_path / "mixed"))
    groups, attributes = read_maps(mixed / "maps.h5")
    write_maps(mixed / "maps.h5", groups, attributes | {"provenance": '{"steps": []}'})
    with pytest.raises(FormatError, match="belong to different inspections"):
        make(mixed, tmp_path / "bundle", who="A", why="b")
    assert not (tmp_path / "bundle").exists()


def test_an_existing_folder_is_never_overwritten(result: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="a bundle is never overwritten"):
        make(result, tmp_path, who="A", why="b")


def test_a_scan_from_memory_is_refused(result: Path, tmp_path: Path) -> None:
    written = json.loads((result / "inspection.json").read_text())
    written["inputs"]["scan"] = []
    copy = Path(shutil.copytree(result, tmp_path / "copy"))
    (copy / "inspection.json").write_text(json.dumps(written))
    with pytest.raises(FormatError, match="came from memory"):
        make(copy, tmp_path / "bundle", who="A", why="b")
    written["inputs"] = None
    (copy / "inspection.json").write_text(json.dumps(written))
    with pytest.raises(FormatError, match="does not say what it was made from; inspect again"):
        make(copy, tmp_path / "bundle", who="A", why="b")


# Proof


def test_replay_gives_identical_bits(signed: Path) -> None:
    proved = replay(signed)
    assert proved.identical, proved.differences
    assert proved.versions == ()
    assert proved.maps == len(again._flat(read_maps(signed / "data/result/maps.h5")[0]))
    assert verify(signed).intact


def test_replay_names_what_differs_and_which_versions(result: Path, tmp_path: Path) -> None:
    """A result that was tampered with before it was bagged: the bag is intact, and the recomputation tells."""
    false = Path(shutil.copytree(result, tmp_path / "false"))
    groups, attributes = read_maps(false / "maps.h5")
    groups["materials"]["areal_density"][10, 20] += 1
    write_maps(false / "maps.h5", groups, attributes)
    written = json.loads((false / "inspection.json").read_text())
    written["reasons"] = ["Nothing to see."]
    written["inputs"]["software"] |= {"numpy": "1.0", "scananalysis": "0.0.1"}
    (false / "inspection.json").write_text(json.dumps(written))
    bundle = make(false, tmp_path / "bundle", who="A", why="b")
    assert verify(bundle).intact
    proved = replay(bundle)
    assert not proved.identical
    density, reasons = proved.differences
    assert density.startswith("map materials/areal_density: 1 of ")
    assert reasons == "reasons of inspection.json differs"
    assert any(line.startswith("numpy is ") and "had 1.0" in line for line in proved.versions)
    assert any(line.startswith("scananalysis is ") and "had 0.0.1" in line for line in proved.versions)


def test_replay_refuses_a_bundle_that_is_not_intact(bundle: Path) -> None:
    (bundle / "data/declaration/truck.json").write_text("{}")
    with pytest.raises(FormatError, match=r"not intact \(changed: data/declaration/truck.json"):
        replay(bundle)


def test_difference_sees_every_bit() -> None:
    one = np.array([0.0, np.nan, 1.0], np.float32)
    assert again.difference(one, one.copy()) is None
    assert again.difference(one, np.array([-0.0, np.nan, 1.0], np.float32)) == "1 of 3 values differ, by at most 0"
    assert again.difference(one, one.astype(np.float64)) is not None
    assert again.difference(one, one[:2]) is not None


def test_a_set_that_has_expired_since_does_not_undo_a_result(tmp_path: Path) -> None:
    """The scan does not say when it was taken: what counts is when it was inspected, also when the bundle is replayed years later."""
    device = scanner("cargo-6-4mv").binned(16, 16)
    scan = render(container_scene(1, device, cargo=["6109"], size="22G1").scene, device, 1).scan
    source = tmp_path / "scan.h5"
    write(replace(scan, dark=None, air=None), source)
    used = replace(Calibration.from_references(scan), valid_until=datetime(2020, 1, 1, tzinfo=UTC))
    used.save(tmp_path / "set.h5")
    with pytest.raises(CalibrationError, match="2020-01-01"):
        inspect(source, calibration=tmp_path / "set.h5")
    found = inspect(source, calibration=tmp_path / "set.h5", now=datetime(2019, 12, 1, tzinfo=UTC))
    assert found.metadata["inputs"].scanned == "2019-12-01T00:00:00+00:00"
    made = make(found.save(tmp_path / "out"), tmp_path / "bundle", who="A", why="b")
    assert replay(made).identical


def test_a_result_from_objects_in_memory_replays_once_their_files_are_named(result: Path, tmp_path: Path) -> None:
    scan = read(result.parent / "in" / "truck 100%.h5")
    Calibration.from_references(scan).save(tmp_path / "set.h5")
    found = inspect(scan, calibration=Calibration.load(tmp_path / "set.h5"))
    inputs = document(found).inputs
    assert inputs is not None
    assert inputs.calibration is not None
    assert inputs.calibration.path is None
    found.save(tmp_path / "out")
    with pytest.raises(InputError, match="does not say where its scan was"):
        make(tmp_path / "out", tmp_path / "bundle", who="A", why="b")
    source = result.parent / "in" / "truck 100%.h5"
    with pytest.raises(InputError, match="does not say where its calibration was"):
        make(tmp_path / "out", tmp_path / "bundle", who="A", why="b", scan=source)
    make(tmp_path / "out", tmp_path / "bundle", who="A", why="b", scan=source, calibration=tmp_path / "set.h5")
    assert "data/calibration/set.h5" in names(tmp_path / "bundle")
    assert replay(tmp_path / "bundle").identical
