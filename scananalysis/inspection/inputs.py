"""What an inspection was made from: files with their sha256, model, definitions and software.

With these and the files themselves the inspection can be run again; evidence bundles are built from them.
"""

from __future__ import annotations

import functools
import hashlib
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from scananalysis._resources import roots
from scananalysis._version import __version__
from scananalysis.core import CalibrationError, RawScan, sha256_file

if TYPE_CHECKING:
    from datetime import datetime

    from scananalysis.core import AnomalyMap
    from scananalysis.inspection.earlier import Earlier

KINDS = ("detectors", "calibration", "datasets")
"""Folders of definitions."""

_SUFFIXES = frozenset({".toml", ".csv"})
_PACKAGES = ("numpy", "scipy", "opencv-python-headless", "onnxruntime", "h5py")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileRecord(_Model):
    """One input file."""

    path: str | None = Field(description="Where it was; null for an object from memory")
    sha256: str | None = Field(description="Of its bytes; null for an object from memory")


class ModelRecord(_Model):
    """The anomaly model that scored the scan."""

    name: str
    version: str
    folder: str
    metadata_sha256: str
    weights_sha256: str


class EarlierRecord(_Model):
    """The earlier scan that the scan was compared with."""

    scan: list[FileRecord] = Field(description="One file, or one per energy")
    declaration: FileRecord | None = Field(description="null: none was given")
    calibration: FileRecord | None = Field(description="null: the references inside the scan")
    layout: FileRecord | None = Field(description="A layout that was named as a file; null otherwise")
    reading: dict[str, str | None] = Field(description="format, layout and scanner that were named or found")


class Inputs(_Model):
    """Everything that an inspection was made from."""

    scan: list[FileRecord] = Field(description="One file, or one per energy")
    declaration: FileRecord | None = Field(description="null: none was given")
    calibration: FileRecord | None = Field(description="null: the references inside the scan, or none")
    layout: FileRecord | None = Field(description="A layout that was named as a file; null otherwise")
    earlier: EarlierRecord | None = Field(default=None, description="null: compared with no earlier scan")
    model: ModelRecord | None = Field(description="null: nothing was scored")
    reading: dict[str, str | None] = Field(description="format, layout and scanner that were named or found")
    definitions_sha256: str = Field(description="Over all definitions of scanners, recipes and commodities")
    software: dict[str, str]
    scanned: str | None = Field(
        default=None,
        description="When the scan was taken, as it says, or else when it was inspected: calibration sets must hold then; null without a "
        "set that holds for a time only",
    )


def record(
    scan_or_path: RawScan | str | PathLike[str],
    scan: RawScan,
    declaration: Any,
    calibration: Any,
    scored: tuple[AnomalyMap | None, Any],
    *,
    earlier: tuple[Earlier, RawScan] | None = None,
    now: datetime | None = None,
) -> Inputs:
    """Return what an inspection was made from.

    Parameters
    ----------
    scan_or_path : RawScan or path-like
    scan : RawScan
    declaration : Declaration, path-like or None
    calibration : Calibration, path-like or None
    scored : (AnomalyMap or None, anomaly model)
        The anomaly map and the model that made it.
    earlier : (Earlier, RawScan), optional
        What the scan was compared with.
    now : datetime, optional
        When the scan was taken, or taken to have been taken.
    """
    reading = _reading(scan)
    anomalies, model = scored
    sets = (calibration, None if earlier is None else earlier[0].calibration)
    return Inputs(
        scan=_scan_files(scan_or_path, reading.get("layout"), _digests(scan)),
        declaration=_file(declaration),
        calibration=_file(calibration),
        layout=_layout(reading),
        earlier=None if earlier is None else _earlier(*earlier),
        model=None if anomalies is None or model is None else _model(model),
        reading=reading,
        definitions_sha256=definitions_sha256(),
        software=software(),
        scanned=None if now is None or not any(map(_timed, sets)) else now.isoformat(),
    )


def moment_of(scan: RawScan) -> datetime:
    """Return when a scan was taken, as it says, or else the present; a moment that cannot be read is refused where a set needs it."""
    from datetime import UTC, datetime

    from scananalysis.calibration.references import acquired

    try:
        found = acquired(scan)
    except CalibrationError:
        found = None
    return found or datetime.now(UTC)


