"""Three pictures of a comparison with an earlier scan: before, now, and the difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scananalysis.report.images import MISSING, colour, colour_map, display_size, shrink
from scananalysis.report.panels import ColourBar, Panel
from scananalysis.report.scales import linear_ticks

if TYPE_CHECKING:
    from scananalysis.core import EarlierScan


def earlier_panels(earlier: EarlierScan, longest: int) -> list[Panel]:
    """Return the areal density before and now at one scale, and their difference: red is more than before, blue is less.

    Parameters
    ----------
    earlier : EarlierScan
    longest : int
        Pixels of the longer edge at most.

    Returns
    -------
    list of Panel
    """
    shape = earlier.now.shape
    size = display_size((shape[0], shape[1]), earlier.pixel_mm, longest)
    size_mm = (shape[0] * earlier.pixel_mm[0], shape[1] * earlier.pixel_mm[1])
    before, now, difference = (shrink(p, size) for p in (earlier.before, earlier.now, earlier.difference))
    known = np.concatenate([p[np.isfinite(p)] for p in (before, now)])
    top = max(1.0, float(np.quantile(known, 0.995))) if known.size else 1.0
    told = np.abs(difference[np.isfinite(difference)])
    # Half of the pictures' range at most, so that small differences keep a colour beside large ones.
    most = min(max(1.0, float(np.quantile(told, 0.999))), top / 2) if told.size else 1.0
    lut = colour_map("viridis")
    bar = ColourBar(lut, linear_ticks(0.0, top), "g/cm²")
    unknown = ((MISSING, "no value"),)
    both = [
        Panel(key, title, caption, colour(plane, 0.0, top, lut), size_mm, bar, unknown)
        for key, title, caption, plane in (
            (
                "earlier-before",
                "Before",
                f"Areal density of the earlier scan {earlier.source}, brought to the new scan's place.",
                before,
            ),
            ("earlier-now", "Now", "Areal density of the new scan, element-equivalent, at the same scale.", now),
        )
    ]
    diverging = colour_map("blue-white-red")
    ticks = linear_ticks(-most, most)
    return [
        *both,
        Panel(
            "earlier-difference",
            "Difference",
            "Now less before. Red: more than before; blue: less. Numbered boxes differ beyond chance; edges that registration "
            "leaves are known and do not count.",
            colour(difference, -most, most, diverging),
            size_mm,
            ColourBar(diverging, ticks, "g/cm²"),
            ((MISSING, "not compared"),),
        ),
    ]
