"""Path lengths against closed form: every formula here is written for a line through space, not for the fan that the code uses."""

import math

import numpy as np
import pytest

from scananalysis.simulation import Box, Cylinder, Ellipsoid, Wedge
from scananalysis.simulation.rays import Rays, path
from scananalysis.simulation.solids import bounding, cuts

HEIGHT = 1600.0
SLOPE = np.linspace(0.4503, -0.2497, 701)
X = np.arange(5.0, 2000, 10.0)
RAYS = Rays(SLOPE, HEIGHT, X, 10.0)
Z = 6000.0


def image(solid):
    found = np.zeros((SLOPE.size, X.size), np.float32)
    for cut in cuts(solid, RAYS):
        found[cut.rows, cut.columns] += path(cut, RAYS)
    return found


def direction(slope):
    return np.array([0.0, slope, 1.0]) / math.sqrt(1 + slope**2)


def chord_of_quadric(origin, along, centre, radii):
    """Length of a line inside an ellipsoid (or a cylinder without ends, where a radius is infinite)."""
    p, d = (origin - centre) / radii, along / radii
    a, b, c = d @ d, p @ d, p @ p - 1
    return 2 * math.sqrt(max(b * b - a * c, 0.0)) / a


def chord_of_planes(origin, along, planes):
    """Length of a line inside half-spaces n·p ≤ d."""
    low, high = -math.inf, math.inf
    for normal, bound in planes:
        speed, room = float(np.dot(normal, along)), bound - float(np.dot(normal, origin))
        if abs(speed) < 1e-14:
            if room < 0:
                return 0.0
        elif speed > 0:
            high = min(high, room / speed)
        else:
            low = max(low, room / speed)
    return max(high - low, 0.0)


def faces(box):
    planes = []
    for axis, (low, high) in zip(np.eye(3), (box.x, box.y, box.z), strict=True):
        planes += [(axis, high), (-axis, -low)]
    return planes


def compare(solid, chord, columns):
    found = image(solid)
    wanted = np.zeros_like(found, np.float64)
    for k in columns:
        for e, slope in enumerate(SLOPE):
            wanted[e, k] = chord(np.array([X[k], HEIGHT, 0.0]), direction(slope))
    assert (wanted[:, columns] > 0).sum() > 20, "the test's rays miss the solid"
    np.testing.assert_allclose(found[:, columns], wanted[:, columns], rtol=1e-6, atol=1e-6 * wanted.max())
    # Elsewhere: nothing outside the solid's bounds.
    x0, x1 = solid.bounds[:2]
    outside = (x0 - 5 > X) | (x1 + 5 < X)
    assert not found[:, outside].any()


def test_box():
    box = Box((500, 1500), (900, 2100), (5600, 6400))
    compare(box, lambda o, d: chord_of_planes(o, d, faces(box)), [60, 100, 140])


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_cylinder(axis):
    solid = Cylinder(axis, (1000.0, 1500.0, Z), 400.0, 900.0)
    at = "xyz".index(axis)
    radii = np.full(3, 400.0)
    radii[at] = math.inf
    low, high = solid.centre[at] - 450, solid.centre[at] + 450

    def chord(origin, along):
        p, d = (origin - np.array(solid.centre)) / radii, along / radii
        a, b, c = d @ d, p @ d, p @ p - 1
        ends = [(np.eye(3)[at], high), (-np.eye(3)[at], -low)]
        if b * b <= a * c:
            return 0.0
        root = math.sqrt(b * b - a * c)
        # The tube is the slab between its two crossings.
        first, last = (-b - root) / a, (-b + root) / a
        return chord_of_planes(
            origin, along, [*ends, (along, along @ origin + last), (-along, -(along @ origin + first))]
        )

    compare(solid, chord, [65, 99, 120])


def test_sphere_and_ellipsoid():
    for radii in ((350.0, 350.0, 350.0), (600.0, 300.0, 450.0)):
        solid = Ellipsoid((1000.0, 1400.0, Z), radii)
        compare(
            solid,
            lambda o, d, radii=radii: chord_of_quadric(o, d, np.array([1000.0, 1400.0, Z]), np.array(radii)),
            [80, 99, 120],
        )


