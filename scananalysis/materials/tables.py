"""Tables of the inverse of the dual-energy model: for each fan angle, √α_high and place along the curve of elements.

At a given α_high the ratio α_low/α_high is a curve over the atomic number. From hydrogen it runs one way up to a fold, where pair
production (MV) or a K edge (kV) turns it round; elements beyond the fold are physical twins of some before it. The first branch ends at
the fold, the second runs from the fold to the farthest ratio reached beyond. Both are laid out over the square root of the distance from
the fold, in which they are smooth.

Areal density is counted in electrons (mol/cm²): per electron, cross sections are smooth in Z, per gram they are not.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator

from scananalysis.materials.electrons import BORDER, grams_per_electron
from scananalysis.physics import Beam

if TYPE_CHECKING:
    from scananalysis.materials.dualenergy import DualEnergyModel

_COLUMNS, _ROWS = 192, 96
_FLAT_COLUMNS, _FLAT_ROWS = 384, 256
_Z = np.concatenate([np.arange(1, 12, 0.125), np.arange(12, 30, 0.25), np.arange(30, 92.01, 0.5)])
_DEPTHS = 72
COARSE = 2
"""Of so many rows and columns one stands in the tables of the model's own error."""
DENSE = 8
"""Steps of the edges between two nodes of fan angle."""
_WIDEST = 0.025
"""Largest step between nodes of fan angle, rad."""
_LEAST = 1e-4
"""α_high of the first column, where ratios have reached their limit for thin layers."""
_PAIR_MEV = 1.022
REFERENCE_Z = 7.0
"""Element under which layers too thin for an atomic number are read."""
_WIGGLE = 1e-4
"""Relative turn of the ratio that is a wiggle of the cross sections and not a fold."""


@dataclass(frozen=True)
class InverseTable:
    """Tables of one model by fan angle; the last row and column of each image are repeated (`bordered`).

    Parameters
    ----------
    angle : ndarray of float64, (node,)
        Fan angles, rad, ascending; absolute ones where ``symmetric``.
    symmetric : bool
        Both sides of the beam are alike.
    share : ndarray of float64, (node − 1, `DENSE` + 1)
        Weight of the upper node at even steps between two nodes.
    flat : bool
        The ratio hardly changes from hydrogen on (kV): rows are denser there, see `row`.
    root_limit : float
        √α_high of the last column.
    edges : ndarray of float32, (dense node, column, 4)
        Ratio α_low/α_high at the fold; its distance to hydrogen (signed); how far beyond the fold the second branch reaches, in units
        of that distance; ∂α_low/∂α_high of hydrogen.
    reference : ndarray of float32, (dense node, column, 4)
        Where `REFERENCE_Z` stands between fold and hydrogen, and zeros.
    planes : ndarray of float32, (interval, row, column, 4)
        Electrons per α_high and Z at the lower node of an interval of fan angle, and what they gain up to the upper one: one look-up
        reads both nodes. The second branch is below the first, from row `second` on.
    slopes : ndarray of float32, (node, row, column, 4)
        ∂α_low/∂Z per α_high at constant α_high, ∂α_low/∂α_high at constant Z, ∂(electrons)/∂Z per α_high at constant α_high,
        ∂(electrons)/∂α_high at constant Z. They go into σ and flags, for which the nearer node serves.
    own : ndarray of float32, (row / `COARSE`, column / `COARSE`, 4)
        Relative variance of the model's own error of α_high and of α_low, and two zeros; empty where it is the same everywhere.
    own_variance : float
        Relative variance of the model's own error where it is the same everywhere.
    shallow : float
        α_high below which no element reaches the largest areal density.
    largest : float
        Largest areal density, g/cm².
    """

    angle: NDArray[np.float64]
    symmetric: bool
    share: NDArray[np.float64]
    flat: bool
    root_limit: float
    edges: NDArray[np.float32]
    reference: NDArray[np.float32]
    planes: NDArray[np.float32]
    slopes: NDArray[np.float32]
    own: NDArray[np.float32]
    own_variance: float
    shallow: float
    largest: float

    @property
    def last_row(self) -> int:
        """Row of hydrogen."""
        return self.second - 1 - BORDER

    @property
    def second(self) -> int:
        """Row at which the second branch begins."""
        return int(self.planes.shape[1]) // 2

    @property
    def last_column(self) -> int:
        """Column of `root_limit`."""
        return int(self.planes.shape[2]) - 1 - BORDER

    def row(self, place: NDArray[np.float32], out: NDArray[np.float32]) -> NDArray[np.float32]:
        """Row of a place between fold (0) and hydrogen (1), within the table."""
        np.clip(place, np.float32(0), np.float32(1), out=out)
        if self.flat:
            np.subtract(np.float32(1), out, out=out)
            np.sqrt(np.sqrt(out, out=out), out=out)
            np.subtract(np.float32(1), out, out=out)
        np.sqrt(out, out=out)
        out *= np.float32(self.last_row)
        return out


