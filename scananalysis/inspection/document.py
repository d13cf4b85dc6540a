"""``inspection.json``: what a machine reads. The schema in docs/schemas/ is made from these models and tested against them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from scananalysis._version import __version__
from scananalysis.anomaly.emptiness import FALSE_ALARM_RATE
from scananalysis.core import Declaration, count_flags
from scananalysis.inspection.inputs import Inputs

if TYPE_CHECKING:
    from scananalysis.core import EarlierScan, Inspection, Provenance

SCHEMA_VERSION: Literal["1.3"] = "1.3"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BoxDocument(_Model):
    """A rectangle from the upper left corner of the picture."""

    top: float
    left: float
    bottom: float
    right: float


class RegionDocument(_Model):
    """One suspect region; raw score, p-value and threshold stand apart."""

    number: int = Field(ge=1, description="Number on the overlay and in the report")
    head: str = Field(description="Which score raised it: declared, insert, mass, or another head of the model")
    box_px: BoxDocument = Field(description="Pixels of the maps; bottom and right are exclusive")
    box_mm: BoxDocument = Field(description="At the object plane, mm")
    score: float | None = Field(description="Raw score of its strongest place, in units of the clean spread")
    p_value: float = Field(ge=0, le=1, description="Share of clean scans whose strangest place is at least as strange")
    p_value_threshold: float = Field(description="p-value at or below which this head alarms")
    mass_kg: float | None = Field(description="Beyond the surroundings; of the whole load for a whole-load alarm")
    sigma_mass_kg: float | None
    areal_density_g_cm2: float | None
    sigma_areal_density_g_cm2: float | None
    surroundings_areal_density_g_cm2: float | None
    z_eff: float | None = Field(description="Of the region as a whole; null for single energy")
    sigma_z: float | None
    z_added: float | None = Field(description="Of what lies on top of the surroundings; null where it cannot be told")
    sigma_z_added: float | None
    looks_like: str
    material: str = Field(
        description="Class of the region as a whole: organic, light metal or mineral, steel-like, heavy metal, mixed, undecided; "
        "empty with one energy or without a usable pixel"
    )
    probability: dict[str, float] = Field(
        description="Of each class between organic and heavy metal, all errors counted"
    )
    p_one_material: float | None = Field(description="p-value of being one material; null where it cannot be tested")
    reason: str


class ComparisonDocument(_Model):
    """Declared against measured."""

    quantity: str
    unit: str
    declared: str
    measured: str
    agrees: bool | None = Field(description="null: the scan cannot tell")
    note: str


class StepDocument(_Model):
    """One step of the provenance record."""

    name: str
    version: str
    parameters: dict[str, Any]
    inputs: dict[str, str]


class EarlierDocument(_Model):
    """How the scan differs from an earlier one of the same container; its places are among the regions, as head ``earlier``."""

    source: str
    false_alarm_rate: float = Field(description="Share of pairs of like scans that may show any place")
    measured: dict[str, float | None] = Field(description="Registration, shares of the picture; see docs/earlier.md")
    size_cells: tuple[int, int] = Field(description="Rows and columns of the maps earlier/* in maps.h5")
    cell_mm: tuple[float, float] = Field(description="Height and width of a cell at the object plane")
    mirrored: bool = Field(
        description="The container moved the other way in the earlier scan, whose picture was mirrored"
    )
    provenance: list[StepDocument] = Field(description="How the earlier scan was read and calibrated")


class AnomalyDocument(_Model):
    """The anomaly model's view of the whole scan."""

    model: str
    scan_p_value: dict[str, float] = Field(description="Per head, and combined")
    largest_score: dict[str, float | None] = Field(description="Raw score of the strangest place, per head")


class InspectionDocument(_Model):
    """Result of inspecting one scan. It recommends; an officer decides."""

    schema_version: Literal["1.3"] = SCHEMA_VERSION
    software: str
    source: str = Field(description="Name of the file, or of the scanner for a scan from memory")
    scanner: str
    verdict: Literal["clear", "inspect", "not-inspectable"]
    recommendation: str
    reasons: list[str]
    regions: list[RegionDocument]
    measured: dict[str, float | None]
    limits: dict[str, float] = Field(description="What the measured values were held against")
    anomalies: AnomalyDocument | None = Field(description="null: no anomaly model scored the scan")
    declaration: Declaration | None = Field(description="null: none was given, and the checks that need one are off")
    declaration_checks: Literal["on", "off"]
    comparisons: list[ComparisonDocument]
    earlier: EarlierDocument | None = Field(description="null: no earlier scan was named")
    findings: list[str] = Field(description="What the declaration's own checks found")
    advice: list[str]
    quality: dict[str, int] = Field(description="Pixels that carry each quality flag")
    size_px: tuple[int, int] = Field(description="Rows and columns of the maps")
    pixel_mm: tuple[float, float] = Field(description="Height and width of a pixel at the object plane")
    files: list[str] = Field(description="Files that belong to this one")
    inputs: Inputs | None = Field(
        description="Files, model and software it was made from; null if that was not recorded"
    )
    provenance: list[StepDocument]


