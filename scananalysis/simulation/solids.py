"""Solids and where rays run inside them; for the coordinates see `scananalysis.simulation.rays`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from scananalysis.simulation.rays import Cut, Rays

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = NDArray[np.float64]


class Solid(Protocol):
    """A convex solid."""

    @property
    def bounds(self) -> tuple[float, float, float, float, float, float]:
        """x0, x1, y0, y1, z0, z1, mm."""

    @property
    def volume_mm3(self) -> float:
        """Volume, mm³."""

    def cut(self, rays: Rays) -> Cut:
        """Intersect the rays."""

    def scaled(self, factor: float) -> Solid:
        """Return the solid with every coordinate multiplied."""


def _slab(low: Array | float, high: Array | float, slope: Array, height: float) -> tuple[Array, Array]:
    """Interval of z in which a ray lies between two heights."""
    flat = np.abs(slope) < 1e-12
    if not flat.any():
        a, b = (low - height) / slope, (high - height) / slope
        return np.minimum(a, b), np.maximum(a, b)
    safe = np.where(flat, 1.0, slope)
    a, b = (np.asarray(low) - height) / safe, (np.asarray(high) - height) / safe
    inside = (np.asarray(low) <= height) & (np.asarray(high) >= height)
    enter = np.where(flat, np.where(inside, -np.inf, np.inf), np.minimum(a, b))
    leave = np.where(flat, np.where(inside, np.inf, -np.inf), np.maximum(a, b))
    return enter, leave


@dataclass(frozen=True)
class Box:
    """A box along the axes: ``x``, ``y``, ``z`` are (low, high) in mm."""

    x: tuple[float, float]
    y: tuple[float, float]
    z: tuple[float, float]

    separable = True

    @property
    def bounds(self) -> tuple[float, float, float, float, float, float]:
        """x0, x1, y0, y1, z0, z1, mm."""
        return (*self.x, *self.y, *self.z)

    @property
    def volume_mm3(self) -> float:
        """Volume, mm³."""
        return (self.x[1] - self.x[0]) * (self.y[1] - self.y[0]) * (self.z[1] - self.z[0])

    def scaled(self, factor: float) -> Box:
        """Return the box with every coordinate multiplied."""
        x, y, z = ((a * factor, b * factor) for a, b in (self.x, self.y, self.z))
        return Box(x, y, z)

    def cut(self, rays: Rays) -> Cut:
        """Intersect the rays; rows and columns separate."""
        columns, rows = rays.columns(*self.x), rays.rows(*self.y, *self.z)
        slope = rays.slope[rows, None]
        enter, leave = _slab(*self.y, slope, rays.source_height_mm)
        return Cut(
            rows,
            columns,
            np.maximum(enter, self.z[0]),
            np.minimum(leave, self.z[1]),
            rays.coverage(*self.x, columns)[None],
        )


@dataclass(frozen=True)
class Cylinder:
    """A circular cylinder along one of the axes.

    Parameters
    ----------
    axis : {"x", "y", "z"}
    centre : (float, float, float)
        Middle (x, y, z), mm.
    radius, length : float
        mm.
    """

    axis: str
    centre: tuple[float, float, float]
    radius: float
    length: float

    @property
    def separable(self) -> bool:
        """Whether every line through it sees the same."""
        return self.axis == "x"

    @cached_property
    def bounds(self) -> tuple[float, float, float, float, float, float]:
        """x0, x1, y0, y1, z0, z1, mm."""
        half = [self.length / 2 if self.axis == name else self.radius for name in "xyz"]
        (x, y, z), (a, b, c) = self.centre, half
        return (x - a, x + a, y - b, y + b, z - c, z + c)

    @property
    def volume_mm3(self) -> float:
        """Volume, mm³."""
        return float(np.pi * self.radius**2 * self.length)

    def scaled(self, factor: float) -> Cylinder:
        """Return the cylinder with every coordinate multiplied."""
        x, y, z = self.centre
        return Cylinder(self.axis, (x * factor, y * factor, z * factor), self.radius * factor, self.length * factor)

    def cut(self, rays: Rays) -> Cut:
        """Intersect the rays."""
        x0, x1, y0, y1, z0, z1 = self.bounds
        rows = rays.rows(y0, y1, z0, z1)
        if self.axis == "z":
            columns, coverage, enter, leave = self._disc(rays, rows)
            return Cut(rows, columns, np.maximum(enter, z0), np.minimum(leave, z1), coverage)
        columns, slope, height = rays.columns(x0, x1), rays.slope[rows, None], rays.source_height_mm
        if self.axis == "x":
            enter, leave = _ellipse(self.centre[1], self.centre[2], self.radius, self.radius, slope, height)
            return Cut(rows, columns, enter, leave, rays.coverage(x0, x1, columns)[None])
        coverage, half = self._chord(rays, columns)
        enter, leave = _slab(y0, y1, slope, height)
        enter, leave = np.maximum(enter, self.centre[2] - half), np.minimum(leave, self.centre[2] + half)
        return Cut(rows, columns, enter, leave, coverage)

    def _chord(self, rays: Rays, columns: slice) -> tuple[Array, Array]:
        """Return which lines meet the circle, as shares, and half its chord there, (1, line) each, mm."""
        off = rays.x_mm[None, columns] - self.centre[0]
        return (np.abs(off) < self.radius).astype(np.float64), np.sqrt(np.maximum(self.radius**2 - off**2, 0))

    def _disc(self, rays: Rays, rows: slice) -> tuple[slice, Array, Array, Array]:
        """Return lines, their coverage and the interval of z in which rays are within the circle, as if the cylinder had no ends.

        Tyres, rims and hubs on one axle have it in common; each asks for other elements, since it stands at another depth.
        """
        key = ("disc", *self.centre[:2], self.radius)
        known = rays.recall(key)
        if known is None or not known[0].start <= rows.start <= rows.stop <= known[0].stop:
            margin = (rows.stop - rows.start) // 8
            wide = slice(max(0, rows.start - margin), rows.stop + margin)
            columns = rays.columns(self.centre[0] - self.radius, self.centre[0] + self.radius)
            coverage, half = self._chord(rays, columns)
            low, high = self.centre[1] - half, self.centre[1] + half
            known = (wide, columns, coverage, *_slab(low, high, rays.slope[wide, None], rays.source_height_mm))
            rays.remember(key, known)
        part = slice(rows.start - known[0].start, rows.stop - known[0].start)
        return known[1], known[2], known[3][part], known[4][part]


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid along the axes: ``centre`` and ``radii`` as (x, y, z), mm."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]

    @property
    def bounds(self) -> tuple[float, float, float, float, float, float]:
        """x0, x1, y0, y1, z0, z1, mm."""
        (x, y, z), (a, b, c) = self.centre, self.radii
        return (x - a, x + a, y - b, y + b, z - c, z + c)

    @property
    def volume_mm3(self) -> float:
        """Volume, mm³."""
        return float(4 / 3 * np.pi * np.prod(self.radii))

    def scaled(self, factor: float) -> Ellipsoid:
        """Return the ellipsoid with every coordinate multiplied."""
        (x, y, z), (a, b, c) = self.centre, self.radii
        return Ellipsoid((x * factor, y * factor, z * factor), (a * factor, b * factor, c * factor))

    def cut(self, rays: Rays) -> Cut:
        """Intersect the rays."""
        x0, x1, y0, y1, z0, z1 = self.bounds
        columns, rows = rays.columns(x0, x1), rays.rows(y0, y1, z0, z1)
        off = (rays.x_mm[None, columns] - self.centre[0]) / self.radii[0]
        scale = np.sqrt(np.maximum(1 - off**2, 0))
        enter, leave = _ellipse(
            self.centre[1], self.centre[2], self.radii[1] * scale, self.radii[2] * scale, rays.slope[rows, None],
            rays.source_height_mm,
        )  # fmt: skip
        return Cut(rows, columns, enter, leave, (np.abs(off) < 1).astype(np.float64))


@dataclass(frozen=True)
class Wedge:
    """Half of a box: its thickness along one axis grows evenly along another, from nothing to the whole.

    Parameters
    ----------
    x, y, z : (float, float)
        The box, (low, high), mm.
    thick, along : {"x", "y", "z"}
        Axis along which the thickness is measured, from its low side, and axis along which it grows.
    falls : bool
        Whether it shrinks along that axis instead.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    z: tuple[float, float]
    thick: str = "y"
    along: str = "x"
    falls: bool = False

    @property
    def separable(self) -> bool:
        """Whether every line through it sees the same."""
        return "x" not in (self.thick, self.along)

    @property
    def bounds(self) -> tuple[float, float, float, float, float, float]:
        """x0, x1, y0, y1, z0, z1, mm."""
        return (*self.x, *self.y, *self.z)

    @property
    def volume_mm3(self) -> float:
        """Volume, mm³."""
        return Box(self.x, self.y, self.z).volume_mm3 / 2

    def scaled(self, factor: float) -> Wedge:
        """Return the wedge with every coordinate multiplied."""
        x, y, z = ((a * factor, b * factor) for a, b in (self.x, self.y, self.z))
        return Wedge(x, y, z, self.thick, self.along, self.falls)

    def cut(self, rays: Rays) -> Cut:
        """Intersect the rays; a line that the wedge's end covers in part sees the thickness in its middle."""
        whole = Box(self.x, self.y, self.z).cut(rays)
        slope, x = rays.slope[whole.rows, None], rays.x_mm[None, whole.columns]
        # Inside where level + rise · z ≥ 0 on the ray.
        level, rise = np.zeros((1, 1)), np.zeros((1, 1))
        for name, sign in ((self.along, -1.0 if self.falls else 1.0), (self.thick, -1.0)):
            low, high = getattr(self, name)
            at, per_depth = {"x": (x, 0.0), "y": (rays.source_height_mm, slope), "z": (0.0, 1.0)}[name]
            level = level + sign * (np.asarray(at) - low) / (high - low)
            rise = rise + sign * np.asarray(per_depth) / (high - low)
        level = level + float(self.falls)
        flat = np.abs(rise) < 1e-15
        edge = -level / np.where(flat, 1.0, rise)
        enter = np.where(~flat & (rise > 0), np.maximum(whole.enter, edge), whole.enter)
        leave = np.where(~flat & (rise < 0), np.minimum(whole.leave, edge), whole.leave)
        leave = np.where(flat & (level < 0), enter, leave)
        return Cut(whole.rows, whole.columns, enter, leave, whole.coverage)


