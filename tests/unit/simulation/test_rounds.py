import numpy as np
import pytest

from scananalysis.cargo import commodity
from scananalysis.simulation.containers import SIZES, Space, container
from scananalysis.simulation.goods import Goods
from scananalysis.simulation.rounds import (
    DRUM_MM,
    coils,
    drums,
    flexitank,
    heap,
    is_liquid,
    long_goods,
    reels,
    ring,
    tyres,
)
from scananalysis.simulation.solids import Box, Cylinder


@pytest.fixture
def space():
    return container(SIZES["42G1"], 0.0, 0.0, 6000.0)[1]


def goods(heading, seed=1, headroom=2350.0):
    return Goods.draw(commodity(heading), headroom, np.random.default_rng(seed))


def test_drums_have_the_size_of_iso_15750_and_stand_four_abreast(space):
    room = Space(space.x, (space.y[0], space.y[0] + 1800), space.z)
    pieces = drums(goods("2009"), room)
    assert len(pieces) == 2 * 20 * 4
    for piece in pieces:
        x0, x1, y0, y1, _, _ = piece.solid.bounds
        assert x1 - x0 == pytest.approx(DRUM_MM[0], abs=10)
        assert y1 - y0 == pytest.approx(DRUM_MM[1], abs=25)


def test_one_layer_of_drums_is_not_shortened(space):
    """Where the payload allows half a layer, half as many drums stand there at full height."""
    room = Space(space.x, (space.y[0], space.y[0] + 440), space.z)
    pieces = drums(goods("7502"), room)
    assert {round(p.solid.bounds[3] - p.solid.bounds[2]) for p in pieces} == {round(DRUM_MM[1] - 12)}
    assert max(p.solid.bounds[1] for p in pieces) < space.x[0] + 0.6 * (space.x[1] - space.x[0])


@pytest.mark.parametrize("seed", range(8))
def test_coils_weigh_tonnes_and_are_not_denser_than_steel(space, seed):
    pieces = coils(goods("7208", seed), space, 26_000.0)
    wound = [p for p in pieces if p.matter.kind == "cargo" and p.density_g_cm3 > 0]
    hollow = [p for p in pieces if p.density_g_cm3 < 0]
    assert len(wound) == len(hollow)
    assert max(p.density_g_cm3 for p in wound) <= 7.85
    each = (sum(p.mass_kg for p in wound) + sum(p.mass_kg for p in hollow)) / len(wound)
    assert 400 < each < 27_000
    assert len(wound) * each <= 26_700 or len(wound) == 1


def test_a_ring_weighs_what_its_volume_does():
    model = goods("7408").piece(Box((0, 1), (0, 1), (0, 1)), 5.0)
    pieces = ring("z", (0.0, 0.0, 6000.0), 500.0, 200.0, 800.0, model)
    volume = np.pi * (500**2 - 200**2) * 800 * 1e-6
    assert sum(p.mass_kg for p in pieces) == pytest.approx(volume * model.density_g_cm3)
    assert {p.grain for p in pieces} == {0.0}


@pytest.mark.parametrize(("heading", "hollow"), [("7304", True), ("3917", True), ("7214", False), ("4403", False)])
def test_long_goods_lie_along_the_container(space, heading, hollow):
    pieces = long_goods(goods(heading), Space(space.x, (space.y[0], space.y[0] + 900), space.z))
    assert all(isinstance(p.solid, Cylinder) and p.solid.axis == "x" for p in pieces)
    assert any(p.density_g_cm3 < 0 for p in pieces) == hollow


def test_logs_differ_in_size_and_pipes_do_not(space):
    room = Space(space.x, (space.y[0], space.y[0] + 1500), space.z)
    logs, pipes = (
        {round(p.solid.radius, 3) for p in long_goods(goods(heading), room) if p.density_g_cm3 > 0}
        for heading in ("4403", "7304")
    )
    assert len(logs) > 10
    assert len(pipes) == 1


def test_cables_are_wound_on_timber_drums(space):
    pieces = reels(goods("8544"), Space(space.x, (space.y[0], space.y[0] + 1000), space.z))
    flanges = [p for p in pieces if p.matter.kind == "structure"]
    wound = [p for p in pieces if p.matter.kind == "cargo" and p.density_g_cm3 > 0]
    assert len(flanges) == 2 * len(wound)
    assert flanges[0].solid.radius > wound[0].solid.radius


def test_tyres_are_hollow(space):
    pieces = tyres(goods("4011"), Space(space.x, (space.y[0], space.y[0] + 1000), space.z))
    assert sum(p.density_g_cm3 < 0 for p in pieces) * 2 == len(pieces)


def test_heap_follows_its_surface_and_keeps_its_density(space):
    slopes = 0
    for seed in range(10):
        wheat = goods("1001", seed)
        pieces = heap(wheat, Space(space.x, (space.y[0], space.y[0] + 1500), space.z))
        assert all(p.density_g_cm3 == pytest.approx(wheat.bulk) for p in pieces)
        tops = np.array([p.solid.bounds[3] for p in pieces]) - space.y[0]
        slopes += bool(tops[-1] < 0.3 * tops[0])
        # No surface is steeper than the angle of repose of 38°, but for the ripple of the free surface.
        step = np.abs(np.diff(tops)).max() / (pieces[0].solid.bounds[1] - pieces[0].solid.bounds[0])
        assert step < np.tan(np.radians(45))
    assert 0 < slopes < 10


def test_flexitank_is_a_pillow():
    _, space = container(SIZES["22G1"], 0.0, 0.0, 6000.0)
    oil = goods("1511")
    assert is_liquid(oil)
    pieces = flexitank(oil, space, 21_000.0)
    lengths = [p.solid.bounds[1] - p.solid.bounds[0] for p in pieces]
    assert lengths == sorted(lengths, reverse=True)
    assert sum(p.mass_kg for p in pieces) <= 21_000 * (1 + 1e-9)
