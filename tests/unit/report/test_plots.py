from collections.abc import Iterator

import matplotlib as mpl
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from scananalysis.core import ConfigurationError, Inspection
from scananalysis.report import plot


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    plt.close("all")


def bar_label(axes: plt.Axes) -> str:
    bar = axes.images[0].colorbar
    return "" if bar is None else bar.ax.get_ylabel()


def test_every_stage_can_be_drawn(inspection: Inspection) -> None:
    found = {
        "counts": plot(inspection.scan),
        "α = −ln T": plot(inspection.radiograph, channel=1),
        "areal density, g/cm²": plot(inspection.materials, plane="areal_density"),
        "effective atomic number": plot(inspection.materials, plane="z_eff"),
        "−log₁₀ of the p-value": plot(inspection.anomalies),
    }
    for label, axes in found.items():
        assert bar_label(axes) == label
        assert axes.get_title()
        axes.figure.canvas.draw()


def test_axes_are_in_metres(inspection: Inspection) -> None:
    axes = plot(inspection.radiograph)
    height, width = inspection.materials.shape
    assert axes.get_xlim()[1] == pytest.approx(width * 20.0 / 1000)
    assert axes.get_ylim() == pytest.approx((height * 13.3 / 1000, 0.0))
    assert axes.get_xlabel() == "x, m"


def test_given_axes_are_used_and_returned(inspection: Inspection) -> None:
    _, axes = plt.subplots()
    assert plot(inspection.materials, ax=axes) is axes
    assert len(axes.images) == 1


def test_anomalies_show_the_strangest_head_unless_told(inspection: Inspection) -> None:
    assert plot(inspection.anomalies).get_title() == "anomaly, hidden object or void"
    assert plot(inspection.anomalies, head="declared").get_title() == "anomaly, against the declared goods"


def test_inspection_draws_a_box_for_every_region(inspection: Inspection) -> None:
    axes = plot(inspection)
    (box,) = axes.patches
    top, left, bottom, right = inspection.regions[0].box_mm
    assert box.get_bbox().bounds == pytest.approx(
        (left / 1000, top / 1000, (right - left) / 1000, (bottom - top) / 1000)
    )
    assert axes.get_title() == "verdict: inspect"


@pytest.mark.parametrize(
    ("stage", "options", "message"),
    [
        ("scan", {"channel": 2}, "no channel 2; expected 0 to 1"),
        ("materials", {"plane": "colour"}, "no plane 'colour'"),
        ("anomalies", {"head": "x"}, "no head 'x'; expected one of declared, insert"),
    ],
)
def test_wrong_options_are_refused(
    inspection: Inspection, stage: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        plot(getattr(inspection, stage), **options)


def test_anything_else_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot plot a list"):
        plot([1, 2])
