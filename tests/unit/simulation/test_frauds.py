import numpy as np
import pytest

from scananalysis.cargo import commodity
from scananalysis.core import ConfigurationError
from scananalysis.simulation.containers import SIZES, container
from scananalysis.simulation.frauds import apply_swap, place_inside, take_away
from scananalysis.simulation.packing import pack


@pytest.fixture
def room():
    return container(SIZES["42G1"], 700.0, 1150.0, 6000.0)[1]


def packed(heading, room, seed=1):
    return pack(commodity(heading), room, 24_000.0, np.random.default_rng(seed))


def test_swap_changes_one_part_and_misdeclaration_all():
    drawn = [commodity(h) for h in ("0803", "0803", "0803")]
    pool = ["0803", "7208", "8471"]
    one = apply_swap(drawn, "swap", pool, np.random.default_rng(1))
    every = apply_swap(drawn, "misdeclared", pool, np.random.default_rng(1))
    assert sum(a != b for a, b in zip(drawn, one, strict=True)) == 1
    assert all(goods.heading in ("7208", "8471") for goods in every)
    assert apply_swap(drawn, "metal", pool, np.random.default_rng(1)) == drawn
    with pytest.raises(ConfigurationError, match="no heading outside"):
        apply_swap(drawn, "swap", ["0803"], np.random.default_rng(1))


def test_places_are_under_the_top_of_the_goods(room):
    for heading in ("1001", "1006", "8544", "7304"):
        part = packed(heading, room)
        bounds = np.array([piece.solid.bounds for piece in part.pieces])
        for seed in range(20):
            place = place_inside([part], [room], np.random.default_rng(seed))
            assert room.x[0] + 150 <= place.x[0] <= place.x[1] <= room.x[1] - 150
            assert place.y[1] <= bounds[:, 3].max()
            near = (bounds[:, 0] < place.x[1] + 100) & (bounds[:, 1] > place.x[0] - 100)
            assert near.any()


@pytest.mark.parametrize("heading", ["6109", "7304", "1511", "1001"])
def test_what_is_taken_away_is_gone(room, heading):
    part = packed(heading, room)
    for seed in range(10):
        left, missing = take_away([], [part], np.random.default_rng(seed))
        assert missing > 0
        assert sum(piece.mass_kg for piece in left) == pytest.approx(part.mass_kg - missing, abs=0.1)
        assert left


def test_goods_that_the_table_does_not_name_keep_their_heading():
    drawn = [commodity("1001")]
    every = apply_swap(drawn, "misdeclared", ["9505", "8413"], np.random.default_rng(1))
    assert every[0].is_fallback
    assert every[0].heading in ("9505", "8413")
