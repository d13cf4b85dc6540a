import numpy as np
import pytest

from scananalysis.cargo import check
from scananalysis.core import ConfigurationError
from scananalysis.detectors import scanner
from scananalysis.simulation import FRAUDS, KINDS, container_scene, render
from scananalysis.simulation.hidden import NOT_IN_PARCELS

PORTAL = scanner("cargo-6-4mv").binned(8, 8)
RAIL = scanner("rail-6-4mv").binned(8, 6)
PARCEL = scanner("parcel-160kv").binned(4, 4)


def materials(load):
    return {piece.matter.composition[0][0] for piece in load.scene.pieces if piece.matter.kind == "structure"}


@pytest.mark.parametrize("seed", range(30))
def test_declared_weight_fits_what_is_in_the_container(seed):
    load = container_scene(seed, PORTAL)
    goods = sum(p.mass_kg for p in load.scene.pieces if p.matter.kind == "cargo")
    declared = load.declaration.cargo_gross_weight_kg
    # Weights scatter by 1 %; pallets and cradles, which are structure to a radiograph, come on top.
    assert 0.96 * goods < declared < 1.04 * load.scene.labels["goods_kg"]
    assert load.scene.labels["goods_kg"] < 1.1 * goods + 1
    assert sum(item.net_weight_kg for item in load.declaration.items) < 1.05 * declared
    assert not [finding for finding in check(load.declaration) if finding.severity == "error"]


@pytest.mark.parametrize("seed", range(4))
def test_mass_of_the_picture_is_the_mass_declared(seed):
    load = container_scene(seed, PORTAL)
    truth = render(load.scene, PORTAL, seed).truth
    kg = float(truth["cargo_areal_density"].sum(dtype=np.float64)) * np.prod(PORTAL.pixel_mm) * 1e-5
    assert kg == pytest.approx(load.declaration.cargo_gross_weight_kg, rel=0.12)


@pytest.mark.parametrize("fraud", [None, *FRAUDS])
def test_same_seed_same_load(fraud):
    first, again = (container_scene(11, PORTAL, fraud=fraud) for _ in range(2))
    assert first == again
    assert first != container_scene(12, PORTAL, fraud=fraud)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hidden_object_changes_nothing_else(kind):
    clean, dirty = (container_scene(7, PORTAL, fraud=fraud) for fraud in (None, kind))
    assert dirty.scene.pieces[: len(clean.scene.pieces)] == clean.scene.pieces
    assert dirty.declaration == clean.declaration
    assert dirty.scene.labels["hidden"]["kind"] == kind
    truth = render(dirty.scene, PORTAL, 1).truth
    assert truth["insert"].any()
    if kind != "void":
        assert truth["object_areal_density"].max() > 0.5


@pytest.mark.parametrize("seed", range(6))
def test_hidden_objects_lie_in_goods_and_in_the_container(seed):
    load = container_scene(seed, PORTAL, fraud="organic")
    pieces = load.scene.pieces
    item = np.array(pieces[-1].solid.bounds)
    goods = np.array([p.solid.bounds for p in pieces if p.matter.kind == "cargo"])
    meets = np.all((goods[:, ::2] < item[1::2]) & (item[::2] < goods[:, 1::2]), axis=1)
    assert meets.any()


@pytest.mark.parametrize("seed", range(6))
def test_false_weights_are_in_the_papers_alone(seed):
    honest, false = (container_scene(seed, PORTAL, fraud=fraud) for fraud in (None, "weight"))
    assert false.scene.pieces == honest.scene.pieces
    factor = false.scene.labels["weight_factor"]
    assert 0.4 <= factor <= 0.8 or 1.25 <= factor <= 2
    said, true = (load.declaration.cargo_gross_weight_kg for load in (false, honest))
    assert said == pytest.approx(factor * true, abs=0.1)
    for told, right in zip(false.declaration.items, honest.declaration.items, strict=True):
        assert told.net_weight_kg == pytest.approx(factor * right.net_weight_kg, abs=0.1)
        assert told.hs_code == right.hs_code
    assert false.declaration.tare_kg == honest.declaration.tare_kg