@pytest.mark.parametrize("falls", [False, True])
@pytest.mark.parametrize(("thick", "along"), [("y", "x"), ("z", "x"), ("z", "y"), ("y", "z"), ("x", "y"), ("x", "z")])
def test_wedge(thick, along, falls):
    solid = Wedge((500, 1500), (900, 2100), (5600, 6400), thick, along, falls)
    u, v = "xyz".index(along), "xyz".index(thick)
    ranges = (solid.x, solid.y, solid.z)
    (u0, u1), (v0, v1) = ranges[u], ranges[v]
    # (v − v0)/(v1 − v0) ≤ (u − u0)/(u1 − u0), or 1 minus that.
    normal = np.zeros(3)
    normal[v] = 1 / (v1 - v0)
    normal[u] = (1 if falls else -1) / (u1 - u0)
    bound = v0 / (v1 - v0) + ((1 + u0 / (u1 - u0)) if falls else -u0 / (u1 - u0))
    compare(solid, lambda o, d: chord_of_planes(o, d, [*faces(solid), (normal, bound)]), [60, 99, 140])


def test_two_wedges_make_their_box():
    box = Box((503, 1511), (900, 2100), (5600, 6400))
    low, high = (Wedge(box.x, box.y, box.z, "z", "y", falls) for falls in (False, True))
    # The second fills what the first leaves only after mirroring in z; their volumes add up all the same.
    assert low.volume_mm3 + high.volume_mm3 == pytest.approx(box.volume_mm3)
    upper = Wedge(box.x, box.y, box.z, "y", "z")
    lower = Wedge(box.x, box.y, box.z, "z", "y")
    np.testing.assert_allclose(image(upper) + image(lower), image(box), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(
    "solid",
    [
        Box((333, 1234), (900, 2000), (5700, 6100)),
        Cylinder("x", (1000, 1500, Z), 300, 777),
        Cylinder("y", (1000, 1500, Z), 300, 777),
        Cylinder("z", (1000, 1500, Z), 300, 777),
        Ellipsoid((1000, 1500, Z), (500, 300, 400)),
        Wedge((333, 1234), (900, 2000), (5700, 6100), "y", "x"),
    ],
)
def test_volume_is_what_the_rays_see(solid):
    """The integral of path over the fan, ∫ path · z/cos dθ …, is the volume: ∑ ∫ z dz per slope step."""
    total = 0.0
    for cut in cuts(solid, RAYS):
        enter, leave = np.broadcast_arrays(cut.enter, cut.leave)
        # A step of slope is z · ds high at depth z, so a ray stands for ∫ z dz · ds.
        area = np.where(leave > enter, (leave**2 - enter**2) / 2, 0) * cut.coverage
        total += float(area.sum()) * 10.0 * float(SLOPE[0] - SLOPE[1])
    assert total == pytest.approx(solid.volume_mm3, rel=4e-3)


def test_a_line_that_is_covered_in_part_counts_in_part():
    found = image(Box((497.5, 1500), (900, 2100), (5600, 6400)))
    middle = 450
    np.testing.assert_allclose(found[middle, 49] / found[middle, 60], 0.25, rtol=1e-6)


def test_scaled_and_bounding():
    solids = [Box((0, 1), (2, 3), (4, 6)), Cylinder("y", (5, 5, 5), 2, 4), Ellipsoid((1, 1, 9), (1, 2, 3))]
    for solid in solids:
        assert np.allclose(solid.scaled(3.0).bounds, np.multiply(solid.bounds, 3))
        assert solid.scaled(3.0).volume_mm3 == pytest.approx(27 * solid.volume_mm3)
    assert bounding(solids) == (0.0, 7.0, -1.0, 7.0, 3.0, 12.0)
    wedge = Wedge((0, 1), (2, 3), (4, 6))
    assert wedge.scaled(2.0) == Wedge((0, 2), (4, 6), (8, 12))


@pytest.mark.parametrize(
    ("solid", "wanted"),
    [
        (Box((500, 1500), (1500, 1700), (5600, 6400)), 800.0),
        (Box((500, 1500), (1601, 1700), (5600, 6400)), 0.0),
        (Cylinder("z", (1000.0, 1600.0, Z), 300, 777), 777.0),
        (Cylinder("y", (1005.0, 1600.0, Z), 300, 777), 600.0),
        (Ellipsoid((1005.0, 1600.0, Z), (100, 200, 300)), 600.0),
        (Wedge((500, 1500), (1200, 2000), (5600, 6400), "y", "z"), 400.0),
        (Wedge((500, 1500), (1200, 2000), (5600, 6400), "z", "y"), 400.0),
        (Wedge((505, 1505), (1600, 2000), (5600, 6400), "z", "x"), 400.0),
    ],
)
def test_a_level_ray(solid, wanted):
    """The ray on the beam's axis runs along z exactly, and in some planes of a solid."""
    rays = Rays(np.array([0.0]), HEIGHT, np.array([1005.0]), 10.0)
    (cut,) = cuts(solid, rays)
    seen = path(cut, rays)
    assert (float(seen[0, 0]) if seen.size else 0.0) == pytest.approx(wanted, rel=1e-6)
