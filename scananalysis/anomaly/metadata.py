"""`metadata.json` of a model: what it is, its bytes' sha256, and the clean scans that calibrate it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from scananalysis.anomaly.conformal import ScanMaxima
from scananalysis.core import ModelError, sha256_file

_MAX_BYTES = 16 << 20


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Standardisation(_Model):
    """Location and scale of a head's highest clean scores, by family of the goods."""

    location: tuple[float, ...]
    scale: tuple[float, ...]


class ScannerCalibration(_Model):
    """What clean scans of one scanner gave, one entry per head."""

    standardisation: dict[str, Standardisation]
    maxima: dict[str, tuple[float, ...]] = Field(description="Highest standardised score of each clean scan")
    source: str = Field(description="Which scans: recipe, split, count, and whether simulated")
    scale: float = Field(gt=0, description="Areal density that counts as 1 in the network's planes, g/cm²")

    @model_validator(mode="after")
    def _fits(self) -> ScannerCalibration:
        for head, table in self.standardisation.items():
            if len(table.location) != len(table.scale):
                raise ValueError(
                    f"standardisation of {head} has {len(table.location)} places and {len(table.scale)} scales"
                )
            if min(table.scale) <= 0:
                raise ValueError(f"standardisation of {head} has a scale that is not positive")
        if self.maxima and set(self.maxima) != set(self.standardisation):
            raise ValueError("maxima and standardisation name different heads")
        return self

    def standardise(self, head: str, score: Any, family: Any) -> Any:
        """Return scores in units of the spread of clean scans' highest scores among goods of the same family."""
        table = self.standardisation[head]
        return (score - np.asarray(table.location)[family]) / np.asarray(table.scale)[family]

    def layer(self, head: str) -> ScanMaxima:
        """Return the conformal layer of a head."""
        return ScanMaxima.of(self.maxima[head])


class Metadata(_Model):
    """Everything about a model that is not a weight."""

    name: str
    version: str
    kind: Literal["mahalanobis", "expected-density", "network"]
    file: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    families: tuple[str, ...]
    heads: tuple[str, ...]
    pitch_mm: tuple[float, float] = Field(description="Height and width of a working cell at the object plane, mm")
    training: dict[str, Any] = Field(description="Recipe, seed, counts and versions: enough to rebuild")
    calibration: dict[str, ScannerCalibration]

    def scanner(self, name: str) -> ScannerCalibration:
        """Return the calibration for a scanner.

        Raises
        ------
        ModelError
            The model was never calibrated on clean scans of this scanner.
        """
        try:
            return self.calibration[name]
        except KeyError:
            raise ModelError(
                f"model {self.name} has no clean scans of scanner {name}",
                expected=f"one of {', '.join(sorted(self.calibration))}"
                if self.calibration
                else "some: the model was never calibrated",
                remedy="calibrate the model on clean scans of this scanner with 'scananalysis calibrate alarms'",
            ) from None


def read_metadata(folder: Path) -> Metadata:
    """Read ``metadata.json`` of a model folder and check the sha256 of its weights.

    Raises
    ------
    ModelError
        The file is missing, too large, malformed, or the weights are not the ones it speaks of.
    """
    path = folder / "metadata.json"
    if not path.is_file():
        raise ModelError("no metadata.json", source=folder, expected="a folder with metadata.json and its weights")
    if path.stat().st_size > _MAX_BYTES:
        raise ModelError(f"has {path.stat().st_size} bytes", source=path, expected=f"at most {_MAX_BYTES}")
    try:
        metadata = Metadata.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ModelError(f"{where}: {first['msg']}", source=path, expected="a model's metadata") from error
    weights = folder / metadata.file
    if not weights.is_file():
        raise ModelError(f"no {metadata.file}", source=folder, expected="the weights that metadata.json names")
    found = sha256_file(weights)
    if found != metadata.sha256:
        raise ModelError(
            f"sha256 is {found}",
            source=weights,
            expected=metadata.sha256,
            remedy="restore the file: its bytes are not those the model was released with",
        )
    return metadata


def write_metadata(folder: Path, metadata: Metadata) -> None:
    """Write ``metadata.json``, rounded to what matters, through a temporary name."""
    text = json.dumps(_rounded(metadata.model_dump(mode="json")), indent=1, ensure_ascii=False)
    part = folder / "metadata.json.part"
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(folder / "metadata.json")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
