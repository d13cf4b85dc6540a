import numpy as np
import pytest

from scananalysis.simulation import Box, Cylinder, Ellipsoid, Matter, Piece, Scene
from scananalysis.simulation.rays import Rays, _union, path
from scananalysis.simulation.solids import cuts
from scananalysis.simulation.trace import Tracer, trace

RAYS = Rays(np.linspace(0.2003, -0.1497, 200), 1600.0, np.arange(5.0, 2000, 10.0), 10.0)
WATER, LEAD, HEROIN = Matter.of("water", "cargo"), Matter.of("lead", "hidden"), Matter.of("heroin", "hidden")
OUTER = Box((400, 1600), (1000, 2200), (5500, 6500))
MIDDLE = Box((700, 1300), (1300, 1900), (5800, 6200))
INNER = Box((740, 1260), (1340, 1860), (5840, 6160))


def image(solid):
    found = np.zeros((RAYS.slope.size, RAYS.x_mm.size), np.float32)
    for cut in cuts(solid, RAYS):
        found[cut.rows, cut.columns] += path(cut, RAYS)
    return found


def layers(*pieces):
    found = trace(Scene(pieces, 2000.0), RAYS, 0)
    return dict(zip(found.matter, found.areal_density, strict=True)), found.hidden_mm


def test_nested_objects_replace_what_they_displace():
    """A lead box with powder in it, in water: each ray meets each of them for the length that is its own."""
    found, hidden = layers(
        Piece(OUTER, WATER, 1.0), Piece(MIDDLE, LEAD, 11.35, displaces=True), Piece(INNER, HEROIN, 0.9, displaces=True)
    )
    outer, middle, inner = (image(solid).astype(float) for solid in (OUTER, MIDDLE, INNER))
    for matter, length, density in ((WATER, outer - middle, 1.0), (LEAD, middle - inner, 11.35), (HEROIN, inner, 0.9)):
        wanted = 0.1 * density * length
        np.testing.assert_allclose(found[matter], wanted, rtol=1e-5, atol=1e-5 * wanted.max())
    np.testing.assert_allclose(hidden, middle, rtol=1e-5, atol=1e-2)


def test_objects_that_overlap_displace_only_once():
    """Two objects that share a part of their volume: the bulk loses their union, the first one what the second one takes."""
    first, second = Box((700, 1100), (1300, 1800), (5800, 6100)), Box((900, 1300), (1500, 1900), (5950, 6300))
    both = Box((900, 1100), (1500, 1800), (5950, 6100))
    found, _ = layers(
        Piece(OUTER, WATER, 1.0), Piece(first, LEAD, 11.35, displaces=True), Piece(second, HEROIN, 0.9, displaces=True)
    )
    a, b, shared = (image(s).astype(float) for s in (first, second, both))
    np.testing.assert_allclose(found[WATER], 0.1 * (image(OUTER) - (a + b - shared)), atol=1e-3)
    np.testing.assert_allclose(found[LEAD], 1.135 * (a - shared), atol=1e-3)
    np.testing.assert_allclose(found[HEROIN], 0.09 * b, atol=1e-3)


@pytest.mark.parametrize("solid", [Cylinder("y", (1000, 1600, 6000), 250, 500), Cylinder("z", (1000, 1600, 6000), 250, 500),
                                   Ellipsoid((1000, 1600, 6000), (200, 300, 400))])  # fmt: skip
def test_round_objects_displace(solid):
    found, _ = layers(Piece(OUTER, WATER, 1.0), Piece(solid, LEAD, 11.35, displaces=True))
    np.testing.assert_allclose(found[WATER], 0.1 * (image(OUTER) - image(solid)), atol=1e-3)


def test_displacing_takes_along_the_grain():
    """Goods inside a package fluctuate; where an object stands instead there are none left, whatever their fluctuation was."""
    found, _ = layers(
        Piece(OUTER, WATER, 1.0, grain=0.3),
        Piece(Box((600, 1400), (1200, 2000), (5500, 6500)), LEAD, 11.35, displaces=True),
    )
    middle = np.abs(RAYS.slope * 6000) < 200
    assert found[WATER][middle][:, 70:130].max() < 1e-4
    assert found[WATER].max() > 0


