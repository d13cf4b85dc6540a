import numpy as np
import pytest

from scananalysis.cargo import commodities
from scananalysis.core import ConfigurationError
from scananalysis.detectors import scanner
from scananalysis.simulation.parcels import parcel

DEVICE = scanner("parcel-160kv")
POOL = [row.heading for row in commodities()]


def make(heading, seed=1, fraud=None):
    rngs = (np.random.default_rng([seed, n]) for n in (0, 1))
    row = next(row for row in commodities() if row.heading == heading)
    return parcel(*rngs, DEVICE, [row], fraud, POOL)


@pytest.mark.parametrize("heading", ["6109", "8471", "4901", "7318", "8703", "1001", "2204"])
def test_goods_lie_in_the_box_on_the_belt(heading):
    load = make(heading)
    walls = np.array([p.solid.bounds for p in load.scene.pieces[1:5]])
    goods = np.array([p.solid.bounds for p in load.scene.pieces if p.matter.kind == "cargo"])
    assert np.all(goods[:, ::2].min(axis=0) >= walls[:, ::2].min(axis=0))
    assert np.all(goods[:, 1::2].max(axis=0) <= walls[:, 1::2].max(axis=0))
    edges = walls[:, 1::2].max(axis=0) - walls[:, ::2].min(axis=0)
    assert np.all(edges >= [300, 160, 160])
    assert np.all(edges <= [600, 380, 320])


def test_weight_is_that_of_the_goods():
    load = make("4901")
    kg = sum(p.mass_kg for p in load.scene.pieces if p.matter.kind == "cargo")
    assert load.declaration.cargo_gross_weight_kg == pytest.approx(kg, rel=0.05)


def test_hidden_objects_shrink_to_a_parcel():
    load = make("6109", fraud="organic")
    assert 1 / 27 - 1e-3 < load.scene.labels["hidden"]["mass_kg"] < 40 / 27 + 1e-3


def test_a_person_does_not_fit():
    with pytest.raises(ConfigurationError, match="in a parcel"):
        make("6109", fraud="person")
