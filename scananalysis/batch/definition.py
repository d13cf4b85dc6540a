"""The definition of a run: model, calibration sets, limits, outputs. One TOML file; every field has a default."""

from __future__ import annotations

from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from scananalysis.core import CalibrationError, ConfigurationError, sha256_file, sha256_json
from scananalysis.core.definitions import toml_content, validated


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CalibrationSet(_Model):
    """A calibration set and the scans that it serves."""

    scanner: str = Field(description="Name of the scanner in the catalogue")
    file: str = Field(description="Calibration set, HDF5; a relative path counts from the definition's folder")
    valid_from: datetime | None = Field(
        default=None, description="First moment it serves; never before the moment from which the set itself holds"
    )
    valid_until: datetime | None = Field(
        default=None, description="Last moment it serves; never after the moment until which the set itself holds"
    )
    sha256: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{64}$", description="Of the file; found when the run starts"
    )


class VerdictLimits(_Model):
    """What verdicts are held against; see docs/verdicts.md."""

    false_alarm_rate: float = Field(default=0.01, gt=0, lt=1)
    minimum_inspectable_share: float = Field(default=0.75, gt=0, lt=1)
    largest_noise: float = Field(default=0.15, gt=0)
    mass_sigmas: float = Field(default=3.0, gt=0)
    largest_bad_share: float = Field(default=0.05, gt=0, lt=1)
    largest_open_beam: float = Field(default=0.05, gt=0)


class ScanLimits(_Model):
    """What one scan may cost before it is given up."""

    seconds: float = Field(default=300.0, gt=0, le=86400, description="Time limit per scan")
    memory_mb: int = Field(default=4096, ge=256, description="Address space beyond what the idle process holds, MiB")
    threads: int = Field(default=1, ge=1, le=64, description="Threads of the numerical libraries per scan")


class Outputs(_Model):
    """What is written beside the Parquet results."""

    reports: Literal["none", "alarms", "all"] = Field(
        default="none",
        description="Folders as `scananalysis inspect` writes them: of no, of not clear, or of all scans",
    )
    thumbnails: bool = Field(default=True, description="A small picture of every scan in the results")


class Archive(_Model):
    """How the archive is read."""

    patterns: tuple[str, ...] = Field(
        default=("*.h5", "*.hdf5", "*.dcm", "*.dicom", "*.tif", "*.tiff", "*.png", "*.npy", "*.raw", "*.bin"),
        min_length=1,
        description="Names of scan files within a folder",
    )
    missing_declaration: Literal["error", "inspect"] = Field(
        default="error", description="A scan without papers in a run that names declarations: an error row, or inspect"
    )
    scanner: str | None = Field(default=None, description="Scanner of scans that do not name theirs")
    layout: str | None = Field(
        default=None,
        description="Layout of files that do not describe themselves: a name, or a TOML file beside the definition",
    )
    layout_sha256: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{64}$", description="Of a layout's file; found when the run starts"
    )
    format: str | None = Field(default=None, description="Format, if the first bytes do not tell")


class RunDefinition(_Model):
    """A run over an archive.

    Examples
    --------
    >>> RunDefinition().limits.false_alarm_rate
    0.01
    """

    title: str = ""
    model: str | None = Field(
        default=None, description="Shipped anomaly model or folder; the shipped network by default"
    )
    shard_scans: int = Field(default=64, ge=1, le=100_000, description="Scans per shard, the unit that is committed")
    archive: Archive = Archive()
    limits: VerdictLimits = VerdictLimits()
    scan: ScanLimits = ScanLimits()
    outputs: Outputs = Outputs()
    calibration: tuple[CalibrationSet, ...] = ()

    @property
    def sha256(self) -> str:
        """Sha256 of everything that can change a result: title, paths and costs stay out, contents count.

        The time and memory limits belong to it: they decide which scans are given up.
        """
        plain = self.model_dump(mode="json", exclude={"title", "model"})
        for each in plain["calibration"]:
            del each["file"]
        if plain["archive"]["layout_sha256"] is not None:
            del plain["archive"]["layout"]
        return sha256_json(plain)


def read_definition(path: str | PathLike[str] | None, **changes: Any) -> RunDefinition:
    """Read a run definition and find the sha256 of every calibration set in it.

    Parameters
    ----------
    path : path-like or None
        TOML file; None takes the defaults.
    **changes
        Fields that overrule the file's, None for those that do not.

    Raises
    ------
    ConfigurationError
        Not readable, not TOML, or a field is unknown or out of range; a scanner, a layout or a format that nobody knows. The sentence
        names it.
    CalibrationError
        A calibration set is missing, is one of another scanner, never serves, or has another sha256 than the definition says.
    FormatError
        A file is no calibration set.
    """
    source = None if path is None else Path(path)
    expected = "a run definition in TOML, see docs/batch.md"
    content = {} if source is None else toml_content(source, expected)
    content |= {name: value for name, value in changes.items() if value is not None}
    definition = validated(RunDefinition, content, source, expected)
    base = Path() if source is None else source.parent
    model = definition.model
    if model is not None and (base / model).is_dir():
        model = str((base / model).resolve())
    archive = _known(definition.archive, base, source)
    sets = tuple(_found(each, base) for each in definition.calibration)
    return definition.model_copy(update={"archive": archive, "calibration": sets, "model": model})


