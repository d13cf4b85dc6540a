"""The inverse of the dual-energy model as tables: areal density, atomic number, σ, correlation and flags in one look-up.

At a given high-energy attenuation, the low-energy attenuation as a function of atomic number is monotonic from hydrogen up to a fold,
where pair production (MV) or a K edge (kV) turns it round; beyond the fold lie physical twins. Tables cover the branch of common
materials, in coordinates that are smooth up to the fold: √α_high, and the root of the distance from the fold at that α_high.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scananalysis.core import Quality

if TYPE_CHECKING:
    from scananalysis.materials.dualenergy import DualEnergyModel

_Z = np.concatenate([np.arange(1, 10, 0.5), np.arange(10, 92.01, 1.0)])
_COLUMNS, _ROWS = 384, 192
_THINNEST = 0.02
"""Attenuation below which atomic number cannot be told: both beams are nearly transparent."""
_NODES_PER_RAD = 20.0


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
    jacobian : ndarray of float32, (2, 2, …)
        ∂(λ, Z)/∂(α_high, α_low).
    """

    areal_density: NDArray[np.float32]
    z_eff: NDArray[np.float32]
    sigma_areal_density: NDArray[np.float32]
    sigma_z: NDArray[np.float32]
    correlation: NDArray[np.float32]
    quality: NDArray[np.uint32]
    jacobian: NDArray[np.float32]


@dataclass(frozen=True)
class InverseTable:
    """Tables of one model by fan angle.

    Parameters
    ----------
    angle : ndarray, (node,)
        Absolute fan angles.
    root_limit : float
        √α_high of the last column.
    rows : ndarray of float32, (node, 4, column)
        α_low at the fold, its distance to hydrogen (signed), α_low of the farthest twin (relative to the fold), largest
        λ's α_high flag.
    planes : ndarray of float32, (node, row, column, 6)
        λ/α_high, Z, and ∂α_high/∂λ, ∂α_high/∂Z, ∂α_low/∂λ, ∂α_low/∂Z.
    largest : float
        Largest areal density, g/cm².
    """

    angle: NDArray[np.float64]
    root_limit: float
    rows: NDArray[np.float32]
    planes: NDArray[np.float32]
    largest: float

    @functools.cached_property
    def images(self) -> tuple[tuple[NDArray[np.float32], ...], ...]:
        """What is looked up at every node, laid out once as OpenCV wants it: ``rows``, and ``planes`` by threes."""
        return tuple(
            (np.ascontiguousarray(rows.T[None]), *(np.ascontiguousarray(planes[..., k : k + 3]) for k in (0, 3)))
            for rows, planes in zip(self.rows, self.planes, strict=True)
        )


def build_table(model: DualEnergyModel) -> InverseTable:
    """Compute the tables of a model."""
    limit = min(float(beam.fan_angle_rad[-1]) for beam in model.beams)
    count = max(1, int(np.ceil(limit * _NODES_PER_RAD)) + 1) if limit > 0 else 1
    angles = np.linspace(0, limit, count)
    mu = [model.mass_attenuation(i, _Z) for i in range(2)]
    # The densest elements define how far attenuation goes.
    deepest = max(
        float(
            -np.log(np.exp(-model.largest_areal_density * (m - m.min())) @ beam.signal_weights())
            + model.largest_areal_density * m.min()
        )
        for beam, table in zip(model.beams[:1], mu[:1], strict=True)
        for m in table[[5, 43]]
    )
    root = np.sqrt(max(deepest, 1.0)) * 1.02
    nodes = [_node(model, mu, float(angle), root) for angle in angles]
    return InverseTable(
        angles,
        root,
        np.stack([node[0] for node in nodes]).astype(np.float32),
        np.stack([node[1] for node in nodes]).astype(np.float32),
        model.largest_areal_density,
    )