def test_objects_that_do_not_displace_add_up():
    found, _ = layers(Piece(OUTER, WATER, 1.0), Piece(MIDDLE, LEAD, 11.35))
    np.testing.assert_allclose(found[WATER], 0.1 * image(OUTER), rtol=1e-5)


def test_a_hollow_is_a_piece_of_negative_density():
    found, _ = layers(Piece(OUTER, WATER, 1.0), Piece(MIDDLE, WATER, -1.0))
    np.testing.assert_allclose(found[WATER], 0.1 * (image(OUTER) - image(MIDDLE)), atol=1e-3)


def test_a_line_covered_in_part_loses_a_part():
    bulk, taken = Box((400, 1600), (1000, 2200), (5500, 6500)), Box((702, 1298), (1300, 1900), (5800, 6200))
    found, _ = layers(Piece(bulk, WATER, 1.0), Piece(taken, LEAD, 11.35, displaces=True),
                      Piece(Box((704, 1296), (1340, 1860), (5840, 6160)), HEROIN, 0.9, displaces=True))  # fmt: skip
    lost = 0.1 * (image(bulk) - image(taken))
    np.testing.assert_allclose(found[WATER], lost, atol=1e-3)


def test_grain_and_ripple_keep_the_mean_and_do_not_depend_on_the_pixels():
    piece = Piece(OUTER, WATER, 1.0, grain=0.1)
    fine = trace(Scene((piece,), 2000.0), RAYS, 5).areal_density[0]
    coarse_rays = Rays(RAYS.slope[::2], 1600.0, RAYS.x_mm[::2], 10.0)
    coarse = trace(Scene((piece,), 2000.0), coarse_rays, 5).areal_density[0]
    np.testing.assert_array_equal(fine[::2, ::2], coarse)
    smooth = 0.1 * image(OUTER)
    inside = smooth > 95
    ratio = fine[inside] / smooth[inside]
    assert 0.03 < ratio.std() < 0.15
    assert ratio.mean() == pytest.approx(1, abs=0.03)
    other = trace(Scene((piece,), 2000.0), RAYS, 6).areal_density[0]
    assert np.abs(other - fine).max() > 1
    wall = trace(Scene((Piece(OUTER, WATER, 1.0, ripple=(278.0, 0.12)),), 2000.0), RAYS, 5).areal_density[0]
    ratio = wall[inside] / smooth[inside]
    assert set(np.round(np.unique(ratio.round(3)), 2)) == {np.float32(0.88), np.float32(1.12)}


def test_blocks_of_lines_make_the_whole():
    pieces = (
        Piece(OUTER, WATER, 1.0, grain=0.2),
        Piece(Ellipsoid((1000, 1600, 6000), (200, 300, 400)), LEAD, 11.35, displaces=True),
        Piece(Cylinder("y", (300, 1600, 6000), 250, 500), HEROIN, 0.9),
    )
    whole = trace(Scene(pieces, 2000.0), RAYS, 0)
    tracer = Tracer(Scene(pieces, 2000.0), 0)
    traced = tracer.over(RAYS)
    for first in range(0, RAYS.x_mm.size, 37):
        stop = min(first + 37, RAYS.x_mm.size)
        block = traced.block(first, stop)
        density = np.zeros((len(tracer.matter), RAYS.slope.size, stop - first), np.float32)
        density[list(block.matter), block.rows] = block.areal_density
        np.testing.assert_array_equal(density, whole.areal_density[:, :, first:stop])


def test_nothing_to_trace():
    found = trace(Scene((), 2000.0), RAYS, 0)
    assert found.areal_density.shape == (0, 200, RAYS.x_mm.size)
    far = Piece(Box((5000, 6000), (0, 1), (5500, 6500)), WATER, 1.0)
    assert trace(Scene((far,), 2000.0), RAYS, 0).areal_density.max() == 0


def test_union_of_rays_that_miss_some_parts():
    """Rays along a slab enter and leave it at infinity; they add nothing and reach nowhere."""
    inf = np.inf
    enter = np.array([[-inf, 0.0, inf], [2.0, inf, inf], [1.0, -inf, -inf]])
    leave = np.array([[-inf, 3.0, -inf], [5.0, inf, inf], [4.0, -inf, 7.0]])
    leave[2, 2], enter[2, 2] = 7.0, 6.0
    np.testing.assert_array_equal(_union(enter, leave), [4.0, 3.0, 1.0])
