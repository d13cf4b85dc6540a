"""``data/configuration.json`` of a bundle: which file is what, and how they were used."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scananalysis.core import FormatError
from scananalysis.inspection.evidence.files import bounded, safe_name
from scananalysis.inspection.inputs import ModelRecord

DATA = "data"
"""Folder of a bag's content."""

NAME = f"{DATA}/configuration.json"
MAX_BYTES = 4 << 20


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PlacedEarlier(_Model):
    """Names of what belongs to an earlier scan, inside the bundle."""

    name: str = Field(description="What the result calls the earlier scan")
    scan: list[str] = Field(min_length=1, description="One file, or one per energy")
    declaration: str | None
    calibration: str | None = Field(
        description="null: the references inside the scan, or the calibration of the new scan"
    )
    layout: str | None
    reading: dict[str, str | None] = Field(description="format, layout and scanner")

    def names(self) -> list[str]:
        """Return all names."""
        return [*self.scan, *(n for n in (self.declaration, self.calibration, self.layout) if n is not None)]


class Placed(_Model):
    """Names of the inputs inside the bundle."""

    scan: list[str] = Field(min_length=1, description="One file, or one per energy")
    declaration: str | None
    calibration: str | None = Field(description="null: the references inside the scan")
    layout: str | None
    model: str | None = Field(description="Folder; null: nothing was scored")
    definitions: str = Field(description="Folder")
    earlier: PlacedEarlier | None = Field(default=None, description="null: compared with no earlier scan")

    def names(self) -> list[str]:
        """Return all names."""
        others = (self.declaration, self.calibration, self.layout, self.model, self.definitions)
        earlier = [] if self.earlier is None else self.earlier.names()
        return [*self.scan, *(name for name in others if name is not None), *earlier]


class Configuration(_Model):
    """Enough to run the inspection again."""

    inputs: Placed
    reading: dict[str, str | None] = Field(description="format, layout and scanner")
    limits: dict[str, float]
    model: ModelRecord | None
    definitions_sha256: str
    software: dict[str, str]
    scanned: str | None = Field(
        default=None, description="When the scan was taken, or taken to have been taken; see the result"
    )


def read_configuration(root: Path) -> Configuration:
    """Read the configuration of a bundle.

    Raises
    ------
    FormatError
        Damaged, too large, or it names a file outside the bundle.
    """
    path = root / NAME
    try:
        found = Configuration.model_validate_json(bounded(path, MAX_BYTES, "a configuration", follow=False))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise FormatError(f"{where}: {first['msg']}", source=path, expected="a bundle's configuration") from None
    for name in found.inputs.names():
        inside(root, name)
    return found


def inside(root: Path, name: str) -> Path:
    """Return the path of a name inside the bundle.

    Raises
    ------
    FormatError
        The name leads out of the bundle, by ``..``, as an absolute path or through a link.
    """
    path = root / name
    if not safe_name(name) or not path.resolve().is_relative_to(root.resolve()):
        raise FormatError(f"names {name[:80]!r}", source=root / NAME, expected="a file inside the bundle")
    return path