def _ellipse(
    y: float, z: float, radius_y: Array | float, radius_z: Array | float, slope: Array, height: float
) -> tuple[Array, Array]:
    """Interval of z inside an ellipse about (y, z) in the plane of the rays."""
    ry, rz = np.maximum(radius_y, 1e-9), np.maximum(radius_z, 1e-9)
    # ((h + s z − y)/ry)² + ((z − z₀)/rz)² = 1
    a = (slope / ry) ** 2 + 1 / rz**2
    b = slope * (height - y) / ry**2 - z / rz**2
    c = ((height - y) / ry) ** 2 + (z / rz) ** 2 - 1
    root = np.sqrt(np.maximum(b**2 - a * c, 0))
    hit = b**2 > a * c
    return np.where(hit, (-b - root) / a, 0.0), np.where(hit, (-b + root) / a, 0.0)


def cuts(solid: Solid, rays: Rays) -> tuple[Cut, ...]:
    """Return where rays run inside a solid: one interval of a convex one, several of others."""
    several = getattr(solid, "cuts", None)
    if several is None:
        return (solid.cut(rays),)
    found: tuple[Cut, ...] = several(rays)
    return found


def bounding(solids: Sequence[Solid]) -> tuple[float, float, float, float, float, float]:
    """Return the box around several solids."""
    b = np.array([solid.bounds for solid in solids])
    low, high = b.min(axis=0), b.max(axis=0)
    return float(low[0]), float(high[1]), float(low[2]), float(high[3]), float(low[4]), float(high[5])
