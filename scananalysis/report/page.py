"""The HTML report: one file, pictures inlined, nothing fetched, nothing executed.

Scan metadata and declarations come from strangers, so every text passes the template's autoescape, and the page forbids itself
scripts, frames and outside content by a Content-Security-Policy whose only exception is its own style sheet, named by its hash.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis._version import __version__
from scananalysis.core import count_flags
from scananalysis.report.earlier import earlier_panels
from scananalysis.report.layout import Drawing, draw
from scananalysis.report.panels import (
    HEAD_TITLES,
    Panel,
    areal_density_panel,
    attenuation_panels,
    inspectability_panel,
    p_value_panels,
    pseudo_colour_panel,
    raw_panels,
)
from scananalysis.report.scales import number, with_sigma

if TYPE_CHECKING:
    from jinja2 import Environment, Template

    from scananalysis.core import Inspection, SuspectRegion

_HERO_PIXELS, _STAGE_PIXELS = 1400, 800
_HERO_WIDTH, _STAGE_WIDTH = 1120.0, 560.0
_TELLING = 0.05
"""Probability from which a class of material is printed."""
_LEAST_P = 0.001
"""p-value of one material below which only that is printed."""

HEADLINES = {
    "clear": "Clear",
    "inspect": "Inspect",
    "not-inspectable": "Not inspectable",
}
ADVICE = {
    "clear": "Nothing in this scan contradicts the papers.",
    "inspect": "Look at the marked places: they do not fit what was declared.",
    "not-inspectable": "Open it by hand: too much of this load cannot be judged from the scan.",
}
ADVICE_WITHOUT_PAPERS = {
    "clear": "Nothing in this scan stands out from its surroundings.",
    "inspect": "Look at the marked places: they stand out from their surroundings.",
}
DISCLAIMER = "This is a recommendation; an officer decides."
"""Every report says so."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One of the figures under the banner."""

    label: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class FlagRow:
    """How many pixels carry a quality flag."""

    name: str
    meaning: str
    pixels: int
    share: str


