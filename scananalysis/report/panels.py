"""Pictures of every stage, ready to be laid out: coloured pixels, a colour bar with its unit, a legend and a caption."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from scananalysis.core import Quality, Regions, has
from scananalysis.report.images import (
    MISSING,
    RGB,
    Lut,
    colour,
    colour_map,
    display_size,
    shrink,
    shrink_mask,
)
from scananalysis.report.scales import Tick, linear_ticks, number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.core import AnomalyMap, MaterialMap, Radiograph, RawScan

UNINSPECTABLE: RGB = (203, 36, 120)
"""Colour of places where something could be hidden unseen."""

OUTSIDE: RGB = (238, 240, 244)
"""Colour of places outside the load."""


@dataclass(frozen=True)
class ColourBar:
    """What the colours mean.

    Parameters
    ----------
    lut : ndarray of uint8, (256, 3)
        From the lowest to the highest value.
    ticks : tuple of Tick
    label : str
        Quantity with its unit.
    mark : Tick or None
        A limit worth seeing, such as an alarm threshold.
    """

    lut: Lut
    ticks: tuple[Tick, ...]
    label: str
    mark: Tick | None = None


@dataclass(frozen=True)
class Panel:
    """One picture of the report.

    Parameters
    ----------
    key, title, caption : str
    picture : ndarray of uint8, (y, x, 3)
    size_mm : (float, float)
        Height and width at the object plane.
    bar : ColourBar or None
    legend : tuple of (RGB, str)
    """

    key: str
    title: str
    caption: str
    picture: NDArray[np.uint8]
    size_mm: tuple[float, float]
    bar: ColourBar | None = None
    legend: tuple[tuple[RGB, str], ...] = ()


def channel_names(scanner: str, channels: int) -> tuple[str, ...]:
    """Return what each channel is called, e.g. ``("6 MV", "4 MV")``; plain words where the catalogue cannot tell."""
    from scananalysis.core import ConfigurationError
    from scananalysis.detectors import scanner as find_scanner

    try:
        labels = tuple(channel.label for channel in find_scanner(scanner).channels)
    except ConfigurationError:
        # A stage that was loaded where its scanner is not defined can still be looked at.
        labels = ()
    if len(labels) == channels:
        return labels
    return ("high energy", "low energy")[:channels] if channels <= 2 else tuple(f"channel {c}" for c in range(channels))


def raw_panels(scan: RawScan, pixel_mm: tuple[float, float], longest: int) -> list[Panel]:
    """Return the counts of every channel as the array gave them."""
    _, lines, elements = scan.counts.shape
    size = display_size((elements, lines), pixel_mm, longest)
    panels: list[Panel] = []
    for label, counts in zip(channel_names(scan.scanner, scan.shape[0]), scan.counts, strict=True):
        # Shrunk before it is turned: element is y and line is x.
        plane = np.ascontiguousarray(shrink(counts, (size[1], size[0])).T)
        top = float(np.quantile(plane, 0.999)) or 1.0
        lut = colour_map("grey")
        panels.append(
            Panel(
                f"raw-{len(panels)}",
                f"Raw counts, {label}",
                "What the array recorded, before any correction; bright is open beam.",
                colour(plane, 0.0, top, lut),
                (elements * pixel_mm[0], lines * pixel_mm[1]),
                ColourBar(lut, linear_ticks(0.0, top), "counts"),
            )
        )
    return panels


def attenuation_panels(radiograph: Radiograph, longest: int) -> list[Panel]:
    """Return α of every channel; dark is dense."""
    size = display_size(radiograph.shape[1:], radiograph.pixel_mm, longest)
    lut = colour_map("grey-inverted")
    panels: list[Panel] = []
    for label, plane in zip(
        channel_names(radiograph.scanner, radiograph.shape[0]), radiograph.attenuation, strict=True
    ):
        small = shrink(plane, size)
        top = _top(small, 0.995, least=0.1)
        panels.append(
            Panel(
                f"attenuation-{len(panels)}",
                f"Attenuation, {label}",
                "Calibrated α = −ln(transmission); dark is dense. One unit more lets 2.7 times less through.",
                colour(small, 0.0, top, lut),
                _size_mm(radiograph.shape[1:], radiograph.pixel_mm),
                ColourBar(lut, linear_ticks(0.0, top), "α (no unit)"),
            )
        )
    return panels


def pseudo_colour_panel(materials: MaterialMap, longest: int) -> Panel:
    """Return the pseudo-colour picture: hue from atomic number, lightness from areal density."""
    from scananalysis.materials import pseudo_colour

    size = display_size(materials.shape, materials.pixel_mm, longest)
    # Shrunk before it is coloured: colours of a full-size map would cost a second and show no more.
    picture = pseudo_colour(shrink_materials(materials, size))
    return Panel(
        "materials",
        "Materials",
        "Hue shows the effective atomic number, lightness the areal density.",
        picture,
        _size_mm(materials.shape, materials.pixel_mm),
        legend=material_legend(materials),
    )


UNKNOWN: RGB = (128, 128, 128)
"""Colour of matter whose atomic number is not known."""


def material_legend(materials: MaterialMap) -> tuple[tuple[RGB, str], ...]:
    """Return what the hues mean; single-energy scans know no atomic number."""
    from scananalysis.materials import legend

    if not np.isfinite(materials.z_eff).any():
        return ((UNKNOWN, "one energy: no atomic number"),)
    named = ((int(css[1:3], 16), int(css[3:5], 16), int(css[5:7], 16), name) for name, css in legend())
    return (*(((r, g, b), name) for r, g, b, name in named), (UNKNOWN, "atomic number not known"))


def shrink_materials(materials: MaterialMap, size: tuple[int, int]) -> MaterialMap:
    """Return a material map of picture size: areal density averaged, atomic number averaged by its precision."""
    if materials.shape == size:
        return materials
    known = np.isfinite(materials.z_eff) & np.isfinite(materials.sigma_z)
    precision = np.where(known, 1 / np.maximum(materials.sigma_z, np.float32(0.1)) ** 2, 0).astype(np.float32)
    weighted = np.where(known, materials.z_eff * precision, 0).astype(np.float32)
    total = shrink(precision, size)
    cell = materials.quality.size / (size[0] * size[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        # Empty cells have no atomic number and no precision; both are marked as not known.
        z = np.where(total > 0, shrink(weighted, size) / total, np.float32(np.nan)).astype(np.float32)
        sigma_z = np.where(total > 0, 1 / np.sqrt(total * np.float32(max(cell, 1.0))), np.float32(np.inf))
    density = shrink(materials.areal_density, size)
    flat = np.zeros((materials.radiograph.shape[0], *size), np.float32)
    radiograph = replace(
        materials.radiograph,
        attenuation=flat,
        variance=flat,
        quality=flat.astype(np.uint32),
        systematic={},
        pixel_mm=(
            materials.pixel_mm[0] * materials.shape[0] / size[0],
            materials.pixel_mm[1] * materials.shape[1] / size[1],
        ),
        fan_angle_rad=np.zeros(size[0], np.float32),
    )
    return replace(
        materials,
        areal_density=density,
        z_eff=z,
        sigma_areal_density=np.zeros_like(density),
        sigma_z=sigma_z.astype(np.float32),
        correlation=np.zeros_like(density),
        quality=np.zeros(size, np.uint32),
        radiograph=radiograph,
        regions=Regions(np.zeros(size, np.int32)),
    )


def areal_density_panel(materials: MaterialMap, longest: int) -> Panel:
    """Return the element-equivalent areal density."""
    size = display_size(materials.shape, materials.pixel_mm, longest)
    small = shrink(materials.areal_density, size)
    top = _top(small, 0.995, least=1.0)
    lut = colour_map("viridis")
    return Panel(
        "areal-density",
        "Areal density",
        "Mass per area along the ray, element-equivalent: goods with hydrogen read up to a quarter high here, "
        "stated masses are corrected.",
        colour(small, 0.0, top, lut),
        _size_mm(materials.shape, materials.pixel_mm),
        ColourBar(lut, linear_ticks(0.0, top), "g/cm²"),
        ((MISSING, "no value"),) if np.isnan(small).any() else (),
    )


def p_value_panels(anomalies: AnomalyMap, threshold: float | None, longest: int) -> list[Panel]:
    """Return the p-value of every head on a logarithmic scale; bright is strange."""
    size = display_size(anomalies.shape, anomalies.pixel_mm, longest)
    lut = colour_map("inferno")
    panels: list[Panel] = []
    for head, strangeness in zip(anomalies.heads, _strangeness(anomalies), strict=True):
        # The strongest pixel of an area is what raises an alarm, so areas are shown by their strongest pixel.
        small = _shrink_largest(strangeness, size)
        top = max(3.0, float(np.nanmax(small)) if np.isfinite(small).any() else 0.0)
        ticks = tuple(Tick(k / top, number(10.0**-k)) for k in range(int(top) + 1))
        mark = None if threshold is None else Tick(min(1.0, -math.log10(threshold) / top), "alarm")
        panels.append(
            Panel(
                f"p-value-{head}",
                f"Anomaly, {HEAD_TITLES.get(head, head)}",
                "Share of clean scans whose strangest place is at least as strange as this one. "
                f"{HEAD_CAPTIONS.get(head, '')}".strip(),
                colour(small, 0.0, top, lut),
                _size_mm(anomalies.shape, anomalies.pixel_mm),
                ColourBar(lut, ticks, "p-value" if mark is None else "p-value; red: alarm", mark),
                ((MISSING, "not scored"),) if np.isnan(small).any() else (),
            )
        )
    return panels


def _strangeness(anomalies: AnomalyMap) -> NDArray[np.float32]:
    """Return −log₁₀ of the p-values, NaN where nothing was scored, (head, y, x)."""

    def strange(p_value: NDArray[np.float32], score: NDArray[np.float32]) -> NDArray[np.float32]:
        found = -np.log10(np.maximum(p_value, np.float32(1e-12)))
        found[~np.isfinite(score)] = np.nan
        return np.asarray(found, np.float32)

    p_value, score = anomalies.cells("p_value"), anomalies.cells("score")
    if p_value.steps != score.steps:
        return strange(anomalies.p_value, anomalies.score)
    return np.asarray(p_value.map(lambda values: strange(values, score.values)).pixels)


HEAD_TITLES = {
    "declared": "against the declared goods",
    "insert": "hidden object or void",
    "earlier": "against the earlier scan",
}
HEAD_CAPTIONS = {
    "declared": "Bright places do not look like any declared goods.",
    "insert": "Bright places differ from the goods around them.",
}


def inspectability_panel(materials: MaterialMap, anomalies: AnomalyMap | None, longest: int) -> Panel:
    """Return how much would have to be hidden at each place to be noticed, and where nothing would be noticed."""
    size = display_size(materials.shape, materials.pixel_mm, longest)
    blind = shrink_mask(has(materials.quality, Quality.NOT_INSPECTABLE), size)
    outside = shrink_mask(has(materials.quality, Quality.OUTSIDE_LOAD), size)
    lut = colour_map("cividis")
    bar = None
    if anomalies is None:
        picture = np.full((*size, 3), lut[96], np.uint8)
    else:
        with np.errstate(divide="ignore"):
            # An infinite minimum is no number of g/cm²; it shows in the colour of places where nothing can be told.
            finite = np.where(np.isfinite(anomalies.minimum_detectable), anomalies.minimum_detectable, np.nan)
            small = np.log10(shrink(finite, size))
        picture = colour(small, 0.0, 2.0, lut, UNINSPECTABLE)
        ticks = tuple(Tick(math.log10(v) / 2, number(v)) for v in (1, 2, 5, 10, 20, 50, 100))
        bar = ColourBar(lut, ticks, "g/cm²")
    picture[blind] = UNINSPECTABLE
    picture[outside] = OUTSIDE
    legend = ((UNINSPECTABLE, "not inspectable"), (OUTSIDE, "outside the load"))
    return Panel(
        "inspectability",
        "Inspectability",
        "Smallest added areal density that would have been noticed over 10 × 10 cm (10 g/cm² are 13 mm of steel).",
        picture,
        _size_mm(materials.shape, materials.pixel_mm),
        bar,
        legend,
    )


def _size_mm(shape: tuple[int, ...], pixel_mm: tuple[float, float]) -> tuple[float, float]:
    return shape[-2] * pixel_mm[0], shape[-1] * pixel_mm[1]


def _top(plane: NDArray[np.float32], quantile: float, *, least: float) -> float:
    known = plane[np.isfinite(plane)]
    return least if known.size == 0 else max(least, float(np.quantile(known, quantile)))


def _shrink_largest(plane: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Shrink by the largest value of each area: a dilation as large as the step, then every n-th pixel."""
    import cv2

    steps = tuple(max(1, math.ceil(old / new)) for old, new in zip(plane.shape, size, strict=True))
    unknown = np.isnan(plane)
    filled = np.where(unknown, np.float32(-1), plane)
    if max(steps) > 1:
        filled = np.asarray(cv2.dilate(filled, np.ones(steps, np.uint8)), np.float32)
    small = np.asarray(cv2.resize(filled, (size[1], size[0]), interpolation=cv2.INTER_NEAREST), np.float32)
    return np.where(small < 0, np.float32(np.nan), small)
