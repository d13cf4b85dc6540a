import dataclasses

import numpy as np
import pytest

from scananalysis.anomaly import find_anomalies, load
from scananalysis.anomaly.features import PLANES
from scananalysis.calibration import calibrate
from scananalysis.core import Declaration
from scananalysis.detectors import scanner
from scananalysis.materials import discriminate
from scananalysis.simulation import container_scene, render


@pytest.fixture(scope="module")
def bananas():
    device = scanner("cargo-6-4mv").binned(4, 4)
    made = container_scene(8, device, cargo=["0803"], size="22G1", fill=0.8)
    return discriminate(calibrate(render(made.scene, device, 8).scan)), made.declaration


@pytest.mark.parametrize("name", ["network", "mahalanobis"])
def test_a_wrong_declaration_raises_the_anomaly_map(bananas, name):
    materials, right = bananas
    wrong = Declaration(items=[{"hs_code": "7208"}])
    good, bad = (find_anomalies(materials, papers, name) for papers in (right, wrong))
    head = good.heads.index("declared")
    inside = np.isfinite(good.score[head]) & np.isfinite(bad.score[head])
    assert np.median(bad.score[head][inside]) > np.median(good.score[head][inside]) + 0.5
    assert bad.scan_p_value["declared"] < good.scan_p_value["declared"] / 2
    if name == "network":
        # The baseline tells few goods apart; the model card says by how much.
        assert bad.scan_p_value["combined"] <= 0.01


def test_without_a_declaration_only_the_insert_head_speaks(bananas):
    found = find_anomalies(bananas[0], None, "network")
    assert np.isnan(found.score[found.heads.index("declared")]).all()
    assert "declared" not in found.scan_p_value
    assert found.load.any()


def test_maps_have_the_size_of_the_materials(bananas):
    found = find_anomalies(*bananas)
    assert found.family.shape == bananas[0].shape
    assert found.pixel_mm == bananas[0].pixel_mm
    assert found.provenance.find("anomaly.score").inputs["weights"] == load().metadata.sha256


def test_tiles_leave_no_seams():
    model = load("network")
    planes = np.random.default_rng(0).standard_normal((len(PLANES), 96, 1100), np.float32)
    whole = model.logits(planes, tile=2048)
    np.testing.assert_allclose(model.logits(planes, tile=256), whole, atol=1e-4)
    assert model.logits(planes[:, :50, :77]).shape[1:] == (25, 39)


def test_scores_do_not_depend_on_the_pixels_of_the_file(bananas):
    """A scan that was binned less is brought to the same working grid."""
    device = scanner("cargo-6-4mv").binned(2, 2)
    made = container_scene(8, device, cargo=["0803"], size="22G1", fill=0.8)
    fine = discriminate(calibrate(render(made.scene, device, 8).scan))
    found = find_anomalies(fine, made.declaration)
    assert found.family.shape == fine.shape
    coarse = find_anomalies(*bananas)
    assert found.load.mean() == pytest.approx(coarse.load.mean(), abs=0.05)


def test_materials_are_not_changed(bananas):
    before = dataclasses.replace(bananas[0], areal_density=bananas[0].areal_density.copy())
    find_anomalies(*bananas)
    np.testing.assert_array_equal(before.areal_density, bananas[0].areal_density)
