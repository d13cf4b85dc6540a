"""Finds the steps of a wedge in its scan and measures their attenuation, by fan angle."""

from __future__ import annotations

from itertools import pairwise
from os import PathLike
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from scananalysis._resources import find
from scananalysis.calibration.stepwedge import StepWedge
from scananalysis.core import UNUSABLE, CalibrationError, Radiograph, has
from scananalysis.core.definitions import read_definition
from scananalysis.detectors import scanner as find_scanner
from scananalysis.physics import SYMBOLS, mass_attenuation, transmission

Positive = Annotated[float, Field(gt=0)]

_LEAST_ALPHA = 0.05
_MARGIN = 2
_LEAST_LINES = 3
_MISFIT = 0.3
"""A step may read this much off what the nominal beam expects, relative, before it is taken for another one."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class WedgeStep(_Model):
    """One step: a pure element of known areal density."""

    z: int = Field(ge=1, le=92, description="Atomic number")
    areal_density: Positive = Field(description="Along the beam axis, g/cm²")


class ReferenceWedge(_Model):
    """A step wedge as it is described in ``calibration/objects/``.

    Examples
    --------
    >>> len(ReferenceWedge.named("step-wedge-c-fe-pb").steps)
    9
    """

    title: str
    source: str
    date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="When the description was made")
    flat: bool = Field(
        description="Upright slabs across the beam axis, so that the path grows with 1/cos of the fan angle"
    )
    steps: tuple[WedgeStep, ...] = Field(min_length=1, description="In the order of travel")

    @classmethod
    def named(cls, name: str) -> ReferenceWedge:
        """Read a wedge of the definitions folder ``calibration/objects/``.

        Raises
        ------
        ConfigurationError
            No such object, or its description is invalid.
        """
        return cls.read(find("calibration", f"objects/{name}.toml"))

    @classmethod
    def read(cls, path: str | PathLike[str]) -> ReferenceWedge:
        """Read a wedge from a TOML file.

        Raises
        ------
        ConfigurationError
            The file is not TOML, or a field is unknown or out of range.
        """
        return read_definition(path, cls, expected="a step wedge as calibration/README.md describes it")


def measure_wedge(radiograph: Radiograph, wedge: ReferenceWedge, *, groups: int = 8) -> StepWedge:
    """Return the attenuation of every step of a wedge.

    Parameters
    ----------
    radiograph : Radiograph
        Two channels; the wedge and nothing else in the beam.
    wedge : ReferenceWedge
        Its steps are found along the lines, in the order of the description or, where that fits better, the other way round.
    groups : int
        Parts of the array that are measured on their own, since the beam is softer off its axis.

    Returns
    -------
    StepWedge
        One point per step and group, with the group's middle element and mean fan angle; the variance holds the shared errors.

    Raises
    ------
    CalibrationError
        The number of steps found is another, or one reads far from what it should be.
    """
    if radiograph.shape[0] != 2:
        raise CalibrationError(f"radiograph with {radiograph.shape[0]} channels", expected="2")
    usable: NDArray[np.bool_] = np.logical_and.reduce(~has(radiograph.quality, UNUSABLE), axis=0)
    rows = _covered_rows(radiograph, usable)
    found = _plateaus(radiograph, usable, rows)
    steps = wedge.steps
    if len(found) != len(steps):
        reads = ", ".join(f"{alpha:.2f}" for _, alpha in found)
        raise CalibrationError(
            f"{len(found)} steps in the scan (α {reads})",
            expected=f"{len(steps)} as the wedge",
            remedy="name the right wedge, or scan it with at least seven lines per step and air at both ends",
        )
    expected = _expected(radiograph, steps, float(radiograph.fan_angle_rad[rows].mean()))
    measured = np.array([alpha for _, alpha in found])
    turned = np.abs(measured[::-1] / expected - 1).max() < np.abs(measured / expected - 1).max()
    columns = [part for part, _ in (found[::-1] if turned else found)]
    off = (measured[::-1] if turned else measured) / expected - 1
    worst = int(np.abs(off).argmax())
    if abs(off[worst]) > _MISFIT:
        raise CalibrationError(
            f"step {worst + 1} reads α {expected[worst] * (1 + off[worst]):.2f}",
            expected=f"about {expected[worst]:.2f} for Z {steps[worst].z} of {steps[worst].areal_density:g} g/cm²",
            remedy="check the order of the wedge's steps",
        )
    points: list[tuple[float, ...]] = []
    for step, part in zip(steps, columns, strict=True):
        for group in np.array_split(rows, min(groups, rows.size)):
            mask = np.zeros(usable.shape, bool)
            mask[np.ix_(group, np.arange(part.start, part.stop))] = True
            mask &= usable
            if not mask.any():
                continue
            angle = float(radiograph.fan_angle_rad[group].mean())
            path = step.areal_density / (np.cos(angle) if wedge.flat else 1.0)
            scale = _to_one_angle(radiograph, step, angle, flat=wedge.flat)
            points.append((step.z, path, *_mean(radiograph, mask, scale), float(group[group.size // 2]), angle))
    z, depth, high, low, high_variance, low_variance, element, fan = np.array(points).T
    return StepWedge(
        z, depth, [high, low], [high_variance, low_variance], element=element.astype(np.int64), fan_angle_rad=fan
    )


def _mean(
    radiograph: Radiograph, mask: NDArray[np.bool_], scale: NDArray[np.float64]
) -> tuple[float, float, float, float]:
    """Return −ln of the mean transmission of both channels, and its variance with the shared errors.

    ``scale``, (channel, row), brings every row to the group's mean angle, see `_to_one_angle`.
    """
    rows = np.nonzero(mask)[0]
    seen = np.exp(-radiograph.attenuation[:, mask].astype(np.float64) * scale[:, rows]).mean(axis=1)
    independent, shared = radiograph.mean_covariance(mask)
    high, low = -np.log(seen)
    variance = np.diag(independent + shared)
    return float(high), float(low), float(variance[0]), float(variance[1])


def _covered_rows(radiograph: Radiograph, usable: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the rows that the wedge covers throughout."""
    behind = (radiograph.attenuation[0] > _LEAST_ALPHA) & usable
    share = behind.mean(axis=1) / np.maximum(usable.mean(axis=1), 1e-9)
    rows = np.flatnonzero((share > 0.9 * share.max()) & usable.any(axis=1))
    if share.max() < 0.05 or rows.size == 0:
        raise CalibrationError("nothing in the beam", expected="a step wedge")
    return rows


