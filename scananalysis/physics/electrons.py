"""Electrons that slow down in a tungsten slab: how long they travel where, with which energy and in which direction.

A condensed-history Monte Carlo. An electron loses energy

- by collisions, continuously: Bethe's stopping power for electrons with Sternheimer's density effect (ICRU Report 37, 1984;
  parameters: Sternheimer, Berger and Seltzer, At. Data Nucl. Data Tables 30 (1984) 261, doi:10.1016/0092-640X(84)90002-0),
- by bremsstrahlung: quanta below 5 % of its energy continuously, harder ones one by one, with the cross section of Seltzer and
  Berger (At. Data Nucl. Data Tables 35 (1986) 345, doi:10.1016/0092-640X(86)90014-8). Near the end point of a beam this straggling
  counts: half of what a 10 MeV electron loses in tungsten goes into few hard quanta,

and is deflected in the middle of each step by screened Rutherford scattering (Molière's angle; Bethe, Phys. Rev. 89 (1953) 1256,
doi:10.1103/PhysRev.89.1256): the many small angles together, as a Gaussian, the rare large ones one by one. First steps are a
thousandth of the path in which the direction is lost, and grow with the path: on the axis most photons come from electrons that
have turned by less than their own emission cone.

Left out: knock-on electrons, what the backing of the target sends back, and what electrons radiate after they left the slab.
"""

from __future__ import annotations

import csv
import functools
import importlib.resources
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scananalysis.core import ConfigurationError

_Array = NDArray[np.float64]

ELECTRON_MEV = 0.51099895
RE2_BARN = 0.0794078
"""Classical electron radius squared."""
FINE_STRUCTURE = 1 / 137.035999
Z = 74
PER_BARN = 0.602214076 / 183.84
"""Barn per atom to cm²/g, tungsten."""

_EXCITATION_MEV = 727e-6
_BOHR_RADIUS_CM, _HBAR_C_MEV_CM = 0.529177e-8, 1.973269804e-11
# Sternheimer, Berger and Seltzer: X0, X1, a, m, -C of tungsten.
_DENSITY = (0.2167, 3.4960, 0.15509, 2.8447, 5.4059)
_HARD_SHARE = 0.05
_LOWEST_MEV = 0.1


@functools.lru_cache(maxsize=1)
def _table() -> tuple[_Array, _Array, _Array]:
    """Kinetic energy (t,) MeV, photon over kinetic energy (x,), scaled cross section (t, x) mb."""
    source = importlib.resources.files("scananalysis.physics") / "data" / "bremsstrahlung-w.csv"
    with source.open(encoding="utf-8") as stream:
        rows = list(csv.reader(line for line in stream if not line.startswith("#")))
    table = np.array([[float(text) for text in row] for row in rows[1:]])
    return table[:, 0], np.array([float(text) for text in rows[0][1:]]), table[:, 1:]


def radiated(kinetic_mev: ArrayLike, share: ArrayLike) -> _Array:
    """Return k dσ/dk of bremsstrahlung in tungsten, integrated over angles.

    Parameters
    ----------
    kinetic_mev : array-like
        Kinetic energy T of the electron, MeV, 0.01 to 20.
    share : array-like
        Photon energy over kinetic energy, k / T, 0 to 1; broadcasts with ``kinetic_mev``.

    Returns
    -------
    ndarray of float64
        barn, from the scaled cross section (β/Z)² k dσ/dk of Seltzer and Berger (doi:10.1016/0092-640X(86)90014-8), linear in
        log T and in k / T between its points.

    Examples
    --------
    >>> round(float(radiated(6.0, 0.5)), 1)
    30.9
    """
    energy, grid, scaled = _table()
    kinetic, x = np.broadcast_arrays(np.asarray(kinetic_mev, np.float64), np.asarray(share, np.float64))
    if kinetic.size and not (energy[0] <= kinetic.min() and kinetic.max() <= energy[-1]):
        raise ConfigurationError(
            f"electrons of {kinetic.min():g} to {kinetic.max():g} MeV", expected=f"{energy[0]:g} to {energy[-1]:g} MeV"
        )
    row = np.clip(np.searchsorted(energy, kinetic, side="right") - 1, 0, energy.size - 2)
    column = np.clip(np.searchsorted(grid, x, side="right") - 1, 0, grid.size - 2)
    up = np.log(kinetic / energy[row]) / np.log(energy[row + 1] / energy[row])
    right = (x - grid[column]) / (grid[column + 1] - grid[column])
    value = (1 - up) * ((1 - right) * scaled[row, column] + right * scaled[row, column + 1])
    value += up * ((1 - right) * scaled[row + 1, column] + right * scaled[row + 1, column + 1])
    found: _Array = np.where((x >= 0) & (x <= 1), value * 1e-3 * Z**2 / _beta2(kinetic), 0.0)
    return found


