"""Round ticks, readable numbers and the length of a scale bar."""

from __future__ import annotations

import math
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on a scale, 0 … 1 from its start, with its text."""

    position: float
    text: str


def round_step(span: float, count: int) -> float:
    """Return 1, 2 or 5 times a power of ten that parts ``span`` into about ``count`` steps.

    Examples
    --------
    >>> round_step(11.4, 6), round_step(0.83, 4)
    (2.0, 0.2)
    """
    if not math.isfinite(span) or span <= 0:
        return 1.0
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    return min((factor * power for factor in _STEPS), key=lambda step: abs(math.log(step / rough)))


def number(value: float, digits: int = 3) -> str:
    """Return a number as people write it: no needless digits, no exponent between 0.001 and a million.

    Examples
    --------
    >>> number(19512.3), number(0.0471), number(3.0), number(float("nan"))
    ('19500', '0.0471', '3', '–')
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if not -4 < size < 6:
        return f"{value:.{digits - 1}e}".replace("-", "−")
    places = digits - 1 - size
    rounded = round(value, places)
    text = f"{rounded:.{max(places, 0)}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", "−")


def with_sigma(value: float, sigma: float, unit: str = "") -> str:
    """Return ``value ± sigma unit`` with the σ to two digits and the value to the same place.

    Examples
    --------
    >>> with_sigma(12.345, 1.57, "kg"), with_sigma(19512.0, 830.0, "kg"), with_sigma(7.0, float("nan"))
    ('12.3 ± 1.6 kg', '19510 ± 830 kg', '7')
    """
    tail = f" {unit}" if unit else ""
    if math.isnan(value):
        return "–"
    if not math.isfinite(sigma) or sigma <= 0:
        return number(value) + tail
    places = 1 - math.floor(math.log10(sigma))
    places = min(places, 4)
    shown = max(places, 0)
    text = f"{round(value, places):.{shown}f} ± {round(sigma, places):.{shown}f}"
    return text.replace("-", "−") + tail


def linear_ticks(low: float, high: float, count: int = 5) -> tuple[Tick, ...]:
    """Return round ticks between two values.

    Examples
    --------
    >>> [tick.text for tick in linear_ticks(0, 11.4)]
    ['0', '2', '4', '6', '8', '10']
    """
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return ()
    step = round_step(span, count)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return tuple(Tick((k * step - low) / span, number(k * step)) for k in range(first, last + 1))


def scale_bar_mm(width_mm: float) -> tuple[float, str]:
    """Return a round length near a fifth of the picture's width, with its text.

    Examples
    --------
    >>> scale_bar_mm(11475.0), scale_bar_mm(640.0)
    ((2000.0, '2 m'), (100.0, '10 cm'))
    """
    length = round_step(width_mm, 5)
    if length >= 1000:
        return length, f"{number(length / 1000)} m"
    if length >= 10:
        return length, f"{number(length / 10)} cm"
    return length, f"{number(length)} mm"
