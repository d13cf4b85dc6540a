import numpy as np
import pytest

from scananalysis.report.layout import draw
from scananalysis.report.panels import Panel


def panel(height_mm: float, width_mm: float) -> Panel:
    return Panel("k", "Title", "Caption", np.zeros((4, 8, 3), np.uint8), (height_mm, width_mm))


@pytest.mark.parametrize(("height", "width"), [(4600.0, 11500.0), (600.0, 700.0), (3000.0, 400.0)])
def test_pictures_keep_their_proportions_and_stay_inside(height: float, width: float) -> None:
    drawing = draw(panel(height, width), width=560, tallest=420)
    assert drawing.image_height / drawing.image_width == pytest.approx(height / width)
    assert drawing.image_height <= 420 + 1e-9
    assert drawing.x >= 0
    assert drawing.x + drawing.image_width <= drawing.width


def test_boxes_land_where_their_millimetres_are() -> None:
    drawing = draw(panel(2000.0, 4000.0), width=520, tallest=400, boxes_mm=[(500.0, 1000.0, 1000.0, 3000.0)])
    (box,) = drawing.boxes
    assert (box.x - drawing.x) / drawing.image_width == pytest.approx(0.25)
    assert (box.y - drawing.y) / drawing.image_height == pytest.approx(0.25)
    assert box.width / drawing.image_width == pytest.approx(0.5)
    assert box.height / drawing.image_height == pytest.approx(0.25)
    assert box.number == 1


def test_height_ticks_count_from_the_ground() -> None:
    drawing = draw(panel(2000.0, 4000.0), width=520, tallest=400, bottom_mm=300.0)
    first = drawing.rows[0]
    height_m = float(first.text)
    from_bottom = (drawing.y + drawing.image_height - first.at) / drawing.image_height * 2.0
    assert height_m == pytest.approx(0.3 + from_bottom)


def test_scale_bar_is_as_long_as_it_says() -> None:
    drawing = draw(panel(4600.0, 11500.0), width=1120, tallest=620)
    assert drawing.scale_text == "2 m"
    assert drawing.scale_length / drawing.image_width == pytest.approx(2000 / 11500)
