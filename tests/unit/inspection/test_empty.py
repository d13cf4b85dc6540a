import numpy as np
import pytest

from scananalysis.core import Declaration
from scananalysis.detectors import scanner
from scananalysis.inspection import inspect, save_inspection
from scananalysis.simulation import Box, Matter, Piece, Scene, empty_scene, render

DEVICE = scanner("cargo-6-4mv").binned(4, 4)
MIDDLE = DEVICE.geometry.source_to_object_mm


def scan(extra=(), seed=3):
    load = empty_scene(6, DEVICE, size="22G1", carrier="trailer")
    made = Scene((*load.scene.pieces, *extra), load.scene.length_mm, load.scene.labels)
    return render(made, DEVICE, seed).scan, load.declaration


def test_an_empty_container_declared_empty_is_clear(tmp_path):
    found = inspect(*scan())
    assert found.verdict == "clear"
    assert "nothing adds more than" in found.reasons[0]
    assert found.measured["empty_p_value"] > 0.005
    assert not found.regions
    save_inspection(found, tmp_path / "out")
    assert (tmp_path / "out" / "report.html").is_file()


def test_a_crate_in_a_container_declared_empty_is_found_where_it_stands(tmp_path):
    crate = Piece(Box((3000, 4000), (1330, 2330), (MIDDLE - 500, MIDDLE + 500)), Matter.of("paper", "cargo"), 0.3)
    found = inspect(*scan([crate]))
    assert found.verdict == "inspect"
    assert "declared empty" in found.reasons[0]
    region = found.regions[0]
    assert region.head == "empty"
    assert region.box_mm[1] == pytest.approx(3000, abs=200)
    assert region.box_mm[3] == pytest.approx(4000, abs=200)
    # Of 300 kg, what lies lower than 0.2 m above the floor is out of sight.
    assert region.mass_kg == pytest.approx(300 * 0.8, abs=2.5 * region.sigma_mass_kg)
    assert region.p_value <= 0.005
    save_inspection(found, tmp_path / "out")
    assert "declared empty" in (tmp_path / "out" / "report.html").read_text()


def test_where_there_is_no_container_nothing_is_called_empty():
    nothing = render(Scene((), 8000.0, {}), DEVICE, 1).scan
    found = inspect(nothing, Declaration(items=(), container_type="22G1"))
    assert found.verdict == "not-inspectable"
    assert "cannot be told" in found.reasons[0]


def test_papers_without_goods_that_weigh_something_do_not_fit():
    made, papers = scan()
    found = inspect(made, papers.model_copy(update={"cargo_gross_weight_kg": 900.0}))
    assert any("although no goods are declared" in line for line in found.findings)
    assert np.isfinite(found.measured["empty_added"])