def _beta2(kinetic: _Array) -> _Array:
    tau = kinetic / ELECTRON_MEV
    return tau * (tau + 2) / (tau + 1) ** 2


def collision_loss(kinetic_mev: ArrayLike) -> _Array:
    """Return the collision stopping power of tungsten for electrons, MeV cm²/g.

    Examples
    --------
    >>> collision_loss([1.0, 6.0]).round(2)
    array([1.02, 1.15])
    """
    kinetic = np.asarray(kinetic_mev, np.float64)
    tau = kinetic / ELECTRON_MEV
    beta2 = _beta2(kinetic)
    low, high, a, m, c = _DENSITY
    x = np.log10(np.sqrt(tau * (tau + 2)))
    density = np.where(x < low, 0.0, 2 * np.log(10) * x - c + a * np.maximum(high - x, 0) ** m)
    shape = 1 - beta2 + (tau**2 / 8 - (2 * tau + 1) * np.log(2)) / (tau + 1) ** 2
    logarithm = np.log(tau**2 * (tau + 2) / (2 * (_EXCITATION_MEV / ELECTRON_MEV) ** 2))
    # 2π r² mc² N Z/A (1/β²)[…]
    loss: _Array = 2 * np.pi * RE2_BARN * ELECTRON_MEV * Z * PER_BARN / beta2 * (logarithm + shape - density)
    return loss


def radiative_loss(kinetic_mev: ArrayLike, largest_share: float = 1.0) -> _Array:
    """Return the radiative stopping power of tungsten by quanta of up to a share of the energy, MeV cm²/g.

    Examples
    --------
    >>> radiative_loss([1.0, 6.0]).round(2)
    array([0.12, 0.65])
    """
    kinetic = np.asarray(kinetic_mev, np.float64)
    share = np.linspace(0, largest_share, 100)
    found: _Array = np.trapezoid(radiated(kinetic[..., None], share), share, axis=-1) * kinetic * PER_BARN
    return found


def _rutherford(kinetic: _Array) -> tuple[_Array, _Array]:
    """Return K and w of the scattering per g/cm²: dN = K dμ / (μ + w)² with μ = 1 − cos θ."""
    gamma, beta2 = kinetic / ELECTRON_MEV + 1, _beta2(kinetic)
    momentum = ELECTRON_MEV * gamma * np.sqrt(beta2)
    radius = 0.885 * _BOHR_RADIUS_CM * Z ** (-1 / 3)
    moliere2 = (_HBAR_C_MEV_CM / (momentum * radius)) ** 2 * (1.13 + 3.76 * (FINE_STRUCTURE * Z) ** 2 / beta2)
    return 2 * np.pi * Z * (Z + 1) * RE2_BARN / (gamma * beta2) ** 2 * PER_BARN, moliere2 / 2


def transport_length(kinetic_mev: ArrayLike) -> _Array:
    """Return the path after which the mean cosine of an electron's direction has fallen to 1/e, g/cm² of tungsten.

    Examples
    --------
    >>> transport_length([1.0, 6.0]).round(2)
    array([0.09, 1.55])
    """
    strength, width = _rutherford(np.asarray(kinetic_mev, np.float64))
    length: _Array = 1 / (strength * (np.log((2 + width) / width) - 2 / (2 + width)))
    return length


@dataclass(frozen=True, eq=False)
class Tracks:
    """Mean path length of one incident electron, by place, energy and direction.

    Parameters
    ----------
    path_g_cm2 : ndarray, (angle, energy, direction, depth)
        Path length. Directions are counted from that of a photon which leaves at each ``angle`` from the beam.
    kinetic_mev, direction_rad, depth_g_cm2 : ndarray
        Middles of the bins.
    reflected, transmitted : float
        Share of electrons that leave the slab on either side.
    """

    path_g_cm2: _Array
    kinetic_mev: _Array
    direction_rad: _Array
    depth_g_cm2: _Array
    reflected: float
    transmitted: float


