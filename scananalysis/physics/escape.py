r"""What a photon that is released inside an element of the array leaves there: escape from a rectangular block.

The block has a face of a × b and depth t along the beam. From a point spread evenly over the cross-section, the way out in
direction (θ, φ) is the shorter of the axial and the lateral one. Over the rectangle, the lateral distance S has

.. math:: P(S > s) = \langle (1 - s|\cos φ|/a)_+ (1 - s|\sin φ|/b)_+ \rangle_φ

(overlap of the rectangle with its shifted self), taken here by its quantiles. A photon of energy E interacts on its way out with
probability 1 − exp(−μ ℓ). What an interaction leaves is worked out from low energies upwards, since each scattered photon has
less energy than the one before: exact in the number of scatterings, but for the place, which is taken as uniform, and the
direction, which is taken as isotropic, from the second scattering on.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MC2_MEV = 0.51099895
_Array = NDArray[np.float64]

_COSINE, _COSINE_WEIGHT = np.polynomial.legendre.leggauss(32)
_QUANTILES = 10
_DEPTHS = 8
_LEAST_MEV = 0.004
"""Below, a photon is taken to be absorbed where it is released."""
_GRID_POINTS = 64


def klein_nishina(energy: _Array) -> tuple[_Array, _Array]:
    """Return scattered energies and their normalised probabilities, (k, angle), at the angles of `COSINES`.

    Klein and Nishina, Z. Phys. 52 (1929) 853, doi:10.1007/BF01366453.
    """
    ratio = 1 / (1 + energy[:, None] / MC2_MEV * (1 - COSINES))
    density = ratio**2 * (ratio + 1 / ratio - (1 - COSINES**2)) * _COSINE_WEIGHT
    return energy[:, None] * ratio, density / density.sum(axis=1, keepdims=True)


COSINES = _COSINE
"""Cosines of the scattering angles."""
ISOTROPIC = _COSINE_WEIGHT / 2
"""Probability of each of `COSINES` for a photon that is released in any direction."""


@functools.lru_cache(maxsize=64)
def lateral_quantiles(width: float, height: float) -> _Array:
    """Return equally probable distances from inside a rectangle to its edge, in the plane, in the unit of its sides."""
    s = np.linspace(0, np.hypot(width, height), 400)[:, None]
    angle = (np.arange(180) + 0.5) * np.pi / 360
    overlap = np.maximum(1 - s * np.cos(angle) / width, 0) * np.maximum(1 - s * np.sin(angle) / height, 0)
    at = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    return np.interp(at, 1 - overlap.mean(axis=1), s[:, 0])


@dataclass(frozen=True, eq=False)
class Block:
    """A scintillator element.

    Parameters
    ----------
    face_cm : (float, float)
        Sides across the beam.
    depth_cm : float
        Size along the beam.
    coefficients : callable
        Returns photoelectric, Compton and pair coefficients, 1/cm, for energies in MeV.
    fluorescence : callable
        Returns ((probability per photoelectric absorption (k,), energy of the K photon), …) for energies (k,).
    """

    face_cm: tuple[float, float]
    depth_cm: float
    coefficients: Callable[[_Array], tuple[_Array, _Array, _Array]]
    fluorescence: Callable[[_Array], tuple[tuple[_Array, float], ...]]

    def attenuation(self, energy: _Array) -> _Array:
        """Return the sum of the coefficients, 1/cm."""
        photo, compton, pair = self.coefficients(energy)
        return photo + compton + pair

    def first_depths(self, energy: _Array) -> tuple[_Array, _Array]:
        """Return depths of the first interaction of photons from in front, (k, depth), cm, and their probabilities (depth,)."""
        nodes, weights = np.polynomial.legendre.leggauss(_DEPTHS)
        mu = self.attenuation(energy)[:, None]
        depth = -np.log1p((nodes + 1) / 2 * np.expm1(-mu * self.depth_cm)) / mu
        return depth, weights / 2

    def caught(self, energy: _Array, depth: _Array) -> _Array:
        """Return the probability that a photon interacts on its way out.

        Parameters
        ----------
        energy : ndarray, (k, 1) or (k, angle)
            MeV, by angle to the beam.
        depth : ndarray, (k, depth)
            Where it is released, cm.

        Returns
        -------
        ndarray of float64, (k, depth, angle)
        """
        mu = self.attenuation(energy)[:, None, :]
        forward = np.where(COSINES > 0, self.depth_cm - depth[..., None], depth[..., None]) / np.abs(COSINES)
        leaves = np.zeros(np.broadcast_shapes(mu.shape, forward.shape))
        for lateral in lateral_quantiles(*self.face_cm):
            leaves += np.exp(-mu * np.minimum(forward, lateral / np.sqrt(1 - COSINES**2)))
        return 1 - leaves / _QUANTILES

    @functools.cached_property
    def _bulk(self) -> tuple[_Array, _Array, _Array, _Array]:
        """Energies; mean and mean square left by an interaction, over E and E²; and the chance of one, anywhere in the block."""
        grid = np.geomspace(_LEAST_MEV, 20.0, _GRID_POINTS)
        nodes, weights = np.polynomial.legendre.leggauss(_DEPTHS)
        depth = np.tile((nodes + 1) / 2 * self.depth_cm, (grid.size, 1))
        chance = np.einsum("d,kda,a->k", weights / 2, self.caught(grid[:, None], depth), ISOTROPIC)
        photo, compton, pair = self.coefficients(grid)
        total = photo + compton + pair
        scattered, probability = klein_nishina(grid)
        lines = self.fluorescence(grid)
        first, second = np.ones_like(grid), np.ones_like(grid)
        logs = np.log(grid)

        def left(energy: _Array | float, known: int) -> tuple[_Array, _Array]:
            at, some = np.log(energy), slice(0, max(known, 1))
            share = np.interp(at, logs[some], chance[some])
            return (
                share * np.interp(at, logs[some], first[some]) * energy,
                share * np.interp(at, logs[some], second[some]) * np.square(energy),
            )

        for i, energy in enumerate(grid):
            photo_1, photo_2 = energy, energy**2
            for share, line in lines:
                if share[i] > 0:
                    x1, x2 = left(line, i)
                    photo_1 += share[i] * (x1 - line)
                    photo_2 += share[i] * ((energy - line) ** 2 + 2 * (energy - line) * x1 + x2 - energy**2)
            x1, x2 = left(scattered[i], i)
            recoil = energy - scattered[i]
            compton_1 = probability[i] @ (recoil + x1)
            compton_2 = probability[i] @ (recoil**2 + 2 * recoil * x1 + x2)
            pair_1 = pair_2 = 0.0
            if pair[i] > 0:
                x1, x2 = left(MC2_MEV, i)
                rest = energy - 2 * MC2_MEV
                pair_1 = rest + 2 * float(x1)
                pair_2 = pair_1**2 + 2 * float(x2 - x1**2)
            first[i] = (photo[i] * photo_1 + compton[i] * compton_1 + pair[i] * pair_1) / total[i] / energy
            second[i] = (photo[i] * photo_2 + compton[i] * compton_2 + pair[i] * pair_2) / total[i] / energy**2
        return logs, first, second, chance

    def left_by_interaction(self, energy: _Array | float) -> tuple[_Array, _Array]:
        """Return the mean (MeV) and mean square (MeV²) that an interaction somewhere in the block leaves, whatever follows."""
        logs, first, second, _ = self._bulk
        at = np.log(energy)
        return np.interp(at, logs, first) * energy, np.interp(at, logs, second) * np.square(energy)

    def left_anywhere(self, energy: _Array) -> tuple[_Array, _Array]:
        """Return the same for a photon released anywhere in any direction, whether or not it interacts."""
        logs, _, _, chance = self._bulk
        share = np.interp(np.log(energy), logs, chance)
        first, second = self.left_by_interaction(energy)
        return share * first, share * second
