"""Path lengths of rods against closed form for a line through space, cylinders along the axes, and meshes."""

import math

import numpy as np
import pytest

from scananalysis.core import ConfigurationError
from scananalysis.simulation import Cylinder, Mesh, Rod
from scananalysis.simulation.rays import Rays, path
from scananalysis.simulation.solids import cuts

RAYS = Rays(np.linspace(0.25, -0.15, 401), 1600.0, np.arange(5.0, 2000, 10.0), 10.0)
CENTRE = (1000.0, 1700.0, 6000.0)
DIRECTIONS = [(1.0, 2.0, 3.0), (-1.0, 0.2, 0.1), (0.3, -4.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.01)]


def image(solid):
    found = np.zeros((RAYS.slope.size, RAYS.x_mm.size), np.float32)
    for cut in cuts(solid, RAYS):
        found[cut.rows, cut.columns] += path(cut, RAYS)
    return found


def chord(rod, origin, along):
    """Length of a line inside a cylinder, in the cylinder's own frame: a circle of radius r between two planes."""
    axis = np.array(rod.direction) / np.linalg.norm(rod.direction)
    side = np.cross(axis, [1.0, 0, 0] if abs(axis[0]) < 0.9 else [0, 1.0, 0])
    frame = np.stack([axis, side / np.linalg.norm(side), np.cross(axis, side / np.linalg.norm(side))])
    p, d = frame @ (origin - np.array(rod.centre)), frame @ along
    a, b, c = d[1:] @ d[1:], p[1:] @ d[1:], p[1:] @ p[1:] - rod.radius**2
    if b * b <= a * c:
        return 0.0
    low, high = (-b - math.sqrt(b * b - a * c)) / a, (-b + math.sqrt(b * b - a * c)) / a
    ends = sorted(((-rod.length / 2 - p[0]) / d[0], (rod.length / 2 - p[0]) / d[0]))
    return max(0.0, min(high, ends[1]) - max(low, ends[0]))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_closed_form(direction):
    rod = Rod(CENTRE, direction, 150.0, 900.0)
    found = image(rod)
    wanted = np.zeros(found.shape)
    for k in (70, 85, 99, 100, 130):
        for e, slope in enumerate(RAYS.slope):
            along = np.array([0.0, slope, 1.0]) / math.sqrt(1 + slope**2)
            wanted[e, k] = chord(rod, np.array([RAYS.x_mm[k], 1600.0, 0.0]), along)
    seen = [70, 85, 99, 100, 130]
    assert (wanted > 0).sum() > 40, "the test's rays miss the rod"
    np.testing.assert_allclose(found[:, seen], wanted[:, seen], rtol=1e-6, atol=1e-6 * wanted.max())


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_along_an_axis_it_is_a_cylinder(axis):
    direction = tuple(2.0 * (name == axis) for name in "xyz")
    rod, cylinder = Rod(CENTRE, direction, 200.0, 600.0), Cylinder(axis, CENTRE, 200.0, 600.0)
    np.testing.assert_allclose(rod.bounds, cylinder.bounds)
    np.testing.assert_allclose(image(rod), image(cylinder), rtol=1e-6, atol=1e-3)
    assert rod.volume_mm3 == cylinder.volume_mm3


@pytest.mark.parametrize("direction", DIRECTIONS[:3])
def test_mesh(direction):
    trimesh = pytest.importorskip("trimesh")
    made = trimesh.creation.cylinder(radius=250.0, height=800.0, sections=1440)
    turn = trimesh.geometry.align_vectors([0, 0, 1], direction)[:3, :3]
    mesh = Mesh(made.vertices @ turn.T + np.array(CENTRE), made.faces)
    rod = Rod(CENTRE, direction, 250.0, 800.0)
    np.testing.assert_allclose(rod.bounds, mesh.bounds, atol=0.05)
    wanted = image(rod)
    inside = wanted > 0.15 * wanted.max()
    assert inside.sum() > 500
    np.testing.assert_allclose(image(mesh)[inside], wanted[inside], atol=1e-3 * wanted.max())


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_volume_is_what_the_rays_see(direction):
    rod = Rod(CENTRE, direction, 200.0, 700.0)
    (cut,) = cuts(rod, RAYS)
    area = np.where(cut.leave > cut.enter, (cut.leave**2 - cut.enter**2) / 2, 0) * cut.coverage
    total = float(area.sum()) * 10.0 * float(RAYS.slope[0] - RAYS.slope[1])
    assert total == pytest.approx(rod.volume_mm3, rel=6e-3)


def test_a_ray_along_the_axis():
    level = Rays(np.array([0.0]), 1600.0, np.array([1005.0]), 10.0)
    for height, wanted in ((1600.0, 700.0), (1799.0, 700.0), (1801.0, 0.0)):
        seen = path(Rod((1005.0, height, 6000.0), (0, 0, -1), 200.0, 700.0).cut(level), level)
        assert (float(seen[0, 0]) if seen.size else 0.0) == pytest.approx(wanted, rel=1e-6)


def test_scaled_and_refused():
    rod = Rod(CENTRE, (1, 2, 3), 20.0, 300.0)
    np.testing.assert_allclose(rod.scaled(3.0).bounds, np.multiply(rod.bounds, 3))
    assert rod.scaled(3.0).volume_mm3 == pytest.approx(27 * rod.volume_mm3)
    for direction in ((0.0, 0.0, 0.0), (np.nan, 1.0, 0.0)):
        with pytest.raises(ConfigurationError, match="direction"):
            Rod(CENTRE, direction, 20.0, 300.0)