def slow_down(
    beam_mev: float, thickness_g_cm2: float, angle_rad: _Array, *, electrons: int = 20_000, seed: int = 0
) -> Tracks:
    """Follow electrons that enter a slab of tungsten at right angles.

    Parameters
    ----------
    beam_mev : float
        Kinetic energy, MeV.
    thickness_g_cm2 : float
        Thickness of the slab, g/cm².
    angle_rad : ndarray, (angle,)
        Angles from the beam under which photons will be looked at, rad.
    electrons, seed : int
        Number of electrons and seed of the random numbers.

    Returns
    -------
    Tracks

    Examples
    --------
    >>> tracks = slow_down(6.0, 3.0, np.zeros(1), electrons=400)
    >>> bool(0.1 < tracks.reflected < 0.25)
    True
    """
    rng = np.random.default_rng(seed)
    tally = _Tally(beam_mev, thickness_g_cm2, angle_rad)
    losses = _Losses(beam_mev)
    kinetic = np.full(electrons, float(beam_mev))
    depth = np.zeros(electrons)
    direction = np.zeros((3, electrons))
    direction[2] = 1
    reflected = transmitted = 0
    travelled = 0.0
    while kinetic.size:
        lost, turns = losses.continuous(kinetic), losses.transport(kinetic)
        # Short at first, where directions matter most, and again where slow electrons lose their direction fast.
        short = max(0.15 * travelled, 1e-3 * float(turns.max()))
        step = np.minimum(np.minimum(short, 0.02), np.minimum(0.03 * kinetic / lost, 0.1 * turns))
        travelled += float(step.max())
        half = step / 2
        tally.add(kinetic - lost * step / 4, direction, depth + direction[2] * half / 2, half)
        depth = depth + direction[2] * half
        direction = _deflect(direction, kinetic, step, rng)
        tally.add(kinetic - lost * step * 3 / 4, direction, depth + direction[2] * half / 2, half)
        depth = depth + direction[2] * half
        kinetic = losses.quanta(kinetic - lost * step, step, rng)
        reflected += int((depth < 0).sum())
        transmitted += int((depth > thickness_g_cm2).sum())
        keep = (depth >= 0) & (depth <= thickness_g_cm2) & (kinetic > _LOWEST_MEV)
        kinetic, depth, direction = kinetic[keep], depth[keep], direction[:, keep]
    return tally.tracks(electrons, reflected, transmitted)


class _Losses:
    """Energy losses and scattering on a grid of energies."""

    def __init__(self, beam_mev: float) -> None:
        self._energy = np.geomspace(0.5 * _LOWEST_MEV, beam_mev, 240)
        self._continuous = collision_loss(self._energy) + radiative_loss(self._energy, _HARD_SHARE)
        self._transport = transport_length(self._energy)
        # Equal steps of ln k: dσ/d ln k is flat, and so is what is drawn from.
        self._share = np.geomspace(_HARD_SHARE, 1, 200)
        density = radiated(self._energy[:, None], self._share) * PER_BARN
        ring = (density[:, 1:] + density[:, :-1]) / 2 * np.diff(np.log(self._share))
        self._sum = np.concatenate([np.zeros((self._energy.size, 1)), np.cumsum(ring, axis=1)], axis=1)

    def continuous(self, kinetic: _Array) -> _Array:
        return np.interp(kinetic, self._energy, self._continuous)

    def transport(self, kinetic: _Array) -> _Array:
        return np.interp(kinetic, self._energy, self._transport)

    def quanta(self, kinetic: _Array, step: _Array, rng: np.random.Generator) -> _Array:
        """Take away hard quanta: at most one per step, which is short against the path between two."""
        chance = -np.expm1(-np.interp(kinetic, self._energy, self._sum[:, -1]) * step)
        hit = np.flatnonzero(rng.random(kinetic.size) < chance)
        left = kinetic.copy()
        for i in hit:
            row = self._sum[np.searchsorted(self._energy, kinetic[i]) - 1]
            left[i] *= 1 - np.exp(np.interp(rng.random() * row[-1], row, np.log(self._share)))
        return left


