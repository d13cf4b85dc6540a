"""Rows: the boom of an array with a corner brought to equal millimetres at the object plane.

A straight array across the beam shows the object plane in equal millimetres, and so does a boom whose elements stand accordingly. Modules
of one pitch along a boom do not: near the corner their pixels are low, further out they are higher. Rows of the upright elements stay as
they are, to the bit; the rows above continue them, each the mean transmission of the strip that it covers, so that areas and heights keep.
What a row is made of is known beforehand and concerns one line only: the step is causal and waits for nothing.

Rows that share an element repeat part of its noise. Their variance, and the errors that belong to elements, are set such that means over
rows are right when rows are taken as independent, as for interpolated elements: Σ w s σ² in place of Σ w² σ², s being an element's
height in rows. A single row then states more than its own σ, by the root of its noise area: little where elements are much lower than
rows, √2 midway between two that are as high as it, and about √s where they are higher.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import Quality, Radiograph, SystematicTerm

if TYPE_CHECKING:
    from scananalysis.calibration.recipe import Geometry
    from scananalysis.detectors import Scanner

Float32 = NDArray[np.float32]

_INTERPOLATED = np.uint32(Quality.INTERPOLATED.value)
_NOT_FINITE = np.uint32(Quality.NOT_FINITE.value)
_OF_ELEMENTS = "gain-"
"""Terms that say one number of every element, whatever the line: in a block of one line their shape does not tell them from planes."""
_LINES = 256
"""Lines that are worked on at once, so that what lies in between stays small."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Which elements of the boom make up every row above the corner, and by how much.

    Parameters
    ----------
    elements : ndarray of int64, (tap, row)
        Rows that need fewer repeat one of theirs at weight 0.
    weights : ndarray of float32, (tap, row)
        Sum 1.
    spread : ndarray of float32, (tap, row)
        Weight times all that rows take of the element, its height in rows: by which its variance counts, see the module.
    boom_elements : int
        Elements that are replaced by rows; those after them are rows.
    overhang : bool
        The uppermost row reaches beyond the array.
    """

    elements: NDArray[np.int64]
    weights: Float32
    spread: Float32
    boom_elements: int
    overhang: bool

    @classmethod
    def of(cls, scanner: Scanner) -> Rows | None:
        """Return the rows of a scanner, or None where its elements are rows of equal height already.

        Examples
        --------
        >>> from scananalysis.detectors import scanner
        >>> portal = scanner("cargo-6-4mv")
        >>> Rows.of(portal) is None
        True
        >>> corner = {"boom_elements": 400, "boom_pitch_mm": 5.0, "array_top_mm": 3500.0}
        >>> bent = portal.model_copy(update={"geometry": portal.geometry.model_copy(update=corner)})
        >>> rows = Rows.of(bent)
        >>> rows.weights.shape, bool(np.allclose(rows.weights.sum(axis=0), 1))
        ((6, 109), True)
        """
        edges, boom, count = scanner.geometry.row_edges, scanner.geometry.boom_elements, scanner.geometry.boom_rows
        if edges is None:
            return None
        low, high = edges[:boom], edges[1 : boom + 1]
        above = np.arange(-count, 0, dtype=np.float64)
        share = np.clip(np.minimum(high, above[:, None] + 1) - np.maximum(low, above[:, None]), 0, None)
        covered = share.sum(axis=1)
        share /= covered[:, None]
        taps = int((share > 0).sum(axis=1).max())
        order = np.argsort(-share, axis=1, kind="stable")[:, :taps]
        weights = np.take_along_axis(share, order, axis=1)
        order = np.where(weights > 0, order, order[:, :1])
        spread = weights * share.sum(axis=0)[order]
        return cls(
            order.T.copy(),
            weights.T.astype(np.float32),
            spread.T.astype(np.float32),
            boom,
            bool(covered[0] < 1 - 1e-9),
        )

    @property
    def count(self) -> int:
        """Rows above the corner."""
        return len(self.weights[0])

    @property
    def noise_area(self) -> NDArray[np.float64]:
        """Noise power at zero frequency over pixel variance along the rows, (row,), for equal noise of all elements."""
        weights = self.weights.astype(np.float64)
        found: NDArray[np.float64] = self.spread.sum(axis=0) / (weights**2).sum(axis=0)
        return found

    def mean(self, plane: Float32) -> Float32:
        """Return the rows of a plane, (…, element, line) to (…, row, line), of transmission or what adds as it does."""
        return np.concatenate([self.take(plane, self.weights), plane[..., self.boom_elements :, :]], axis=-2)

    def take(self, plane: Float32, weights: Float32) -> Float32:
        """Return weighted sums of elements for the rows above the corner, (…, element, line) to (…, row, line)."""
        total: Float32 = plane[..., self.elements[0], :] * weights[0][:, None]
        for element, weight in zip(self.elements[1:], weights[1:], strict=True):
            total += plane[..., element, :] * weight[:, None]
        return total


def even_rows(radiograph: Radiograph, scanner: Scanner, limits: Geometry) -> Radiograph:
    """Bring the rows of a radiograph to equal millimetres at the object plane.

    Parameters
    ----------
    radiograph : Radiograph
        One row per element.
    scanner : Scanner
    limits : Geometry
        ``rows`` switches the step off.

    Returns
    -------
    Radiograph
        The same one where the array has no corner, or its elements are rows of equal height.
    """
    rows = Rows.of(scanner) if limits.rows else None
    if rows is None:
        return radiograph
    boom = slice(rows.boom_elements)
    attenuation, variance = radiograph.attenuation[:, boom], radiograph.variance[:, boom]
    shape = (len(attenuation), rows.count, attenuation.shape[2])
    above, noise = np.empty(shape, np.float32), np.empty(shape, np.float32)
    planes = {
        n: t for n, t in radiograph.systematic.items() if t.effect.shape[1] > 1 and not n.startswith(_OF_ELEMENTS)
    }
    effects = {name: np.empty((len(term.effect), *shape[1:]), np.float32) for name, term in planes.items()}
    for first in range(0, shape[2], _LINES):
        at = np.s_[:, :, first : first + _LINES]
        seen = np.exp(-attenuation[at])
        mean = rows.take(seen, rows.weights)
        above[at] = -np.log(mean)
        noise[at] = rows.take(seen * seen * variance[at], rows.spread) / (mean * mean)
        for name, term in planes.items():
            effects[name][at] = _on_rows(rows, term, term.effect[:, boom][at] * seen) / mean
    lost = ~np.isfinite(above)
    noise[lost] = np.inf
    for effect in effects.values():
        effect[lost] = 0
    systematic = {}
    for name, term in radiograph.systematic.items():
        effect = term.effect
        if effect.shape[1] > 1:
            top = effects[name] if name in effects else _on_rows(rows, term, effect[:, boom])
            effect = np.concatenate([top, effect[:, boom.stop :]], axis=1)
        systematic[name] = SystematicTerm(effect, term.shared_along)
    return replace(
        radiograph,
        attenuation=np.concatenate([above, radiograph.attenuation[:, boom.stop :]], axis=1),
        variance=np.concatenate([noise, radiograph.variance[:, boom.stop :]], axis=1),
        quality=_flags(rows, radiograph.quality),
        systematic=systematic,
        fan_angle_rad=scanner.row_angle_rad,
        metadata={
            **radiograph.metadata,
            "rows": {"elements": radiograph.shape[1], "boom_elements": rows.boom_elements, "above_corner": rows.count},
        },
    )


def _on_rows(rows: Rows, term: SystematicTerm, effect: Float32) -> Float32:
    """Return an effect on the rows above the corner: of elements each on its own, or of what all share."""
    if term.shared_along == "x":
        return np.sqrt(rows.take(effect * effect, rows.spread))
    return rows.take(effect, rows.weights)


def _flags(rows: Rows, quality: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Give every row the flags of all its elements; one that reaches beyond the array is `INTERPOLATED`."""
    found = quality[:, rows.elements[0]]
    for element in rows.elements[1:]:
        found |= quality[:, element]
    if rows.overhang:
        found[:, 0] |= _INTERPOLATED
    return np.concatenate([found, quality[:, rows.boom_elements :]], axis=1)