def bordered(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Repeat the last row and column of (…, row, column, 4): on the last two of an image OpenCV looks up four times slower."""
    return np.pad(images, [*[(0, 0)] * (images.ndim - 3), (0, BORDER), (0, BORDER), (0, 0)], mode="edge")


def _levels(rows: int, *, flat: bool) -> NDArray[np.float64]:
    """Return the place of each row, the inverse of `InverseTable.row`."""
    level = np.linspace(0, 1, rows) ** 2
    return 1 - (1 - level) ** 4 if flat else level


@dataclass(frozen=True, eq=False)
class _Curves:
    """At every α_high and element, (node, column, z): what the two branches are read from."""

    electrons: NDArray[np.float64]
    ratio: NDArray[np.float64]
    ratio_slope: NDArray[np.float64]
    along: NDArray[np.float64]
    bend: NDArray[np.float64]
    thickness: NDArray[np.float64]


def build_table(model: DualEnergyModel) -> InverseTable:
    """Compute the tables of a model."""
    angles, symmetric = _nodes(model.beams)
    grams = grams_per_electron(_Z)
    cross, slope = zip(*(_per_electron(model, i) for i in range(2)), strict=True)
    weights = _weights(model.beams, angles)
    # The most attenuating element at the largest areal density ends the map.
    most = model.largest_areal_density / grams
    least = cross[0].min(axis=1)
    far = (most * least)[:, None] - np.log(np.exp(-most[:, None] * (cross[0] - least[:, None])) @ weights[0])
    root = float(np.sqrt(max(far.max(), 1.0) * 1.02))
    # Without pair production the ratio grows with a power of Z and is flat at hydrogen.
    flat = max(float(beam.energy_mev[-1]) for beam in model.beams) < _PAIR_MEV
    high = np.maximum(np.linspace(0, root, _FLAT_COLUMNS if flat else _COLUMNS) ** 2, _LEAST)
    curves = _curves(cross, slope, weights, high)
    level = _levels(_FLAT_ROWS if flat else _ROWS, flat=flat)
    too_deep = curves.electrons * high[:, None] * grams > model.largest_areal_density * 1.01
    edges, branches = _branches(curves, too_deep, level)
    planes, slopes = (np.stack(tables) for tables in zip(*branches, strict=True))
    dense, share = _dense(model.beams, angles)
    hydrogen = _curves([c[:1] for c in cross], [c[:1] for c in slope], _weights(model.beams, dense), high).ratio[..., 0]
    return InverseTable(
        angles,
        symmetric,
        share,
        flat,
        root,
        bordered(_dense_edges(edges[..., :4], share, hydrogen)),
        bordered(_dense_edges(edges[..., 4:], share)),
        _below(bordered(_with_next(planes))),
        _below(bordered(slopes)),
        _own_error(model, planes, high),
        model.relative_sigma**2,
        # Tables are not exact: a margin.
        float(far.min()) * 0.99,
        model.largest_areal_density,
    )


def _below(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put the second branch of (branch, …, row, column, 4) below the first."""
    return np.concatenate([images[0], images[1]], axis=-3)


def _with_next(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put what (branch, node, row, column, 2) gain up to the next node beside them."""
    if planes.shape[1] == 1:
        return np.concatenate([planes, np.zeros_like(planes)], axis=-1)
    return np.concatenate([planes[:, :-1], np.diff(planes, axis=1)], axis=-1)


def _own_error(model: DualEnergyModel, planes: NDArray[np.float32], high: NDArray[np.float64]) -> NDArray[np.float32]:
    """Relative variances of a fitted model's own error: those on the first angle serve for all, they hardly differ."""
    if not model.covariance.any():
        return np.zeros((0, 0, 4), np.float32)
    depths = model.largest_areal_density * np.linspace(0.01, 1, 25) ** 2
    numbers = np.concatenate([np.arange(1, 12, 1.0), np.arange(12, 30, 3.0), np.linspace(30, 92, 11)])
    grid = np.meshgrid(numbers, depths, indexing="ij")
    share = [
        own / alpha**2
        for own, alpha in zip(model.systematic_variance(*grid[::-1]), model.forward(*grid[::-1]), strict=True)
    ]
    z = np.clip(planes[:, 0, ::COARSE, ::COARSE, 1].astype(np.float64), 1, 92)
    depth = np.clip(planes[:, 0, ::COARSE, ::COARSE, 0] * high[::COARSE] * grams_per_electron(z), depths[0], depths[-1])
    own = np.zeros((*z.shape, 4), np.float32)
    for c in range(2):
        own[..., c] = RegularGridInterpolator((numbers, depths), share[c])(np.stack([z, depth], axis=-1))
    # As many rows as of the other tables, of which it has one in `COARSE`.
    return bordered(_below(bordered(own)[:, : own.shape[1] + BORDER // COARSE]))


def _weights(beams: tuple[Beam, Beam], angles: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    return [np.atleast_2d(beam.signal_weights(angles)).T for beam in beams]


def _dense(beams: tuple[Beam, Beam], angles: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fan angles of the edges, and the weight of the upper node there.

    Photons are linear in the angle, so attenuation is nearly linear in the share of the signal that comes from the upper node.
    """
    part = np.linspace(0, 1, DENSE + 1)
    signal = np.sum([beam.relative_signal(angles) for beam in beams], axis=0)
    upper, lower = part * signal[1:, None], (1 - part) * signal[:-1, None]
    fine = (angles[:-1, None] + part[:-1] * np.diff(angles)[:, None]).ravel()
    return np.append(fine, angles[-1]), upper / (upper + lower)


def _dense_edges(
    edges: NDArray[np.float64], share: NDArray[np.float64], hydrogen: NDArray[np.float64] | None = None
) -> NDArray[np.float32]:
    """Interpolate edges between nodes; hydrogen's ratio, on which the lightest elements hang, is known at every angle."""
    weight = share[:, :-1, None, None]
    between = (1 - weight) * edges[:-1, None] + weight * edges[1:, None]
    found = np.concatenate([between.reshape(-1, *edges.shape[1:]), edges[-1:]])
    if hydrogen is not None:
        found[..., 1] = hydrogen - found[..., 0]
    return found.astype(np.float32)


def _nodes(beams: tuple[Beam, Beam]) -> tuple[NDArray[np.float64], bool]:
    """Fan angles of the tables: spectra are linear between theirs, so those are nodes; wide gaps are divided."""
    axes = [beam.fan_angle_rad for beam in beams if beam.fan_angle_rad.size > 1]
    if not axes:
        return np.zeros(1), True
    low, high = max(axis[0] for axis in axes), min(axis[-1] for axis in axes)
    symmetric = all(_mirrored(beam) for beam in beams)
    if symmetric:
        low = max(low, 0.0)
    inside = np.unique(np.concatenate([[low, high], *axes]))
    inside = inside[(inside >= low) & (inside <= high)]
    parts = [
        np.linspace(a, b, int(np.ceil((b - a) / _WIDEST - 1e-6)), endpoint=False) for a, b in itertools.pairwise(inside)
    ]
    return np.concatenate([*parts, [high]]), symmetric


def _mirrored(beam: Beam) -> bool:
    angle, weights = beam.fan_angle_rad, np.atleast_2d(beam.signal_weights(beam.fan_angle_rad))
    return bool(np.allclose(angle, -angle[::-1], atol=1e-9) and np.allclose(weights, weights[::-1], atol=1e-6))


def _per_electron(model: DualEnergyModel, beam: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Attenuation per mol of electrons, cm², and its derivative by Z, (z, k)."""
    step = 1e-3
    below, above = np.maximum(_Z - step, 1), np.minimum(_Z + step, 92)
    z = np.concatenate([_Z, below, above])
    found = model.mass_attenuation(beam, z) * grams_per_electron(z)[:, None]
    middle, first, last = np.split(found, 3)
    return middle, (last - first) / (above - below)[:, None]


def _curves(
    cross: Sequence[NDArray[np.float64]],
    slope: Sequence[NDArray[np.float64]],
    weights: list[NDArray[np.float64]],
    high: NDArray[np.float64],
) -> _Curves:
    # Depths that reach the last column even where only the hardest bin is left.
    depth = (high[-1] / cross[0].min(axis=1))[:, None] * np.linspace(0, 1, _DEPTHS + 1) ** 2
    alpha, by_depth, by_z = [], [], []
    for sigma, dsigma, weight in zip(cross, slope, weights, strict=True):
        least = sigma.min(axis=1)
        left = np.exp(-depth[..., None] * (sigma - least[:, None])[:, None])
        total = left @ weight
        alpha.append(depth[..., None] * least[:, None, None] - np.log(total))
        by_depth.append((left * sigma[:, None]) @ weight / total)
        by_z.append(depth[..., None] * ((left * dsigma[:, None]) @ weight) / total)
    nodes, elements = weights[0].shape[1], cross[0].shape[0]
    electrons, low, dh, dl, hz, lz = (np.empty((nodes, high.size, elements)) for _ in range(6))
    row = np.arange(nodes)[:, None]
    for i in range(elements):
        # (node, depth): where each α_high lies, then cubics with the known slopes.
        x, y, dx, dy, xz, yz = (np.ascontiguousarray(table[i].T) for table in (*alpha, *by_depth, *by_z))
        at = np.stack([np.searchsorted(line, high, side="right") for line in x]) - 1
        at = np.minimum(np.maximum(at, 0), _DEPTHS - 1)
        n0 = depth[i][at]
        step = depth[i][at + 1] - n0
        x0, width = x[row, at], x[row, at + 1] - x[row, at]
        slopes = width / dx[row, at], width / dx[row, at + 1]
        electrons[..., i] = found = _hermite((high - x0) / width, n0, n0 + step, *slopes)
        part = (found - n0) / step
        low[..., i] = _hermite(part, y[row, at], y[row, at + 1], dy[row, at] * step, dy[row, at + 1] * step)
        for target, table in ((dh, dx), (dl, dy), (hz, xz), (lz, yz)):
            value = table[row, at]
            target[..., i] = value + part * (table[row, at + 1] - value)
    column = high[:, None]
    along = dl / dh
    return _Curves(electrons / column, low / column, (lz - along * hz) / column, along, -hz / dh / column, 1 / dh)


def _hermite(
    t: NDArray[np.float64],
    y0: NDArray[np.float64],
    y1: NDArray[np.float64],
    d0: NDArray[np.float64],
    d1: NDArray[np.float64],
) -> NDArray[np.float64]:
    found: NDArray[np.float64] = y0 + (y1 - y0) * t**2 * (3 - 2 * t) + d0 * t * (1 - t) ** 2 - d1 * t**2 * (1 - t)
    return found


def _branches(
    curves: _Curves, too_deep: NDArray[np.bool_], level: NDArray[np.float64]
) -> tuple[NDArray[np.float64], list[tuple[NDArray[np.float32], NDArray[np.float32]]]]:
    """Edges, and planes and slopes of both branches."""
    ratio = curves.ratio
    sign = np.sign(ratio[..., _Z.searchsorted(8.0)] - ratio[..., 0])[..., None]
    rising = ratio * sign
    turned = np.maximum.accumulate(rising, axis=-1) - rising > _WIGGLE * np.abs(ratio[..., :1])
    end = np.where(turned.any(axis=-1), turned.argmax(axis=-1), _Z.size - 1)
    index = np.arange(_Z.size)
    fold = np.maximum(np.where(index <= end[..., None], rising, -np.inf).argmax(axis=-1), 1)
    at_fold = np.take_along_axis(ratio, fold[..., None], -1)[..., 0]
    span = ratio[..., 0] - at_fold
    place = (ratio - at_fold[..., None]) / span[..., None]
    # From hydrogen to the fold the place falls from 1 to 0, from there on to the reach it rises again.
    first = np.minimum.accumulate(np.where(index <= fold[..., None], place, 0.0), axis=-1)
    beyond = np.where((index >= fold[..., None]) & ~too_deep, place, 0.0)
    second = np.where(index >= fold[..., None], np.maximum.accumulate(np.maximum(beyond, 0), axis=-1), 0.0)
    reach = second[..., -1]
    reference = place[..., _Z.searchsorted(REFERENCE_Z)]
    blank = np.zeros((*fold.shape, 3))
    edges = np.concatenate(
        [np.stack([at_fold, span, reach, curves.along[..., 0], np.clip(reference, 0, 1)], axis=-1), blank], axis=-1
    )
    left = np.empty((2, *fold.shape, level.size), np.intp)
    for at in np.ndindex(fold.shape):
        left[0][at] = np.clip(_Z.size - 1 - np.searchsorted(first[at][::-1], level, side="left"), 0, fold[at] - 1)
        found = np.searchsorted(second[at], level * reach[at], side="left") - 1
        left[1][at] = np.clip(found, min(fold[at], _Z.size - 2), _Z.size - 2)
    targets = (np.broadcast_to(level, left[0].shape), level * reach[..., None])
    return edges, [_read(curves, place, span, i, u) for i, u in zip(left, targets, strict=True)]


def _read(
    curves: _Curves,
    place: NDArray[np.float64],
    span: NDArray[np.float64],
    left: NDArray[np.intp],
    target: NDArray[np.float64],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Planes and slopes, (node, row, column, 2 and 4), where the curve passes the targets in the intervals ``left`` of Z."""
    step = _Z[left + 1] - _Z[left]

    def ends(table: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.take_along_axis(table, left, -1), np.take_along_axis(table, left + 1, -1)

    y0, y1 = (np.maximum(y, 0) for y in ends(place))
    r0, r1, u = np.sqrt(y0), np.sqrt(y1), np.sqrt(target)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(r0 == r1, 0.0, (u - r0) / (r1 - r0))
    share = np.clip(share, 0, 1)
    # Newton on the cubic through both ends, whose slopes are known; where the curve is flat the start stays.
    d0, d1 = (slope * step / span[..., None] for slope in ends(curves.ratio_slope))
    for _ in range(3):
        value = _hermite(share, y0, y1, d0, d1)
        rate = (y1 - y0) * 6 * share * (1 - share) + d0 * (1 - share) * (1 - 3 * share) + d1 * share * (3 * share - 2)
        steep = np.abs(rate) > 0.3 * np.abs(y1 - y0)
        share = np.clip(share + np.where(steep, (target - value) / np.where(steep, rate, 1), 0), 0, 1)

    def linear(table: NDArray[np.float64]) -> NDArray[np.float64]:
        a, b = ends(table)
        return np.asarray(a + share * (b - a), np.float64)

    b0, b1 = (bend * step for bend in ends(curves.bend))
    electrons = _hermite(share, *ends(curves.electrons), b0, b1)
    planes = (electrons, _Z[left] + share * step)
    slopes = tuple(linear(table) for table in (curves.ratio_slope, curves.along, curves.bend, curves.thickness))
    found = [np.stack(values, axis=-1).swapaxes(1, 2).astype(np.float32) for values in (planes, slopes)]
    return found[0], found[1]


__all__ = ["InverseTable", "build_table"]