def _plateaus(radiograph: Radiograph, usable: NDArray[np.bool_], rows: NDArray[np.intp]) -> list[tuple[slice, float]]:
    """Return runs of lines on which the mean over rows does not change, without their ends, and their attenuation."""
    good = usable[rows]
    transmission_ = np.where(good, np.exp(-radiograph.attenuation[0, rows].astype(np.float64)), 0)
    number = np.maximum(good.sum(axis=0), 1)
    alpha = -np.log(np.maximum(transmission_.sum(axis=0) / number, 1e-9))
    noise = np.where(good, radiograph.variance[0, rows], 0).sum(axis=0) / number**2
    for term in radiograph.systematic.values():
        if term.shared_along == "y":
            noise = noise + np.broadcast_to(term.effect, radiograph.shape)[0, rows[0]].astype(np.float64) ** 2
    sigma = np.sqrt(noise)
    jump = np.abs(np.diff(alpha)) > 6 * np.hypot(sigma[1:], sigma[:-1]) + 0.004
    edges = np.concatenate([[0], np.flatnonzero(jump) + 1, [alpha.size]])
    found = []
    for start, stop in pairwise(edges):
        if stop - start < 2 * _MARGIN + _LEAST_LINES:
            continue
        part = slice(int(start) + _MARGIN, int(stop) - _MARGIN)
        level = float(np.median(alpha[part]))
        if level > _LEAST_ALPHA:
            found.append((part, level))
    return found


def _to_one_angle(radiograph: Radiograph, step: WedgeStep, angle: float, *, flat: bool) -> NDArray[np.float64]:
    """Return what brings the attenuation behind a step in every row to that at one fan angle, (channel, row).

    Off the axis the path is longer and the beam softer; the nominal beams say by how much. Without it the mean over unequal rows is
    too transparent: by 0.02 in α at 6 for eighths of an array, many times the error of the mean.
    """
    angles = np.append(radiograph.fan_angle_rad.astype(np.float64), angle)
    depth = step.areal_density / (np.cos(angles) if flat else np.ones_like(angles))
    alphas = []
    for beam in find_scanner(radiograph.scanner).beams():
        mu = mass_attenuation(SYMBOLS[step.z - 1], beam.energy_mev)
        alphas.append(-np.log((beam.signal_weights(angles) * np.exp(-depth[:, None] * mu)).sum(axis=1)))
    expected = np.stack(alphas)
    found: NDArray[np.float64] = expected[:, -1:] / expected[:, :-1]
    return found


def _expected(radiograph: Radiograph, steps: tuple[WedgeStep, ...], angle: float) -> NDArray[np.float64]:
    """Return the attenuation that the scanner's nominal high-energy beam expects of every step."""
    beam = find_scanner(radiograph.scanner).beams()[0]
    seen = [float(np.squeeze(transmission(beam, {SYMBOLS[s.z - 1]: s.areal_density}, angle))) for s in steps]
    expected: NDArray[np.float64] = -np.log(np.array(seen))
    return expected
