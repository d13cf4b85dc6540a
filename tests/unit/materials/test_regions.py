import dataclasses

import numpy as np
import pytest

import scananalysis as sa
from scananalysis.core import ConfigurationError, Quality, has
from scananalysis.materials import CLASSES, DualEnergyModel, discriminate, identify, model_for, segment
from scananalysis.materials.labelled import means
from scananalysis.materials.lattice import lattice
from scananalysis.materials.merging import Tolerance, merge
from scananalysis.materials.regions import cell_of, matter
from scananalysis.materials.unbiased import NO_INFORMATION
from scananalysis.simulation import Box, Imperfections, Matter, Piece, Scene, render

QUARTER = sa.scanner("cargo-6-4mv").binned(4, 4)
EXACT = dataclasses.replace(DualEnergyModel.nominal(QUARTER), relative_sigma=0.0)


def slab(matter, density, areal_density, x, heights=(1000, 2200)):
    half = areal_density / density * 5
    return Piece(Box(x, heights, (6000 - half, 6000 + half)), Matter.of(matter), density)


def scan(*pieces, seed=0, scanner=QUARTER, **flaws):
    used = Imperfections(**flaws) if flaws else None
    return discriminate(sa.calibrate(render(Scene(pieces, 3600.0), scanner, seed, imperfections=used).scan))


@pytest.fixture(scope="module")
def scene():
    return scan(
        slab("C", 2.0, 100, (300, 1000)),
        slab("Al", 2.7, 100, (1000, 1700)),
        slab("Fe", 7.87, 100, (1700, 2400)),
        slab("W", 19.3, 150, (2600, 3300)),
    )


@pytest.fixture(scope="module")
def found(scene):
    return segment(scene, EXACT)


def at(found, x_mm, y_mm=1600):
    row = int(np.abs(QUARTER.object_height_mm - y_mm).argmin())
    label = found.regions.labels[row, int(x_mm / found.pixel_mm[1])]
    assert label > 0, f"no region at {x_mm} mm"
    return found.regions.table[label - 1]


def test_each_material_is_one_region_with_its_class(found):
    for x, z, name in ((650, 6, "organic"), (1350, 13, "light metal or mineral"), (2050, 26, "steel-like")):
        row = at(found, x)
        assert row["class"] == name
        assert abs(row["z_eff"] - z) < 4 * row["sigma_z"] + 0.2
        assert abs(row["areal_density_g_cm2"] - 100) < 4 * row["sigma_areal_density_g_cm2"] + 0.5
        assert row["z_low"] < row["z_eff"] < row["z_high"]
        assert row["p_one_material"] > 1e-3
        assert sum(row["probability"].values()) == pytest.approx(1)
    assert at(found, 2950)["class"] == "heavy metal"


def test_regions_meet_at_the_true_edge(found):
    """Carbon and aluminium differ by a few per cent in attenuation; their common edge is found within one cell."""
    row = int(np.abs(QUARTER.object_height_mm - 1600).argmin())
    labels = found.regions.labels[row]
    pitch = found.pixel_mm[1]
    edge = np.flatnonzero(labels == at(found, 650)["label"]).max()
    assert abs((edge + 1) * pitch - 1000) <= 2 * pitch
    assert labels[int(300 / pitch) - 3] == 0
    assert labels[int(3450 / pitch)] == 0


