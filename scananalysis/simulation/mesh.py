"""Solids bounded by triangles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scananalysis.core import ConfigurationError, FormatError
from scananalysis.simulation.rays import Array, Cut, Rays

_MOST_FACES = 2_000_000


@dataclass(frozen=True, init=False, eq=False)
class Mesh:
    """A closed solid of any shape, bounded by triangles.

    Parameters
    ----------
    vertices : array-like, (n, 3)
        x, y, z, mm.
    faces : array-like of int, (m, 3)
        Vertices of each triangle; every edge belongs to two of them, which run along it in opposite directions.

    Raises
    ------
    ConfigurationError
        The surface is not closed, or refers to vertices that are not there.

    Examples
    --------
    >>> corners = [(0, 0, 900), (60, 0, 900), (0, 60, 900), (0, 0, 960)]
    >>> Mesh(corners, [(0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)]).volume_mm3
    36000.0
    """

    vertices: Array
    faces: NDArray[np.intp]

    def __init__(self, vertices: ArrayLike, faces: ArrayLike) -> None:
        points, triangles = np.array(vertices, np.float64), np.array(faces, np.intp)
        if points.ndim != 2 or points.shape[1:] != (3,) or triangles.ndim != 2 or triangles.shape[1:] != (3,):
            raise ConfigurationError(
                f"mesh of vertices {points.shape} and faces {triangles.shape}", expected="(n, 3) and (m, 3)"
            )
        if (
            not np.all(np.isfinite(points))
            or not len(triangles)
            or not 0 <= triangles.min() <= triangles.max() < len(points)
        ):
            raise ConfigurationError("mesh with missing or non-finite vertices", expected="three vertices per face")
        edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
        forward, backward = edges @ [len(points), 1], edges @ [1, len(points)]
        if len(np.unique(forward)) != len(forward) or not np.array_equal(np.sort(forward), np.sort(backward)):
            raise ConfigurationError(
                "mesh is not closed", expected="every edge in two faces", remedy="repair it, e.g. with trimesh"
            )
        object.__setattr__(self, "vertices", points)
        object.__setattr__(self, "faces", triangles if _volume(points, triangles) > 0 else triangles[:, ::-1])

    @classmethod
    def read(cls, path: str | PathLike[str], *, unit_mm: float = 1.0) -> Mesh:
        """Read a mesh from an STL, OBJ, PLY or GLB file through ``trimesh`` (extra ``mesh``).

        Parameters
        ----------
        path : path-like
        unit_mm : float
            Length of the file's unit, mm.

        Raises
        ------
        ConfigurationError
            ``trimesh`` is not installed, or the surface is not closed.
        FormatError
            No mesh can be read from the file.
        """
        try:
            import trimesh
        except ImportError as error:
            raise ConfigurationError(
                "meshes are read by trimesh, which is not installed", remedy="pip install 'scananalysis[mesh]'"
            ) from error
        source = Path(path)
        try:
            found = trimesh.load_mesh(source)
            found.merge_vertices()
            vertices, faces = found.vertices, found.faces
        except Exception as error:  # trimesh raises whatever its loaders meet
            raise FormatError(
                "holds no mesh that trimesh can read", source=source, expected="STL, OBJ, PLY or GLB"
            ) from error
        if not 0 < len(faces) <= _MOST_FACES:
            raise FormatError(f"has {len(faces)} faces", source=source, expected=f"1 to {_MOST_FACES}")
        return cls(np.asarray(vertices) * unit_mm, faces)

    @property
    def bounds(self) -> tuple[float, float, float, float, float, float]:
        """x0, x1, y0, y1, z0, z1, mm."""
        used = self.vertices[self.faces.ravel()]
        (x0, y0, z0), (x1, y1, z1) = used.min(axis=0).tolist(), used.max(axis=0).tolist()
        return (x0, x1, y0, y1, z0, z1)

    @property
    def volume_mm3(self) -> float:
        """Volume, mm³."""
        return _volume(self.vertices, self.faces)

    def scaled(self, factor: float) -> Mesh:
        """Return the mesh with every coordinate multiplied."""
        return Mesh(self.vertices * factor, self.faces)

    def placed(self, centre: ArrayLike, rotation: ArrayLike | None = None) -> Mesh:
        """Return the mesh turned by a rotation matrix, (3, 3), with the middle of its bounds at a place, mm."""
        points = self.vertices if rotation is None else self.vertices @ np.asarray(rotation, np.float64).T
        turned = Mesh(points, self.faces)
        x0, x1, y0, y1, z0, z1 = turned.bounds
        middle = np.array([x0 + x1, y0 + y1, z0 + z1]) / 2
        return Mesh(points - middle + np.asarray(centre, np.float64), self.faces)

    def cut(self, rays: Rays) -> Cut:
        """Intersect the rays from where they first enter to where they last leave; see `cuts` for what lies between."""
        parts = self.cuts(rays)
        enter, leave = parts[0].enter.copy(), parts[0].leave.copy()
        for part in parts[1:]:
            leave = np.where(part.leave > part.enter, part.leave, leave)
        return replace(parts[0], enter=enter, leave=leave)

    def cuts(self, rays: Rays) -> tuple[Cut, ...]:
        """Intersect the rays: one cut for every time a ray may enter.

        A line sees the section of the surface by its plane, segments that form closed outlines; a ray crosses each outline an even
        number of times. Edges are cut in the same way for both of their faces, so that no ray slips between two.
        """
        x0, x1, y0, y1, z0, z1 = self.bounds
        if z0 <= 0:
            raise ConfigurationError(f"mesh begins at z = {z0:g} mm", expected="beyond the source, z > 0")
        columns, rows = rays.columns(x0, x1), rays.rows(y0, y1, z0, z1)
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        column, start, end = self._section(rays.x_mm[columns])
        row, which, depth = _crossings(start, end, rays.slope[rows], rays.source_height_mm)
        key = column[which] * max(shape[0], 1) + row
        order = np.lexsort((depth, key))
        key, depth = key[order], depth[order]
        fresh = np.flatnonzero(np.diff(key, prepend=-1))
        rank = np.arange(key.size) - np.repeat(fresh, np.diff(np.append(fresh, key.size)))
        times = int(rank.max()) // 2 + 1 if rank.size else 1
        interval = np.zeros((2, times, *shape))
        x, y = np.divmod(key, max(shape[0], 1))
        interval[rank % 2, rank // 2, y, x] = depth
        whole = np.ones((1, shape[1]))
        return tuple(Cut(rows, columns, enter, leave, whole) for enter, leave in zip(*interval, strict=True))

    def _section(self, x_mm: Array) -> tuple[NDArray[np.intp], Array, Array]:
        """Return the segments in which the surface meets planes x = const: plane, and both ends as (y, z)."""
        corner = self.vertices[self.faces][:, :, 0]
        first = np.searchsorted(x_mm, corner.min(axis=1), side="right")
        count = np.searchsorted(x_mm, corner.max(axis=1), side="right") - first
        face, column = _expand(first, count)
        triangles, plane = self.faces[face], x_mm[column]
        below = self.vertices[triangles][:, :, 0] < plane[:, None]
        # The corner that lies alone on its side of the plane belongs to both edges that cross it.
        alone = np.where(below.sum(axis=1) == 1, below.argmax(axis=1), (~below).argmax(axis=1))
        at = np.arange(len(triangles))
        tip = triangles[at, alone]
        ends = []
        for other in (triangles[at, (alone + 1) % 3], triangles[at, (alone + 2) % 3]):
            a, b = self.vertices[np.minimum(tip, other)], self.vertices[np.maximum(tip, other)]
            share = (plane - a[:, 0]) / (b[:, 0] - a[:, 0])
            ends.append(a[:, 1:] + share[:, None] * (b[:, 1:] - a[:, 1:]))
        return column, ends[0], ends[1]


def _crossings(
    start: Array, end: Array, slope: Array, height: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Return where rays y = h + s z cross segments (y, z): ray, segment and z. A segment's lower end belongs to it, not its upper."""
    seen = np.stack([(p[:, 0] - height) / p[:, 1] for p in (start, end)])
    # Slopes fall with the index of the ray.
    first = np.searchsorted(-slope, -seen.max(axis=0), side="right")
    count = np.searchsorted(-slope, -seen.min(axis=0), side="right") - first
    which, row = _expand(first, count)
    (y, z), (dy, dz) = start[which].T, (end - start)[which].T
    s = slope[row]
    depth: Array = z + (s * z - (y - height)) / (dy - s * dz) * dz
    return row, which, depth


def _expand(first: NDArray[np.intp], count: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return every pair of an index and a number from its range ``first`` to ``first + count``."""
    index = np.repeat(np.arange(len(first)), count)
    before = np.cumsum(count) - count
    return index, np.arange(len(index)) - before[index] + first[index]


def _volume(vertices: Array, faces: NDArray[np.intp]) -> float:
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c))) / 6