FILES = ("report.html", "inspection.json", "maps.h5", "overlay.png")
"""What `save_inspection` writes."""

RECOMMENDATION = "This is a recommendation; an officer decides."


def document(inspection: Inspection) -> InspectionDocument:
    """Return an inspection as the document that ``inspection.json`` holds.

    Parameters
    ----------
    inspection : Inspection

    Returns
    -------
    InspectionDocument
        Numbers that are not known (NaN, infinite) are null.
    """
    anomalies = inspection.anomalies
    return InspectionDocument(
        software=f"scananalysis {__version__}",
        source=str(inspection.metadata.get("source", inspection.scan.scanner)),
        scanner=inspection.scan.scanner,
        verdict=inspection.verdict,
        recommendation=RECOMMENDATION,
        reasons=list(inspection.reasons),
        regions=_regions(inspection),
        measured={name: _number(value) for name, value in inspection.measured.items()},
        limits=dict(inspection.limits),
        anomalies=None
        if anomalies is None
        else AnomalyDocument(
            model=anomalies.model,
            scan_p_value=dict(anomalies.scan_p_value),
            largest_score={
                head: _largest(score)
                for head, score in zip(anomalies.heads, anomalies.cells("score").values, strict=True)
            },
        ),
        declaration=inspection.declaration,
        declaration_checks="off" if inspection.declaration is None else "on",
        comparisons=[
            ComparisonDocument(
                quantity=c.quantity,
                unit=c.unit,
                declared=c.declared,
                measured=c.measured,
                agrees=c.agrees,
                note=c.note,
            )
            for c in inspection.comparisons
        ],
        earlier=_earlier(inspection.earlier),
        findings=list(inspection.findings),
        advice=list(inspection.advice),
        quality=dict(count_flags(inspection.materials.quality)),
        size_px=inspection.materials.shape,
        pixel_mm=inspection.materials.pixel_mm,
        files=list(FILES),
        inputs=inspection.metadata.get("inputs"),
        provenance=_steps(inspection.provenance),
    )


def _steps(provenance: Provenance) -> list[StepDocument]:
    return [StepDocument(**step.to_dict()) for step in provenance.steps]


def _regions(inspection: Inspection) -> list[RegionDocument]:
    threshold = inspection.limits.get("p_value_threshold", inspection.limits.get("false_alarm_rate", 0.0))
    of_earlier = threshold if inspection.earlier is None else inspection.earlier.false_alarm_rate
    of_mass = inspection.limits.get("mass_p_value_threshold", threshold)
    return [
        RegionDocument(
            number=number,
            head=region.head,
            box_px=_box(region.box),
            box_mm=_box(region.box_mm),
            score=_number(region.score),
            p_value=region.p_value,
            p_value_threshold={"mass": of_mass, "empty": FALSE_ALARM_RATE, "earlier": of_earlier}.get(
                region.head, threshold
            ),
            mass_kg=_number(region.mass_kg),
            sigma_mass_kg=_number(region.sigma_mass_kg),
            areal_density_g_cm2=_number(region.areal_density),
            sigma_areal_density_g_cm2=_number(region.sigma_areal_density),
            surroundings_areal_density_g_cm2=_number(region.surroundings_areal_density),
            z_eff=_number(region.z_eff),
            sigma_z=_number(region.sigma_z),
            z_added=_number(region.z_added),
            sigma_z_added=_number(region.sigma_z_added),
            looks_like=region.looks_like,
            material=region.material,
            probability=dict(region.probability),
            p_one_material=_number(region.p_one_material),
            reason=region.reason,
        )
        for number, region in enumerate(inspection.regions, start=1)
    ]


def _earlier(earlier: EarlierScan | None) -> EarlierDocument | None:
    if earlier is None:
        return None
    height, width = earlier.now.shape
    return EarlierDocument(
        source=earlier.source,
        false_alarm_rate=earlier.false_alarm_rate,
        measured={name: _number(value) for name, value in earlier.measured.items()},
        size_cells=(height, width),
        cell_mm=earlier.pixel_mm,
        mirrored=earlier.mirrored,
        provenance=_steps(earlier.provenance),
    )


def _box(edges: tuple[float, float, float, float]) -> BoxDocument:
    top, left, bottom, right = edges
    return BoxDocument(top=top, left=left, bottom=bottom, right=right)


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _largest(score: Any) -> float | None:
    import numpy as np

    known = score[np.isfinite(score)]
    return float(known.max()) if known.size else None