def _timed(calibration: Any) -> bool:
    from scananalysis.calibration import Calibration

    if calibration is None:
        return False
    return (calibration if isinstance(calibration, Calibration) else Calibration.load(calibration)).timed


def _digests(scan: RawScan) -> list[str]:
    step = scan.provenance.find("io.read")
    return [] if step is None else [v for k, v in step.inputs.items() if k == "scan" or k.startswith("scan-")]


def _reading(scan: RawScan) -> dict[str, str | None]:
    """Return how the file of a scan was read; empty for a scan that came from no file."""
    step = scan.provenance.find("io.read")
    if step is None:
        return {}
    return {name: _text(step.parameters.get(name)) for name in ("format", "layout", "scanner")}


def _layout(reading: dict[str, str | None]) -> FileRecord | None:
    from scananalysis.io.layout import layouts

    layout = reading.get("layout")
    return _file(layout) if layout is not None and layout not in layouts() else None


def _earlier(asked: Earlier, scan: RawScan) -> EarlierRecord:
    reading = _reading(scan)
    return EarlierRecord(
        scan=_scan_files(asked.scan, reading.get("layout"), _digests(scan)),
        declaration=_file(asked.declaration),
        calibration=_file(asked.calibration),
        layout=_layout(reading),
        reading=reading,
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _absolute(path: str | PathLike[str]) -> str:
    # The name that was given is kept; a link is not resolved, because partner files stand beside it.
    return str(Path(fspath(path)).absolute())


def _file(given: Any) -> FileRecord | None:
    if given is None:
        return None
    if isinstance(given, str | PathLike):
        return FileRecord(path=_absolute(given), sha256=sha256_file(given))
    return FileRecord(path=None, sha256=None)


def _scan_files(scan_or_path: Any, layout: str | None, digests: list[str]) -> list[FileRecord]:
    if isinstance(scan_or_path, RawScan):
        return [FileRecord(path=None, sha256=digest) for digest in digests]
    from scananalysis.io.layout import named_layout
    from scananalysis.io.readers._arrays import sibling_files

    first = Path(fspath(scan_or_path))
    files = (first,) if layout is None else sibling_files(first, named_layout(layout))
    return [FileRecord(path=_absolute(f), sha256=d) for f, d in zip(files, digests, strict=True)]


def _model(model: Any) -> ModelRecord | None:
    from scananalysis.anomaly.model import AnomalyModel as Released

    if not isinstance(model, Released):
        return None
    return ModelRecord(
        name=model.name,
        version=model.metadata.version,
        folder=str(model.folder),
        metadata_sha256=sha256_file(model.folder / "metadata.json"),
        weights_sha256=model.metadata.sha256,
    )


def definition_files() -> Iterator[tuple[str, Path]]:
    """Yield (name such as ``detectors/cargo-6-4mv.toml``, path) of every definition in force, a site's own before the shipped.

    Examples
    --------
    >>> "detectors/cargo-6-4mv.toml" in dict(definition_files())
    True
    """
    found: dict[str, Path] = {}
    for root in roots():
        for kind in KINDS:
            for path in (root / kind).rglob("*"):
                if path.suffix in _SUFFIXES and path.is_file():
                    found.setdefault(path.relative_to(root).as_posix(), path)
    yield from sorted(found.items())


def definitions_sha256() -> str:
    """Return one sha256 over the names and bytes of all definitions in force."""
    digest = hashlib.sha256()
    for name, path in definition_files():
        digest.update(f"{name}\0{sha256_file(path)}\n".encode())
    return digest.hexdigest()


@functools.cache
def code_sha256() -> str:
    """Return the sha256 over the package's modules: the version alone does not tell two states of a source tree apart."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0{sha256_file(path)}\n".encode())
    return digest.hexdigest()


def software() -> dict[str, str]:
    """Return the versions that decide over the bits of a result.

    Examples
    --------
    >>> sorted(software())[:3]
    ['code', 'h5py', 'machine']
    """
    found = {
        "scananalysis": __version__,
        "code": code_sha256(),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            # OpenCV may come from another distribution of the same module.
            found[name] = "unknown"
    return found
