"""A radiograph on the cells at which two scans are compared: attenuation, noise, shared errors, and which places can be used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.anomaly.grid import Factors, cell_pixels, rebin, working_factors, working_pitch
from scananalysis.core import UNUSABLE, Quality, Radiograph, SystematicTerm, has

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELL_MM = (13.3, 20.0)
"""Height and width of a cell of freight scanners; parcels have cells as much smaller as parcels are."""

_NO_MEASUREMENT = UNUSABLE | Quality.SATURATED | Quality.INTERPOLATED
"""Flags of pixels that say nothing of their own about their place."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A radiograph on cells.

    Parameters
    ----------
    attenuation : ndarray of float32, (channel, y, x)
        Finite everywhere; where it is no measurement, ``usable`` says so.
    noise : ndarray of float32, (channel, y, x)
        Noise power of α per cell at zero frequency: the variance of a mean over n cells is its mean over n.
    usable, starved : ndarray of bool, (y, x)
    systematic : dict of str to SystematicTerm
    pixel_mm : (float, float)
        Height and width of a cell.
    fan_angle_rad : ndarray of float32, (y,)
    factors : (int, int)
        Pixels per cell.
    """

    attenuation: NDArray[np.float32]
    noise: NDArray[np.float32]
    usable: NDArray[np.bool_]
    starved: NDArray[np.bool_]
    systematic: dict[str, SystematicTerm]
    pixel_mm: tuple[float, float]
    fan_angle_rad: NDArray[np.float32]
    factors: Factors

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        height, width = self.usable.shape
        return height, width

    def mirrored(self) -> Picture:
        """Return the picture with its end first, as a scan of the same container that moved the other way shows it."""

        def turned(plane: NDArray[Any]) -> NDArray[Any]:
            return np.ascontiguousarray(plane[..., ::-1])

        return replace(
            self,
            attenuation=turned(self.attenuation),
            noise=turned(self.noise),
            usable=turned(self.usable),
            starved=turned(self.starved),
            systematic={n: SystematicTerm(turned(t.effect), t.shared_along) for n, t in self.systematic.items()},
        )


def picture(radiograph: Radiograph) -> Picture:
    """Return a radiograph on cells.

    Parameters
    ----------
    radiograph : Radiograph

    Returns
    -------
    Picture
    """
    factors = working_factors(radiograph.pixel_mm, working_pitch(CELL_MM, radiograph.scanner))
    cells = rebin(radiograph, factors)
    known = np.isfinite(cells.attenuation) & np.isfinite(cells.variance)
    useless = has(radiograph.quality, _NO_MEASUREMENT).any(axis=0)
    usable = cell_pixels(np.asarray(useless, np.float32), factors).mean(axis=(1, 3)) < 0.5
    return Picture(
        attenuation=np.where(known, cells.attenuation, np.float32(0)),
        noise=np.where(known, cells.variance, np.float32(0)) * cells.noise_area[:, None, None],
        usable=np.asarray(usable & known.all(axis=0)),
        starved=np.asarray(has(cells.quality, Quality.STARVED).any(axis=0)),
        systematic={name: _on_cells(term, factors) for name, term in radiograph.systematic.items()},
        pixel_mm=cells.pixel_mm,
        fan_angle_rad=cells.fan_angle_rad,
        factors=factors,
    )


def _on_cells(term: SystematicTerm, factors: Factors) -> SystematicTerm:
    """Return a shared error of cells: errors of the elements, or lines, that one cell takes together are independent."""
    if factors == (1, 1):
        return term
    effect, axes = term.effect, (1, 2)
    for axis, factor in zip(axes, factors, strict=True):
        if effect.shape[axis] > 1:
            pad = [(0, -effect.shape[a] % factor if a == axis else 0) for a in range(3)]
            full = np.pad(effect, pad, mode="edge")
            split = list(full.shape)
            split[axis : axis + 1] = [full.shape[axis] // factor, factor]
            effect = full.reshape(split).mean(axis=axis + 1, dtype=np.float32)
    apart = {"x": factors[0], "y": factors[1], "xy": 1}[term.shared_along]
    return SystematicTerm(np.asarray(effect / np.sqrt(apart), np.float32), term.shared_along)
