"""Where a place of the picture is in the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scananalysis.detectors import scanner as find_scanner
from scananalysis.inspection.words import Place

if TYPE_CHECKING:
    from scananalysis.core import RawScan

_EDGE = "the lower edge of the picture"


@dataclass(frozen=True, slots=True)
class Ground:
    """Height of the picture's lower edge, and above what.

    Parameters
    ----------
    bottom_mm : float
    height_of : str
    picture_mm : float
        Height of the picture.
    """

    bottom_mm: float
    height_of: str
    picture_mm: float

    def metadata(self) -> dict[str, Any]:
        """Return what the report needs to draw heights."""
        return {"bottom_height_mm": self.bottom_mm, "height_of": self.height_of}

    def place(self, box_mm: tuple[float, float, float, float]) -> Place:
        """Return a box (top, left, bottom, right in mm from the upper left corner) in metres above the ground."""
        top, left, bottom, right = box_mm
        middle = self.bottom_mm + self.picture_mm - (top + bottom) / 2
        return Place((right - left) / 1000, (bottom - top) / 1000, left / 1000, middle / 1000, self.height_of)


def ground(scan: RawScan) -> Ground:
    """Return the ground of a scan.

    A file that holds another number of elements than the scanner's array is a cut-out of unknown place, so heights then
    count from the lower edge of the picture.
    """
    scanner = find_scanner(scan.scanner).binned(*scan.binning)
    if scan.shape[2] != scanner.elements:
        return Ground(0.0, _EDGE, scan.shape[2] * scanner.pixel_mm[0])
    height = scanner.rows * scanner.pixel_mm[0]
    bottom = float(scanner.object_height_mm[-1]) - scanner.pixel_mm[0] / 2
    return Ground(bottom, "the ground", height)
