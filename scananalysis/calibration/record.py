"""The record of a calibration, one entry per step, and running it once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.calibration.recipe import STEPS, Recipe
from scananalysis.core import CalibrationError, Provenance, RawScan, count_flags, sha256_array

if TYPE_CHECKING:
    from scananalysis.calibration.blocks import ChannelPlan
    from scananalysis.calibration.drift import DriftFound
    from scananalysis.calibration.geometry import Grid
    from scananalysis.calibration.openbeam import AirLevel
    from scananalysis.calibration.pulse import Pulses
    from scananalysis.calibration.references import Calibration
    from scananalysis.core import Radiograph

_IMAGE_STEPS = ("open_beam", "pulse", "registration", "logarithm")


def record_of_references(
    scan: RawScan,
    used: Calibration,
    plans: tuple[ChannelPlan, ...],
    levels: tuple[Pulses, DriftFound, NDArray[np.uint32]],
    places: tuple[float, str, Grid | None],
    recipe: Recipe,
    digest: str,
) -> Provenance:
    """Return the record of a scan with references: one entry per step with its parameters, what it found, and its inputs.

    ``levels`` holds the flags of elements that failed since the references too; ``digest`` is the sha256 of the counts.
    """
    pulses, drift, failed = levels
    lag, lag_source, grid = places
    plan = plans[0]
    glow, unmixing = plan.afterglow, plan.unmixing
    found: dict[str, dict[str, Any]] = {
        "linearity": {"curvature": plan.curvature},
        "afterglow": {"share": list(glow.share) if glow else [], "kept_per_line": list(glow.keep) if glow else []},
        "drift": {"change": drift.change, "sigma": drift.sigma},
        "crosstalk": {"share": unmixing.share if unmixing else 0.0},
        "scatter": {"acts": plan.scatter is not None},
        "gain": {
            "quantum_counts": [float(q) for q in used.quantum],
            "quantum": used.metadata.get("quantum", "measured"),
        },
        "defects": {
            "elements": [dict(count_flags(plan.repair.flags)) for plan in plans],
            "failed_since_references": [[int(c), int(e)] for c, e in np.argwhere(failed)],
        },
        "pulse": _pulse_facts(pulses),
        "registration": {"lag_lines": lag, "source": lag_source},
        "geometry": {
            "columns": "lines" if grid is None else "even travel",
            "pitch_mm": None if grid is None else grid.pitch_mm,
        },
    }
    inputs = {
        "offset": {"counts": digest} | {k: v for k, v in used.inputs.items() if k == "dark"},
        "gain": {k: v for k, v in used.inputs.items() if k.startswith("air")},
        "pulse": _monitor(scan, pulses),
    }
    return _record(scan.provenance, STEPS, recipe, found, inputs)


def record_of_image(
    scan: RawScan,
    air: tuple[list[AirLevel], list[float]],
    pulses: Pulses,
    lag: tuple[float, str],
    recipe: Recipe,
    digest: str,
) -> Provenance:
    """Return the record of an air-normalised image with its level and worth of a quantum for every channel, and its counts' sha256."""
    levels, quanta = air
    found: dict[str, dict[str, Any]] = {
        "open_beam": {
            "air_level": [air.level for air in levels],
            "stated": scan.air_level is not None,
            "clipped": [air.clipped for air in levels],
            "quantum_counts": quanta,
            "quantum": ["nominal" if air.quantum is None else "measured" for air in levels],
        },
        "pulse": _pulse_facts(pulses),
        "registration": {"lag_lines": lag[0], "source": lag[1]},
    }
    inputs = {"open_beam": {"counts": digest}, "pulse": _monitor(scan, pulses)}
    return _record(scan.provenance, _IMAGE_STEPS, recipe, found, inputs)


def _record(
    provenance: Provenance,
    steps: tuple[str, ...],
    recipe: Recipe,
    found: dict[str, dict[str, Any]],
    inputs: dict[str, dict[str, str]],
) -> Provenance:
    for step in steps:
        parameters = {"recipe": getattr(recipe, step).model_dump(mode="json")}
        if step in found:
            parameters["found"] = found[step]
        provenance = provenance.then(f"calibration.{step}", parameters=parameters, inputs=inputs.get(step))
    return provenance


def _pulse_facts(pulses: Pulses) -> dict[str, Any]:
    return {
        "source": pulses.source,
        "lines_uncorrected": [int(n) for n in np.count_nonzero(~pulses.known, axis=1)],
        "spread": [float(s) for s in pulses.strength.std(axis=1, dtype=np.float64)],
    }


def _monitor(scan: RawScan, pulses: Pulses) -> dict[str, str]:
    return {"monitor": sha256_array(scan.monitor)} if scan.monitor is not None and pulses.source == "monitor" else {}


def replay(scan: RawScan, provenance: Provenance, calibration: Calibration | None = None) -> Radiograph:
    """Run the calibration that a provenance record speaks of once more; the result has identical bits.

    Parameters
    ----------
    scan : RawScan
    provenance : Provenance
        Of a `Radiograph` or anything made from it.
    calibration : Calibration, optional
        The set that was used, if one was.

    Raises
    ------
    CalibrationError
        The record has no calibration, or speaks of other inputs.
    """
    from scananalysis.calibration.chain import calibrate
    from scananalysis.calibration.references import Calibration

    names = _IMAGE_STEPS if scan.stage == "air-normalised" else STEPS
    steps = {name: provenance.find(f"calibration.{name}") for name in names}
    sections: dict[str, Any] = {}
    expected: dict[str, str] = {}
    for name, step in steps.items():
        if step is None:
            raise CalibrationError(f"provenance without calibration.{name}", expected="the record of a calibrated scan")
        sections[name] = step.parameters["recipe"]
        expected |= step.inputs
    recipe = Recipe.model_validate(sections)
    have = {"counts": sha256_array(scan.counts)}
    if scan.monitor is not None:
        have["monitor"] = sha256_array(scan.monitor)
    if scan.stage != "air-normalised":
        calibration = calibration or Calibration.from_references(scan, recipe=recipe)
        have |= calibration.inputs
    for role, digest in expected.items():
        if have.get(role) != digest:
            raise CalibrationError(
                f"provenance speaks of other {role}", expected="the record of this scan and its calibration"
            )
    return calibrate(scan, calibration, recipe=recipe)