def html(inspection: Inspection) -> str:
    """Return the report of an inspection as one HTML page.

    Parameters
    ----------
    inspection : Inspection

    Returns
    -------
    str
        UTF-8 text; pictures are inlined as PNG.
    """
    style = resources.files("scananalysis.report").joinpath("templates/report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    hero, stages = _drawings(inspection)
    papers = inspection.declaration is not None
    advice = ADVICE if papers else {**ADVICE, **ADVICE_WITHOUT_PAPERS}
    return _template().render(
        style=style,
        policy=f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        inspection=inspection,
        headline=HEADLINES[inspection.verdict],
        advice=advice[inspection.verdict],
        disclaimer=DISCLAIMER,
        title=str(inspection.metadata.get("source", inspection.scan.scanner)),
        figures=_figures(inspection),
        hero=hero,
        stages=stages,
        earlier=_earlier(inspection),
        metadata=_metadata(inspection.scan.metadata),
        flags=_flags(inspection),
        pixels=inspection.materials.quality.size,
        head_titles=HEAD_TITLES,
        version=__version__,
    )


@functools.lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("scananalysis.report", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "px": _px, "hexcolour": _hex, "metres": _metres}
    environment.globals |= {"with_sigma": with_sigma, "isnan": math.isnan, "made_of": made_of}
    return environment


def _template() -> Template:
    return _environment().get_template("report.html.j2")


def made_of(region: SuspectRegion) -> str:
    """Return what a region as a whole is made of, as one sentence; an empty text where that was not measured.

    Examples
    --------
    >>> from scananalysis.core import SuspectRegion
    >>> box = (0, 0, 1, 1)
    >>> known = SuspectRegion(
    ...     box, box, 1.0, 0.1, 9.0, 1.0, 26.0, 1.0, 0.001, 5.0, "insert", "", material="steel-like",
    ...     probability={"organic": 0.0, "light metal or mineral": 0.02, "steel-like": 0.98, "heavy metal": 0.0}, p_one_material=0.4)
    >>> made_of(known)
    'Material of the region as a whole: steel-like; steel-like 98 %, others below 5 %; p-value of being one material 0.4.'
    """
    if not region.material:
        return ""
    likely = sorted(((share, name) for name, share in region.probability.items() if share >= _TELLING), reverse=True)
    shares = ", ".join(f"{name} {100 * share:.0f} %" for share, name in likely)
    rest = f", others below {100 * _TELLING:.0f} %" if len(likely) < len(region.probability) else ""
    one = region.p_one_material
    tested = "too small to test whether it is one material" if math.isnan(one) else "p-value of being one material "
    if not math.isnan(one):
        tested += number(one, 2) if one >= _LEAST_P else f"below {_LEAST_P}"
    name = "not one material" if region.material == "mixed" else region.material
    return f"Material of the region as a whole: {name}; {shares}{rest}; {tested}."


def _px(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _hex(rgb: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)


def _metres(mm: float) -> str:
    return f"{mm / 1000:.2f}"


def _drawings(inspection: Inspection) -> tuple[Drawing, list[Drawing]]:
    boxes = [region.box_mm for region in inspection.regions]
    bottom = float(inspection.metadata.get("bottom_height_mm", 0.0))
    hero = draw(
        pseudo_colour_panel(inspection.materials, _HERO_PIXELS),
        width=_HERO_WIDTH,
        tallest=620,
        bottom_mm=bottom,
        boxes_mm=boxes,
    )
    threshold = inspection.limits.get("p_value_threshold")
    panels: list[Panel] = [
        *raw_panels(inspection.scan, inspection.radiograph.pixel_mm, _STAGE_PIXELS),
        *attenuation_panels(inspection.radiograph, _STAGE_PIXELS),
        areal_density_panel(inspection.materials, _STAGE_PIXELS),
    ]
    if inspection.anomalies is not None:
        panels += p_value_panels(inspection.anomalies, threshold, _STAGE_PIXELS)
    panels.append(inspectability_panel(inspection.materials, inspection.anomalies, _STAGE_PIXELS))
    marked = ("p-value", "areal-density")
    return hero, [
        draw(
            panel,
            width=_STAGE_WIDTH,
            tallest=420,
            bottom_mm=bottom,
            boxes_mm=boxes if panel.key.startswith(marked) else (),
        )
        for panel in panels
    ]


def _earlier(inspection: Inspection) -> list[Drawing]:
    """Return before, now and the difference with the places that changed, under their numbers in the table of regions."""
    earlier = inspection.earlier
    if earlier is None:
        return []
    bottom = float(inspection.metadata.get("bottom_height_mm", 0.0))
    boxes = [region.box_mm for region in earlier.regions]
    first = len(inspection.regions) - len(boxes) + 1
    return [
        draw(panel, width=_STAGE_WIDTH, tallest=420, bottom_mm=bottom, boxes_mm=boxes, first=first)
        for panel in earlier_panels(earlier, _STAGE_PIXELS)
    ]


def _figures(inspection: Inspection) -> list[Figure]:
    measured, limits = inspection.measured, inspection.limits
    figures = []
    if "load_mass_kg" in measured:
        mass = with_sigma(measured["load_mass_kg"] / 1000, measured["sigma_load_mass_kg"] / 1000, "t")
        declared = measured.get("declared_mass_kg")
        note = "nothing declared" if declared is None else f"declared {number(declared / 1000, 4)} t"
        figures.append(Figure("Mass of the load", mass, note))
    if "scan_p_value" in measured:
        figures.append(
            Figure(
                "Scan p-value",
                number(measured["scan_p_value"], 2),
                f"alarm at {number(limits['false_alarm_rate'], 2)} or less",
            )
        )
    if "inspectable_share" in measured:
        share = measured["inspectable_share"]
        figures.append(
            Figure(
                "Inspectable share of the load",
                f"{100 * share:.0f} %",
                f"at least {100 * limits['minimum_inspectable_share']:.0f} % needed",
            )
        )
    figures.append(
        Figure("Suspect regions", str(len(inspection.regions)), "numbered below" if inspection.regions else "none")
    )
    return figures


def _flags(inspection: Inspection) -> list[FlagRow]:
    quality = inspection.materials.quality
    rows = []
    for name, pixels in sorted(count_flags(quality).items(), key=lambda pair: -pair[1]):
        share = 100 * pixels / quality.size
        rows.append(FlagRow(name.replace("_", " ").lower(), FLAG_MEANINGS[name], pixels, f"{number(share, 2)} %"))
    return rows


def _metadata(metadata: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the scan's own metadata, each value cut to a readable length."""
    rows = []
    for key, value in list(metadata.items())[:60]:
        text = number(float(value), 6) if isinstance(value, float | np.floating) else str(value)
        rows.append((str(key)[:60], text if len(text) <= 200 else f"{text[:200]} …"))
    return rows


FLAG_MEANINGS = {
    "STARVED": "Signal too weak to tell from zero; the attenuation is a lower limit or noise.",
    "SATURATED": "Converter at full scale; the attenuation is an upper limit.",
    "CLIPPED_AIR": "The file stores nothing above its air level.",
    "DEAD": "The element gives no usable signal.",
    "HOT": "The element reads far too high in the dark.",
    "NOISY": "The element is much noisier than its neighbours.",
    "FLICKERING": "The element changes its level from time to time.",
    "DROPPED_LINE": "The line was lost or repeated by the readout.",
    "INTERPOLATED": "Computed from neighbours.",
    "AIR_ESTIMATED": "No air reference; the open beam was estimated from the image.",
    "NO_DARK": "No dark reference.",
    "NO_MONITOR": "Pulse-to-pulse fluctuation was not corrected here.",
    "UNCORRECTABLE": "A defect with too few good neighbours.",
    "NOMINAL_CURVES": "Material curves are the scanner's nominal ones; no step wedge was measured.",
    "AMBIGUOUS": "Two different materials explain the pixel within its noise.",
    "EXTRAPOLATED": "The attenuations lie outside the material map.",
    "STATED_MATERIAL": "Single energy: areal density holds for a stated material.",
    "MIXED": "Probably not one material.",
    "NEGATIVE": "Brighter than the open beam beyond noise.",
    "NOT_FINITE": "The input was not a finite number.",
    "OUTSIDE_LOAD": "Air, container structure or vehicle.",
    "NOT_INSPECTABLE": "Something of concern could be hidden here unseen.",
}
"""One line per `Quality` flag; a test holds that none is missing."""
