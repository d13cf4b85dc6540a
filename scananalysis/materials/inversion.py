"""The inverse of the dual-energy model by look-up: areal density, atomic number, σ, correlation, twins and flags.

Tables are those of `tables`. A pair is placed between the fold and hydrogen at its α_high, read on the first branch, and on the second
where only that one explains it. Rows of an image have one fan angle each; between nodes of the angle tables are interpolated.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scananalysis.core import ConfigurationError, Quality
from scananalysis.materials.electrons import PER_Z, SIGMA_ROWS, SIGMA_SCALE, STEPS_PER_Z, grams_line, steps_image
from scananalysis.materials.parts import WIDEST, Part, checked_angles, parts
from scananalysis.materials.tables import COARSE, InverseTable, build_table

__all__ = ["InverseTable", "Inverted", "build_table", "invert"]

Plane = NDArray[np.float32]

_THINNEST = 0.02
_FAINTEST = 1e-3
"""α_high below which atomic number cannot be told: at most the first, at least the second, 5 σ in between."""
_THIN_SIGMAS = 5.0
_SLACK = 2e-4
"""Part of the way from fold to hydrogen by which a pair may lie outside for rounding."""
_REACH_SLACK = 3e-3
"""As much for the end of the second branch, which is less smooth."""
_WAVERING = 0.1
_LIGHTEST_FLAT = 2.2


@dataclass(frozen=True)
class Twins:
    """The second solution of an inversion; arrays have the shape of the input, NaN where there is none within 3 σ.

    Parameters
    ----------
    z, areal_density : ndarray of float32
        Of the solution on the other branch of the folded map, g/cm²; where none passes through the pair, the nearest.
    likelihood_ratio : ndarray of float32
        Of the second to the first solution: 1 where both explain the pair exactly, 0 where there is none.
    """

    z: Plane
    areal_density: Plane
    likelihood_ratio: Plane


@dataclass(frozen=True)
class Inverted:
    """Result of an inversion; all arrays have the shape of the input.

    Parameters
    ----------
    areal_density, sigma_areal_density : ndarray of float32
        g/cm².
    z_eff, sigma_z : ndarray of float32
        NaN and infinite where attenuation is too small to tell.
    correlation : ndarray of float32
    quality : ndarray of uint32
        `AMBIGUOUS`, `EXTRAPOLATED`, `NOT_FINITE`.
    details : callable, optional
        Returns the Jacobian and the second solutions; they are worked out when first asked for, from the arrays that were
        inverted, which must not have been changed by then.
    """

    areal_density: Plane
    z_eff: Plane
    sigma_areal_density: Plane
    sigma_z: Plane
    correlation: Plane
    quality: NDArray[np.uint32]
    details: Callable[[], tuple[Plane, Twins]] = field(repr=False, compare=False)

    @functools.cached_property
    def _details(self) -> tuple[Plane, Twins]:
        return self.details()

    @property
    def jacobian(self) -> Plane:
        """∂(λ, Z)/∂(α_high, α_low), (2, 2, …)."""
        return self._details[0]

    @property
    def second_z(self) -> Plane:
        """Atomic number of the second solution; see `Twins`."""
        return self._details[1].z

    @property
    def second_areal_density(self) -> Plane:
        """Areal density of the second solution, g/cm²."""
        return self._details[1].areal_density

    @property
    def likelihood_ratio(self) -> Plane:
        """Likelihood of the second solution over that of the first."""
        return self._details[1].likelihood_ratio


def invert(
    table: InverseTable,
    alpha_high: ArrayLike,
    alpha_low: ArrayLike,
    var_high: ArrayLike | None,
    var_low: ArrayLike | None,
    fan_angle_rad: float | NDArray[np.floating[Any]],
    *,
    systematic: bool = True,
) -> Inverted:
    """Look attenuations up; see `DualEnergyModel.invert`."""
    systematic = systematic and table.own
    inputs = [np.zeros((), np.float32) if a is None else np.asarray(a, np.float32) for a in (var_high, var_low)]
    try:
        planes = np.broadcast_arrays(*(np.asarray(a, np.float32) for a in (alpha_high, alpha_low)))
        shape = planes[0].shape
        pair = [*planes, *(np.broadcast_to(v, shape) for v in inputs)]
    except ValueError as error:
        shapes = ", ".join(str(np.shape(a)) for a in (alpha_high, alpha_low, *inputs))
        raise ConfigurationError(
            f"attenuations and variances of shapes {shapes}", expected="shapes that fit"
        ) from error
    for variance in inputs:
        # A variance that is not a number makes σ one; below 0 it is a mistake of the caller.
        if variance.size and float(np.fmin.reduce(variance, axis=None)) < 0:
            raise ConfigurationError("negative variances of attenuation", expected="variances of at least 0")
    angle = checked_angles(table, fan_angle_rad)
    if angle.size == 1 and (len(shape) != 2 or shape[1] > WIDEST):
        pair = [p.reshape(1, -1) for p in pair]
    angle = np.broadcast_to(angle, pair[0].shape[:1])
    height, width = pair[0].shape
    out = [np.empty((height, width), np.float32) for _ in range(5)]
    quality = np.empty((height, width), np.uint32)
    for part in parts(table, angle, width):
        _Block(table, pair, part).solve([o[part.at] for o in out], quality[part.at], systematic=systematic)

    def details() -> tuple[Plane, Twins]:
        jacobian = np.empty((2, 2, height, width), np.float32)
        twins = [np.empty((height, width), np.float32) for _ in range(3)]
        for part in parts(table, angle, width):
            found = _Block(table, pair, part).details(out[3][part.at])
            jacobian[(slice(None), slice(None), *part.at)] = found[0]
            for target, plane in zip(twins, found[1:], strict=True):
                target[part.at] = plane
        return jacobian.reshape(2, 2, *shape), Twins(*(t.reshape(shape) for t in twins))

    depth, z, sigma_depth, sigma_z, correlation = (o.reshape(shape) for o in out)
    return Inverted(depth, z, sigma_depth, sigma_z, correlation, quality.reshape(shape), details)


class _Scratch(threading.local):
    """Two images of four channels that every block of a thread writes anew."""

    def __init__(self) -> None:
        self.images = [np.empty(0, np.float32), np.empty(0, np.float32)]

    def image(self, shape: tuple[int, ...], which: int) -> Plane:
        size = 4 * shape[0] * shape[1]
        if self.images[which].size < size:
            self.images[which] = np.empty(size, np.float32)
        return self.images[which][:size].reshape(*shape, 4)


_SCRATCH = _Scratch()


def _remap(image: Plane, column: Plane, row: NDArray[np.floating[Any]], which: int = 0) -> Plane:
    """Look a four-channel image up; the result is overwritten by the next look-up into the same scratch image."""
    import cv2

    target = _SCRATCH.image(column.shape, which)
    rows = np.ascontiguousarray(row, np.float32)
    cv2.remap(image, column, rows, cv2.INTER_LINEAR, dst=target, borderMode=cv2.BORDER_REPLICATE)
    return target


def _grams_of(z: Plane) -> Plane:
    """Grams per electron of atomic numbers."""
    import cv2

    column = (z - np.float32(1)) * np.float32(PER_Z)
    found = cv2.remap(grams_line(), column, np.zeros_like(column), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)


def _split(image: Plane) -> list[Plane]:
    """Channels as planes of their own: arithmetic on them is several times faster than on every fourth number."""
    import cv2

    return [np.asarray(plane, np.float32) for plane in cv2.split(image)]


class _Block:
    """One part of an image: where its pairs stand in the tables, and what is read there."""

    def __init__(self, table: InverseTable, pair: Sequence[Plane], part: Part) -> None:
        high, low, var_high, var_low = (np.ascontiguousarray(plane[part.at]) for plane in pair)
        self.table, self.part = table, part
        self.finite = np.isfinite(high + low)
        self.whole = bool(self.finite.all())
        if not self.whole:
            high, low = (np.where(self.finite, a, np.float32(0)) for a in (high, low))
        self.high, self.var_high, self.var_low = high, var_high, var_low
        self.thin = high < np.clip(np.sqrt(var_high) * np.float32(_THIN_SIGMAS), _FAINTEST, _THINNEST)
        self.column = np.sqrt(np.maximum(high, 0)) * np.float32(table.last_column / table.root_limit)
        at_fold, self.span, self.reach, reference = _split(
            _remap(table.edges, self.column, np.broadcast_to(part.fine, high.shape))
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            self.ratio = low / high
            self.place = (self.ratio - at_fold) / self.span
        self.any_thin = bool(self.thin.any())
        if self.any_thin:
            np.copyto(self.place, reference, where=self.thin)
        self.row = table.row(self.place)
        self.planes = self._read(table.planes[0], self.row)
        self.slopes = self._read_slopes(table.slopes[0], self.row)
        # σ of α_low about the curve of an element, as a part of the way from fold to hydrogen.
        self.noise = np.sqrt(var_low + self.planes[3] ** 2 * var_high)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.blur = self.noise / (np.abs(self.span) * high)
        if self.any_thin:
            self.blur[self.thin] = 0
        deep = self._too_deep()
        clear = self.place - self.reach
        blur = np.maximum(self.blur, _SLACK)
        # Only the second branch explains it, or comes nearer: beyond hydrogen, or the first branch ends too deep.
        self.heavy = ((self.place > 1 + blur) & (self.reach > 1)) | (deep & (clear <= blur) & (self.reach > 0))
        self.heavy &= ~self.thin
        self.twin = (clear < np.maximum(blur, _REACH_SLACK)) & (self.reach > 0) & (self.place > -blur) & ~self.heavy
        # Next to the fold cross sections waver from element to element: there the second branch has twins of its own.
        self.twin |= self.thin | (self.heavy & (self.place < (np.inf if table.flat else _WAVERING)))
        if table.flat:
            # Rounding alone decides between hydrogen and helium, of half as much matter per electron.
            self.twin |= self.planes[1] < _LIGHTEST_FLAT
        if self.heavy.any():
            self._read_heavy()

    def _read(self, images: Plane, row: Plane, some: NDArray[np.intp] | None = None) -> list[Plane]:
        """Look the tables of both nodes of the angle up, at all pixels or at those of some flat indices."""
        column = self.column if some is None else self.column.reshape(1, -1)[:, some]
        if images.shape[0] == 1:
            return _split(_remap(images[0], column, row))
        found = _remap(images[self.part.node], column, row)
        further = _remap(images[self.part.node + 1], column, row, 1)
        share = self.part.share
        if some is not None:
            share = np.broadcast_to(share, self.column.shape).reshape(1, -1)[:, some]
        further -= found
        further *= share[..., None]
        found += further
        return _split(found)

    def _read_slopes(self, images: Plane, row: Plane, some: NDArray[np.intp] | None = None) -> list[Plane]:
        """Look the table of the nearer node up: slopes go into σ alone, and change little from node to node."""
        column = self.column if some is None else self.column.reshape(1, -1)[:, some]
        fine = np.float32(1 / COARSE)
        return _split(_remap(images[self.part.near], column * fine, row * fine))

    def _second(self, some: NDArray[np.intp] | None = None) -> tuple[list[Plane], list[Plane]]:
        """Planes and slopes of the second branch."""
        place, reach = self.place, self.reach
        if some is not None:
            place, reach = (plane.reshape(1, -1)[:, some] for plane in (place, reach))
        row = self.table.row(place / np.maximum(reach, np.float32(1e-9)))
        return self._read(self.table.planes[1], row, some), self._read_slopes(self.table.slopes[1], row, some)

    def _read_heavy(self) -> None:
        some = np.flatnonzero(self.heavy)
        planes, slopes = self._second(some)
        for target, source in zip(self.planes + self.slopes, planes + slopes, strict=True):
            target.reshape(-1)[some] = source[0]

    def _errors(self, *, systematic: bool) -> tuple[Plane, Plane]:
        """Variance of α_high, and σ of α_low about the curve of an element; with the model's own error if ``systematic``."""
        if not systematic:
            return self.var_high, self.noise
        square = self.high * self.high
        own_high, own_low = self.slopes[2] * square, self.slopes[3] * square
        # The relative error of α_low is stated over α_low, which is the ratio times α_high.
        return self.var_high + own_high, np.sqrt(
            self.noise**2 + own_low * self.ratio**2 + self.planes[3] ** 2 * own_high
        )

    def solve(self, out: Sequence[Plane], quality: NDArray[np.uint32], *, systematic: bool) -> None:
        """Fill λ, Z, their σ and correlation, and the flags."""
        depth, z, sigma_depth, sigma_z, correlation = out
        var_high, noise = self._errors(systematic=systematic)
        by_z = self.planes[2] * self.high
        with np.errstate(divide="ignore", invalid="ignore"):
            sigma = noise / np.abs(by_z)
        # No noise has no σ, also where the curve is flat.
        if not float(noise.min(initial=1.0)) > 0:
            sigma[noise == 0] = 0
        grams, slope, scatter = self._grams(sigma)
        electrons = self.planes[0] * self.high
        np.multiply(electrons, grams, out=depth)
        # λ = n A/Z: along α_high, and across with Z.
        straight = grams * self.slopes[1]
        across = grams * self.slopes[0] * self.high + electrons * slope
        var_z = sigma**2
        with np.errstate(divide="ignore", invalid="ignore"):
            # Covariance of α_high and Z is −lean, that of λ and Z is ``along``.
            lean = self.planes[3] * var_high / by_z
            along = across * var_z - straight * lean
            var = straight * (straight * var_high - across * lean) + across * along
            var += (electrons * scatter) ** 2 * var_z
            alone = straight**2 * var_high
            # On a fold the slope of Z, and its σ, is unbounded; but at a given attenuation no element changes λ by more than itself.
            np.minimum(var, alone + depth**2, out=var)
            if self.any_thin:
                np.copyto(var, alone, where=self.thin)
            np.sqrt(np.maximum(var, 0), out=sigma_depth)
            np.divide(along, sigma_depth * sigma, out=correlation)
        beyond = ~(np.abs(correlation) <= 1)
        if beyond.any():
            correlation[beyond] = 0
        z[...] = self.planes[1]
        sigma_z[...] = sigma
        outside = (self.place < -_SLACK) | (self.place > np.maximum(self.reach, 1) + _SLACK)
        outside |= (
            self.thin | (self.column > self.table.last_column) | (depth > self.table.largest * np.float32(1 + 1e-5))
        )
        quality[...] = outside * np.uint32(Quality.EXTRAPOLATED.value) + self.twin * np.uint32(Quality.AMBIGUOUS.value)
        if self.any_thin:
            correlation[self.thin] = 0
            z[self.thin] = np.nan
            sigma_z[self.thin] = np.inf
        if not self.whole:
            broken = ~self.finite
            quality[broken] = Quality.NOT_FINITE.value
            for plane in (depth, z, sigma_depth, correlation):
                plane[broken] = np.nan
            sigma_z[broken] = np.inf

    def _too_deep(self) -> NDArray[np.bool_]:
        """Where the first branch ends beyond the largest areal density by more than 1 σ of it."""
        electrons = self.planes[0] * self.high
        # Grams per electron are below 2.6 for every element: most blocks are done here.
        if not electrons.size or float(electrons.max()) * 2.6 < self.table.largest:
            return np.zeros(self.high.shape, bool)
        grams = _grams_of(self.planes[1])
        allowed = np.maximum(np.sqrt(self.var_high) * self.slopes[1] * grams, self.table.largest * np.float32(1e-3))
        return np.asarray(electrons * grams > self.table.largest + allowed, np.bool_)

    def _grams(self, sigma: Plane) -> tuple[Plane, Plane, Plane]:
        """A/Z, its slope and its scatter under a σ of Z."""
        row = np.minimum(sigma, np.float32(1e6))
        row = row / (row + np.float32(SIGMA_SCALE)) * np.float32(SIGMA_ROWS - 1)
        column = (self.planes[1] - np.float32(1)) * np.float32(STEPS_PER_Z)
        slope, scatter, _, _ = _split(_remap(steps_image(), column, row))
        return _grams_of(self.planes[1]), slope, scatter

    def details(self, sigma: Plane) -> tuple[NDArray[np.float32], Plane, Plane, Plane]:
        """Jacobian, and Z, areal density and likelihood ratio of the second solution."""
        grams, slope, _ = self._grams(np.where(self.thin | ~self.finite, np.float32(0), sigma))
        by_z = self.planes[2] * self.high
        straight = grams * self.slopes[1]
        across = (grams * self.slopes[0] + self.planes[0] * slope) * self.high
        with np.errstate(divide="ignore", invalid="ignore"):
            dz_high, dz_low = -self.planes[3] / by_z, 1 / by_z
            jacobian = np.stack([straight + across * dz_high, across * dz_low, dz_high, dz_low])
            # Both beams nearly transparent: only their common thickness can be told.
            jacobian[:, self.thin] = 0
            jacobian[0][self.thin] = straight[self.thin]
            # Distances from what each branch reaches, in σ.
            first = np.minimum(np.maximum(np.maximum(-self.place, self.place - 1), 0) / self.blur, np.float32(1e3))
            second = np.maximum(np.maximum(-self.place, self.place - self.reach), 0) / self.blur
            second = np.minimum(second, np.float32(1e3))
        light, heavy = self.planes, self._second()[0]
        if self.heavy.any():
            light = self._read(self.table.planes[0], self.row)
        other = [np.where(self.heavy, a, b) for a, b in zip(light, heavy, strict=True)]
        first, second = (np.where(np.isnan(d), np.float32(0), d) for d in (first, second))
        near, far = np.where(self.heavy, second, first), np.where(self.heavy, first, second)
        with np.errstate(over="ignore"):
            ratio = np.exp(np.clip((near**2 - far**2) / 2, -80, 80))
        none = (far > 3) & ~self.twin | (self.reach <= 0) | self.thin | ~self.finite
        ratio[none] = 0
        z = np.where(none, np.float32(np.nan), other[1])
        depth = other[0] * self.high * _grams_of(other[1])
        return jacobian.reshape(2, 2, *z.shape), z, np.where(none, np.float32(np.nan), depth), ratio.astype(np.float32)
