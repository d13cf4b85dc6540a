"""The convolutional network, run by ONNX Runtime: family posterior per cell, and a head for inserts and voids."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.anomaly.components import matters
from scananalysis.anomaly.features import PLANES, network_planes, usable
from scananalysis.anomaly.mahalanobis import NUISANCE
from scananalysis.anomaly.model import DECLARED, INSERT, STRIDE, AnomalyModel, CellScores
from scananalysis.anomaly.outline import load_area
from scananalysis.core import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.anomaly.metadata import Metadata, ScannerCalibration
    from scananalysis.core import MaterialMap

ALIGN = 16
"""The network halves its grid four times, so tiles start on multiples of this many cells."""

HALO = 160
"""Cells beyond a tile that can influence it: more than the receptive field, so that tiles have no seams."""

_TILE = 1024
_TINY = 1e-30
_STRONGEST = 12.0
"""Log-odds beyond which one cell is not believed: a single one must not outvote a window."""

_NARROW, _RIM = 9, 5
"""Cells: what is narrower, like a container's end wall, and the outermost two rows of goods are not searched for inserts."""

_OWN_LEVEL = 0.5
"""Share of a load's own median that is taken off its insert scores: in busy goods every place looks a little like an insert."""

_WINDOWS = ((15, 0.0), (61, 1.0))
"""Cells along either side over which log-odds of undeclared goods are averaged, and what is added to the mean: 0.4 × 0.6 m for a part
of a load, 1.6 × 2.4 m for a whole one. Over the larger window clean loads differ less, so that a smaller mean is as remarkable there."""

_NEAR = 9
"""Cells along either side that decide which of the declared goods a place is held against."""


