"""Curves that travel with a calibration set: fitted to scans of a step wedge, stored with the points they were fitted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.calibration import Calibration, ReferenceWedge, StepWedge, calibrate, measure_wedge
from scananalysis.core import CalibrationError, RawScan, sha256_array
from scananalysis.detectors import scanner as find_scanner
from scananalysis.materials.dualenergy import DualEnergyModel

_POINT = "wedge_"
_OPTIONAL = ("element", "fan_angle_rad")
_NAMES = ("z", "areal_density", "alpha", "variance", *_OPTIONAL)


@dataclass(frozen=True, eq=False)
class FittedCurves:
    """A set with curves, and how they were found.

    Parameters
    ----------
    calibration : Calibration
        With ``curves``.
    model : DualEnergyModel
    wedge : StepWedge
        The points that were fitted.
    """

    calibration: Calibration
    model: DualEnergyModel
    wedge: StepWedge


def fit_curves(
    calibration: Calibration, scans: Sequence[RawScan], wedge: ReferenceWedge, *, groups: int = 8
) -> FittedCurves:
    """Fit the material curves of a set to scans of a step wedge.

    Parameters
    ----------
    calibration : Calibration
        The set that calibrates the scans, and that gets the curves.
    scans : sequence of RawScan
        Each of the whole wedge, at any heights.
    wedge : ReferenceWedge
    groups : int
        Parts of the array that are measured on their own.

    Returns
    -------
    FittedCurves
        The set holds parameters with covariance (`DualEnergyModel.from_calibration` reads them) and the points.

    Raises
    ------
    CalibrationError
        The scanner has one energy, a scan does not fit the set or does not show the wedge, or the beams cannot be brought
        to fit the points.
    """
    scanner = find_scanner(calibration.scanner).binned(*calibration.binning)
    beams = scanner.beams()
    if len(beams) != 2:
        raise CalibrationError(
            f"scanner {scanner.name} has one energy",
            expected="two, for curves over the atomic number",
            remedy="build the set without a wedge",
        )
    if not scans:
        raise CalibrationError("no wedge scan", expected="at least one")
    points = join([measure_wedge(calibrate(scan, calibration), wedge, groups=groups) for scan in scans])
    model = DualEnergyModel.fit((beams[0], beams[1]), points, largest_areal_density=scanner.largest_areal_density)
    curves = {**model.curves, **_named(points)}
    inputs = {f"wedge-{i}": sha256_array(scan.counts) for i, scan in enumerate(scans)}
    kept = replace(
        calibration,
        curves=curves,
        inputs={**calibration.inputs, **inputs},
        metadata={**calibration.metadata, "wedge": wedge.model_dump(mode="json")},
    )
    return FittedCurves(kept, model, points)


def join(parts: Sequence[StepWedge]) -> StepWedge:
    """Return the points of several measurements as one.

    Examples
    --------
    >>> one = StepWedge([6, 26], [20.0, 20.0], [[0.7, 0.8], [0.9, 0.95]])
    >>> join([one, one]).alpha.shape
    (2, 4)
    """
    joined: dict[str, Any] = {}
    for name in _NAMES:
        values = [getattr(part, name) for part in parts]
        if not any(value is None for value in values):
            joined[name] = np.concatenate(values, axis=-1)
    return StepWedge(**joined)


def points_of(curves: Mapping[str, NDArray[Any]]) -> StepWedge | None:
    """Return the wedge points that curves were fitted to, or None where they were not kept."""
    found = {name: curves[_POINT + name] for name in _NAMES if _POINT + name in curves}
    return StepWedge(**found) if len(found) >= len(_NAMES) - len(_OPTIONAL) else None


def _named(points: StepWedge) -> dict[str, NDArray[Any]]:
    return {_POINT + name: value for name in _NAMES if (value := getattr(points, name)) is not None}
