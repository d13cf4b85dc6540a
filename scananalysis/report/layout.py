"""Places a picture, its axes in metres, a scale bar, a colour bar and numbered boxes in an SVG drawing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from scananalysis.report.images import data_uri
from scananalysis.report.panels import Panel
from scananalysis.report.scales import number, round_step, scale_bar_mm

_LEFT, _RIGHT, _TOP, _BOTTOM = 36.0, 84.0, 12.0, 34.0
_BAR_GAP, _BAR_WIDTH = 14.0, 11.0


@dataclass(frozen=True, slots=True)
class Label:
    """A text at a place of the drawing."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Box:
    """A numbered box of the drawing, with the place of its number."""

    number: int
    x: float
    y: float
    width: float
    height: float
    flag_x: float
    flag_y: float


@dataclass(frozen=True)
class Drawing:
    """All numbers that the template needs, in units of the drawing.

    Parameters
    ----------
    panel : Panel
    uri : str
        The picture.
    width, height : float
        Of the drawing.
    x, y, image_width, image_height : float
        Of the picture in it.
    columns, rows : tuple of Label
        Ticks along x and y, in metres.
    scale_length : float
    scale_text : str
    bar_uri : str
        Empty without a colour bar.
    bar_x, bar_y, bar_width, bar_height : float
    bar_ticks : tuple of Label
    bar_mark : Label or None
    boxes : tuple of Box
    """

    panel: Panel
    uri: str
    width: float
    height: float
    x: float
    y: float
    image_width: float
    image_height: float
    columns: tuple[Label, ...]
    rows: tuple[Label, ...]
    scale_length: float
    scale_text: str
    bar_uri: str
    bar_x: float
    bar_y: float
    bar_width: float
    bar_height: float
    bar_ticks: tuple[Label, ...]
    bar_mark: Label | None
    boxes: tuple[Box, ...]


def draw(
    panel: Panel,
    *,
    width: float,
    tallest: float,
    bottom_mm: float = 0.0,
    boxes_mm: Sequence[tuple[float, float, float, float]] = (),
    first: int = 1,
) -> Drawing:
    """Lay a panel out.

    Parameters
    ----------
    panel : Panel
    width : float
        Width of the drawing; the picture takes what the margins leave.
    tallest : float
        Largest height of the picture.
    bottom_mm : float
        Height of the picture's lower edge above the ground, mm.
    boxes_mm : sequence of (top, left, bottom, right)
        Boxes from the picture's upper left corner, mm, in the order of their numbers.
    first : int
        Number of the first box.

    Returns
    -------
    Drawing

    Examples
    --------
    >>> panel = Panel("a", "A", "", np.zeros((2, 4, 3), np.uint8), (2000.0, 4000.0))
    >>> drawing = draw(panel, width=520, tallest=400)
    >>> drawing.image_width, drawing.image_height
    (400.0, 200.0)
    >>> [label.text for label in drawing.columns]
    ['0', '0.5', '1', '1.5', '2', '2.5', '3', '3.5', '4']
    """
    height_mm, width_mm = panel.size_mm
    scale = min((width - _LEFT - _RIGHT) / width_mm, tallest / height_mm)
    image_width, image_height = width_mm * scale, height_mm * scale
    # Room is kept for the colour bar where there is none, so that pictures below each other line up.
    x = _LEFT + (width - _LEFT - _RIGHT - image_width) / 2
    bar = panel.bar
    bar_height = max(60.0, min(image_height, 240.0))
    bar_x = x + image_width + _BAR_GAP
    bar_y = _TOP + (image_height - bar_height) / 2 if image_height > bar_height else _TOP
    bar_length, bar_text = scale_bar_mm(width_mm)

    def along(position: float) -> float:
        return bar_y + bar_height * (1 - position)

    boxes = []
    for index, (top, left, bottom, right) in enumerate(boxes_mm, start=first):
        bx, by = x + left * scale, _TOP + top * scale
        boxes.append(
            Box(
                index,
                bx,
                by,
                max(3.0, (right - left) * scale),
                max(3.0, (bottom - top) * scale),
                min(max(bx, x + 9), x + image_width - 9),
                # The number stands above its box, or inside it where the picture ends.
                by - 11 if by - 20 > _TOP else by + 11,
            )
        )
    return Drawing(
        panel=panel,
        uri=data_uri(panel.picture),
        width=width,
        height=max(_TOP + image_height, bar_y + bar_height if bar else 0.0) + _BOTTOM,
        x=x,
        y=_TOP,
        image_width=image_width,
        image_height=image_height,
        columns=_metres(0.0, width_mm, lambda mm: x + mm * scale, width_mm * scale),
        rows=_metres(bottom_mm, height_mm, lambda mm: _TOP + image_height - mm * scale, image_height),
        scale_length=bar_length * scale,
        scale_text=bar_text,
        bar_uri=data_uri(np.ascontiguousarray(bar.lut[::-1, None])) if bar else "",
        bar_x=bar_x,
        bar_y=bar_y,
        bar_width=_BAR_WIDTH,
        bar_height=bar_height,
        bar_ticks=tuple(Label(along(t.position), t.text) for t in bar.ticks) if bar else (),
        bar_mark=Label(along(bar.mark.position), bar.mark.text) if bar and bar.mark else None,
        boxes=tuple(boxes),
    )


def _metres(first_mm: float, span_mm: float, place: Callable[[float], float], length: float) -> tuple[Label, ...]:
    """Return ticks at round metres about 60 units apart."""
    step = round_step(span_mm, max(2, round(length / 60)))
    k = math.ceil(first_mm / step - 1e-9)
    labels = []
    while k * step <= first_mm + span_mm + 1e-6:
        labels.append(Label(place(k * step - first_mm), number(k * step / 1000)))
        k += 1
    return tuple(labels)
