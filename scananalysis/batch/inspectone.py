"""One scan, from its plan row to its row of results. Runs in the sandbox, and in nothing else."""

from __future__ import annotations

import base64
import contextlib
import functools
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.batch import columns
from scananalysis.batch.definition import Archive, CalibrationSet, RunDefinition, calibration_for, utc
from scananalysis.batch.store import StorageError, Store, on_disk, storage_error
from scananalysis.core import (
    ConfigurationError,
    Declaration,
    DeclarationError,
    FormatError,
    RawScan,
    ScanAnalysisError,
    sha256_file,
)
from scananalysis.inspection.inputs import FileRecord

if TYPE_CHECKING:
    from scananalysis.calibration import Calibration

Row = dict[str, Any]
DATE_FIELDS = ("acquired", "acquisition_time", "date", "time", "StudyDate")
"""Metadata of a scan that may hold its date, in this order."""

WARM_UP = "cargo-6-4mv"
"""Scanner of the picture that a new process looks at first."""


class Inspector:
    """Inspects scans of one run; the model and the calibration sets are loaded once.

    Parameters
    ----------
    root : Path
        The archive.
    output : Path
        Folder of the run.
    definition : RunDefinition
    papers : bool
        Whether the run names declarations.
    """

    def __init__(self, root: Path, output: Path, definition: RunDefinition, *, papers: bool) -> None:
        from scananalysis.anomaly import load
        from scananalysis.inspection import Limits

        self.root = root
        self.store = Store(output)
        self.definition = definition
        self.papers = papers
        self.limits = Limits(**definition.limits.model_dump())
        _same_layout(definition.archive)
        load(definition.model)

    def warm_up(self) -> None:
        """Inspect a small empty picture, so that the first scan's time limit does not pay for loading tables and libraries."""
        from scananalysis.detectors import scanner
        from scananalysis.inspection import inspect

        device = scanner(WARM_UP).binned(16, 16)
        rng = np.random.default_rng(0)
        shape = (len(device.channels), 48, device.elements)
        dark, air = (rng.normal(level, 30, shape).round().astype(np.uint16) for level in (1000, 50_000))
        counts = air.copy()
        counts[:, 12:36, shape[2] // 4 : 3 * shape[2] // 4] = 20_000
        # What comes of it is of no interest; a model that does not know this scanner may refuse it.
        with contextlib.suppress(ScanAnalysisError):
            inspect(RawScan(counts, WARM_UP, dark=dark, air=air, binning=(16, 16)), model=self.definition.model)

    def row(self, plan: Mapping[str, Any]) -> Row:
        """Return the results of one scan; what is refused becomes an error row.

        Raises
        ------
        StorageError
            The archive's or the output's disk is full or gone: nothing is said of the scan then.
        """
        path = self.root / plan["path"]
        row: Row = {"path": plan["path"], "status": "done", "consignor": plan["consignor"], "route": plan["route"]}
        row["date"] = plan["date"]
        try:
            self._fill(row, path, plan)
        except StorageError:
            raise
        except ScanAnalysisError as error:
            return _refused(row, type(error).__name__, str(error), path)
        except MemoryError:
            raise
        except OSError as error:
            lost = storage_error(error, error.filename or path)
            if lost is not None:
                raise lost from error
            return _refused(row, type(error).__name__, f"{path}: {error.strerror or error}.", path)
        except Exception as error:
            # One scan must not end a run of a million; its row says what happened.
            if _is_memory(error):
                raise MemoryError from error
            text = " ".join(str(error).split())[:300]
            return _refused(row, "InternalFault", f"{type(error).__name__}: {text}.", path)
        return row

    def _fill(self, row: Row, path: Path, plan: Mapping[str, Any]) -> None:
        from scananalysis.inspection import inspect, save_inspection
        from scananalysis.io import read

        archive = self.definition.archive
        self._check_there(path)
        scan = read(
            path,
            format=plan["format"] or archive.format,
            layout=plan["layout"] or archive.layout,
            scanner=plan["scanner"] or archive.scanner,
        )
        row["scan_sha256"] = _scan_sha256(scan, path)
        row["scanner"] = scan.scanner
        if plan["sha256"] not in {None, row["scan_sha256"]}:
            raise FormatError(
                f"sha256 is {row['scan_sha256']}", source=path, expected=plan["sha256"], remedy="restore the file"
            )
        row["date"] = plan["date"] or _date(scan)
        declaration = self._declaration(row, plan, path)
        moment = _moment(row["date"], path)
        chosen = calibration_for(self.definition.calibration, scan.scanner, moment)
        row["calibration_sha256"] = None if chosen is None else chosen.sha256
        if chosen is not None and moment is not None:
            # A set looks whether it holds for the scan; without this it would take a scan whose file has no date for one of today.
            scan = replace(scan, metadata={**scan.metadata, "acquired": utc(moment).isoformat()})
        columns.describe_array(row, scan)
        found = inspect(
            scan,
            declaration,
            calibration=None if chosen is None else _calibration(chosen),
            model=self.definition.model,
            limits=self.limits,
        )
        found = replace(found, metadata=_identified(found.metadata, row, path.name))
        columns.describe(row, found)
        if self.definition.outputs.thumbnails:
            row["thumbnail"] = base64.b64encode(columns.thumbnail(found)).decode("ascii")
        wanted = self.definition.outputs.reports
        if wanted == "all" or (wanted == "alarms" and found.verdict != "clear"):
            folder = self.store.report(row["scan_sha256"], row["path"])
            with on_disk(self.store.folder):
                save_inspection(found, folder)
            row["report"] = folder.relative_to(self.store.folder).as_posix()

    def _check_there(self, path: Path) -> None:
        """Tell a file that is missing from an archive, or a part of it, that is missing: an unmounted disk leaves an empty folder."""
        if path.exists() or path.is_symlink():
            return
        below = [folder for folder in path.parents if folder.is_relative_to(self.root) and folder != self.root]
        for folder in (self.root, *(each for each in below if each.is_dir())):
            if not _holds_anything(folder):
                raise FileNotFoundError(_GONE, "the folder is empty or not there", str(folder))

    def _declaration(self, row: Row, plan: Mapping[str, Any], path: Path) -> Declaration | None:
        from scananalysis.cargo import check, read_declaration

        name = plan["declaration"]
        if name is None:
            if self.papers and self.definition.archive.missing_declaration == "error":
                raise DeclarationError(
                    "has no declaration",
                    source=path,
                    expected="one JSON file of the same name among the declarations",
                    remedy='add it, or set missing_declaration = "inspect"',
                )
            return None
        declaration = read_declaration(name)
        row["declaration_sha256"] = sha256_file(name)
        row["container"] = declaration.container
        row["consignor"] = declaration.consignor or plan["consignor"]
        heaviest = sorted(declaration.items, key=lambda item: -(item.net_weight_kg or 0.0))
        row["headings"] = list(dict.fromkeys(item.heading for item in heaviest))
        row["hazard_classes"] = sorted({item.imdg_class for item in declaration.items if item.imdg_class})
        row["findings"] = [str(finding) for finding in check(declaration)]
        origins = sorted({item.origin for item in declaration.items if item.origin})
        row["route"] = plan["route"] or ("+".join(origins) or None)
        return declaration


def _same_layout(archive: Archive) -> None:
    """Refuse a layout's file that is no longer what the run began with."""
    if archive.layout is None or archive.layout_sha256 is None:
        return
    digest = sha256_file(archive.layout)
    if digest != archive.layout_sha256:
        raise ConfigurationError(
            f"sha256 is {digest}", source=archive.layout, expected=archive.layout_sha256, remedy="restore the layout"
        )


def _identified(metadata: Mapping[str, Any], row: Row, source: str) -> dict[str, Any]:
    """Return the metadata of an inspection with the sha256 of papers and calibration set, which came from memory here.

    Paths stay out, so that a report says the same wherever the archive is mounted; an evidence bundle checks files by their sha256.
    """
    inputs = metadata["inputs"]
    known = {
        name: FileRecord(path=None, sha256=row[f"{name}_sha256"])
        for name in ("declaration", "calibration")
        if row.get(f"{name}_sha256") is not None
    }
    return {**metadata, "source": source, "inputs": inputs.model_copy(update=known)}


def _holds_anything(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError:
        return False


def _is_memory(error: Exception) -> bool:
    """Tell exhausted memory, which OpenCV and ONNX Runtime report in words of their own."""
    text = str(error)
    return any(sign in text for sign in ("bad_alloc", "Insufficient memory", "Failed to allocate", "bad allocation"))


_GONE = 107
"""ENOTCONN: what a network file system answers when its other end is gone."""


def _refused(row: Row, kind: str, reason: str, path: Path) -> Row:
    # What the scan would have been is not known; only what identifies it stays.
    kept = (
        "path",
        "scan_sha256",
        "declaration_sha256",
        "scanner",
        "date",
        "container",
        "consignor",
        "route",
        "headings",
    )
    # The archive's own place is left out: the same archive mounted elsewhere gives the same rows.
    text = reason.replace(str(path), path.name)
    return {name: row.get(name) for name in kept} | {"status": "error", "error_kind": kind, "reason": text}


def _scan_sha256(scan: RawScan, path: Path) -> str:
    step = scan.provenance.find("io.read")
    if step is not None and "scan" in step.inputs:
        return step.inputs["scan"]
    return sha256_file(path)


def _date(scan: RawScan) -> str | None:
    for name in DATE_FIELDS:
        value = scan.metadata.get(name)
        if isinstance(value, str):
            try:
                return datetime.fromisoformat(value).isoformat()
            except ValueError:
                continue
    return None


def _moment(date: str | None, path: Path) -> datetime | None:
    if date is None:
        return None
    try:
        return datetime.fromisoformat(date)
    except ValueError:
        raise FormatError(f"date {date[:40]!r}", source=path, expected="an ISO 8601 date") from None


def _calibration(chosen: CalibrationSet) -> Calibration:
    return _opened(chosen.file, str(chosen.sha256))


@functools.lru_cache(maxsize=16)
def _opened(file: str, sha256: str) -> Calibration:
    from scananalysis.calibration import Calibration
    from scananalysis.core import CalibrationError

    digest = sha256_file(file)
    if digest != sha256:
        raise CalibrationError(f"sha256 is {digest}", source=file, expected=sha256, remedy="restore the file")
    return Calibration.load(file)
