import csv

import cv2
import numpy as np
import pytest

from scananalysis.core import DeclarationError, FormatError, InputError, sha256_file
from scananalysis.datasets import import_scans, read_labels, read_manifest
from scananalysis.detectors import scanner
from scananalysis.io import read, read_truth, write
from scananalysis.simulation import container_scene, render

DEVICE = scanner("parcel-160kv").binned(8, 8)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Three scans of a researcher: a clean one, one with a box, one with a mask."""
    folder = tmp_path_factory.mktemp("mine")
    for seed, name in enumerate(("clean", "boxed", "masked")):
        load = container_scene(seed, DEVICE, cargo=["0803"])
        scan = render(load.scene, DEVICE, seed).scan
        write(scan, folder / f"{name}.h5")
        (folder / f"{name}.json").write_text(load.declaration.model_dump_json(exclude_none=True))
        mask = np.zeros((scan.shape[2], scan.shape[1]), np.uint8)
        mask[3:9, 4:14] = 255
        assert cv2.imwrite(str(folder / f"{name}.png"), mask)
    return folder


def labels(folder, *rows, head="scan,declaration,kind,mask,box"):
    path = folder / "labels.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def test_scans_keep_their_counts_and_get_their_mask_as_truth(source, tmp_path):
    path = labels(
        source,
        "clean.h5,clean.json,none,,",
        "boxed.h5,boxed.json,metal,,3 4 9 14",
        "masked.h5,masked.json,cash,masked.png,",
    )
    manifest, refused = import_scans(path, "mine", tmp_path / "out")
    assert not refused
    listed = list(read_manifest(manifest))
    assert [each.kind for each in listed] == ["none", "metal", "cash"]
    for each, name in zip(listed, ("clean", "boxed", "masked"), strict=True):
        scan, original = read(each.scan), read(source / f"{name}.h5")
        np.testing.assert_array_equal(scan.counts, original.counts)
        step = scan.provenance.find("datasets.import")
        assert step.inputs["scan"] == sha256_file(source / f"{name}.h5")
        mask = read_truth(each.scan)["insert"]
        assert mask.sum() == (0 if name == "clean" else 60)
        assert mask[3:9, 4:14].all() == (name != "clean")


def test_what_is_refused_is_named_and_left_out(source, tmp_path):
    (source / "wrong.npy").write_bytes(b"")
    np.save(source / "wrong.npy", np.ones((3, 3)))
    path = labels(
        source,
        "clean.h5,clean.json,none,,",
        "clean.h5,clean.json,none,,",
        "boxed.h5,boxed.json,metal,,3 4 9000 14",
        "masked.h5,masked.json,cash,wrong.npy,",
        "masked.h5,absent.json,cash,,",
        "absent.h5,clean.json,none,,",
    )
    manifest, refused = import_scans(path, "mine", tmp_path / "out")
    assert len(list(read_manifest(manifest))) == 1
    text = "\n".join(map(str, refused))
    for part in ("same file", "lies outside", "3 × 3 pixels", "absent.json", "absent.h5"):
        assert part in text
    assert all(isinstance(error, InputError | DeclarationError | OSError) for error in refused)
    assert not list((tmp_path / "out").glob("*.part"))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (["a.h5,a.json,Metal!,,"], "line 2: kind is 'Metal!'"),
        (["a.h5,a.json,metal,,1 2 3"], "line 2: box is '1 2 3'"),
        (["a.h5,a.json,metal,,5 2 3 9"], "line 2: box"),
        (["a.h5,a.json,none,m.png,"], "marks a place in a scan of kind none"),
        (["a.h5,a.json,metal,m.png,1 2 3 4"], "a mask and a box"),
        (["a.h5,,metal,,"], "no declaration"),
        (["a.h5,a.json,metal,,,surplus"], "too many cells"),
        ([], "holds no row"),
    ],
)
def test_a_faulty_row_is_told_with_its_line(tmp_path, rows, sentence):
    with pytest.raises(FormatError, match=r"labels\.csv") as caught:
        read_labels(labels(tmp_path, *rows))
    assert sentence in str(caught.value)


def test_columns_must_be_known(tmp_path):
    with pytest.raises(FormatError, match="has the columns scan, papers"):
        read_labels(labels(tmp_path, "a.h5,a.json", head="scan,papers"))
    assert read_labels(labels(tmp_path, "a.h5,a.json,none", head="scan,declaration,kind"))[0].mask is None


def test_a_changed_scan_no_longer_fits_its_manifest(source, tmp_path):
    manifest, _ = import_scans(labels(source, "clean.h5,clean.json,none,,"), "mine", tmp_path / "out")
    with (tmp_path / "out" / "mine-000000.h5").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(FormatError, match="not the scan of the manifest"):
        list(read_manifest(manifest))
    with manifest.open("w", newline="") as stream:
        csv.writer(stream).writerow(["scan", "other"])
    with pytest.raises(FormatError, match="has the columns"):
        list(read_manifest(manifest))
