import dataclasses

import numpy as np
import pytest

from scananalysis.anomaly import load
from scananalysis.anomaly.grid import working_map
from scananalysis.anomaly.metadata import read_metadata
from scananalysis.anomaly.site import CleanScan, Reading, prepared, recalibrate, save_model, scans_needed, split
from scananalysis.calibration import calibrate
from scananalysis.core import DeclarationError, InputError, ModelError
from scananalysis.detectors import scanner
from scananalysis.io import write
from scananalysis.materials import discriminate
from scananalysis.simulation import container_scene, render

SCANNER = scanner("cargo-6-4mv").binned(8, 8)


@pytest.fixture(scope="module")
def model():
    return load("mahalanobis")


@pytest.fixture(scope="module")
def cells(model):
    made = []
    for seed in range(5):
        scene = container_scene(seed, SCANNER, cargo=["0803"])
        found = working_map(discriminate(calibrate(render(scene.scene, SCANNER, seed).scan)), model.metadata.pitch_mm)
        made.append((found[0], scene.declaration))
    return made


@pytest.mark.parametrize(("rate", "heads", "share"), [(0.01, 2, 0.25), (0.05, 1, 0.1), (0.004, 3, 0.5), (0.3, 1, 0.9)])
def test_as_many_scans_as_needed_are_enough_and_one_fewer_is_not(rate, heads, share):
    def holds(total):
        calibrating = total - max(1, round(share * total))
        return 1 / (calibrating + 1) <= rate / heads + 1e-12

    needed = scans_needed([0.5, rate], heads, share)
    assert holds(needed)
    assert not holds(needed - 1)


def test_scans_are_split_by_their_bytes_alone(tmp_path):
    scans = [CleanScan(tmp_path / f"{i}.h5", f"{(7 * i) % 10}", tmp_path / f"{i}.json") for i in range(10)]
    first, second = split(scans, 0.3), split(scans[::-1], 0.3)
    assert first == second
    assert (len(first[0]), len(first[1])) == (3, 7)
    assert not set(first[0]) & set(first[1])
    with pytest.raises(InputError, match="same file"):
        split([*scans, dataclasses.replace(scans[0], path=tmp_path / "copy.h5")], 0.3)


def test_p_values_of_the_clean_scans_are_their_ranks(model, cells, tmp_path):
    name, found = recalibrate(model, cells[:2], cells[2:], "site")
    assert name == "cargo-6-4mv"
    save_model(model, name, found, tmp_path / "site")
    site = load(tmp_path / "site")
    p = sorted(site.score(*scan).scan_p_value["declared"] for scan in cells[2:])
    # Three scans against themselves: each is reached by itself and the higher ones (metadata keeps six digits).
    np.testing.assert_allclose(p, [0.5, 0.75, 1.0], atol=0.26)
    layer = site.metadata.scanner(name).layer("declared")
    assert layer.maxima.size == 3
    # Other scanners keep what the model came with.
    others = set(model.metadata.calibration) - {name}
    assert all(site.metadata.calibration[other] == model.metadata.calibration[other] for other in others)
    assert (tmp_path / "site" / model.metadata.file).read_bytes() == (model.folder / model.metadata.file).read_bytes()


def test_a_copy_is_updated_and_another_model_is_not_overwritten(model, cells, tmp_path):
    name, found = recalibrate(model, cells[:2], cells[2:], "first")
    save_model(model, name, found, tmp_path / "site")
    save_model(model, name, found.model_copy(update={"source": "second"}), tmp_path / "site")
    assert read_metadata(tmp_path / "site").calibration[name].source == "second"
    with pytest.raises(ModelError, match="holds the weights of mahalanobis"):
        save_model(load("network"), name, found, tmp_path / "site")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "note.txt").write_text("mine")
    with pytest.raises(ModelError, match=r"no metadata\.json"):
        save_model(model, name, found, tmp_path / "other")
    assert [p.name for p in (tmp_path / "other").iterdir()] == ["note.txt"]


def test_scans_of_two_scanners_and_none_at_all_are_refused(model, cells):
    other = dataclasses.replace(
        cells[0][0], radiograph=dataclasses.replace(cells[0][0].radiograph, scanner="cargo-9-6mv")
    )
    with pytest.raises(ModelError, match="one scanner at a time"):
        recalibrate(model, [cells[0], (other, cells[0][1])], [], "site")
    with pytest.raises(ModelError, match="no clean scans"):
        recalibrate(model, [], cells, "site")


def test_a_refused_scan_is_an_outcome_in_one_process_and_in_several(model, tmp_path):
    scene = container_scene(1, SCANNER, cargo=["0803"])
    good, bad = tmp_path / "good.h5", tmp_path / "bad.h5"
    write(render(scene.scene, SCANNER, 1).scan, good)
    bad.write_bytes(good.read_bytes()[:1000])
    for path in (good, bad):
        path.with_suffix(".json").write_text(scene.declaration.model_dump_json(exclude_none=True))
    scans = [CleanScan.at(good), CleanScan.at(bad)]
    reading = Reading(model.metadata.pitch_mm)
    for workers in (1, 2):
        (first, fine), (second, refused) = prepared(scans, reading, workers)
        assert (first, second) == tuple(scans)
        assert fine[0].scanner == "cargo-6-4mv"
        assert isinstance(refused, InputError)
        assert "bad.h5" in str(refused)
    bad.with_suffix(".json").unlink()
    with pytest.raises(DeclarationError, match=r"expected bad\.json"):
        CleanScan.at(bad)
