"""A circular cylinder whose axis points anywhere: gun barrels, props and pipes that do not lie square in a load."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import ConfigurationError
from scananalysis.simulation.rays import Cut, Rays

Array = NDArray[np.float64]

_PARALLEL = 1e-12


@dataclass(frozen=True)
class Rod:
    """A circular cylinder about any direction.

    Parameters
    ----------
    centre : (float, float, float)
        Middle (x, y, z), mm.
    direction : (float, float, float)
        Of its axis; its length does not matter.
    radius, length : float
        mm.

    Raises
    ------
    ConfigurationError
        A direction without length.

    Examples
    --------
    >>> Rod((0, 0, 6000), (1, 1, 0), 10.0, 100.0).bounds[1].__round__(3)
    42.426
    """

    centre: tuple[float, float, float]
    direction: tuple[float, float, float]
    radius: float
    length: float

    def __post_init__(self) -> None:
        if not np.isfinite(self.direction).all() or not np.linalg.norm(self.direction) > 0:
            raise ConfigurationError(f"direction {self.direction} of a rod", expected="three numbers, not all zero")

    @property
    def _axis(self) -> Array:
        along = np.array(self.direction, np.float64)
        unit: Array = along / np.linalg.norm(along)
        return unit

    @property
    def bounds(self) -> tuple[float, float, float, float, float, float]:
        """x0, x1, y0, y1, z0, z1, mm."""
        axis = self._axis
        half = (self.length / 2 * np.abs(axis) + self.radius * np.sqrt(np.maximum(1 - axis**2, 0))).tolist()
        (x, y, z), (a, b, c) = self.centre, half
        return (x - a, x + a, y - b, y + b, z - c, z + c)

    @property
    def volume_mm3(self) -> float:
        """Volume, mm³."""
        return float(np.pi * self.radius**2 * self.length)

    def scaled(self, factor: float) -> Rod:
        """Return the rod with every coordinate multiplied."""
        x, y, z = self.centre
        return Rod((x * factor, y * factor, z * factor), self.direction, self.radius * factor, self.length * factor)

    def cut(self, rays: Rays) -> Cut:
        """Intersect the rays; a line at its end sees it as in the line's middle."""
        x0, x1, y0, y1, z0, z1 = self.bounds
        columns, rows = rays.columns(x0, x1), rays.rows(y0, y1, z0, z1)
        u = self._axis
        x, slope = rays.x_mm[None, columns] - self.centre[0], rays.slope[rows, None]
        # The ray is p + z d, from the rod's middle: p = (x, y, −z₀), d = (0, slope, 1).
        y, z = rays.source_height_mm - self.centre[1], -self.centre[2]
        start, speed = x * u[0] + y * u[1] + z * u[2], slope * u[1] + u[2]
        a = slope**2 + 1 - speed**2
        b = y * slope + z - start * speed
        c = x**2 + y**2 + z**2 - start**2 - self.radius**2
        # Along its axis a ray is inside everywhere or nowhere.
        flat = a < _PARALLEL
        root = b**2 - a * c
        hit = np.where(flat, c < 0, root > 0)
        width = np.sqrt(np.maximum(root, 0))
        steep = np.where(flat, 1.0, a)
        enter, leave = (np.where(flat, sign * np.inf, (-b + sign * width) / steep) for sign in (-1, 1))
        enter, leave = _ends(enter, leave, start, speed, self.length / 2)
        leave = np.where(hit, leave, enter)
        inside = np.isfinite(enter) & np.isfinite(leave) & (leave > enter)
        enter, leave = np.where(inside, enter, 0.0), np.where(inside, leave, 0.0)
        middle = rays.x_mm[None, columns]
        return Cut(rows, columns, enter, leave, ((middle > x0) & (middle < x1)).astype(np.float64))


def _ends(enter: Array, leave: Array, start: Array, speed: Array, half: float) -> tuple[Array, Array]:
    """Cut an interval down to where |start + z speed| ≤ half."""
    level = np.abs(speed) < _PARALLEL
    safe = np.where(level, 1.0, speed)
    one, two = (-half - start) / safe, (half - start) / safe
    first = np.where(level, np.where(np.abs(start) <= half, -np.inf, np.inf), np.minimum(one, two))
    last = np.where(level, np.where(np.abs(start) <= half, np.inf, -np.inf), np.maximum(one, two))
    return np.maximum(enter, first), np.minimum(leave, last)
