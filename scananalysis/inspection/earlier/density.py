"""Attenuation to areal density at an atomic number that is known beforehand: far less noise than where both are solved for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scananalysis.materials import DualEnergyModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.inspection.earlier.difference import Difference
    from scananalysis.inspection.earlier.picture import Picture
    from scananalysis.materials.discriminate import Model

_Z = np.array([6.0, 7.5, 10.0, 13.0, 18.0, 26.0, 40.0, 60.0, 82.0])
_ANGLES, _POINTS = 4, 160
_WINDOW_MM = 150.0
_STEP = 0.02
"""Change of α over which the slope is taken."""


class Densities:
    """Areal density of both scans at each place's atomic number, which both scans together show over some decimetres.

    Parameters
    ----------
    model : DualEnergyModel or SingleEnergyModel
    now : Picture
    difference : Difference
    """

    def __init__(self, model: Model, now: Picture, difference: Difference) -> None:
        self._model = model
        if not isinstance(model, DualEnergyModel):
            return
        away = np.abs(now.fan_angle_rad.astype(np.float64))
        angles = np.linspace(0, float(away.max()), _ANGLES)
        depth = np.linspace(0, 1.2 * model.largest_areal_density, 4 * _POINTS)
        curves = [[model.forward(depth, z, float(a))[0] for z in _Z] for a in angles]
        self._top = float(min(c[-1] for row in curves for c in row))
        grid = np.linspace(0, self._top, _POINTS)
        self._table = np.stack([[np.interp(grid, c, depth) for c in row] for row in curves])
        self._angle = np.interp(away, angles, np.arange(_ANGLES))
        self._z = np.interp(_numbers(model, now, difference), _Z, np.arange(_Z.size))

    def of(self, alpha: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return areal density, g/cm², of attenuation (y, x) of the first channel; linear below 0 and beyond the table."""
        if not isinstance(self._model, DualEnergyModel):
            return np.asarray(self._model.invert(alpha).areal_density, np.float32)
        from scipy.ndimage import map_coordinates

        place = alpha / self._top * (_POINTS - 1)
        inside = np.clip(place, 0, _POINTS - 2)
        index = np.floor(inside)
        angle = np.broadcast_to(self._angle[:, None], alpha.shape)
        low, high = (
            map_coordinates(self._table, [angle, self._z, index + step], order=1, mode="nearest") for step in (0, 1)
        )
        return np.asarray(low + (high - low) * (place - index), np.float32)

    def slope(self, alpha: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return g/cm² per unit of α."""
        return (self.of(alpha + np.float32(_STEP)) - self.of(alpha)) / np.float32(_STEP)


def _numbers(model: DualEnergyModel, now: Picture, difference: Difference) -> NDArray[np.float64]:
    """Return the atomic number of every place, from the means of both scans over some decimetres; that of water where nothing is."""
    import cv2

    size = tuple(2 * max(1, round(_WINDOW_MM / mm / 2)) + 1 for mm in now.pixel_mm)
    weight = difference.compared.astype(np.float32)
    share = np.asarray(cv2.blur(weight, size[::-1]), np.float32)

    def mean(plane: NDArray[np.float32]) -> NDArray[np.float32]:
        blurred = np.asarray(cv2.blur(plane * weight, size[::-1]), np.float32)
        return np.asarray(blurred / np.maximum(share, np.float32(1e-3)), np.float32)

    # The means are smooth, so that some places speak for those around them.
    steps = tuple(max(1, n // 4) for n in size)
    pick = (slice(None, None, steps[0]), slice(None, None, steps[1]))
    both = [mean(np.float32(0.5) * (one + two)) for one, two in zip(now.attenuation, difference.before, strict=True)]
    both = [plane[pick] for plane in both]
    noise = [mean(n)[pick] / (size[0] * size[1]) for n in now.noise]
    found = model.invert(both[0], both[1], noise[0], noise[1], now.fan_angle_rad[pick[0]], systematic=False)
    known = np.isfinite(found.z_eff) & (found.sigma_z < 8) & (both[0] > 0.1)
    z = np.where(known, np.nan_to_num(found.z_eff, nan=7.4), 7.4).astype(np.float64)
    rows, columns = (
        np.interp(np.arange(n), np.arange(m) * step, np.arange(m))
        for n, m, step in zip(now.shape, z.shape, steps, strict=True)
    )
    return _between(z, rows, columns)


def _between(
    plane: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a plane at fractional rows and columns, (row, column)."""
    from scipy.ndimage import map_coordinates

    at = np.meshgrid(rows, columns, indexing="ij")
    found: NDArray[np.float64] = map_coordinates(plane, at, order=1, mode="nearest")
    return found
