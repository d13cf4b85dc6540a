"""The columns of a scan's row that tell what was measured: verdict, masses, regions, health of the array, thumbnail."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from scananalysis.core import Inspection, Quality, RawScan

Row = dict[str, Any]

THUMBNAIL = (120, 320)
"""Largest height and width of a thumbnail, pixels."""


def _number(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def describe_array(row: Row, scan: RawScan) -> None:
    """Add what the references say of the array's health; medians, so that a few bad elements do not speak for it."""
    if scan.dark is None or scan.air is None:
        return
    dark = np.median(scan.dark, axis=1).astype(np.float64)
    gain = np.median(scan.air, axis=1) - dark
    middle = np.median(gain, axis=1)
    spread = 1.4826 * np.median(np.abs(gain - middle[:, None]), axis=1)
    row["dark_level"] = [float(value) for value in np.median(dark, axis=1)]
    row["air_level"] = [float(value) for value in middle]
    row["gain_spread"] = [float(s / m) if m > 0 else None for s, m in zip(spread, middle, strict=True)]


def describe(row: Row, found: Inspection) -> None:
    """Add what an inspection found; regions become rows of their own table."""
    measured = found.measured
    row["verdict"] = found.verdict
    row["reasons"] = list(found.reasons)
    row["size_px"] = list(found.materials.shape)
    for name in (
        "scan_p_value", "inspectable_share", "starved_share", "bad_share", "open_beam", "load_mass_kg",
        "sigma_load_mass_kg", "declared_mass_kg", "sigma_declared_mass_kg", "mass_difference_sigmas", "mass_p_value",
    ):  # fmt: skip
        row[name] = _number(measured.get(name))
    if found.anomalies is not None:
        heads = {name: float(p) for name, p in found.anomalies.scan_p_value.items() if name != "combined"}
        row["head_p_values"] = json.dumps(heads, sort_keys=True)
        scores = {
            head: _number(np.nanmax(score)) if np.isfinite(score).any() else None
            for head, score in zip(found.anomalies.heads, found.anomalies.cells("score").values, strict=True)
        }
        row["largest_scores"] = json.dumps(scores, sort_keys=True)
    flags = found.radiograph.quality
    row["dead_elements"] = _elements(flags, Quality.DEAD)
    row["noisy_elements"] = _elements(flags, Quality.HOT | Quality.NOISY | Quality.FLICKERING)
    outside = (found.materials.quality & np.uint32(Quality.OUTSIDE_LOAD)) != 0
    row["load_area_m2"] = float((~outside).sum()) * found.materials.pixel_mm[0] * found.materials.pixel_mm[1] * 1e-6
    masses = [
        abs(region.mass_kg) for region in found.regions if math.isfinite(region.mass_kg) and region.head != "mass"
    ]
    row["largest_region_mass_kg"] = max(masses, default=None)
    row["region_count"] = len(found.regions)
    row["regions"] = [_region(row, number, region) for number, region in enumerate(found.regions, start=1)]


def _elements(flags: Any, flag: Quality) -> int:
    """Count elements (rows of the picture) that carry a flag in any channel over most of the scan."""
    marked = (flags & np.uint32(flag)) != 0
    return int((marked.mean(axis=2) > 0.5).any(axis=0).sum())


def _region(row: Row, number: int, region: Any) -> Row:
    top, left, bottom, right = region.box_mm
    return {
        "path": row["path"],
        "scan_sha256": row["scan_sha256"],
        "number": number,
        "head": region.head,
        "top_mm": _number(top),
        "left_mm": _number(left),
        "bottom_mm": _number(bottom),
        "right_mm": _number(right),
        "score": _number(region.score),
        "p_value": _number(region.p_value),
        "mass_kg": _number(region.mass_kg),
        "sigma_mass_kg": _number(region.sigma_mass_kg),
        "areal_density_g_cm2": _number(region.areal_density),
        "sigma_areal_density_g_cm2": _number(region.sigma_areal_density),
        "z_eff": _number(region.z_eff),
        "sigma_z": _number(region.sigma_z),
        "z_added": _number(region.z_added),
        "sigma_z_added": _number(region.sigma_z_added),
        "looks_like": region.looks_like,
        "material": region.material,
        "material_probability": _number(max(region.probability.values(), default=math.nan)),
        "p_one_material": _number(region.p_one_material),
        "reason": region.reason,
    }


def thumbnail(found: Inspection) -> bytes:
    """Return a small picture in pseudo colour, JPEG."""
    import cv2

    from scananalysis.inspection.crop import thin
    from scananalysis.materials import pseudo_colour

    height, width = found.materials.shape
    shrink = max(1.0, height / THUMBNAIL[0], width / THUMBNAIL[1])
    # Two pixels for each that is kept: their mean takes off the noise, which would be most of the file.
    step = max(1, int(shrink / 2))
    picture = pseudo_colour(thin(found.materials, (step, step)))
    size = (max(1, round(width / shrink)), max(1, round(height / shrink)))
    if size != picture.shape[1::-1]:
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    ok, encoded = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 80])
    if not ok:
        raise RuntimeError(f"OpenCV could not encode a picture of shape {picture.shape}")
    return encoded.tobytes()
