import numpy as np

from scananalysis.core import Inspection
from scananalysis.report import overlay
from scananalysis.report.marks import _RED, overlay_png


def test_boxes_stand_on_the_edges_of_their_regions(inspection: Inspection) -> None:
    picture = overlay(inspection)
    red = np.abs(picture.astype(int) - _RED).sum(axis=-1) < 60
    rows, columns = np.flatnonzero(red.sum(axis=1) > 15), np.flatnonzero(red.sum(axis=0) > 8)
    top, left, bottom, right = inspection.regions[0].box_mm
    scale = picture.shape[1] / (inspection.materials.shape[1] * inspection.materials.pixel_mm[1])
    assert abs(rows.min() - top * scale) <= 3
    assert abs(rows.max() - bottom * scale) <= 3
    assert abs(columns.min() - left * scale) <= 3
    assert abs(columns.max() - right * scale) <= 3


def test_overlay_is_a_png_of_sane_size(inspection: Inspection) -> None:
    encoded = overlay_png(inspection)
    assert encoded.startswith(b"\x89PNG")
    assert len(encoded) < 2_000_000
