"""Bremsstrahlung of a thick tungsten target, by emission angle.

Electrons slow down and scatter in the target (`scananalysis.physics.electrons`). Wherever they go they radiate: how much at each
photon energy by the cross section of Seltzer and Berger (At. Data Nucl. Data Tables 35 (1986) 345,
doi:10.1016/0092-640X(86)90014-8), in which directions by Schiff's (formula 2BS of Koch and Motz, Rev. Mod. Phys. 31 (1959) 920,
doi:10.1103/RevModPhys.31.920). Schiff's own energy dependence is not used: it is a Born approximation, and near the end point, where
penetration of thick loads is decided, it gives a third of the true cross section of a heavy element. Photons cross the rest of the
target and the filter on their way; what scatters there is taken as lost (narrow beam).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import ConfigurationError
from scananalysis.physics.attenuation import mass_attenuation
from scananalysis.physics.electrons import (
    ELECTRON_MEV,
    FINE_STRUCTURE,
    PER_BARN,
    RE2_BARN,
    Tracks,
    Z,
    radiated,
    slow_down,
)

_Array = NDArray[np.float64]
_SUBDIVISION = 4


@dataclass(frozen=True)
class Target:
    """A bremsstrahlung source.

    Parameters
    ----------
    thickness_g_cm2 : float
        Tungsten along the beam. A target of somewhat less than the electrons' range gives the most X-rays.
    filter : mapping of str to float
        Materials behind the target and their areal density on the axis, g/cm² (target backing, windows, flattening).
    """

    thickness_g_cm2: float
    filter: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if not 0 < self.thickness_g_cm2 < np.inf or not all(0 <= t < np.inf for t in self.filter.values()):
            raise ConfigurationError(
                f"target of {self.thickness_g_cm2:g} g/cm² behind {dict(self.filter)}",
                expected="a thickness above 0 and filters of 0 g/cm² or more",
            )


def schiff(total: _Array, photon: _Array, angle: _Array) -> _Array:
    """Return the Schiff cross section per photon energy and solid angle for tungsten.

    Parameters
    ----------
    total : ndarray
        Total energy of the electron, MeV.
    photon : ndarray
        Photon energy, MeV, below the kinetic energy.
    angle : ndarray
        Emission angle from the electron's direction, rad. All three broadcast.

    Returns
    -------
    ndarray
        barn / (MeV sr); 0 where the photon has more than the kinetic energy.
    """
    allowed = photon < total - ELECTRON_MEV
    k = np.where(allowed, photon, (total - ELECTRON_MEV) / 2) / ELECTRON_MEV
    before = total / ELECTRON_MEV
    after = before - k
    y = (before * angle) ** 2 + 1
    screening = (k / (2 * before * after)) ** 2 + (Z ** (1 / 3) / (111 * y)) ** 2
    log_m = -np.log(screening)
    shape = (
        16 * (y - 1) * after / (y**4 * before)
        - (before + after) ** 2 / (y**2 * before**2)
        + ((before**2 + after**2) / (y**2 * before**2) - 4 * (y - 1) * after / (y**4 * before)) * log_m
    )
    # 4 Z² r² α (dk/k) x dx with x = E₀θ: x dx = E₀² θ dθ = E₀² dΩ / 2π at the small angles that matter.
    value = 4 * Z**2 * RE2_BARN * FINE_STRUCTURE / (k * ELECTRON_MEV) * before**2 / (2 * np.pi) * shape
    return np.where(allowed, np.maximum(value, 0), 0.0)


def bremsstrahlung(
    endpoint_mev: float,
    edges_mev: _Array,
    angle_rad: _Array,
    target: Target,
    *,
    electrons: int = 20_000,
    seed: int = 0,
) -> _Array:
    """Return the photon spectrum of a thick tungsten target behind its filter.

    Parameters
    ----------
    endpoint_mev : float
        Kinetic energy of the electrons, MeV.
    edges_mev : ndarray, (k + 1,)
        Edges of the photon energy bins, MeV, ascending from 0.1 or more.
    angle_rad : ndarray, (angle,)
        Emission angles from the electron beam, rad, up to π/3.
    target : Target
    electrons, seed : int
        Number of electrons that are followed, and seed of the random numbers: the same seed gives the same spectrum.

    Returns
    -------
    ndarray of float64, (angle, k)
        Photons per bin, steradian and electron.

    Raises
    ------
    ConfigurationError
        An angle beyond π/3, photons below 0.1 MeV, or an endpoint outside 0.5 to 20 MeV, where the model does not hold.

    Examples
    --------
    >>> edges = np.array([1.0, 2.0, 6.0, 7.0])
    >>> spectrum = bremsstrahlung(6.0, edges, np.array([0.0, 0.3]), Target(3.0), electrons=400)
    >>> bool(spectrum[0, 1] > spectrum[1, 1]), float(spectrum[0, 2])
    (True, 0.0)
    """
    angle, edges = np.asarray(angle_rad, np.float64), np.asarray(edges_mev, np.float64)
    if not 0.5 <= endpoint_mev <= 20 or np.abs(angle).max() > np.pi / 3:
        raise ConfigurationError(
            f"endpoint {endpoint_mev:g} MeV, angles to {np.abs(angle).max():g} rad",
            expected="0.5 to 20 MeV and at most 1.05 rad",
        )
    if edges.size < 2 or edges[0] < 0.1 or not np.all(np.diff(edges) > 0):
        raise ConfigurationError(
            "photon energy bins out of order or below 0.1 MeV", expected="edges that rise from 0.1"
        )
    tracks = slow_down(endpoint_mev, target.thickness_g_cm2, angle, electrons=electrons, seed=seed)
    parts = np.linspace(0, 1, _SUBDIVISION + 1)
    fine = (edges[:-1, None] + np.diff(edges)[:, None] * parts[:-1]).ravel()
    width = np.repeat(np.diff(edges) / _SUBDIVISION, _SUBDIVISION)
    photon = fine + width / 2
    spectrum = np.stack([_made(tracks, target, angle, energy) for energy in photon], axis=1) * width
    path = 1 / np.cos(angle)[:, None]
    for name, thickness in target.filter.items():
        spectrum *= np.exp(-mass_attenuation(name, photon) * thickness * path)
    binned: _Array = spectrum.reshape(angle.size, -1, _SUBDIVISION).sum(axis=2)
    return binned


def _made(tracks: Tracks, target: Target, angle: _Array, photon: float) -> _Array:
    """Photons of one energy that leave the target at each angle, per MeV, sr and electron."""
    may = tracks.kinetic_mev > photon
    kinetic = tracks.kinetic_mev[may]
    if not kinetic.size:
        return np.zeros(angle.size)
    theta = np.concatenate([[0.0], np.geomspace(1e-3, np.pi, 300)])
    total = (kinetic + ELECTRON_MEV)[:, None]
    energy = np.array(photon)
    norm = np.trapezoid(schiff(total, energy, theta) * 2 * np.pi * np.sin(theta), theta, axis=1)
    cross = radiated(kinetic, photon / kinetic) / photon / norm
    emitted = cross[:, None] * schiff(total, energy, tracks.direction_rad) * PER_BARN
    left = (target.thickness_g_cm2 - tracks.depth_g_cm2) / np.cos(angle)[:, None]
    passed = np.exp(-mass_attenuation("W", energy) * left)
    path = np.einsum("aedz,az->aed", tracks.path_g_cm2[:, may], passed)
    found: _Array = np.einsum("aed,ed->a", path, emitted)
    return found
