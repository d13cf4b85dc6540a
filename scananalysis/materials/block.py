"""One part of an image through the tables: where its pairs of attenuations stand, what is read there, and what becomes of errors.

Every plane is written into memory that is used again as soon as it may be (`lookup`), and steps that few blocks need are decided by the
extremes of the block: the least α_high says that nothing is thin, the greatest that nothing reaches the largest areal density.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import Quality
from scananalysis.materials.electrons import PER_Z, SIGMA_ROWS, SIGMA_SCALE, grams_image
from scananalysis.materials.lookup import Mask, Plane, scratch
from scananalysis.materials.parts import Part
from scananalysis.materials.tables import COARSE, InverseTable

_THINNEST = 0.02
_FAINTEST = 1e-3
"""α_high below which atomic number cannot be told: at most the first, at least the second, 5 σ in between."""
_THIN_SIGMAS = 5.0
_SLACK = np.float32(2e-4)
"""Part of the way from fold to hydrogen by which a pair may lie outside for rounding."""
_REACH_SLACK = np.float32(3e-3)
"""As much for the end of the second branch, which is less smooth."""
_WAVERING = 0.1
_LIGHTEST_FLAT = 2.2
_ONE = np.float32(1)
_FLAG_BIT = np.uint32(int(Quality.AMBIGUOUS).bit_length() - 1)
"""Place of `AMBIGUOUS`; `EXTRAPOLATED` is the next bit."""


class Block:
    """Pairs of attenuations, placed in the tables; see `inversion`.

    Parameters
    ----------
    table : InverseTable
    pair : sequence of ndarray of float32, (y, x)
        α_high, α_low and their variances, of the whole image.
    part : Part
        What of it is looked up.
    systematic : bool
        Whether σ counts the model's own error.

    Notes
    -----
    Flags count the own error of fitted curves, which their fit knows for every element. That of nominal curves, one figure for all, goes
    into σ alone: what it does to both branches alike cannot tell them apart.
    """

    def __init__(self, table: InverseTable, pair: Sequence[Plane], part: Part, *, systematic: bool) -> None:
        high, low, var_high, var_low = (np.ascontiguousarray(plane[part.at]) for plane in pair)
        self.table, self.part = table, part
        self.scratch = held = scratch(high.shape)
        least, most = float(high.min()), float(high.max())
        self.whole = all(map(math.isfinite, (least, most, float(low.min()), float(low.max()))))
        if not self.whole:
            self.finite = np.isfinite(high) & np.isfinite(low)
            high, low = (np.where(self.finite, a, np.float32(0)) for a in (high, low))
            least, most = float(high.min()), float(high.max())
        self.high, self.low, self.var_high, self.var_low = high, low, var_high, var_low
        self.any_thin = least < _THINNEST
        if self.any_thin:
            self.thin = high < np.clip(np.sqrt(var_high) * np.float32(_THIN_SIGMAS), _FAINTEST, _THINNEST)
            self.any_thin = bool(self.thin.any())
        self.deep = most >= table.shallow
        self.column = held.plane("column")
        np.sqrt(high if least >= 0 else np.maximum(high, 0), out=self.column)
        self.column *= np.float32(table.last_column / table.root_limit)
        self.row = held.plane("row")
        np.copyto(self.row, part.fine)
        at_fold, self.span, self.reach, along = held.read("edge", table.edges, self.column, self.row)
        self.place = np.divide(low, high, out=held.plane("place"))
        self.place -= at_fold
        self.place /= self.span
        self.heavy = held.mask("heavy")
        beyond = self._beyond_hydrogen(along, at_fold)
        # Where the first branch may end too deep it is read first.
        self.any_heavy = beyond and not self.deep
        if self.any_thin:
            reference = held.read("slope", table.reference, self.column, self.row)[0]
            np.copyto(self.place, reference, where=self.thin)
        self._rows()
        self._read()
        self._blur(at_fold)
        if self.deep:
            self._decide_deep(beyond=beyond)
        if systematic:
            self._add_own()
        self._flags(along)

    def _beyond_hydrogen(self, along: Plane, work: Plane) -> bool:
        """Find pairs that only the second branch explains: beyond hydrogen by more than their noise."""
        # Of broken pixels the place is not a number, and nor is the maximum.
        if float(self.place.max()) <= 1 + _SLACK or float(self.reach.max()) <= 1:
            return False
        noise = self._variance(along, self.var_high, self.var_low, along)
        np.sqrt(noise, out=noise)
        np.multiply(self.span, self.high, out=work)
        np.abs(work, out=work)
        np.divide(noise, work, out=work)
        work += _ONE
        np.greater(self.place, work, out=self.heavy)
        mask = self.scratch.mask("mask")
        self.heavy &= np.greater(self.place, _ONE + _SLACK, out=mask)
        self.heavy &= np.greater(self.reach, _ONE, out=mask)
        if self.any_thin:
            self.heavy &= ~self.thin
        return bool(self.heavy.any())

    def _rows(self) -> None:
        """Rows of the branch that serves."""
        if not self.any_heavy:
            self.table.row(self.place, self.row)
            return
        # Of the second branch over its own length, below the first.
        place, work = self.scratch.plane("plane0"), self.scratch.plane("plane1")
        np.copyto(place, self.place)
        np.divide(place, self.reach, out=work)
        np.copyto(place, work, where=self.heavy)
        self.table.row(place, self.row)
        self.row += np.multiply(self.heavy, np.float32(self.table.second), out=work)

    def _read(self) -> None:
        """Look the tables up at `row`."""
        held, part = self.scratch, self.part
        nodes = [(run.rows, self.table.planes[run.node]) for run in part.runs]
        planes = held.read_runs("plane", nodes, self.column, self.row)
        self.electrons, self.z = planes[:2]
        if self.table.angle.size > 1:
            for k in range(2):
                planes[k + 2] *= part.share
                planes[k] += planes[k + 2]
        nodes = [(run.rows, self.table.slopes[run.near]) for run in part.runs]
        self.by_z, self.along, self.bend, self.thickness = held.read_runs("slope", nodes, self.column, self.row)

    @staticmethod
    def _variance(along: Plane, var_high: Plane, var_low: Plane, out: Plane) -> Plane:
        """Variance of α_low about the curve of an element."""
        np.multiply(along, along, out=out)
        out *= var_high
        out += var_low
        return out

    def _blur(self, out: Plane) -> None:
        """Find the σ of α_low about the curve of an element, and write it as a part of the way from fold to hydrogen."""
        self.square = self._variance(self.along, self.var_high, self.var_low, self.scratch.plane("plane2"))
        self.noise = np.sqrt(self.square, out=self.scratch.plane("plane3"))
        self.blur = self._part_of_the_way(out)

    def _part_of_the_way(self, out: Plane) -> Plane:
        np.multiply(self.span, self.high, out=out)
        np.abs(out, out=out)
        np.divide(self.noise, out, out=out)
        if self.any_thin:
            out[self.thin] = 0
        return out

    def _decide_deep(self, *, beyond: bool) -> None:
        """Add pairs for which the first branch ends too deep: where both explain a pair, the second serves then."""
        heavy = self._too_deep() & (self.place - self.reach <= np.maximum(self.blur, _SLACK)) & (self.reach > 0)
        if self.any_thin:
            heavy &= ~self.thin
        if beyond:
            heavy |= self.heavy
        np.copyto(self.heavy, heavy)
        self.any_heavy = bool(heavy.any())
        if self.any_heavy:
            self._rows()
            self._read()
            self._blur(self.blur)

    def _add_own(self) -> None:
        """Add the model's own error to the variance of α_high, and to variance and σ of α_low about the curve of an element."""
        held = self.scratch
        high = np.multiply(self.high, self.high, out=held.plane("own high"))
        low = np.multiply(self.low, self.low, out=held.plane("number"))
        if self.table.own.size:
            fine = np.float32(1 / COARSE)
            self.row *= fine
            column = np.multiply(self.column, fine, out=held.plane("own column"))
            own = held.read("own", self.table.own, column, self.row)
            high *= own[0]
            low *= own[1]
        else:
            high *= np.float32(self.table.own_variance)
            low *= np.float32(self.table.own_variance)
        high += self.var_high
        low += self.var_low
        self.var_high = high
        self._variance(self.along, high, low, self.square)
        np.sqrt(self.square, out=self.noise)
        if self.table.own.size:
            self._part_of_the_way(self.blur)

    def _flags(self, work: Plane) -> None:
        """Say which pairs both branches explain, and which neither."""
        held, place, blur = self.scratch, self.place, self.blur
        mask = held.mask("mask")
        # Both: within the blur of the end of the second branch, and not beyond the fold.
        inside = np.greater(np.add(place, blur, out=work), 0, out=held.mask("inside"))
        inside |= np.greater(place, -_SLACK, out=mask)
        clear = np.subtract(place, self.reach, out=work)
        self.twin = np.less(clear, blur, out=held.mask("twin"))
        self.twin |= np.less(clear, _REACH_SLACK, out=mask)
        self.twin &= inside
        self.twin &= np.greater(self.reach, 0, out=mask)
        # Neither, by more than rounding: beyond the fold, or beyond hydrogen and the end of the second branch.
        self.outside = np.greater(place, _ONE + _SLACK, out=inside)
        self.outside &= np.greater(clear, _SLACK, out=mask)
        self.outside |= np.less(place, -_SLACK, out=mask)
        if self.any_heavy:
            self.twin &= np.logical_not(self.heavy, out=mask)
            # Next to the fold cross sections waver from element to element: there the second branch has twins of its own.
            np.less(place, np.float32(np.inf if self.table.flat else _WAVERING), out=mask)
            mask &= self.heavy
            self.twin |= mask
        if self.any_thin:
            self.twin |= self.thin
            self.outside |= self.thin
        if self.table.flat:
            # Rounding alone decides between hydrogen and helium, of half as much matter per electron.
            self.twin |= self.z < np.float32(_LIGHTEST_FLAT)

    def _too_deep(self) -> Mask:
        """Where the first branch ends beyond the largest areal density by more than 1 σ of it."""
        grams = self._grams(np.zeros_like(self.z))[0]
        allowed = np.maximum(np.sqrt(self.var_high) * self.thickness * grams, self.table.largest * np.float32(1e-3))
        return np.asarray(self.electrons * self.high * grams > self.table.largest + allowed, np.bool_)

    def _grams(self, row: Plane, label: str = "grams") -> list[Plane]:
        """Grams per electron, and their slope and scatter under a σ of Z that stands in a row of its image."""
        column = np.subtract(self.z, _ONE, out=self.scratch.plane("number"))
        column *= np.float32(PER_Z)
        return self.scratch.read(label, grams_image(), column, row)

    @staticmethod
    def _sigma_row(sigma: Plane, unit: Plane | float, out: Plane) -> Plane:
        """Row of a σ_Z in the image of `_grams`; σ may be given in any unit."""
        np.multiply(unit, np.float32(SIGMA_SCALE), out=out)
        out += sigma
        np.divide(sigma, out, out=out)
        out *= np.float32(SIGMA_ROWS - 1)
        return out

    def solve(self, out: Sequence[Plane], quality: NDArray[np.uint32]) -> None:
        """Fill λ, Z, their σ and correlation, and the flags."""
        depth, z, sigma_depth, sigma_z, correlation = out
        held = self.scratch
        var_high, square, noise = self.var_high, self.square, self.noise
        # Neither without noise nor of unknown variance.
        ordinary = float(noise.min()) > 0
        climb = np.multiply(self.by_z, self.high, out=self.by_z)
        rise = np.abs(climb, out=held.plane("rise"))
        np.divide(noise, rise, out=sigma_z)
        row = self._sigma_row(noise, rise, self.row)
        if not ordinary:
            # No noise has no σ, also where the curve is flat; under an unknown σ steps of A/Z are not smoothed.
            sigma_z[noise == 0] = 0
            row[np.isnan(row)] = 0
        # What was read at the edges is no longer needed.
        grams, slope, scatter, work = self._grams(row, "edge")
        self._spread([grams, slope, scatter, work], (var_high, square, noise), climb, out)
        np.copyto(z, self.z)
        self._set(depth, quality)
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

    def _spread(self, read: Sequence[Plane], errors: Sequence[Plane], climb: Plane, out: Sequence[Plane]) -> None:
        """Fill λ, its σ and correlation with Z; overwrites what was read, and ``climb``."""
        grams, slope, scatter, work = read
        var_high, square, noise = errors
        depth, _, sigma_depth, sigma_z, correlation = out
        electrons = np.multiply(self.electrons, self.high, out=self.electrons)
        np.multiply(electrons, grams, out=depth)
        # λ = n A/Z: along α_high, and across with Z; δZ = (δα_low − along δα_high) / climb.
        straight = np.multiply(grams, self.thickness, out=self.thickness)
        across = np.multiply(grams, self.bend, out=self.bend)
        across *= self.high
        slope *= electrons
        across += slope
        across /= climb
        # λ's variance is ``alone`` + across (cov + (cov − lean)), Z's covariance with λ is cov / climb.
        lean = np.multiply(straight, var_high, out=slope)
        alone = np.multiply(straight, lean, out=straight)
        lean *= self.along
        cov = np.multiply(across, square, out=grams)
        cov -= lean
        var = np.subtract(cov, lean, out=work)
        var *= across
        var += alone
        scatter *= electrons
        scatter *= sigma_z
        scatter *= scatter
        var += scatter
        # On a fold the slope of Z, and its σ, is unbounded; but at a given attenuation no element changes λ by more than itself.
        cap = np.multiply(depth, depth, out=scatter)
        cap += alone
        np.minimum(var, cap, out=var)
        if self.any_thin:
            np.copyto(var, alone, where=self.thin)
        if not float(var.min()) >= 0:
            np.maximum(var, 0, out=var)
            var[noise == 0] = 0
        np.sqrt(var, out=sigma_depth)
        climb *= sigma_z
        climb *= sigma_depth
        np.divide(cov, climb, out=correlation)
        np.abs(correlation, out=work)
        within = np.less_equal(work, _ONE, out=self.scratch.mask("mask"))
        correlation *= within
        if math.isnan(float(correlation.max())):
            correlation[np.isnan(correlation)] = 0

    def _set(self, depth: Plane, quality: NDArray[np.uint32]) -> None:
        if self.deep:
            self.outside |= self.column > self.table.last_column
            self.outside |= depth > self.table.largest * np.float32(1 + 1e-5)
        code = self.outside.view(np.uint8)
        code += code
        code |= self.twin.view(np.uint8)
        np.copyto(quality, code)
        quality <<= _FLAG_BIT

    def details(self, sigma: Plane) -> tuple[NDArray[np.float32], Plane, Plane, Plane]:
        """Jacobian, and Z, areal density and likelihood ratio of the second solution."""
        idle = self.thin if self.any_thin else np.zeros(sigma.shape, np.bool_)
        broken = np.zeros(sigma.shape, np.bool_) if self.whole else ~self.finite
        spread = np.where(idle | broken, np.float32(0), np.minimum(sigma, np.float32(1e6)))
        grams, slope, _, _ = self._grams(np.nan_to_num(self._sigma_row(spread, 1.0, np.empty_like(spread))))
        climb = self.by_z * self.high
        straight = grams * self.thickness
        across = (grams * self.bend + self.electrons * slope) * self.high
        dz_high, dz_low = -self.along / climb, 1 / climb
        jacobian = np.stack([straight + across * dz_high, across * dz_low, dz_high, dz_low])
        # Both beams nearly transparent: only their common thickness can be told.
        jacobian[:, idle] = 0
        jacobian[0][idle] = straight[idle]
        # Distances from what each branch reaches, in σ.
        first = np.minimum(np.maximum(np.maximum(-self.place, self.place - 1), 0) / self.blur, np.float32(1e3))
        second = np.maximum(np.maximum(-self.place, self.place - self.reach), 0) / self.blur
        second = np.minimum(second, np.float32(1e3))
        first, second = (np.where(np.isnan(d), np.float32(0), d) for d in (first, second))
        heavy = self.heavy if self.any_heavy else np.zeros(sigma.shape, np.bool_)
        near, far = np.where(heavy, second, first), np.where(heavy, first, second)
        ratio = np.exp(np.clip((near**2 - far**2) / 2, -80, 80))
        none = (far > 3) & ~self.twin | (self.reach <= 0) | idle | broken
        ratio[none] = 0
        # The branch that did not serve.
        np.copyto(self.heavy, ~heavy)
        np.clip(self.reach, np.float32(1e-9), np.float32(np.inf), out=self.reach)
        self.any_heavy = True
        self._rows()
        self._read()
        depth = self.electrons * self.high * self._grams(np.zeros_like(sigma))[0]
        absent = np.float32(np.nan)
        return (
            jacobian.reshape(2, 2, *sigma.shape),
            np.where(none, absent, self.z),
            np.where(none, absent, depth),
            ratio.astype(np.float32),
        )
