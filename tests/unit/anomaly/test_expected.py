"""Masked expected density: what is hidden is not looked at, and what stands out of its surroundings is found."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from scananalysis.anomaly import load
from scananalysis.anomaly.expected import BAND, HIDDEN, MEAN_TERMS, SPREAD_TERMS, context, inside
from scananalysis.anomaly.model import DECLARED, STRIDE
from scananalysis.anomaly.store import MODELS
from scananalysis.calibration import calibrate
from scananalysis.core import Declaration, ModelError
from scananalysis.detectors import scanner
from scananalysis.materials import discriminate
from scananalysis.simulation import container_scene, render

SCALE = 50.0
SHAPE = (60, 80)
"""Scored cells; working cells are twice as many along either axis."""


def cells_with(change=None, seed=0):
    """Return even goods of 60 g/cm² with 2 % of noise, changed where a mask of scored cells says so."""
    rng = np.random.default_rng(seed)
    density = 60 * np.exp(0.02 * rng.standard_normal((SHAPE[0] * STRIDE, SHAPE[1] * STRIDE))).astype(np.float32)
    if change is not None:
        density *= np.kron(change, np.ones((STRIDE, STRIDE))).astype(np.float32)
    return SimpleNamespace(
        areal_density=density,
        sigma_areal_density=0.02 * density,
        quality=np.zeros(density.shape, np.uint32),
    )


@pytest.fixture(scope="module")
def model():
    return load("expected-density")


@pytest.fixture(scope="module")
def everywhere():
    return np.ones(SHAPE, bool)


def spot(size, factor, at=(30, 40)):
    change = np.ones(SHAPE)
    change[at[0] - size // 2 : at[0] + size // 2 + 1, at[1] - size // 2 : at[1] + size // 2 + 1] = factor
    return change


def test_what_is_hidden_does_not_enter_its_own_expectation(everywhere):
    plain = context(cells_with(), everywhere, SCALE)
    # Two scored cells smaller than the hidden square, since what is seen is a mean over neighbours.
    changed = context(cells_with(spot(HIDDEN - 2, 3.0)), everywhere, SCALE)
    assert changed.seen[30, 40] == pytest.approx(plain.seen[30, 40] + np.log(3), abs=0.03)
    np.testing.assert_allclose(changed.mean_terms[:, 30, 40], plain.mean_terms[:, 30, 40], atol=1e-6)
    # The noise of the place itself is known, its density is not.
    np.testing.assert_allclose(changed.spread_terms[:, 30, 40], plain.spread_terms[:, 30, 40], atol=1e-5)
    beside = HIDDEN // 2 + BAND // 2
    assert not np.allclose(changed.mean_terms[:, 30, 40 + beside], plain.mean_terms[:, 30, 40 + beside], atol=1e-3)


def test_sides_outside_the_load_do_not_count():
    half = np.zeros(SHAPE, bool)
    half[:, :40] = True
    around = context(cells_with(), half, SCALE)
    missing = around.spread_terms[SPREAD_TERMS.index("missing")]
    assert missing[30, 20] == 0
    assert missing[30, 38] == 0.25
    assert not around.known[:, 41:].any()
    # Where a side is missing the others stand for it: what is expected hardly changes in even goods.
    sides = around.mean_terms[MEAN_TERMS.index("sides")]
    assert sides[30, 38] == pytest.approx(sides[30, 20], abs=0.01)


@pytest.mark.parametrize("factor", [1.8, 0.5])
def test_additions_and_voids_stand_out_of_even_goods(model, everywhere, factor):
    family = [model.families.index("organic-medium")]
    plain = model.strangeness(context(cells_with(), everywhere, SCALE), family)[0]
    changed = model.strangeness(context(cells_with(spot(5, factor)), everywhere, SCALE), family)[0]
    assert changed[30, 40] > 3 * plain.max()
    assert np.unravel_index(changed.argmax(), SHAPE)[0] in range(28, 33)


def test_of_several_declared_families_the_nearest_counts(model, everywhere):
    around = context(cells_with(spot(5, 1.3)), everywhere, SCALE)
    both = model.strangeness(around, [3, 13])
    np.testing.assert_allclose(model.strangeness(around, [13])[0], both[1], atol=1e-4)
    assert np.abs(both[0] - both[1]).max() > 1e-2


def test_the_outermost_cells_are_left_out():
    mask = np.zeros((20, 20), bool)
    mask[5:15, 5:15] = True
    assert inside(mask).sum() == 36


def test_scores_lie_inside_the_load_and_need_a_declaration(model):
    device = scanner("cargo-6-4mv").binned(4, 4)
    made = container_scene(8, device, cargo=["0803"], size="22G1", fill=0.8)
    materials = discriminate(calibrate(render(made.scene, device, 8).scan))
    found = model.score(materials, made.declaration)
    scored = np.isfinite(found.score[0])
    assert found.heads == (DECLARED,)
    assert scored.any()
    assert not (scored & ~found.load).any()
    # Wheels and chassis are no load.
    bottom = found.load[-int(0.2 * found.load.shape[0]) :]
    assert bottom.mean() < 0.05
    withheld = model.score(materials)
    assert not np.isfinite(withheld.score).any()
    assert withheld.scan_p_value["combined"] == 1.0
    assert not np.isfinite(model.score(materials, Declaration(items=[])).score).any()


def test_coefficients_of_other_shapes_are_refused(tmp_path):
    from scananalysis.core import sha256_file

    folder = shutil.copytree(MODELS / "expected-density", tmp_path / "mine")
    path = folder / "density.npz"
    with np.load(path) as stored:
        weights = dict(stored)
    weights["upper"] = weights["upper"][:, :-1]
    np.savez(path, **weights)
    described = folder / "metadata.json"
    before = load("expected-density").metadata.sha256
    described.write_text(described.read_text().replace(before, sha256_file(path)))
    with pytest.raises(ModelError, match="coefficients of shape"):
        load(folder)
