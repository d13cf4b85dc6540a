import numpy as np
import pytest

from scananalysis.detectors import scanner
from scananalysis.simulation import Box, Matter, Piece, Scene, container_scene, render
from scananalysis.simulation.contrast import local_contrast

PORTAL = scanner("cargo-6-4mv").binned(4, 4)


def test_contrast_of_a_block_in_uniform_goods():
    goods = Piece(Box((400, 3400), (500, 3000), (5500, 6500)), Matter.of("water", "cargo"), 0.4)
    steel = Piece(Box((1500, 2000), (1400, 1900), (5950, 6050)), Matter.of("steel", "hidden"), 7.85, displaces=True)
    made = render(Scene((goods, steel), 3800.0, {"hidden": {"kind": "block"}}), PORTAL, 1)
    hidden = made.labels["hidden"]
    # 100 mm of steel in place of 100 mm of goods.
    assert hidden["contrast_g_cm2"] == pytest.approx(78.5 - 4.0, rel=0.02)
    assert hidden["pixels"] == made.truth["insert"].sum()
    behind = float(np.median(made.truth["transmission"][0][made.truth["insert"]]))
    assert hidden["contrast"][0] == pytest.approx(-np.log(behind) - 40 * 0.0435, abs=0.2)
    assert 0 < hidden["contrast"][0] < hidden["contrast"][1]
    assert hidden["kind"] == "block"


@pytest.mark.parametrize(("kind", "sign"), [("dense", 1), ("tungsten-shield", 1), ("void", -1)])
def test_what_is_denser_stands_out_and_a_hollow_stands_back(kind, sign):
    load = container_scene(3, PORTAL, cargo=["1006"], size="22G1", fraud=kind)
    hidden = render(load.scene, PORTAL, 1).labels["hidden"]
    assert sign * hidden["contrast_g_cm2"] > 3
    assert all(sign * value > 0.1 for value in hidden["contrast"])
    assert "contrast" not in load.scene.labels["hidden"]


def test_without_an_object_or_surroundings_there_is_none():
    maps = {"areal_density": np.ones((6, 8), np.float32), "transmission": np.full((2, 6, 8), 0.5, np.float32)}
    for insert in (np.zeros((6, 8), bool), np.ones((6, 8), bool)):
        found = local_contrast(maps | {"insert": insert})
        assert found["contrast"] is found["contrast_g_cm2"] is None
        assert found["pixels"] == insert.sum()
    assert "hidden" not in render(Scene((), 400.0), PORTAL).labels
