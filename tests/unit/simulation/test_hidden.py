import numpy as np
import pytest

from scananalysis.core import ConfigurationError
from scananalysis.simulation.containers import SIZES, container
from scananalysis.simulation.hidden import KINDS, WHOLE_ROOM, Place, hide, hide_in_room, object_mass_kg
from scananalysis.simulation.scene import Matter, Piece
from scananalysis.simulation.solids import Box

PLACE = Place((1000.0, 9000.0), (1300.0, 3400.0), (5000.0, 7000.0))
MASSES_KG = {
    "organic": (1, 40), "metal": (0.3, 40), "shield": (10, 600), "dense": (1, 30), "handgun": (0.6, 1.3), "ammunition": (12, 95),
    "cash": (2, 40), "cigarettes": (9, 1300), "person": (45, 100), "void": (0.0, 3.0),
    "tungsten-shield": (2, 35),
}  # fmt: skip


@pytest.mark.parametrize("kind", MASSES_KG)
@pytest.mark.parametrize("seed", range(6))
def test_objects_lie_in_their_place_with_a_plausible_mass(kind, seed):
    pieces, labels = hide(kind, PLACE, np.random.default_rng(seed))
    bounds = np.array([piece.solid.bounds for piece in pieces])
    assert np.all(bounds[:, ::2].min(axis=0) >= np.array([PLACE.x[0], PLACE.y[0], PLACE.z[0]]) - 1)
    assert np.all(bounds[:, 1::2].max(axis=0) <= np.array([PLACE.x[1], PLACE.y[1], PLACE.z[1]]) + 1)
    assert MASSES_KG[kind][0] <= labels["mass_kg"] <= MASSES_KG[kind][1]
    assert all(piece.matter.kind == "hidden" and piece.displaces for piece in pieces)
    low_x, high_x, low_y, high_y = labels["box_mm"]
    assert low_x < high_x
    assert low_y < high_y


def test_a_person_sits_or_lies_as_the_goods_allow():
    low = Place(PLACE.x, (1300.0, 1900.0), PLACE.z)
    for seed in range(8):
        sitting = np.ptp(np.reshape(hide("person", PLACE, np.random.default_rng(seed))[1]["box_mm"], (2, 2)), axis=1)
        lying = np.ptp(np.reshape(hide("person", low, np.random.default_rng(seed))[1]["box_mm"], (2, 2)), axis=1)
        assert sitting[1] > sitting[0] < 1000
        assert lying[0] > 1500
        assert lying[1] < 500


def test_a_persons_parts_lie_in_the_hollow():
    for seed in range(8):
        for place in (PLACE, Place(PLACE.x, (1300.0, 1900.0), PLACE.z)):
            pieces, _ = hide("person", place, np.random.default_rng(seed))
            hollow = np.array(pieces[0].solid.bounds)
            for piece in pieces[1:]:
                inside = np.array(piece.solid.bounds)
                assert np.all(inside[::2] >= hollow[::2])
                assert np.all(inside[1::2] <= hollow[1::2])


@pytest.mark.parametrize("kind", WHOLE_ROOM)
@pytest.mark.parametrize("code", ["22G1", "45G1", "22R1"])
def test_what_takes_the_whole_width_stays_in_the_room(kind, code):
    _, space = container(SIZES[code], 700.0, 1150.0, 6000.0)
    for seed in range(4):
        pieces, labels = hide_in_room(kind, space, np.random.default_rng(seed))
        bounds = np.array([piece.solid.bounds for piece in pieces])
        assert np.all(bounds[:, ::2].min(axis=0) >= np.array([space.x[0], space.y[0], space.z[0]]) - 1)
        assert np.all(bounds[:, 1::2].max(axis=0) <= np.array([space.x[1], space.y[1], space.z[1]]) + 1)
        assert pieces[0].displaces
        assert labels["kind"] == kind
        assert 50 < labels["mass_kg"] < 3500


def test_kinds_of_a_room_need_one():
    with pytest.raises(ConfigurationError, match="no hidden object 'car'"):
        hide("car", PLACE, np.random.default_rng(0))
    assert set(KINDS) == {*MASSES_KG, *WHOLE_ROOM}


def test_mass_counts_what_inner_pieces_displace():
    outer = Piece(Box((0, 100), (0, 100), (0, 100)), Matter.of("lead", "hidden"), 11.35, displaces=True)
    inner = Piece(Box((10, 90), (10, 90), (10, 90)), Matter.of("water", "hidden"), 1.0, displaces=True)
    assert object_mass_kg([outer, inner]) == pytest.approx(11.35 * (1 - 0.512) + 0.512)
    core = Piece(Box((20, 40), (20, 40), (20, 40)), Matter.of("steel", "hidden"), 7.85, displaces=True)
    assert object_mass_kg([outer, inner, core]) == pytest.approx(11.35 * (1 - 0.512) + 0.512 - 0.008 + 0.008 * 7.85)
