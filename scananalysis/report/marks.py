"""``overlay.png``: the pseudo-colour picture with numbered boxes, for systems that show one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scananalysis.report.images import display_size, png
from scananalysis.report.panels import pseudo_colour_panel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.core import Inspection

_LONGEST = 1600
_RED = (212, 0, 58)
_WHITE = (255, 255, 255)


def overlay(inspection: Inspection, longest: int = _LONGEST) -> NDArray[np.uint8]:
    """Return the pseudo-colour picture with the suspect regions boxed and numbered in the order of the table.

    Parameters
    ----------
    inspection : Inspection
    longest : int
        Pixels of the longer edge at most.

    Returns
    -------
    ndarray of uint8, (y, x, 3)
        RGB with square millimetres.
    """
    import cv2

    materials = inspection.materials
    picture = np.ascontiguousarray(pseudo_colour_panel(materials, longest).picture)
    rows, columns = display_size(materials.shape, materials.pixel_mm, longest)
    scale = (rows / materials.shape[0] / materials.pixel_mm[0], columns / materials.shape[1] / materials.pixel_mm[1])
    stroke = max(1, round(columns / 700))
    for number, region in enumerate(inspection.regions, start=1):
        top, left, bottom, right = region.box_mm
        corners = (
            (round(left * scale[1]), round(top * scale[0])),
            (round(right * scale[1]), round(bottom * scale[0])),
        )
        for colour, width in ((_WHITE, 3 * stroke), (_RED, stroke)):
            cv2.rectangle(picture, *corners, colour, width, cv2.LINE_AA)
        size = 0.42 + 0.18 * stroke
        place = (corners[0][0], max(corners[0][1] - 4 * stroke, round(26 * size)))
        for colour, width in ((_WHITE, 4 * stroke), (_RED, stroke + 1)):
            cv2.putText(picture, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, width, cv2.LINE_AA)
    return picture


def overlay_png(inspection: Inspection) -> bytes:
    """Return `overlay` as PNG."""
    return png(overlay(inspection))