def _curves(
    depth: NDArray[np.float64], mu: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Attenuation and its derivative by depth, (n,), for (n,) depths and one or n rows of coefficients."""
    least = mu.min(axis=-1, keepdims=True)
    part = np.exp(-depth[:, None] * (mu - least)) * weights
    total = part.sum(axis=1)
    return depth * least[..., 0] - np.log(total), (part * mu).sum(axis=1) / total


def _node(
    model: DualEnergyModel, mu: list[NDArray[np.float64]], angle: float, root: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    high_weights, low_weights = (beam.signal_weights(angle) for beam in model.beams)
    high = np.maximum(np.linspace(0, root, _COLUMNS) ** 2, _THINNEST / 4)
    # For every Z: depth at each α_high by Newton's method, then α_low and the four derivatives there.
    lam = np.empty((_Z.size, _COLUMNS))
    low, dh, dl = np.empty_like(lam), np.empty_like(lam), np.empty_like(lam)
    for i in range(_Z.size):
        depth = high / (high_weights @ mu[0][i])
        for _ in range(12):
            value, slope = _curves(depth, mu[0][i][None], high_weights)
            depth = np.maximum(depth + (high - value) / slope, 1e-9)
        lam[i] = depth
        dh[i] = _curves(depth, mu[0][i][None], high_weights)[1]
        low[i], dl[i] = _curves(depth, mu[1][i][None], low_weights)
    # dα_low/dZ at constant α_high follows from the table itself.
    along: NDArray[np.float64] = np.asarray(np.gradient(low, _Z, axis=0))
    # ∂α_high/∂Z at constant λ: λ moves by ∂λ/∂Z along the curve of constant α_high.
    dlam: NDArray[np.float64] = np.asarray(np.gradient(lam, _Z, axis=0))
    dh_dz = -dh * dlam
    dl_dz = along + dl * -dlam
    planes = np.empty((_ROWS, _COLUMNS, 6))
    rows = np.empty((3, _COLUMNS))
    unit = np.linspace(0, 1, _ROWS) ** 2
    for j in range(_COLUMNS):
        fold = _fold(low[:, j])
        branch = low[: fold + 1, j]
        span = branch[0] - branch[-1]
        # Distance from the fold over its whole span: rises monotonically from the fold to hydrogen.
        distance = np.maximum.accumulate(((branch - branch[-1]) / span)[::-1])
        distance += np.arange(distance.size) * 1e-9
        z = np.interp(np.sqrt(unit), np.sqrt(np.maximum(distance, 0)), _Z[fold::-1])
        rows[:, j] = branch[-1], span, _twin_reach(low[:, j], fold) - branch[-1]
        for k, table in enumerate((lam / high[None], None, dh, dh_dz, dl, dl_dz)):
            planes[:, j, k] = z if table is None else np.interp(z, _Z, table[:, j])
    return rows, planes


def _fold(low: NDArray[np.float64]) -> int:
    """Index where α_low, followed from hydrogen, turns round."""
    sign = np.sign(low[_Z.searchsorted(8.0)] - low[0])
    rising = low * sign
    peak = int(np.argmax(rising))
    # A turn smaller than 1e-4 of α is wiggle of the tables, not a fold.
    run = np.maximum.accumulate(rising)
    turned = np.flatnonzero(run - rising > 1e-4 * np.abs(low[0]))
    if turned.size and turned[0] < peak:
        peak = int(np.argmax(rising[: turned[0]]))
    return max(peak, 1)


def _twin_reach(low: NDArray[np.float64], fold: int) -> float:
    """Return α_low at the farthest point from the fold that an element beyond the fold reaches."""
    if fold >= low.size - 1:
        return float(low[fold])
    beyond = low[fold:]
    toward = np.sign(low[0] - low[fold])
    return float(beyond[np.argmax(beyond * toward)])


def invert(
    table: InverseTable,
    alpha_high: ArrayLike,
    alpha_low: ArrayLike,
    var_high: ArrayLike | None,
    var_low: ArrayLike | None,
    fan_angle_rad: float | NDArray[np.floating[Any]],
) -> Inverted:
    """Look attenuations up; see `DualEnergyModel.invert`."""
    high, low = (np.asarray(a, np.float32) for a in (alpha_high, alpha_low))
    high, low = np.broadcast_arrays(high, low)
    shape = high.shape
    angle = np.abs(np.atleast_1d(np.asarray(fan_angle_rad, np.float64)))
    variances = [
        np.broadcast_to(np.zeros((), np.float32) if v is None else np.asarray(v, np.float32), shape)
        for v in (var_high, var_low)
    ]
    if angle.size == 1:
        a, b, va, vb = (np.ascontiguousarray(p.reshape(1, -1)) for p in (high, low, *variances))
    else:
        a, b, va, vb = (np.ascontiguousarray(p) for p in (high, low, *variances))
    out = _rows(table, a, b, va, vb, angle)
    depth, z, sigma_depth, sigma_z, correlation, quality = (plane.reshape(shape) for plane in out[:6])
    return Inverted(depth, z, sigma_depth, sigma_z, correlation, quality, out[6].reshape(2, 2, *shape))


_BLOCK = 64


def _rows(
    table: InverseTable,
    high: NDArray[np.float32],
    low: NDArray[np.float32],
    var_high: NDArray[np.float32],
    var_low: NDArray[np.float32],
    angle: NDArray[np.float64],
) -> tuple[NDArray[Any], ...]:
    """Invert (y, x) with one angle per row, in blocks of rows that stay in the cache."""
    height, width = high.shape
    out = tuple(np.empty((height, width), np.float32) for _ in range(5))
    quality = np.zeros((height, width), np.uint32)
    jacobian = np.empty((2, 2, height, width), np.float32)
    # OpenCV's look-up takes images up to 32767 wide, so a single long row is cut.
    step = 30_000
    for y in range(0, height, _BLOCK):
        for x in range(0, width, step):
            part = np.s_[y : y + _BLOCK, x : x + step]
            found = _block(table, high[part], low[part], var_high[part], var_low[part], angle[y : y + _BLOCK])
            for target, plane in zip(out, found[:5], strict=True):
                target[part] = plane
            quality[part] = found[5]
            jacobian[(slice(None), slice(None), *part)] = found[6]
    return (*out, quality, jacobian)


def _looked_up(
    table: InverseTable, node: int, column: NDArray[np.float32], low: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Planes (y, x, 6), unit distance from the fold, and how far α_low lies beyond the farthest twin."""
    import cv2

    def remap(source: NDArray[np.float32], x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.remap(source, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)

    edge_image, *plane_images = table.images[node]
    edges = remap(edge_image, column, np.zeros_like(column))
    unit = (low - edges[..., 0]) / edges[..., 1]
    row = np.sqrt(np.clip(unit, 0, 1)) * np.float32(_ROWS - 1)
    planes = np.concatenate([remap(image, column, row) for image in plane_images], axis=-1)
    clear = (low - edges[..., 0] - edges[..., 2]) * np.sign(edges[..., 1])
    return planes, unit, clear


def _block(
    table: InverseTable,
    high: NDArray[np.float32],
    low: NDArray[np.float32],
    var_high: NDArray[np.float32],
    var_low: NDArray[np.float32],
    angle: NDArray[np.float64],
) -> tuple[NDArray[Any], ...]:
    finite = np.isfinite(high) & np.isfinite(low)
    alpha = np.where(finite, high, 0)
    other = np.where(finite, low, 0)
    thin = alpha < _THINNEST
    column = np.sqrt(np.maximum(alpha, 0)) * np.float32((_COLUMNS - 1) / table.root_limit)
    if table.angle.size == 1:
        planes, unit, clear = _looked_up(table, 0, column, other)
    else:
        at = np.interp(angle, table.angle, np.arange(table.angle.size))
        planes, unit, clear = (np.zeros((*alpha.shape, 6), np.float32), np.zeros_like(alpha), np.zeros_like(alpha))
        for node in range(int(np.floor(at.min())), min(int(np.ceil(at.max())), table.angle.size - 1) + 1):
            share = np.maximum(1 - np.abs(at - node), 0).astype(np.float32)[:, None]
            if not share.any():
                continue
            found = _looked_up(table, node, column, other)
            planes += found[0] * share[..., None]
            unit += found[1] * share
            clear += found[2] * share
    depth = planes[..., 0] * alpha
    z = planes[..., 1].copy()
    dh_dl, dh_dz, dl_dl, dl_dz = (planes[..., k] for k in range(2, 6))
    determinant = dh_dl * dl_dz - dh_dz * dl_dl
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.stack([dl_dz, -dh_dz, -dl_dl, dh_dl]) / determinant
    # Both beams nearly transparent: only their common thickness can be told.
    inverse[:, thin] = 0
    inverse[0][thin] = 1 / dh_dl[thin]
    var_depth = inverse[0] ** 2 * var_high + inverse[1] ** 2 * var_low
    var_z = inverse[2] ** 2 * var_high + inverse[3] ** 2 * var_low
    shared = inverse[0] * inverse[2] * var_high + inverse[1] * inverse[3] * var_low
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.where(var_depth * var_z > 0, shared / np.sqrt(var_depth * var_z), 0)
        # σ of α_low's distance from the curve of twins at the measured α_high.
        slope = dl_dl / dh_dl
        noise = np.sqrt(var_low + slope**2 * var_high)
    quality = np.zeros(high.shape, np.uint32)
    quality[(clear < noise) & ~thin] |= np.uint32(Quality.AMBIGUOUS.value)
    outside = ((unit < 0) | (unit > 1)) & (~thin)
    outside |= thin | (column > _COLUMNS - 1) | (depth > table.largest)
    quality[outside] |= np.uint32(Quality.EXTRAPOLATED.value)
    quality[~finite] |= np.uint32(Quality.NOT_FINITE.value)
    z[thin] = np.nan
    depth[~finite] = np.nan
    z[~finite] = np.nan
    sigma_z = np.sqrt(var_z)
    sigma_z[thin | ~finite] = np.inf
    return depth, z, np.sqrt(var_depth), sigma_z, correlation, quality, inverse.reshape(2, 2, *high.shape)
