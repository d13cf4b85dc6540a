"""`discriminate`: a radiograph to a material map, with the curves of its calibration or the scanner's nominal ones."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import CalibrationError, MaterialMap, Quality, Radiograph, Regions, sha256_array
from scananalysis.detectors import scanner as find_scanner
from scananalysis.materials.dualenergy import DualEnergyModel
from scananalysis.materials.singleenergy import SingleEnergyModel

Model = DualEnergyModel | SingleEnergyModel


def model_for(radiograph: Radiograph) -> tuple[Model, bool]:
    """Return the material model of a radiograph, and whether it is only the scanner's nominal one.

    Raises
    ------
    CalibrationError
        The curves of the calibration do not belong to this number of energies.
    """
    if radiograph.curves is not None:
        return fitted_model(radiograph.curves), False
    return nominal_model(radiograph.scanner), True


def fitted_model(curves: Mapping[str, NDArray[Any]]) -> Model:
    """Return the model of fitted curves; its tables are built once per process for the same curves.

    Raises
    ------
    CalibrationError
        The curves are not those of a model.
    """
    key = tuple((name, sha256_array(np.asarray(value))) for name, value in sorted(curves.items()))
    return _fitted(_Curves(key, curves))


class _Curves:
    """Curves that are the same if their numbers are."""

    def __init__(self, key: tuple[tuple[str, str], ...], curves: Mapping[str, NDArray[Any]]) -> None:
        self.key, self.curves = key, curves

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Curves) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@functools.lru_cache(maxsize=8)
def _fitted(source: _Curves) -> Model:
    single = "stated_material" in source.curves
    return (SingleEnergyModel if single else DualEnergyModel).from_calibration(source)


def nominal_model(scanner: str) -> Model:
    """Return the model of a scanner's nominal beams; its tables are built once per process."""
    return _nominal(scanner, os.environ.get("SCANANALYSIS_DEFINITIONS"))


@functools.lru_cache(maxsize=16)
def _nominal(scanner: str, _definitions: str | None) -> Model:
    found = find_scanner(scanner)
    return DualEnergyModel.nominal(found) if len(found.channels) == 2 else SingleEnergyModel.nominal(found)


def discriminate(radiograph: Radiograph, model: Model | None = None) -> MaterialMap:
    """Turn attenuation into areal density and effective atomic number.

    Parameters
    ----------
    radiograph : Radiograph
    model : DualEnergyModel or SingleEnergyModel, optional
        By default the curves of the radiograph's calibration; where it has none, the scanner's nominal ones, and every
        pixel is flagged `NOMINAL_CURVES`.

    Returns
    -------
    MaterialMap
        σ are those of independent noise; shared errors stay with the radiograph and are counted where regions are
        measured.

    Raises
    ------
    CalibrationError
        The model is for another number of energies.
    """
    if model is None:
        found, nominal = model_for(radiograph)
        return apply(radiograph, found, nominal=nominal)
    return apply(radiograph, model, nominal=False)


def apply(radiograph: Radiograph, model: Model, *, nominal: bool) -> MaterialMap:
    """Turn attenuation into a material map with one model; ``nominal`` models flag every pixel."""
    channels = radiograph.shape[0]
    if channels != (2 if isinstance(model, DualEnergyModel) else 1):
        raise CalibrationError(f"radiograph of {channels} energies", expected="as many as the material model")
    alpha, variance = radiograph.attenuation, radiograph.variance
    if isinstance(model, DualEnergyModel):
        found = model.invert(alpha[0], alpha[1], variance[0], variance[1], radiograph.fan_angle_rad, systematic=False)
    else:
        found = model.invert(alpha[0], variance[0])
    quality = found.quality
    for plane in radiograph.quality:
        quality |= plane
    if nominal:
        quality |= np.uint32(Quality.NOMINAL_CURVES.value)
    curves = model.curves
    inputs = {name: sha256_array(np.asarray(value)) for name, value in curves.items()}
    parameters: dict[str, Any] = {"model": type(model).__name__, "nominal": nominal}
    return MaterialMap(
        areal_density=found.areal_density,
        z_eff=found.z_eff,
        sigma_areal_density=found.sigma_areal_density,
        sigma_z=found.sigma_z,
        correlation=found.correlation,
        quality=quality,
        radiograph=radiograph,
        curves=curves,
        regions=Regions(np.zeros(quality.shape, np.int32)),
        metadata=radiograph.metadata,
        provenance=radiograph.provenance.then("materials.discriminate", parameters=parameters, inputs=inputs),
    )
