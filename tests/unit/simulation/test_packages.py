import numpy as np
import pytest

from scananalysis.cargo import commodity
from scananalysis.simulation.containers import SIZES, Space, container
from scananalysis.simulation.goods import Goods
from scananalysis.simulation.packages import PACKAGE_MM, PALLET_HEIGHT_MM, boxes, pallet


@pytest.fixture
def room():
    space = container(SIZES["42G1"], 0.0, 0.0, 6000.0)[1]
    return Space(space.x, (space.y[0], space.y[0] + 1700), space.z)


def stow(heading, room, seed):
    return boxes(Goods.draw(commodity(heading), 2350.0, np.random.default_rng(seed)), room)


def sizes(pieces):
    bounds = np.array([piece.solid.bounds for piece in pieces if piece.matter.kind == "cargo"])
    return bounds[:, 1::2] - bounds[:, ::2]


def test_a_pallet_has_a_pallets_mass():
    pieces = pallet((0.0, 1200.0), 0.0, (5500.0, 6500.0))
    assert 18 < sum(piece.mass_kg for piece in pieces) < 32
    assert max(piece.solid.bounds[3] for piece in pieces) == PALLET_HEIGHT_MM
    assert {piece.matter.kind for piece in pieces} == {"structure"}


@pytest.mark.parametrize("seed", range(6))
def test_packages_have_the_size_of_their_form(room, seed):
    for heading in ("6109", "0303", "1006", "5201", "6802"):
        row = commodity(heading)
        limits = np.array(PACKAGE_MM[row.form])
        found = np.median(sizes(stow(heading, room, seed)), axis=0)
        # Packages stretch to share out what a row leaves over, and the number of very small ones is bounded.
        assert np.all(found > 0.4 * limits[:, 0])
        assert np.all(found < 2.2 * limits[:, 1])


def test_packages_of_a_stow_do_not_overlap(room):
    """The volumes of all packages together are no more than the room: nothing is counted twice."""
    for seed in range(6):
        for heading in ("6109", "6907", "5201"):
            pieces = [p for p in stow(heading, room, seed) if p.matter.kind == "cargo"]
            assert sum(p.solid.volume_mm3 for p in pieces) * 1e-9 < 1.02 * room.volume_m3


def test_pallets_carry_tiles_and_some_cartons(room):
    def on_pallets(heading, seed):
        return any(piece.matter.kind == "structure" for piece in stow(heading, room, seed))

    assert all(on_pallets("6907", seed) for seed in range(4))
    assert 2 < sum(on_pallets("6109", seed) for seed in range(30)) < 20
    assert not any(on_pallets("5201", seed) for seed in range(6))


def test_gaps_between_sacks_do_not_line_up(room):
    """Rows of sacks start where they like: their edges lie at many places along the load."""
    pieces = _floor_stowed(room)
    edges = {round(p.solid.bounds[0] / 20) for p in pieces}
    across = round((room.x[1] - room.x[0]) / np.median(sizes(pieces)[:, 0]))
    assert len(edges) > 3 * across


def _floor_stowed(room):
    for seed in range(20):
        pieces = stow("1006", room, seed)
        if all(piece.matter.kind == "cargo" for piece in pieces):
            return pieces
    raise AssertionError("no stow without pallets in twenty")
