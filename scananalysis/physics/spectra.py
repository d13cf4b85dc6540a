"""Bremsstrahlung of a thick tungsten target, by emission angle.

An electron slows down in the target; in every slice it radiates with the Schiff cross section differential in photon energy and
angle (formula 2BS of Koch and Motz, Rev. Mod. Phys. 31 (1959) 920, doi:10.1103/RevModPhys.31.920), about a direction that
multiple scattering has spread as a Gaussian (Rossi's formula with Highland's constant, Nucl. Instrum. Methods 129 (1975) 497,
doi:10.1016/0029-554X(75)90743-0) until it is diffuse. Collision stopping power is Bethe's for electrons (ICRU Report 37;
density effect left out, below 6 % here), radiative stopping power the integral of the Schiff cross section. Photons cross the rest
of the target and the filter on their way (narrow beam).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import ConfigurationError
from scananalysis.physics.attenuation import mass_attenuation

_MC2 = 0.51099895
_RE2_BARN = 0.0794078  # classical electron radius squared
_ALPHA = 1 / 137.035999
_AVOGADRO_BARN = 0.602214076
_Z, _A, _EXCITATION_MEV = 74, 183.84, 727e-6
_RADIATION_LENGTH = 6.76  # g/cm², tungsten, PDG
_HIGHLAND_MEV = 13.6
_SLICES = 60


@dataclass(frozen=True)
class Target:
    """A bremsstrahlung source.

    Parameters
    ----------
    thickness_g_cm2 : float
        Tungsten along the beam. A target of about the electrons' range gives the most X-rays.
    filter : mapping of str to float
        Materials behind the target and their areal density on the axis, g/cm² (target backing, windows, flattening).
    """

    thickness_g_cm2: float
    filter: Mapping[str, float] = field(default_factory=dict)


def schiff(total: NDArray[np.float64], photon: NDArray[np.float64], angle: NDArray[np.float64]) -> NDArray[np.float64]:
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
    allowed = photon < total - _MC2
    k = np.where(allowed, photon, (total - _MC2) / 2) / _MC2
    before = total / _MC2
    after = before - k
    y = (before * angle) ** 2 + 1
    screening = (k / (2 * before * after)) ** 2 + (_Z ** (1 / 3) / (111 * y)) ** 2
    log_m = -np.log(screening)
    shape = (
        16 * (y - 1) * after / (y**4 * before)
        - (before + after) ** 2 / (y**2 * before**2)
        + ((before**2 + after**2) / (y**2 * before**2) - 4 * (y - 1) * after / (y**4 * before)) * log_m
    )
    # 4 Z² r² α (dk/k) x dx with x = E₀θ: x dx = E₀² θ dθ = E₀² dΩ / 2π at the small angles that matter.
    value = 4 * _Z**2 * _RE2_BARN * _ALPHA / (k * _MC2) * before**2 / (2 * np.pi) * shape
    return np.where(allowed, np.maximum(value, 0), 0.0)


def _stopping_power(kinetic: float) -> float:
    """Total stopping power of tungsten for electrons, MeV cm²/g."""
    tau = kinetic / _MC2
    beta2 = tau * (tau + 2) / (tau + 1) ** 2
    shape = 1 - beta2 + (tau**2 / 8 - (2 * tau + 1) * np.log(2)) / (tau + 1) ** 2
    ratio = (_EXCITATION_MEV / _MC2) ** 2
    collision = 0.307075 / 2 * _Z / _A / beta2 * (np.log(tau**2 * (tau + 2) / (2 * ratio)) + shape)
    photon = np.linspace(0.01, 0.99, 60)[:, None] * kinetic
    theta = np.linspace(0, 1.5, 200)[None, :]
    cross = schiff(np.array(kinetic + _MC2), photon, theta) * 2 * np.pi * np.sin(theta)
    lost = np.trapezoid(np.trapezoid(cross, theta[0], axis=1) * photon[:, 0], photon[:, 0])
    return float(collision + lost * _AVOGADRO_BARN / _A)


def bremsstrahlung(
    endpoint_mev: float, energy_mev: NDArray[np.float64], angle_rad: NDArray[np.float64], target: Target
) -> NDArray[np.float64]:
    """Return the photon spectrum of a thick tungsten target behind its filter.

    Parameters
    ----------
    endpoint_mev : float
        Kinetic energy of the electrons, MeV.
    energy_mev : ndarray, (k,)
        Photon energies, MeV.
    angle_rad : ndarray, (angle,)
        Emission angles from the electron beam, rad, below π/2.
    target : Target

    Returns
    -------
    ndarray of float64, (angle, k)
        Photons per MeV, steradian and electron.

    Raises
    ------
    ConfigurationError
        An angle beyond π/3 or an endpoint outside 0.5 to 20 MeV, where the model does not hold.

    Examples
    --------
    >>> spectrum = bremsstrahlung(6.0, np.array([1.0, 3.0, 7.0]), np.array([0.0, 0.3]), Target(4.0))
    >>> bool(spectrum[0, 1] > spectrum[1, 1]), float(spectrum[0, 2])
    (True, 0.0)
    """
    if not 0.5 <= endpoint_mev <= 20 or np.abs(angle_rad).max() > np.pi / 3:
        raise ConfigurationError(
            f"endpoint {endpoint_mev:g} MeV, angles to {np.abs(angle_rad).max():g} rad",
            expected="0.5 to 20 MeV and at most 1.05 rad",
        )
    tungsten = mass_attenuation("W", energy_mev)
    theta = np.concatenate([[0.0], np.geomspace(0.01, 1.4, 36)])
    theta_weight = np.gradient(theta) * np.sin(theta)
    phi = (np.arange(24) + 0.5) * np.pi / 24
    kinetic, depth, spread2 = endpoint_mev, 0.0, 0.0
    step = endpoint_mev / _SLICES
    spectrum = np.zeros((angle_rad.size, energy_mev.size))
    while kinetic > energy_mev.min() and kinetic > 0.15 and depth < target.thickness_g_cm2:
        middle = max(kinetic - step / 2, 0.1)
        slice_depth = min(step / _stopping_power(middle), target.thickness_g_cm2 - depth)
        total = middle + _MC2
        p_beta = (total**2 - _MC2**2) / total
        spread2 += 2 * (_HIGHLAND_MEV / p_beta) ** 2 * slice_depth / _RADIATION_LENGTH
        emitted = schiff(np.array(total), energy_mev[:, None], theta[None, :])
        for i, angle in enumerate(angle_rad):
            # Directions of the electron around the photon's: angle between the electron beam and such a direction.
            cosine = np.cos(theta)[:, None] * np.cos(angle) + np.sin(theta)[:, None] * np.sin(angle) * np.cos(phi)
            off = np.arccos(np.clip(cosine, -1, 1))
            density = np.exp(-(off**2) / spread2) / _gaussian_norm(spread2)
            directions = density.mean(axis=1) * 2 * np.pi * theta_weight
            left = (target.thickness_g_cm2 - depth - slice_depth / 2) / np.cos(angle)
            made = (emitted * directions).sum(axis=1) * _AVOGADRO_BARN / _A * slice_depth
            spectrum[i] += made * np.exp(-tungsten * left)
        depth += slice_depth
        kinetic -= step
    for name, thickness in target.filter.items():
        spectrum *= np.exp(-mass_attenuation(name, energy_mev) * thickness / np.cos(angle_rad)[:, None])
    return spectrum


def _gaussian_norm(spread2: float) -> float:
    """Integral of exp(−θ²/s²) over the sphere: the density stays a density when it becomes diffuse."""
    theta = np.linspace(0, np.pi, 400)
    return float(np.trapezoid(np.exp(-(theta**2) / spread2) * 2 * np.pi * np.sin(theta), theta))
