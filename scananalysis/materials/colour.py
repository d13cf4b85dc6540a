"""Pseudo-colour as the field expects it: hue by atomic number, brightness by areal density."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import MaterialMap

Stops = tuple[tuple[float, tuple[int, int, int], str], ...]

FIELD: Stops = (
    (6.0, (240, 140, 30), "organic"),
    (10.0, (220, 190, 40), "organic and mineral"),
    (14.0, (60, 170, 70), "light metal, mineral, mixed"),
    (26.0, (40, 90, 200), "steel-like"),
    (50.0, (120, 40, 170), "heavy metal"),
    (80.0, (190, 20, 60), "very heavy"),
)
"""Orange, green, blue, violet and red, as operators know them."""

SAFE: Stops = (
    (6.0, (222, 140, 0), "organic"),
    (10.0, (240, 212, 100), "organic and mineral"),
    (14.0, (188, 206, 140), "light metal, mineral, mixed"),
    (26.0, (110, 175, 235), "steel-like"),
    (50.0, (25, 100, 220), "heavy metal"),
    (80.0, (80, 0, 150), "very heavy"),
)
"""From yellow through pale to blue: the one direction of hue that red-green blindness leaves. Seen as with deuteranopia or protanopia
(Machado, Oliveira and Fernandes, IEEE Trans. Vis. Comput. Graph. 15 (2009) 1291, doi:10.1109/TVCG.2009.113) neighbours stay more than 20
CIELAB units apart, and none fades to the grey of an unknown atomic number."""

_HUES, _LEVELS = 8192, 65536
"""Steps of atomic number and of areal density that have a colour of their own: finer than a screen shows."""

PALETTES = {"field": FIELD, "safe": SAFE}


def pseudo_colour(
    materials: MaterialMap, *, palette: str = "field", full_scale: float | None = None
) -> NDArray[np.uint8]:
    """Return a picture: hue says atomic number, brightness areal density, grey where atomic number is not known.

    Parameters
    ----------
    materials : MaterialMap
    palette : {"field", "safe"}
        Colours of the field, or colours for the colour-blind.
    full_scale : float, optional
        Areal density that is drawn darkest, g/cm²; the 99.5th percentile by default.

    Returns
    -------
    ndarray of uint8, (y, x, 3)
        Red, green, blue.
    """
    stops = PALETTES[palette]
    depth = np.nan_to_num(materials.areal_density, nan=0.0)
    top = full_scale or max(float(np.quantile(depth, 0.995)), 1.0)
    z, confidence = smoothed_z(materials)
    at_z = _steps(z, stops[0][0], stops[-1][0], _HUES)
    at_depth = _steps(depth, 0.0, top, _LEVELS)
    white, share = (table[at_depth] for table in _lightness())
    coloured = share * confidence
    grey = white + np.float32(128) * (share - coloured)
    rgb = np.empty((*depth.shape, 3), np.uint8)
    for channel, hues in enumerate(_hues(stops)):
        rgb[..., channel] = np.clip(grey + coloured * hues[at_z], 0, 255)
    return rgb


def _steps(values: NDArray[Any], least: float, most: float, count: int) -> NDArray[np.int32]:
    """Return which of equal steps each value is nearest to, the ends beyond the range."""
    at: NDArray[Any] = (values - np.float32(least)) * np.float32((count - 1) / (most - least))
    return np.clip(at + np.float32(0.5), 0, count - 1).astype(np.int32)


def _hues(stops: Stops) -> NDArray[np.float32]:
    """Return the full hue of every step of atomic number, (channel, step), straight in ln Z between the stops."""
    numbers = np.log([stop[0] for stop in stops])
    z = np.log(np.linspace(stops[0][0], stops[-1][0], _HUES))
    return np.stack([np.interp(z, numbers, [stop[1][c] for stop in stops]) for c in range(3)]).astype(np.float32)


def _lightness() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how much white and what share of the hue a step of areal density shows: from white through the hue to a quarter of it."""
    dark = np.linspace(0, 1, _LEVELS) ** 0.6
    white = np.where(dark < 0.5, 255 * (1 - 2 * dark), 0)
    share = np.where(dark < 0.5, 2 * dark, 1 - (dark - 0.5) * 1.5)
    return white.astype(np.float32), share.astype(np.float32)


def smoothed_z(materials: MaterialMap) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return atomic number averaged over neighbours by inverse variance, and how far it is known (0 to 1)."""
    import cv2

    known = np.isfinite(materials.z_eff) & np.isfinite(materials.sigma_z)
    precision = np.where(known, 1 / np.maximum(np.where(known, materials.sigma_z, 1), 0.1) ** 2, 0).astype(np.float32)
    z = np.where(known, materials.z_eff, 0).astype(np.float32)
    size = (7, 7)
    total = np.asarray(cv2.boxFilter(precision, -1, size), np.float32)
    mean = np.asarray(cv2.boxFilter(precision * z, -1, size), np.float32) / np.maximum(total, 1e-9)
    information = total * size[0] * size[1] * 16
    return mean, information / (1 + information)


def legend(palette: str = "field") -> tuple[tuple[str, str], ...]:
    """Return (name, CSS colour) of every stop of a palette.

    Examples
    --------
    >>> legend()[0]
    ('organic', '#f08c1e')
    """
    return tuple((name, "#{:02x}{:02x}{:02x}".format(*rgb)) for _, rgb, name in PALETTES[palette])
