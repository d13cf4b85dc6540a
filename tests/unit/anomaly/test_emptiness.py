import dataclasses

import numpy as np
import pytest

from scananalysis.anomaly import emptiness as module
from scananalysis.anomaly.emptiness import emptiness, heights, is_loaded, p_value
from scananalysis.anomaly.evaluation.empty import score_of
from scananalysis.calibration import calibrate
from scananalysis.core import ModelError, Quality
from scananalysis.detectors import scanner
from scananalysis.materials import discriminate
from scananalysis.simulation import Box, Matter, Piece, Scene, container_scene, empty_scene, render

BINNING = (4, 4)
DEVICE = scanner("cargo-6-4mv").binned(*BINNING)
MIDDLE = DEVICE.geometry.source_to_object_mm


def look(load, extra=(), seed=1):
    scene = Scene((*load.scene.pieces, *extra), load.scene.length_mm, load.scene.labels)
    materials = discriminate(calibrate(render(scene, DEVICE, seed).scan))
    rows = heights("cargo-6-4mv", BINNING, materials.shape[0])
    return emptiness(materials, rows, load.declaration.container_type), materials


@pytest.mark.parametrize(("size", "carrier"), [("22G1", "trailer"), ("45G1", "truck"), ("45R1", "trailer")])
def test_walls_are_all_that_an_empty_container_shows(size, carrier):
    found, materials = look(empty_scene(4, DEVICE, size=size, carrier=carrier))
    assert found.score < 0.6
    assert 2.5 < found.walls < 4.5
    # Most of the length is looked at, and nothing of floor, roof or ends.
    length = found.inside.any(axis=0).sum() * materials.pixel_mm[1]
    assert length > {"22G1": 4700, "45G1": 10_800, "45R1": 9500}[size]


def test_what_stands_inside_adds_what_it_weighs():
    load = empty_scene(4, DEVICE, size="42G1", carrier="trailer")
    # A crate of 1 m × 0.8 m, 20 cm deep along the beam, at 0.5 g/cm³: 10 g/cm².
    crate = Piece(Box((5000, 6000), (1700, 2500), (MIDDLE - 100, MIDDLE + 100)), Matter.of("wood", "cargo"), 0.5)
    found, materials = look(load, [crate])
    # Element-equivalent: wood's hydrogen adds about 6 %.
    assert found.score == pytest.approx(10.6, rel=0.1)
    rows, columns = np.nonzero(found.added > 5)
    assert (columns.max() - columns.min()) * materials.pixel_mm[1] == pytest.approx(1000, rel=0.15)
    assert (rows.max() - rows.min()) * materials.pixel_mm[0] == pytest.approx(800, rel=0.2)


def test_heavy_goods_on_the_whole_floor_are_no_floor():
    load = empty_scene(4, DEVICE, size="22G1", carrier="trailer")
    plates = Piece(Box((900, 6500), (1330, 1780), (MIDDLE - 1000, MIDDLE + 1000)), Matter.of("steel", "cargo"), 2.0)
    assert look(load, [plates])[0].score > 50


def test_loads_score_far_above_empty_containers():
    for seed in range(3):
        assert look(container_scene(seed, DEVICE))[0].score > 20
        assert look(container_scene(seed, DEVICE, fill=0.15))[0].score > 5


def test_dead_elements_are_no_goods_and_darkness_is():
    load = empty_scene(4, DEVICE, size="22G1", carrier="trailer")
    found, materials = look(load)
    row, column = (int(np.median(axis)) for axis in np.nonzero(found.inside))

    def flagged(flag):
        quality = materials.quality.copy()
        quality[row, :] |= np.uint32(flag.value)
        other = dataclasses.replace(materials, quality=quality)
        return emptiness(other, heights("cargo-6-4mv", BINNING, materials.shape[0]), "22G1").score

    assert flagged(Quality.DEAD) == pytest.approx(found.score, abs=0.3)
    assert flagged(Quality.STARVED) > 50
    assert column > 0


def test_no_container_is_no_empty_container():
    scan = render(Scene((), 8000.0, {}), DEVICE, 1).scan
    assert np.isnan(score_of(scan, "22G1"))
    assert heights("cargo-6-4mv", BINNING, 17) is None


def test_p_values_come_from_empty_containers_and_small_scores_never_alarm(monkeypatch):
    monkeypatch.setattr(module, "_known", lambda: {"cargo-6-4mv": np.linspace(0.1, 0.4, 299).tolist()})
    assert p_value(0.5, "cargo-6-4mv") == pytest.approx(1 / 300)
    assert p_value(0.05, "cargo-6-4mv") == 1
    assert not is_loaded(0.9, "cargo-6-4mv")
    assert is_loaded(1.1, "cargo-6-4mv")
    with pytest.raises(ModelError, match="no scans of empty containers"):
        p_value(1.0, "parcel-160kv")


def test_shipped_scores_allow_the_stated_rate():
    for name in ("cargo-6-4mv", "cargo-9-6mv", "rail-6-4mv", "gamma-co60", "gamma-cs137"):
        scores = module.empty_scores(name).maxima
        assert scores.size >= 199
        assert np.quantile(scores, 0.995) < 1
