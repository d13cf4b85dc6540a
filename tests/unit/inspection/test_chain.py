import json
from pathlib import Path

import numpy as np
import pytest

from scananalysis._version import __version__
from scananalysis.anomaly import load as load_model
from scananalysis.core import AnomalyMap, ConfigurationError, Declaration, MaterialMap, Quality, has, sha256_file
from scananalysis.detectors import scanner
from scananalysis.inspection import Limits, document, inspect
from scananalysis.inspection.measure import bounding_box
from scananalysis.io import write
from scananalysis.materials import CLASSES
from scananalysis.report import html
from scananalysis.simulation import Simulated, container_scene, render


class Marker:
    """An anomaly model for tests: alarms exactly where it is told to."""

    def __init__(self, marked: np.ndarray, load: np.ndarray, p_value: float) -> None:
        self.marked, self.load, self.p_value = marked, load, p_value

    def score(self, materials: MaterialMap, _declaration: Declaration | None = None) -> AnomalyMap:
        p_value = np.ones((1, *materials.shape), np.float32)
        p_value[0][self.marked] = self.p_value
        return AnomalyMap(
            ("insert",),
            -np.log(p_value),
            p_value,
            np.full(materials.shape, -1, np.int16),
            ("organic",),
            np.ones(materials.shape, np.float32),
            {"insert": self.p_value, "combined": self.p_value},
            self.load,
            "marker 1",
            materials.pixel_mm,
            provenance=materials.provenance,
        )


@pytest.fixture(scope="module")
def sample() -> tuple[Simulated, Declaration]:
    device = scanner("cargo-6-4mv").binned(4, 4)
    load = container_scene(4, device, cargo=["6203"], fraud="dense", size="22G1")
    return render(load.scene, device, 4), load.declaration


def test_marked_object_becomes_a_region_of_its_size(sample: tuple[Simulated, Declaration]) -> None:
    simulated, papers = sample
    inside = simulated.truth["insert"].astype(bool)
    said: list[tuple[str, float]] = []
    found = inspect(
        simulated.scan,
        papers,
        model=Marker(inside, simulated.truth["load"].astype(bool), 0.001),
        progress=lambda what, share: said.append((what, share)),
    )
    assert found.verdict == "inspect"
    (region,) = [r for r in found.regions if r.head == "insert"]
    true, box = bounding_box(inside), region.box
    height = min(true[2], box[2]) - max(true[0], box[0])
    width = min(true[3], box[3]) - max(true[1], box[1])
    areas = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (true, box))
    assert height * width / (areas - height * width) >= 0.5
    assert "left edge" in region.reason
    assert [share for _, share in said] == sorted(share for _, share in said)
    assert has(found.materials.quality, Quality.OUTSIDE_LOAD).any()
    assert [step.name for step in found.provenance.steps][-1] == "inspection.inspect"


def test_regions_say_what_they_are_made_of(sample: tuple[Simulated, Declaration]) -> None:
    simulated, papers = sample
    inside, load = (simulated.truth[name].astype(bool) for name in ("insert", "load"))
    items = tuple(item.model_copy(update={"net_weight_kg": None}) for item in papers.items)
    wrong = papers.model_copy(update={"items": items, "cargo_gross_weight_kg": 500.0})
    found = inspect(simulated.scan, wrong, model=Marker(inside, load, 0.001))
    assert [region.head for region in found.regions] == ["insert", "mass"]
    for region, row, written in zip(found.regions, found.materials.regions.table, document(found).regions, strict=True):
        assert region.material in CLASSES
        assert sum(region.probability.values()) == pytest.approx(1)
        assert 0 <= region.p_one_material <= 1
        assert row["class"] == written.material == region.material
        assert row["probability"] == written.probability == dict(region.probability)
        assert row["z_eff"] == region.z_eff
    # Steel in clothes, walls in front: heavier than any of the goods, and not one material.
    assert found.regions[0].probability["organic"] < 0.05
    assert found.regions[0].material == "mixed"
    assert "as a whole: not one material; heavy metal" in html(found)


def test_with_one_energy_nothing_is_said_of_the_material() -> None:
    device = scanner("gamma-co60")
    load = container_scene(4, device, cargo=["6203"], fraud="dense", size="22G1")
    simulated = render(load.scene, device, 4)
    inside, area = (simulated.truth[name].astype(bool) for name in ("insert", "load"))
    (region,) = inspect(simulated.scan, model=Marker(inside, area, 0.001)).regions
    assert region.material == ""
    assert region.probability == {}
    assert np.isnan(region.p_one_material)


