"""The inverse of the dual-energy model by look-up: areal density, atomic number, σ, correlation, twins and flags.

Tables are those of `tables`. A pair is placed between the fold and hydrogen at its α_high, read on the first branch, and on the second
where only that one explains it. Rows of an image have one fan angle each; between nodes of the angle tables are interpolated.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scananalysis.core import ConfigurationError
from scananalysis.materials.block import Block
from scananalysis.materials.lookup import Plane
from scananalysis.materials.parts import WIDEST, Part, checked_angles, parts
from scananalysis.materials.tables import InverseTable, build_table

__all__ = ["InverseTable", "Inverted", "build_table", "invert"]


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
    systematic = systematic and (table.own_variance > 0 or table.own.size > 0)
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

    def solve(part: Part) -> None:
        Block(table, pair, part, systematic=systematic).solve([o[part.at] for o in out], quality[part.at])

    _each(solve, parts(table, angle, width))

    def details() -> tuple[Plane, Twins]:
        jacobian = np.empty((2, 2, height, width), np.float32)
        twins = [np.empty((height, width), np.float32) for _ in range(3)]

        def solve(part: Part) -> None:
            found = Block(table, pair, part, systematic=systematic).details(out[3][part.at])
            jacobian[(slice(None), slice(None), *part.at)] = found[0]
            for target, plane in zip(twins, found[1:], strict=True):
                target[part.at] = plane

        _each(solve, parts(table, angle, width))
        return jacobian.reshape(2, 2, *shape), Twins(*(t.reshape(shape) for t in twins))

    depth, z, sigma_depth, sigma_z, correlation = (o.reshape(shape) for o in out)
    return Inverted(depth, z, sigma_depth, sigma_z, correlation, quality.reshape(shape), details)


def _each(job: Callable[[Part], None], pieces: Sequence[Part]) -> None:
    """Do a job on every part of an image.

    One thread does: steps of some microseconds on small blocks pass the interpreter's lock to and fro, which two threads lose by.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        for piece in pieces:
            job(piece)
