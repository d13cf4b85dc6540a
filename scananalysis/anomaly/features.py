"""Physics features of a cell and its surroundings, for the baseline; and the planes a network reads.

Everything is computed on the working grid from areal density λ, atomic number Z and their σ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scananalysis.core import UNUSABLE, MaterialMap, has

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEATURES = (
    "log_areal_density",
    "z_weighted",
    "relative_spread_near",
    "relative_spread_wide",
    "relative_gradient_x",
    "relative_gradient_y",
    "contrast",
)
"""Names of the features in the order of `cell_features`."""

PLANES = ("attenuation_high", "areal_density", "z_weighted", "z_weight", "sigma", "usable", "has_z", "scale")
"""Names of the planes in the order of `network_planes`."""

_Z_SCALE = 5.0
"""σ of Z at which half of the weight of Z is gone: the distance between organic and light metal."""


def usable(materials: MaterialMap) -> NDArray[np.bool_]:
    """Return where the material map rests on a measurement."""
    return ~has(materials.quality, UNUSABLE) & np.isfinite(materials.areal_density)


def _box(plane: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    import cv2

    return np.asarray(cv2.boxFilter(plane, -1, (size, size), borderType=cv2.BORDER_REFLECT), np.float32)


def _pooled_z(materials: MaterialMap, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Inverse-variance mean of Z over a box, and its weight against no knowledge (0 to 1)."""
    known = usable(materials) & np.isfinite(materials.z_eff) & np.isfinite(materials.sigma_z)
    precision = np.maximum(materials.sigma_z, np.float32(0.1))
    precision *= precision
    np.reciprocal(precision, out=precision)
    precision[~known] = 0
    weighted = np.where(known, materials.z_eff, np.float32(0))
    weighted *= precision
    total = _box(precision, size)
    mean = _box(weighted, size)
    mean /= np.maximum(total, np.float32(1e-9))
    total *= np.float32(size * size * _Z_SCALE**2)
    total /= 1 + total
    return mean, total


def cell_features(materials: MaterialMap) -> NDArray[np.float32]:
    """Return the features of every cell.

    Parameters
    ----------
    materials : MaterialMap
        On the working grid.

    Returns
    -------
    ndarray of float32, (feature, y, x)
        In the order of `FEATURES`; dimensionless.
    """
    import cv2

    good = usable(materials)
    density = np.where(good, materials.areal_density, 0).astype(np.float32)
    weight = np.maximum(_box(good.astype(np.float32), 3), np.float32(1e-3))
    near = np.maximum(_box(density, 3) / weight, np.float32(0.1))
    z, z_weight = _pooled_z(materials, 5)

    def spread(size: int) -> NDArray[np.float32]:
        mean = _box(near, size)
        variance = np.maximum(_box(near * near, size) - mean * mean, 0)
        return np.asarray(np.sqrt(variance) / (mean + 1), np.float32)

    gradient_x = np.abs(cv2.Sobel(near, cv2.CV_32F, 1, 0, scale=0.125)) / (near + 1)
    gradient_y = np.abs(cv2.Sobel(near, cv2.CV_32F, 0, 1, scale=0.125)) / (near + 1)
    around = _box(near, 25)
    return np.stack(
        [
            np.log(near),
            (z - 20) / 20 * z_weight,
            np.log(spread(5) + 0.005),
            np.log(spread(15) + 0.005),
            np.log(_box(gradient_x, 5) + 0.002),
            np.log(_box(gradient_y, 5) + 0.002),
            np.log((near + 1) / (around + 1)),
        ]
    ).astype(np.float32)


def network_planes(materials: MaterialMap, *, scale: float) -> NDArray[np.float32]:
    """Return the planes that a network reads, each of order 1.

    Parameters
    ----------
    materials : MaterialMap
        On the working grid.
    scale : float
        Areal density that counts as 1, g/cm²: about a third of what the scanner penetrates.

    Returns
    -------
    ndarray of float32, (plane, y, x)
        In the order of `PLANES`.
    """
    good = usable(materials)
    planes = np.empty((len(PLANES), *good.shape), np.float32)
    attenuation, density, z_weighted, z_weight, sigma, there, has_z, log_scale = planes
    np.divide(materials.radiograph.attenuation[0], np.float32(4), out=attenuation)
    np.divide(materials.areal_density, np.float32(scale), out=density)
    z, z_weight[:] = _pooled_z(materials, 3)
    np.multiply((z - 20) / 20, z_weight, out=z_weighted)
    np.sqrt(np.maximum(materials.radiograph.variance[0], 0), out=sigma)
    told = good & np.isfinite(sigma)
    sigma *= np.float32(5)
    np.minimum(sigma, np.float32(2), out=sigma)
    unknown = ~good
    np.copyto(attenuation, np.float32(1.5), where=unknown)
    np.copyto(density, np.float32(3), where=unknown)
    np.copyto(sigma, np.float32(2), where=~told)
    there[:] = good
    has_z[:] = np.isfinite(materials.z_eff).any()
    log_scale[:] = np.log10(scale) - 1.7
    return planes