def test_missing_goods_are_declared_but_gone():
    for heading in ("6109", "1511", "7304", "8703"):
        clean, short = (
            container_scene(3, PORTAL, cargo=[heading], size="22G1", fraud=fraud) for fraud in (None, "missing")
        )
        weights = [sum(p.mass_kg for p in load.scene.pieces if p.matter.kind == "cargo") for load in (clean, short)]
        gone = short.scene.labels["missing_kg"]
        assert 0.03 * weights[0] < gone < 0.75 * weights[0]
        assert weights[0] - weights[1] == pytest.approx(gone, rel=0.15)
        assert short.declaration == clean.declaration


def test_swapped_goods_are_not_of_a_declared_family():
    load = container_scene(5, PORTAL, cargo=["0803"], fraud="misdeclared")
    assert [item.heading for item in load.declaration.items] == ["0803"]
    assert "0803" not in load.scene.labels["true_headings"]
    with pytest.raises(ConfigurationError, match="no heading outside"):
        container_scene(5, PORTAL, cargo=["0803"], fraud="misdeclared", pool=["0803"])


def test_cold_goods_travel_in_reefers():
    load = container_scene(2, PORTAL, cargo=["0303"])
    assert load.declaration.container_type in ("22R1", "45R1")
    assert "polyurethane foam" in materials(load)
    assert container_scene(2, PORTAL, cargo=["0303"], size="42G1").declaration.container_type == "42G1"


def test_carriers():
    trailer, truck = (container_scene(2, PORTAL, size="22G1", carrier=kind) for kind in ("trailer", "truck"))
    assert truck.scene.length_mm > trailer.scene.length_mm + 2000
    assert "diesel" in materials(truck)
    assert "diesel" not in materials(trailer)
    assert "tyre rubber" not in materials(container_scene(2, RAIL))
    with_cab = sum("diesel" in materials(container_scene(seed, PORTAL, size="22G1")) for seed in range(60))
    assert 1 <= with_cab <= 15


def test_tank_container_and_air_pallet():
    tank = container_scene(1, PORTAL, cargo=["2204"], size="22T1")
    assert tank.declaration.container_type == "22T1"
    assert render(tank.scene, PORTAL, 1).truth["load"].any()
    pallet = container_scene(1, PORTAL, cargo=["6109"], size="PMC")
    assert pallet.declaration.container is None
    assert pallet.scene.length_mm == 3175 + 1400


@pytest.mark.parametrize(
    "wrong", [{"fraud": "smuggling"}, {"size": "99G1"}, {"carrier": "ship"}, {"size": "22T1", "cargo": ["6109"]}]
)
def test_unknown_wishes_are_refused(wrong):
    with pytest.raises(ConfigurationError, match="expected"):
        container_scene(1, PORTAL, **wrong)


@pytest.mark.parametrize("fraud", [None, *(f for f in FRAUDS if f not in NOT_IN_PARCELS)])
def test_parcels(fraud):
    load = container_scene(4, PARCEL, fraud=fraud)
    assert load.declaration.container is None
    weight = load.declaration.cargo_gross_weight_kg
    assert 0.05 < weight < 400
    truth = render(load.scene, PARCEL, 1).truth
    assert truth["load"].any()
    assert truth["insert"].any() == (fraud in KINDS)


@pytest.mark.parametrize("fraud", NOT_IN_PARCELS)
def test_what_no_parcel_can_hold_is_refused(fraud):
    with pytest.raises(ConfigurationError, match="in a parcel"):
        container_scene(4, PARCEL, fraud=fraud)


def test_mixed_and_partial_loads_occur():
    loads = [container_scene(seed, PORTAL) for seed in range(60)]
    counts = {len(load.scene.labels["true_headings"]) for load in loads}
    assert counts == {1, 2, 3}
    ends = [
        max(p.solid.bounds[1] for p in load.scene.pieces if p.matter.kind == "cargo") / load.scene.length_mm
        for load in loads
    ]
    assert min(ends) < 0.75
    assert max(ends) > 0.9