def _known(archive: Archive, base: Path, source: Path | None) -> Archive:
    """Return the archive with its layout's file found. A name that nobody knows is refused once, not for every scan."""
    from scananalysis.detectors import scanners
    from scananalysis.io import formats
    from scananalysis.io.layout import layouts, named_layout

    for what, name, names in (
        ("scanner", archive.scanner, scanners()),
        ("format", archive.format, tuple(each.name for each in formats())),
    ):
        if name is not None and name not in names:
            raise ConfigurationError(
                f"no {what} {name!r}", source=source, expected=f"one of {', '.join(names)}", remedy="correct [archive]"
            )
    if archive.layout is None or archive.layout in layouts():
        return archive
    file = (base / archive.layout).resolve()
    named_layout(file)
    digest = sha256_file(file)
    if archive.layout_sha256 not in {None, digest}:
        raise ConfigurationError(
            f"sha256 is {digest}", source=file, expected=str(archive.layout_sha256), remedy="restore the layout"
        )
    return archive.model_copy(update={"layout": str(file), "layout_sha256": digest})


def _found(each: CalibrationSet, base: Path) -> CalibrationSet:
    from scananalysis.calibration import Calibration
    from scananalysis.calibration.curves import validity

    file = (base / each.file).resolve()
    if not file.is_file():
        raise CalibrationError(
            "is not a file", source=file, expected="a calibration set", remedy="correct the definition"
        )
    digest = sha256_file(file)
    if each.sha256 not in {None, digest}:
        raise CalibrationError(f"sha256 is {digest}", source=file, expected=str(each.sha256), remedy="restore the file")
    found = Calibration.load(file)
    if found.scanner != each.scanner:
        # A name that is mistyped would otherwise leave the set unused, and nobody would know.
        raise CalibrationError(
            f"is a set of the scanner {found.scanner}",
            source=file,
            expected=each.scanner,
            remedy="correct the definition",
        )
    first, last = validity(found.metadata) if found.curves is not None else (None, None)
    begins = [utc(moment) for moment in (each.valid_from, found.valid_from, first) if moment is not None]
    ends = [utc(moment) for moment in (each.valid_until, found.valid_until, last) if moment is not None]
    begin, end = max(begins, default=None), min(ends, default=None)
    if begin is not None and end is not None and end < begin:
        raise CalibrationError(
            f"would serve from {begin.isoformat()} until {end.isoformat()}",
            source=file,
            expected="valid_from before valid_until, and some of the time for which the set itself holds",
            remedy="correct the definition",
        )
    return each.model_copy(update={"file": str(file), "sha256": digest, "valid_from": begin, "valid_until": end})


def calibration_for(sets: tuple[CalibrationSet, ...], scanner: str, date: datetime | None) -> CalibrationSet | None:
    """Return the calibration set that serves a scan; None where no set speaks of its scanner.

    Of several that serve, the one that begins last is taken.

    Raises
    ------
    CalibrationError
        There are sets of this scanner, and none serves the scan's date.

    Examples
    --------
    >>> early = CalibrationSet(scanner="cargo-6-4mv", file="a.h5", valid_until="2025-01-01T00:00:00Z")
    >>> late = CalibrationSet(scanner="cargo-6-4mv", file="b.h5", valid_from="2025-01-01T00:00:00Z")
    >>> calibration_for((early, late), "cargo-6-4mv", datetime.fromisoformat("2025-06-01T00:00:00Z")).file
    'b.h5'
    >>> calibration_for((early, late), "rail-9mv", None) is None
    True
    """
    own = [each for each in sets if each.scanner == scanner]
    if not own:
        return None
    serving = [each for each in own if _serves(each, date)]
    if not serving:
        said = "without a date" if date is None else f"of {date.isoformat()}"
        raise CalibrationError(
            f"no calibration set of scanner {scanner} serves a scan {said}",
            expected="one that holds then and whose valid_from and valid_until include it",
            remedy="add a set to the run definition",
        )
    return max(serving, key=lambda each: "" if each.valid_from is None else utc(each.valid_from).isoformat())


def _serves(each: CalibrationSet, date: datetime | None) -> bool:
    if date is None:
        return each.valid_from is None and each.valid_until is None
    moment = utc(date)
    return (each.valid_from is None or utc(each.valid_from) <= moment) and (
        each.valid_until is None or moment <= utc(each.valid_until)
    )


def utc(moment: datetime) -> datetime:
    """Return a moment in UTC; one without a zone counts as UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
