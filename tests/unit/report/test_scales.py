import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scananalysis.report.scales import linear_ticks, number, round_step, scale_bar_mm, with_sigma


@given(st.floats(1e-6, 1e9), st.integers(2, 10))
def test_steps_are_1_2_or_5(span: float, count: int) -> None:
    step = round_step(span, count)
    mantissa = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(mantissa - m) for m in (1, 2, 5, 10)) < 1e-6
    assert span / 3 / count <= step <= 3 * span / count


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e5))
def test_ticks_lie_on_the_scale_and_ascend(low: float, span: float) -> None:
    ticks = linear_ticks(low, low + span)
    places = [tick.position for tick in ticks]
    assert places == sorted(places)
    assert all(-1e-6 <= p <= 1 + 1e-6 for p in places)


@pytest.mark.parametrize(
    ("value", "sigma", "text"),
    [
        (12.345, 1.57, "12.3 ± 1.6"),
        (19512.0, 830.0, "19510 ± 830"),
        (-3.2, 0.4, "−3.20 ± 0.40"),
        (26.0, math.nan, "26"),
        (26.0, math.inf, "26"),
        (math.nan, 1.0, "–"),
    ],
)
def test_value_and_sigma_are_rounded_alike(value: float, sigma: float, text: str) -> None:
    assert with_sigma(value, sigma) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.5, "0.5"), (1234567.0, "1.23e+06"), (-2.5, "−2.5"), (math.inf, "∞"), (0.00001234, "1.23e−05")],
)
def test_numbers_read_as_people_write_them(value: float, text: str) -> None:
    assert number(value) == text


def test_ticks_of_an_empty_scale() -> None:
    assert linear_ticks(1.0, 1.0) == ()


@given(st.floats(20.0, 1e5))
def test_scale_bar_fits_the_picture(width_mm: float) -> None:
    length, text = scale_bar_mm(width_mm)
    assert 0.06 * width_mm < length < 0.6 * width_mm
    assert text.split()[1] in ("m", "cm", "mm")