def test_table_and_labels_agree(found):
    labels, table = found.regions.labels, found.regions.table
    assert [row["label"] for row in table] == list(range(1, labels.max() + 1))
    assert all(row["class"] in CLASSES for row in table)
    for row in table:
        rows, columns = np.nonzero(labels == row["label"])
        assert row["box"] == (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
        assert row["pixels"] <= rows.size
    assert found.provenance.find("materials.segment") is not None


def test_a_class_needs_support(scene):
    """Under nominal curves, good to 1 %, carbon cannot be told from aluminium: the same regions say undecided."""
    row = at(segment(scene), 650)
    assert row["sigma_z"] > 2
    assert row["class"] == "undecided"


def test_twins_are_not_decided():
    row = at(segment(scan(slab("Fe", 7.87, 20, (300, 3300))), EXACT), 1800)
    assert row["quality"] & Quality.AMBIGUOUS.value
    assert row["class"] == "undecided"
    assert row["probability"]["steel-like"] > 0.05
    assert row["probability"]["heavy metal"] > 0.05


def test_p_value_of_one_material_is_even_and_sees_two():
    """Over scans of one slab p is even; of two materials that attenuate the high energy alike it is tiny."""
    p = [at(segment(scan(slab("Al", 2.7, 80, (300, 1500)), seed=s), EXACT), 900)["p_one_material"] for s in range(20)]
    assert np.mean(p) == pytest.approx(0.5, abs=0.2)
    assert min(p) > 1e-4
    equal = float(
        np.interp(EXACT.forward(80, 6)[0], EXACT.forward(np.linspace(40, 90, 500), 26)[0], np.linspace(40, 90, 500))
    )
    two = scan(slab("C", 2.0, 80, (300, 900)), slab("Fe", 7.87, equal, (900, 1500)))
    loose = Tolerance(material=0.1)
    joined = at(segment(two, EXACT, tolerance=loose), 600)
    assert joined["box"][3] - joined["box"][1] > 1000 / two.pixel_mm[1]
    assert joined["p_one_material"] < 1e-6
    assert joined["class"] == "mixed"
    flagged = has(segment(two, EXACT, tolerance=loose).quality, Quality.MIXED)
    assert flagged.sum() > joined["pixels"]


def test_all_areas_at_once_as_one_by_one(scene, found):
    """Sums over labels give what means and `mean_covariance` give for each mask."""
    radiograph = scene.radiograph
    labels = found.regions.labels
    together = means(radiograph, labels)
    for label in (1, 3):
        usable = (labels == label) & ~has(radiograph.quality, NO_INFORMATION).any(axis=0)
        alone = [(radiograph.attenuation[c] - radiograph.variance[c] / 2)[usable].mean() for c in range(2)]
        noise, shared = radiograph.mean_covariance(usable)
        assert together.alpha[label - 1] == pytest.approx(alone, rel=1e-5)
        assert together.independent[label - 1] == pytest.approx(noise, rel=1e-4)
        assert together.shared[label - 1] == pytest.approx(shared, rel=1e-4, abs=1e-12)


def test_covariance_between_areas_holds_that_of_their_difference(scene, found):
    radiograph, labels = scene.radiograph, found.regions.labels
    pair = np.where(labels == 1, 1, np.where(labels == 2, 2, 0)).astype(np.int32)
    both = means(radiograph, pair, between=True)
    apart = means(radiograph, pair, differences=np.array([[1.0, -1.0]]))
    weigh = np.concatenate([np.eye(2), -np.eye(2)], axis=1)
    joint = both.between.reshape(4, 4)
    np.testing.assert_allclose(weigh @ joint @ weigh.T, (apart.independent + apart.shared)[0], rtol=1e-6)
    np.testing.assert_allclose(joint[:2, :2], (both.independent + both.shared)[0], rtol=1e-6)
    np.testing.assert_allclose(joint, joint.T, rtol=1e-9)


def test_single_energy_has_regions_without_a_class():
    cobalt = sa.scanner("gamma-co60")
    row = max(segment(scan(slab("Fe", 7.87, 40, (300, 1500)), scanner=cobalt)).regions.table, key=lambda r: r["pixels"])
    assert row["areal_density_g_cm2"] == pytest.approx(40, rel=0.05)
    assert row["class"] == "undecided"
    assert np.isnan(row["z_eff"])


def test_an_empty_scan_has_no_regions():
    assert segment(scan(), EXACT).regions.table == ()


def test_merging_does_not_depend_on_where_the_image_starts(scene):
    """Cells of one slab merge to one area; every cell that takes part has a label, no other has."""
    cells = lattice(scene.radiograph, cell_of(scene.radiograph))
    where = matter(cells)
    labels = merge(cells, where)
    assert ((labels > 0) == where).all()
    inside = labels[20:30, int(1100 / 20 / 2) : int(1600 / 20 / 2)]
    assert np.unique(inside[where[20:30, 27:40]]).size <= 2


def test_model_of_the_map_is_the_default(scene):
    model, nominal = model_for(scene.radiograph)
    assert nominal
    assert segment(scene).regions.table == segment(scene, model).regions.table


def test_a_given_area_is_judged_as_one_that_was_found(scene, found):
    row = at(found, 2050)
    again = identify(scene.radiograph, EXACT, found.regions.labels == row["label"])
    assert again["class"] == "steel-like"
    for name in ("areal_density_g_cm2", "z_eff", "sigma_z", "sigma_areal_density_g_cm2"):
        assert again[name] == pytest.approx(row[name], rel=0.02), name
    assert set(again) == set(row) - {"label", "box", "area_cm2"}
    # What a pixel says would be a mean of many Z, each of its own noise.
    assert again["sigma_z"] < 0.2 * np.nanmedian(scene.sigma_z[found.regions.labels == row["label"]])


def test_an_area_across_two_materials_is_not_one(scene):
    area = np.zeros(scene.shape, bool)
    row = int(np.abs(QUARTER.object_height_mm - 1600).argmin())
    pitch = scene.pixel_mm[1]
    area[row - 12 : row + 12, int(1400 / pitch) : int(2000 / pitch)] = True
    across = identify(scene.radiograph, EXACT, area)
    assert across["p_one_material"] < 1e-6
    assert across["class"] == "mixed"
    assert across["quality"] & Quality.MIXED.value


def test_an_area_without_signal_has_no_class(scene):
    area = np.zeros(scene.shape, bool)
    area[100:130, 40:60] = True
    quality = scene.radiograph.quality.copy()
    quality[:, 100:130, 40:60] |= np.uint32(Quality.STARVED.value)
    starved = identify(dataclasses.replace(scene.radiograph, quality=quality), EXACT, area)
    quality[:, 100:130, 40:60] |= np.uint32(Quality.DEAD.value)
    dead = identify(dataclasses.replace(scene.radiograph, quality=quality), EXACT, area)
    for row in (starved, dead):
        assert row["class"] == "undecided"
    assert np.isnan(dead["z_eff"])
    assert np.isnan(list(dead["probability"].values())).all()
    with pytest.raises(ConfigurationError, match="empty area"):
        identify(scene.radiograph, EXACT, np.zeros_like(area))
