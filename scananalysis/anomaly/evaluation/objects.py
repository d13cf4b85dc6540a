"""What is wrong with a simulated scan, where, and how much of it there is to see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scananalysis.anomaly.features import usable
from scananalysis.anomaly.model import STRIDE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from scananalysis.anomaly.campaign import Prepared

_LEAST_CHANGE = 1.0
"""Change of areal density from which missing goods count as missing, g/cm²."""

_WINDOW_MM = 200.0
"""Windows in which clutter is measured: what is about as wide as a hidden object competes with it."""


class Wrong(NamedTuple):
    """What is wrong with a scan.

    Parameters
    ----------
    mask : ndarray of bool, (y, x)
        Of the cells; empty where nothing is wrong or it has no place.
    background : float or None
        What would stand there without it: mean areal density, g/cm².
    added : float or None
        Mean absolute change of areal density over the mask, g/cm².
    clutter : float or None
        Median spread of the measured attenuation, noise and all, in windows of 200 mm around it, a plane taken out of each; None where
        no window around it can be measured.
    mass_kg : float or None
    share : float or None
        Of the load's area that it covers.
    """

    mask: NDArray[np.bool_]
    background: float | None = None
    added: float | None = None
    clutter: float | None = None
    mass_kg: float | None = None
    share: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as plain values."""
        return {
            "cells": int(self.mask.sum()),
            "background_g_cm2": _rounded(self.background),
            "added_g_cm2": _rounded(self.added),
            "clutter": _rounded(self.clutter),
            "mass_kg": _rounded(self.mass_kg),
            "share": _rounded(self.share),
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(f"{value:.4g}")


def needs_twin(fraud: str) -> bool:
    """Say whether what is wrong shows against the same load without it: not where the load itself, or nothing but the papers, is other."""
    return fraud not in ("none", "swap", "misdeclared", "weight")


def whats_wrong(made: Prepared, declared: frozenset[int] | None, twin: Mapping[str, NDArray[Any]] | None) -> Wrong:
    """Find what is wrong with a scan.

    Parameters
    ----------
    made : Prepared
    declared : frozenset of int, or None
        Families of the declared goods.
    twin : mapping, optional
        Truth of the same load when nothing is wrong with it; see `needs_twin`.
    """
    truth = made.truth
    nothing = np.zeros(truth["load"].shape, bool)
    if made.fraud == "none":
        return Wrong(nothing)
    if twin is None:
        family = truth["family"]
        mask = (family >= 0) & ~np.isin(family, list(declared or ()))
        seen = truth["areal_density"][mask]
        return Wrong(mask, float(seen.mean()) if seen.size else None, share=_share(mask, truth["load"]))
    change = truth["areal_density"] - twin["areal_density"]
    mask = (twin["load"] & (change < -_LEAST_CHANGE)) if made.fraud == "missing" else truth["insert"].astype(bool)
    labels: Any = made.labels
    mass = labels.get("missing_kg") if made.fraud == "missing" else labels.get("hidden", {}).get("mass_kg")
    if not mask.any():
        return Wrong(mask, mass_kg=mass)
    return Wrong(
        mask,
        float(twin["areal_density"][mask].mean()),
        float(np.abs(change[mask]).mean()),
        _clutter(made.cells.radiograph.attenuation[0], twin["load"] & usable(made.cells), mask, made.cells.pixel_mm),
        mass,
        _share(mask, twin["load"]),
    )


def _share(mask: NDArray[np.bool_], load: NDArray[np.bool_]) -> float | None:
    return float(mask.sum() / load.sum()) if load.any() else None


def _clutter(
    attenuation: NDArray[np.float32],
    measured: NDArray[np.bool_],
    mask: NDArray[np.bool_],
    pixel_mm: tuple[float, float],
) -> float | None:
    """Return the median spread of attenuation in windows around a mask, a plane taken out of each.

    Cells at the rim of the load hold air too, and those beside the mask a part of what it covers: both are left out, and so are windows
    of which less than half is left.
    """
    import cv2

    square = np.ones((3, 3), np.uint8)
    there = cv2.erode(measured.astype(np.uint8), square, borderValue=1) > cv2.dilate(mask.astype(np.uint8), square)
    rows, columns = np.nonzero(mask)
    high, wide = (max(3, round(_WINDOW_MM / pitch)) for pitch in pixel_mm)
    found = []
    for top in range(max(0, int(rows.min()) - high), min(int(rows.max()) + high, mask.shape[0] - high) + 1, high // 2):
        for left in range(
            max(0, int(columns.min()) - wide), min(int(columns.max()) + wide, mask.shape[1] - wide) + 1, wide // 2
        ):
            window = np.s_[top : top + high, left : left + wide]
            y, x = np.nonzero(there[window])
            if y.size < max(9, high * wide / 2):
                continue
            values = attenuation[window][y, x].astype(np.float64)
            design = np.column_stack([np.ones(values.size), y - y.mean(), x - x.mean()])
            plane, *_ = np.linalg.lstsq(design, values, rcond=None)
            found.append(float(np.std(values - design @ plane)))
    return float(np.median(found)) if found else None


def on_stride(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which of every `STRIDE`-th cells a mask of cells touches.

    Examples
    --------
    >>> on_stride(np.array([[False, True, False], [False, False, False]])).tolist()
    [[True, False]]
    """
    height, width = mask.shape
    full = np.pad(mask, [(0, -height % STRIDE), (0, -width % STRIDE)])
    return np.asarray(full.reshape(full.shape[0] // STRIDE, STRIDE, -1, STRIDE).any(axis=(1, 3)))