def scattered_cosine(kinetic: _Array, step: _Array, rng: np.random.Generator) -> _Array:
    """Draw the cosines of the deflections over steps in tungsten, (n,): energies MeV, steps g/cm²."""
    strength, width = _rutherford(kinetic)
    often = strength * step
    # Angles of which there are fewer than 0.2 per step are drawn one by one.
    cut = np.maximum(5 * often - width, 0)
    soft = often * (np.log((cut + width) / width) - cut / (cut + width))
    cosine = np.maximum(1 - rng.exponential(size=step.size) * soft, -1)
    hit = rng.random(step.size) < -np.expm1(-often * (1 / (cut + width) - 1 / (2 + width)))
    place = rng.random(step.size)
    hard = 1 / (place / (cut + width) + (1 - place) / (2 + width)) - width
    # Two deflections one after the other, at a random azimuth between them.
    other = np.where(hit, 1 - hard, 1.0)
    across = np.sqrt(np.maximum(1 - cosine**2, 0) * np.maximum(1 - other**2, 0))
    both: _Array = cosine * other + across * np.cos(2 * np.pi * rng.random(step.size))
    return np.clip(both, -1, 1)


def _deflect(direction: _Array, kinetic: _Array, step: _Array, rng: np.random.Generator) -> _Array:
    """Turn directions (3, n)."""
    cosine = scattered_cosine(kinetic, step, rng)
    sine = np.sqrt(np.maximum(1 - cosine**2, 0))
    phi = rng.random(step.size) * 2 * np.pi
    x, y, z = direction
    across = np.sqrt(np.maximum(x**2 + y**2, 1e-24))
    along, aside = sine * np.cos(phi), sine * np.sin(phi)
    pole = across < 1e-9
    turned = np.stack(
        [
            np.where(pole, along, (along * x * z - aside * y) / across + x * cosine),
            np.where(pole, aside, (along * y * z + aside * x) / across + y * cosine),
            np.where(pole, cosine * np.sign(z), -along * across + z * cosine),
        ]
    )
    turned /= np.sqrt((turned**2).sum(axis=0))
    return turned


class _Tally:
    """Histogram of path lengths."""

    _ENERGIES, _DIRECTIONS, _DEPTHS, _FINE = 100, 60, 40, 4096

    def __init__(self, beam_mev: float, thickness: float, angle_rad: _Array) -> None:
        self._angle, self._beam, self._thickness = angle_rad, beam_mev, thickness
        # Directions are binned by sin(θ/2), which a square root gives, on edges that are whole steps of a fine grid.
        edges = np.concatenate([[0.0], np.geomspace(0.005, 1, self._DIRECTIONS)])
        self._edges = np.round(edges * self._FINE) / self._FINE
        self._bin = np.searchsorted(self._edges[1:-1] * self._FINE, np.arange(self._FINE + 1), side="right")
        self._shape = (self._ENERGIES, self._DIRECTIONS, self._DEPTHS)
        self._sum = np.zeros((angle_rad.size, int(np.prod(self._shape))))

    def add(self, kinetic: _Array, direction: _Array, depth: _Array, path: _Array) -> None:
        inside = (depth > 0) & (depth < self._thickness)
        e = np.minimum((kinetic[inside] / self._beam * self._ENERGIES).astype(int), self._ENERGIES - 1)
        z = np.minimum((depth[inside] / self._thickness * self._DEPTHS).astype(int), self._DEPTHS - 1)
        cell = e * (self._DIRECTIONS * self._DEPTHS) + z
        x, y, u = direction[:, inside]
        weight = path[inside]
        for i, angle in enumerate(self._angle):
            # The beam is round: every azimuth of the photon is as good, and a second one costs no transport.
            for side in (x,) if angle == 0 else (x, y):
                versine = 1 - side * np.sin(angle) - u * np.cos(angle)
                fine = (np.sqrt(np.clip(versine / 2, 0, 1)) * self._FINE).astype(int)
                here = cell + self._bin[fine] * self._DEPTHS
                self._sum[i] += np.bincount(here, weight if angle == 0 else weight / 2, self._sum.shape[1])

    def tracks(self, electrons: int, reflected: int, transmitted: int) -> Tracks:
        # The middle of a ring's solid angle: the mean of sin²(θ/2).
        middle = np.sqrt((self._edges[:-1] ** 2 + self._edges[1:] ** 2) / 2)
        return Tracks(
            self._sum.reshape(-1, *self._shape) / electrons,
            (np.arange(self._ENERGIES) + 0.5) / self._ENERGIES * self._beam,
            2 * np.arcsin(middle),
            (np.arange(self._DEPTHS) + 0.5) / self._DEPTHS * self._thickness,
            reflected / electrons,
            transmitted / electrons,
        )