def test_quiet_scan_with_right_papers_is_clear_and_weighs_what_it_weighs() -> None:
    device = scanner("cargo-6-4mv").binned(4, 4)
    load = container_scene(3, device, cargo=["6203"], size="22G1")
    simulated = render(load.scene, device, 3)
    area = simulated.truth["load"].astype(bool)
    found = inspect(simulated.scan, load.declaration, model=Marker(np.zeros_like(area), area, 0.8))
    assert found.verdict == "clear", found.reasons
    assert found.regions == ()
    pixel = device.pixel_mm[0] * device.pixel_mm[1] / 100 / 1000
    true = float(simulated.truth["cargo_areal_density"].sum()) * pixel
    assert abs(found.measured["load_mass_kg"] - true) < 3 * found.measured["sigma_load_mass_kg"]


def test_wrong_weight_is_an_alarm_of_the_whole_load(sample: tuple[Simulated, Declaration]) -> None:
    simulated, papers = sample
    area = simulated.truth["load"].astype(bool)
    items = tuple(item.model_copy(update={"net_weight_kg": None}) for item in papers.items)
    wrong = papers.model_copy(update={"items": items, "cargo_gross_weight_kg": 500.0})
    found = inspect(simulated.scan, wrong, model=Marker(np.zeros_like(area), area, 0.8))
    assert found.verdict == "inspect"
    (region,) = found.regions
    assert region.head == "mass"
    assert "heavier" in region.reason


def test_without_declaration_it_says_so_and_saves(sample: tuple[Simulated, Declaration], tmp_path: Path) -> None:
    simulated, _ = sample
    area = simulated.truth["load"].astype(bool)
    found = inspect(simulated.scan, model=Marker(np.zeros_like(area), area, 0.8), limits=Limits(false_alarm_rate=0.02))
    assert any("No declaration was given" in reason for reason in found.reasons)
    written = json.loads((found.save(tmp_path / "out") / "inspection.json").read_text())
    assert written["declaration_checks"] == "off"
    assert written["limits"]["false_alarm_rate"] == 0.02


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["rail_cargo_a.npy", "rail_cargo_b.npy"])
def test_nearly_opaque_real_scans_are_not_inspectable(real_data: Path, name: str) -> None:
    height, width = np.load(real_data / name, mmap_mode="r").shape[:2]
    nothing = np.zeros((height, width), bool)
    found = inspect(real_data / name, layout="rail-air-normalised", model=Marker(nothing, nothing, 0.5))
    assert found.verdict == "not-inspectable"
    assert has(found.materials.quality, Quality.STARVED).any()
    assert has(found.materials.quality, Quality.SATURATED).any()


def test_a_false_alarm_rate_that_no_scan_can_reach_is_refused(sample: tuple[Simulated, Declaration]) -> None:
    """Of n clean scans the smallest p-value is 1/(n+1): below it the program would call every scan clear."""
    scan = sample[0].scan
    # Without a declaration one head is scored.
    least = 1 / (1 + len(load_model().metadata.scanner(scan.scanner).maxima["insert"]))
    with pytest.raises(ConfigurationError, match=r"could never alarm: \d+ clean scans .* expected at least"):
        inspect(scan, limits=Limits(false_alarm_rate=0.999 * least))
    assert inspect(scan, limits=Limits(false_alarm_rate=1.001 * least)).anomalies is not None


def test_it_records_what_it_was_made_from(sample: tuple[Simulated, Declaration], tmp_path: Path) -> None:
    scan, papers = tmp_path / "truck.h5", tmp_path / "truck.json"
    write(sample[0].scan, scan)
    papers.write_text(sample[1].model_dump_json(exclude_none=True))
    inputs = document(inspect(scan, papers)).inputs
    assert inputs is not None
    assert [(f.path, f.sha256) for f in inputs.scan] == [(str(scan), sha256_file(scan))]
    assert inputs.declaration is not None
    assert inputs.declaration.sha256 == sha256_file(papers)
    assert inputs.calibration is None
    assert inputs.model is not None
    assert inputs.model.weights_sha256 == load_model().metadata.sha256
    assert inputs.software["scananalysis"] == __version__
    of_memory = document(inspect(sample[0].scan)).inputs
    assert of_memory is not None
    assert of_memory.scan == []
