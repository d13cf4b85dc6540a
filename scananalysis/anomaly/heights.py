"""Where goods stand: log-odds of goods against container and vehicle by height above the ground, learned from clean scans.

Wheels and chassis look like machines, and no goods stand as low; what is tall enough to be a roof is seldom goods.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scananalysis.detectors import scanner as find_scanner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.core import MaterialMap

STEP_MM = 100.0
"""Height of a bin; the first begins at the ground."""

BINS = 60

FILE = Path(__file__).parent / "models" / "heights.json"
"""Log-odds by scanner, which `scripts/fit_baselines.py` makes."""


def row_bins(materials: MaterialMap) -> NDArray[np.int64]:
    """Return the bin of height of every row, (y,): from the fan angle, so that a cut-out is placed right too."""
    device = find_scanner(materials.scanner)
    angle, height = np.asarray(device.fan_angle_rad, np.float64), np.asarray(device.object_height_mm, np.float64)
    order = np.argsort(angle)
    mm = np.interp(np.asarray(materials.radiograph.fan_angle_rad, np.float64), angle[order], height[order])
    found: NDArray[np.int64] = np.clip(mm // STEP_MM, 0, BINS - 1).astype(np.int64)
    return found


def height_odds(materials: MaterialMap) -> NDArray[np.float32]:
    """Return the log-odds of goods against structure of every row, (y,); 0 for a scanner of which nothing was learned."""
    known = _learned().get(materials.scanner)
    rows = row_bins(materials)
    return np.zeros(rows.size, np.float32) if known is None else np.asarray(known, np.float32)[rows]


@functools.cache
def _learned() -> Mapping[str, Sequence[float]]:
    found: Mapping[str, Sequence[float]] = json.loads(FILE.read_text(encoding="utf-8"))["log_odds"]
    return found
