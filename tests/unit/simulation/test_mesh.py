import builtins

import numpy as np
import pytest

from scananalysis.core import ConfigurationError, FormatError
from scananalysis.simulation import Box, Cylinder, Ellipsoid, Matter, Mesh, Piece, Scene
from scananalysis.simulation.rays import Rays, path
from scananalysis.simulation.solids import cuts
from scananalysis.simulation.trace import trace

trimesh = pytest.importorskip("trimesh", reason="the extra 'mesh' is not installed")

RAYS = Rays(np.linspace(0.25, -0.15, 301), 1600.0, np.arange(5.0, 2000, 10.0), 10.0)


def image(solid):
    found = np.zeros((RAYS.slope.size, RAYS.x_mm.size), np.float32)
    for cut in cuts(solid, RAYS):
        found[cut.rows, cut.columns] += path(cut, RAYS)
    return found


def mesh_of(made, centre):
    return Mesh(made.vertices + np.asarray(centre), made.faces)


def test_box_and_its_mesh():
    made = trimesh.creation.box((1000.0, 800.0, 600.0))
    mesh = mesh_of(made, (1000.0, 1700.0, 6000.0))
    box = Box((500, 1500), (1300, 2100), (5700, 6300))
    assert mesh.volume_mm3 == pytest.approx(box.volume_mm3)
    np.testing.assert_allclose(image(mesh), image(box), atol=1e-3 * image(box).max())


def test_sphere_and_its_mesh():
    made = trimesh.creation.icosphere(subdivisions=6, radius=400.0)
    wanted = image(Ellipsoid((1000.0, 1700.0, 6000.0), (400.0, 400.0, 400.0)))
    found = image(mesh_of(made, (1000.0, 1700.0, 6000.0)))
    # Facets cut a grazing ray short by more than its path; all rays but those are within a thousandth.
    inside = wanted > 0.1 * wanted.max()
    assert inside.sum() > 500
    np.testing.assert_allclose(found[inside], wanted[inside], atol=1e-3 * wanted.max())
    assert found.sum() == pytest.approx(wanted.sum(), rel=1e-3)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_cylinder_and_its_mesh(axis):
    made = trimesh.creation.cylinder(radius=300.0, height=800.0, sections=1440)
    turn = {
        "z": np.eye(3),
        "x": np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]]),
        "y": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]),
    }
    centre = (1000.0, 1700.0, 6000.0)
    mesh = Mesh(made.vertices, made.faces).placed(centre, turn[axis])
    wanted = image(Cylinder(axis, centre, 300.0, 800.0))
    inside = wanted > 60
    assert inside.sum() > 500
    np.testing.assert_allclose(image(mesh)[inside], wanted[inside], atol=1e-3 * wanted.max())


def test_a_ray_may_enter_more_than_once():
    """A ring seen edge-on: two walls with a hole between, of the length that the closed form gives."""
    made = trimesh.creation.annulus(r_min=200.0, r_max=400.0, height=700.0, sections=720)
    turn = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    mesh = Mesh(made.vertices, made.faces).placed((1000.0, 1600.0, 6000.0), turn)
    assert len(cuts(mesh, RAYS)) == 2
    outer, inner = (image(Cylinder("x", (1000.0, 1600.0, 6000.0), r, 700.0)) for r in (400.0, 200.0))
    wanted = outer - inner
    inside = wanted > 60
    np.testing.assert_allclose(image(mesh)[inside], wanted[inside], rtol=2e-3)
    whole = mesh.cut(RAYS)
    middle = np.argmin(np.abs(RAYS.slope[whole.rows]))
    assert (whole.leave - whole.enter)[middle].max() == pytest.approx(800, abs=1)


def test_a_mesh_displaces_and_is_displaced():
    made = trimesh.creation.annulus(200.0, 400.0, 700.0, sections=180)
    ring = Mesh(made.vertices, made.faces).placed(
        (1000.0, 1600.0, 6000.0), np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    )
    water, iron = Matter.of("water", "cargo"), Matter.of("Fe", "hidden")
    bulk = Piece(Box((100, 1900), (900, 2300), (5500, 6500)), water, 1.0)
    both = trace(Scene((bulk, Piece(ring, iron, 7.87, displaces=True)), 2000.0), RAYS, 0)
    alone = trace(Scene((bulk,), 2000.0), RAYS, 0).areal_density[0]
    np.testing.assert_allclose(both.areal_density[0] + both.areal_density[1] / 7.87, alone, atol=2e-4 * alone.max())
    gone = trace(Scene((Piece(ring, iron, 7.87), Piece(bulk.solid, water, 1.0, displaces=True)), 2000.0), RAYS, 0)
    assert gone.areal_density[0].max() < 1e-3


@pytest.mark.parametrize("suffix", ["stl", "obj", "ply", "glb"])
def test_files(tmp_path, suffix):
    made = trimesh.creation.box((1.0, 0.8, 0.6))
    made.export(tmp_path / f"box.{suffix}")
    mesh = Mesh.read(tmp_path / f"box.{suffix}", unit_mm=1000.0)
    assert mesh.volume_mm3 == pytest.approx(4.8e8, rel=1e-5)
    assert mesh.scaled(2.0).volume_mm3 == pytest.approx(8 * 4.8e8, rel=1e-5)


def test_bad_files_and_surfaces(tmp_path, monkeypatch):
    (tmp_path / "no.stl").write_bytes(b"solid nothing\n")
    with pytest.raises(FormatError, match=r"face|mesh"):
        Mesh.read(tmp_path / "no.stl")
    made = trimesh.creation.box((1.0, 1.0, 1.0))
    with pytest.raises(ConfigurationError, match="closed"):
        Mesh(made.vertices, made.faces[:-1])
    with pytest.raises(ConfigurationError, match="vertices"):
        Mesh(made.vertices, made.faces + 5)
    with pytest.raises(ConfigurationError, match="expected"):
        Mesh(made.vertices[:, :2], made.faces)
    with pytest.raises(ConfigurationError, match="source"):
        Mesh(made.vertices, made.faces).cuts(RAYS)
    assert Mesh(made.vertices, made.faces[:, ::-1]).volume_mm3 == pytest.approx(1.0)
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "trimesh":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationError, match=r"scananalysis\[mesh\]"):
        Mesh.read(tmp_path / "no.stl")