def _threads() -> int:
    """Return the threads that ``OMP_NUM_THREADS`` asks for; 0 leaves the choice to ONNX Runtime."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() else 0


class NetworkModel(AnomalyModel):
    """A network exported to ONNX with input (1, plane, y, x) and output logits (1, class + 1, y/2, x/2).

    Classes are the families, then `mahalanobis.NUISANCE`; the last logit is the insert head's.
    """

    def __init__(self, folder: Path, metadata: Metadata) -> None:
        import onnxruntime

        super().__init__(folder, metadata)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # ONNX Runtime does not look at it by itself; whoever runs several processes on a machine expects it to hold.
        options.intra_op_num_threads = _threads()
        self._session = onnxruntime.InferenceSession(
            str(folder / metadata.file), sess_options=options, providers=["CPUExecutionProvider"]
        )
        shape = self._session.get_outputs()[0].shape
        expected = len(self.families) + len(NUISANCE) + 1
        if shape[1] != expected or self._session.get_inputs()[0].shape[1] != len(PLANES):
            raise ModelError(
                f"network gives {shape[1]} logits from {self._session.get_inputs()[0].shape[1]} planes",
                source=folder / metadata.file,
                expected=f"{expected} logits from {len(PLANES)} planes",
            )

    def logits(self, planes: NDArray[np.float32], *, tile: int = _TILE) -> NDArray[np.float32]:
        """Run the network on (plane, y, x) of any size, in tiles along x where the image is long.

        Parameters
        ----------
        planes : ndarray of float32, (plane, y, x)
        tile : int
            Columns per tile, a multiple of `ALIGN`.

        Returns
        -------
        ndarray of float32, (class + 1, ceil(y/2), ceil(x/2))
            The same whatever the tile: every tile sees `HALO` cells beyond itself.
        """
        _, height, width = planes.shape
        padded = np.pad(planes, [(0, 0), (0, -height % ALIGN), (0, -width % ALIGN)], mode="edge")
        full_width = padded.shape[2]
        pieces = []
        for start in range(0, full_width, tile):
            stop = min(start + tile, full_width)
            left, right = max(0, start - HALO), min(full_width, stop + HALO)
            out = self._run(padded[:, :, left:right])
            pieces.append(out[:, :, (start - left) // STRIDE : (stop - left) // STRIDE])
        joined = np.concatenate(pieces, axis=2)
        return joined[:, : -(-height // STRIDE), : -(-width // STRIDE)]

    def _run(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        name = self._session.get_inputs()[0].name
        outputs: list[Any] = self._session.run(None, {name: np.ascontiguousarray(planes[None])})
        logits: NDArray[np.float32] = outputs[0][0]
        return logits

    def cell_scores(
        self, cells: MaterialMap, declared: frozenset[int] | None, calibration: ScannerCalibration
    ) -> CellScores:
        """Score the working grid; see `AnomalyModel.cell_scores`."""
        logits = self.logits(network_planes(cells, scale=calibration.scale))
        measured = usable(cells)
        there = matters(cells, calibration.scale)
        at = np.s_[::STRIDE, ::STRIDE]
        return scores_of_logits(logits, declared, measured[at], there[at], len(self.families))


def scores_of_logits(
    logits: NDArray[np.float32],
    declared: frozenset[int] | None,
    measured: NDArray[np.bool_],
    matter: NDArray[np.bool_],
    families: int,
) -> CellScores:
    """Apply the declaration to a family posterior.

    Parameters
    ----------
    logits : ndarray of float32, (class + 1, y, x)
    declared : frozenset of int, or None
    measured : ndarray of bool, (y, x)
        Where the material map rests on a measurement.
    matter : ndarray of bool, (y, x)
        Where there is more than the walls of a container, or nothing was measured.
    families : int
        Number of families; the classes behind them are structure and air.

    Returns
    -------
    CellScores
        `DECLARED`: mean over the cells of the load in a window of the log-odds of undeclared goods against declared ones, structure
        or air, the highest over small and large windows;
        `INSERT`: the insert head's log-odds over 3×3 cells, less half of what they typically are in this load.
    """
    import cv2

    highest = logits[:-1].max(axis=0)
    likelihood = np.exp(logits[:-1] - highest)
    goods = likelihood[:families].sum(axis=0) / likelihood.sum(axis=0)
    insert = np.asarray(cv2.boxFilter(logits[-1], -1, (3, 3), borderType=cv2.BORDER_REFLECT), np.float32)
    # Empty container between walls can look like airy goods, and walls like inserts; dense objects lie inside the goods' outline.
    load = load_area((goods > 0.5) & matter)
    core = cv2.morphologyEx(load.astype(np.uint8), cv2.MORPH_OPEN, np.ones((_NARROW, _NARROW), np.uint8))
    inner = cv2.erode(core, np.ones((_RIM, _RIM), np.uint8)) > 0
    if inner.any():
        insert -= np.float32(_OWN_LEVEL * np.median(insert[inner]))
    best = _place_of_largest(likelihood[:families])
    family = np.where(load & (goods > 0.5), best, np.int16(-1))
    scored = load & measured
    nothing = np.float32(np.nan)
    if declared is None:
        undeclared, reference = np.full(family.shape, nothing), best
    else:
        own = sorted(declared)
        others = [i for i in range(families) if i not in declared]
        # Structure and air may stand anywhere; they speak for no other goods.
        against = np.log(likelihood[others].sum(axis=0) + _TINY) if others else np.full(best.shape, np.log(_TINY))
        for_declared = np.log(likelihood[[*own, *range(families, likelihood.shape[0])]].sum(axis=0) + _TINY)
        evidence = np.clip(against - for_declared, -_STRONGEST, _STRONGEST).astype(np.float32)
        means = [_mean_within(evidence, scored, size) + np.float32(offset) for size, offset in _WINDOWS]
        undeclared = np.maximum.reduce(means)
        smooth = [cv2.boxFilter(likelihood[i], -1, (_NEAR, _NEAR), borderType=cv2.BORDER_REFLECT) for i in own]
        reference = np.array(own, np.int16)[_place_of_largest(smooth)] if own else best
    return CellScores(
        # A spot that lets nothing through is unmeasured, but in goods that do it is the more remarkable.
        {DECLARED: np.where(scored, undeclared, nothing), INSERT: np.where(inner, insert, nothing)},
        family,
        reference,
        load,
    )


def _place_of_largest(planes: Sequence[NDArray[np.float32]] | NDArray[np.float32]) -> NDArray[np.int16]:
    """Return the index of the largest of several planes at every place, the first of equals: `numpy.argmax`, but plane by plane."""
    largest = planes[0].copy()
    found = np.zeros(largest.shape, np.int16)
    for k in range(1, len(planes)):
        np.copyto(found, k, where=planes[k] > largest)
        np.maximum(largest, planes[k], out=largest)
    return found


def _mean_within(plane: NDArray[np.float32], mask: NDArray[np.bool_], size: int) -> NDArray[np.float32]:
    """Mean over the cells of a mask in a square window."""
    import cv2

    share = cv2.boxFilter(mask.astype(np.float32), -1, (size, size), borderType=cv2.BORDER_CONSTANT)
    total = cv2.boxFilter(np.where(mask, plane, np.float32(0)), -1, (size, size), borderType=cv2.BORDER_CONSTANT)
    return np.asarray(total / np.maximum(share, np.float32(1e-6)), np.float32)
