"""Figures of every stage with matplotlib: axes in metres, colour bars with units."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.calibration import Calibration
from scananalysis.core import (
    AnomalyMap,
    ConfigurationError,
    Inspection,
    MaterialMap,
    Radiograph,
    RawScan,
)
from scananalysis.report.panels import HEAD_TITLES, channel_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_PLANES = {
    "areal_density": ("areal density, g/cm²", "viridis"),
    "z_eff": ("effective atomic number", "turbo"),
    "sigma_areal_density": ("σ of areal density, g/cm²", "magma"),
    "sigma_z": ("σ of the atomic number", "magma"),
    "correlation": ("correlation of the two errors", "coolwarm"),
}


@functools.singledispatch
def plot(anything: Any, ax: Axes | None = None, **_options: Any) -> Axes:
    """Draw any stage; see `scananalysis.report.plot`."""
    del ax
    raise ConfigurationError(
        f"cannot plot a {type(anything).__name__}",
        expected="a RawScan, Radiograph, MaterialMap, AnomalyMap, Inspection or Calibration",
    )


@plot.register(RawScan)
def _(scan: RawScan, ax: Axes | None = None, *, channel: int = 0) -> Axes:
    """Draw the counts of one channel over line and element."""
    name = _channel(scan.scanner, scan.shape[0], channel)
    axes = _axes(ax)
    image = axes.imshow(scan.counts[channel].T, cmap="gray", aspect="auto", interpolation="nearest")
    axes.set(xlabel="line", ylabel="element", title=f"raw counts, {name}")
    _bar(axes, image, "counts")
    return axes


@plot.register(Calibration)
def _(calibration: Calibration, ax: Axes | None = None) -> Axes:
    """Draw the open beam of every element."""
    from scananalysis.report.sets import draw_gain

    return draw_gain(calibration, _axes(ax))


@plot.register(Radiograph)
def _(radiograph: Radiograph, ax: Axes | None = None, *, channel: int = 0) -> Axes:
    """Draw the attenuation of one channel."""
    name = _channel(radiograph.scanner, radiograph.shape[0], channel)
    return _draw(
        radiograph.attenuation[channel], radiograph.pixel_mm, ax, "gray_r", "α = −ln T", f"attenuation, {name}"
    )


@plot.register(MaterialMap)
def _(materials: MaterialMap, ax: Axes | None = None, *, plane: str = "pseudo_colour") -> Axes:
    """Draw a plane of the material map, by default the pseudo-colour picture."""
    if plane == "pseudo_colour":
        from scananalysis.materials import pseudo_colour

        axes = _axes(ax)
        axes.imshow(
            pseudo_colour(materials), extent=_extent(materials.shape, materials.pixel_mm), interpolation="nearest"
        )
        axes.set(xlabel="x, m", ylabel="y, m", title="materials")
        return axes
    if plane not in _PLANES:
        raise ConfigurationError(
            f"a material map has no plane {plane!r}", expected=f"pseudo_colour or one of {', '.join(_PLANES)}"
        )
    label, colours = _PLANES[plane]
    return _draw(getattr(materials, plane), materials.pixel_mm, ax, colours, label, label.split(",")[0])


@plot.register(AnomalyMap)
def _(anomalies: AnomalyMap, ax: Axes | None = None, *, head: str | None = None) -> Axes:
    """Draw the p-value of a head, by default the head with the smallest p-value of the scan."""
    scored = {name: anomalies.scan_p_value.get(name, 1.0) for name in anomalies.heads}
    chosen = min(scored, key=lambda name: scored[name]) if head is None else head
    if chosen not in anomalies.heads:
        raise ConfigurationError(f"no head {chosen!r}", expected=f"one of {', '.join(anomalies.heads)}")
    index = anomalies.heads.index(chosen)
    strangeness = -np.log10(np.maximum(anomalies.p_value[index], np.float32(1e-12)))
    strangeness = np.where(np.isfinite(anomalies.score[index]), strangeness, np.nan)
    title = f"anomaly, {HEAD_TITLES.get(chosen, chosen)}"
    return _draw(strangeness, anomalies.pixel_mm, ax, "inferno", "−log₁₀ of the p-value", title)


@plot.register(Inspection)
def _(inspection: Inspection, ax: Axes | None = None) -> Axes:
    """Draw the materials with the suspect regions."""
    from matplotlib.patches import Rectangle

    axes = plot(inspection.materials, ax)
    for number, region in enumerate(inspection.regions, start=1):
        top, left, bottom, right = (edge / 1000 for edge in region.box_mm)
        axes.add_patch(
            Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor="crimson", linewidth=1.5)
        )
        axes.annotate(str(number), (left, top), color="crimson", weight="bold", va="bottom")
    axes.set_title(f"verdict: {inspection.verdict}")
    return axes


def _channel(scanner: str, channels: int, channel: int) -> str:
    if not 0 <= channel < channels:
        raise ConfigurationError(f"no channel {channel}", expected=f"0 to {channels - 1}")
    return channel_names(scanner, channels)[channel]


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]


def _extent(shape: tuple[int, ...], pixel_mm: tuple[float, float]) -> tuple[float, float, float, float]:
    height, width = shape[-2] * pixel_mm[0] / 1000, shape[-1] * pixel_mm[1] / 1000
    return 0.0, width, height, 0.0


def _draw(
    values: NDArray[Any], pixel_mm: tuple[float, float], ax: Axes | None, colours: str, label: str, title: str
) -> Axes:
    axes = _axes(ax)
    known = values[np.isfinite(values)]
    low, high = (float(q) for q in np.quantile(known, [0.002, 0.998])) if known.size else (0.0, 1.0)
    image = axes.imshow(
        values, extent=_extent(values.shape, pixel_mm), cmap=colours, vmin=low, vmax=high, interpolation="nearest"
    )
    axes.set(xlabel="x, m", ylabel="y from the top, m", title=title)
    _bar(axes, image, label)
    return axes


def _bar(axes: Axes, image: Any, label: str) -> None:
    figure = axes.get_figure()
    if figure is not None:
        figure.colorbar(image, ax=axes, label=label)
