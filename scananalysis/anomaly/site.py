"""Calibrates a model's false alarms anew on a site's own clean scans, and writes the model with them.

A site's goods, packing and scanner differ from what a model was calibrated on; the p-values of clean scans then are not what they say.
Scans that an officer cleared are enough to put that right: the weights stay as they are.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from scananalysis.anomaly.alarms import AlarmCalibrator
from scananalysis.anomaly.grid import working_map, working_scale
from scananalysis.anomaly.metadata import Metadata, ScannerCalibration, read_metadata, write_metadata
from scananalysis.calibration import calibrate
from scananalysis.cargo import read_declaration
from scananalysis.core import DeclarationError, InputError, ModelError, sha256_file
from scananalysis.core.parallel import in_parallel
from scananalysis.io import read
from scananalysis.materials import discriminate

if TYPE_CHECKING:
    from scananalysis.anomaly.model import AnomalyModel
    from scananalysis.core import Declaration, MaterialMap, RawScan

TUNING_SHARE = 0.25
"""Share of the clean scans that standardise scores; the others calibrate."""


@dataclass(frozen=True)
class CleanScan:
    """A scan whose load is as declared.

    Parameters
    ----------
    path : Path
    digest : str
        sha256 of the file.
    papers : Path
        Its declaration: the file of the same name that ends in ``.json``.
    """

    path: Path
    digest: str
    papers: Path

    @classmethod
    def at(cls, path: Path) -> CleanScan:
        """Find the declaration of a scan.

        Raises
        ------
        DeclarationError
            There is none beside the scan.
        """
        papers = path.with_suffix(".json")
        if not papers.is_file():
            raise DeclarationError(
                "no declaration beside the scan", source=path, expected=papers.name, remedy="give what was declared"
            )
        return cls(path, sha256_file(path), papers)


@dataclass(frozen=True)
class Reading:
    """How scans are read, the same for all.

    Parameters
    ----------
    pitch_mm : (float, float)
        Working cells of the model.
    calibration : Path, optional
        Calibration set.
    format, layout, scanner : str, optional
        As for `scananalysis.read`.
    """

    pitch_mm: tuple[float, float]
    calibration: Path | None = None
    format: str | None = None
    layout: str | None = None
    scanner: str | None = None


def scans_needed(rates: Sequence[float], heads: int, tuning_share: float = TUNING_SHARE) -> int:
    """Return how many clean scans the smallest of several false-alarm rates needs in all.

    A p-value is no smaller than 1/(n + 1), and the heads share the rate: n ≥ heads/rate − 1 calibrate, beside those that tune.

    Examples
    --------
    >>> scans_needed([0.01], heads=2, tuning_share=0.25)
    265
    """
    calibrating = math.ceil(heads / min(rates) - 1e-9) - 1
    total = calibrating + 1
    while total - tuning_count(total, tuning_share) < calibrating:
        total += 1
    return total


def tuning_count(scans: int, share: float) -> int:
    """Return how many of the scans tune: the share of them, at least one."""
    return max(1, round(share * scans))


def split(scans: Sequence[CleanScan], tuning_share: float) -> tuple[list[CleanScan], list[CleanScan]]:
    """Return the scans that tune and those that calibrate.

    Which is which follows from their bytes, so that neither the order of the files nor their dates decide.

    Raises
    ------
    InputError
        Two files hold the same bytes: a scan that counts twice says nothing new.
    """
    ordered = sorted(scans, key=lambda scan: scan.digest)
    for one, other in pairwise(ordered):
        if one.digest == other.digest:
            raise InputError(f"is the same file as {one.path}", source=other.path, remedy="give every scan once")
    count = tuning_count(len(ordered), tuning_share)
    return ordered[:count], ordered[count:]


Cells = tuple["MaterialMap", "Declaration"]


def prepare(scan: CleanScan, reading: Reading) -> Cells:
    """Bring a clean scan to the working grid of a model.

    Raises
    ------
    InputError
        The scan, its declaration or its calibration is refused.
    """
    return opened(scan, reading)[1:]


def opened(scan: CleanScan, reading: Reading) -> tuple[RawScan, MaterialMap, Declaration]:
    """Return a scan as it was recorded, on the working grid of a model, and its declaration.

    Raises
    ------
    InputError
        The scan, its declaration or its calibration is refused.
    """
    declaration = read_declaration(scan.papers)
    found = read(scan.path, format=reading.format, layout=reading.layout, scanner=reading.scanner)
    try:
        cells, _ = working_map(discriminate(calibrate(found, reading.calibration)), reading.pitch_mm)
    except InputError as error:
        raise error.at(scan.path) from error.__cause__
    return found, cells, declaration


def prepared(
    scans: Sequence[CleanScan], reading: Reading, workers: int | None = None
) -> Iterator[tuple[CleanScan, Cells | InputError]]:
    """Yield every scan with its cells, or with what is wrong with it, in the order given.

    Parameters
    ----------
    scans : sequence of CleanScan
    reading : Reading
    workers : int, optional
        Processes, one per core by default; 1 works in this process.
    """
    yield from zip(scans, in_parallel(partial(_outcome, reading=reading), scans, workers), strict=True)


def _outcome(scan: CleanScan, reading: Reading) -> Cells | InputError:
    try:
        return prepare(scan, reading)
    except InputError as error:
        # An error with keyword arguments does not survive the way between processes; one of its sentence does.
        return type(error)(str(error))


def recalibrate(
    model: AnomalyModel,
    tuning: Iterable[Cells],
    calibrating: Iterable[Cells],
    source: str,
    *,
    each: Callable[[], None] = lambda: None,
) -> tuple[str, ScannerCalibration]:
    """Return the scanner of clean scans and the calibration that they give.

    Parameters
    ----------
    model : AnomalyModel
    tuning, calibrating : iterable of (MaterialMap, Declaration)
        Disjoint; on the working grid, all of one scanner.
    source : str
        Where the scans come from.
    each : callable
        Called after every scan.

    Raises
    ------
    ModelError
        Scans of several scanners, none at all, or too few scored cells.
    """
    scanner: str | None = None
    found: AlarmCalibrator | None = None

    def checked(cells: MaterialMap) -> AlarmCalibrator:
        nonlocal scanner, found
        if found is None:
            scanner = cells.scanner
            found = AlarmCalibrator(model, scale=working_scale(scanner), source=source)
        if cells.scanner != scanner:
            raise ModelError(f"clean scans of {scanner} and {cells.scanner}", expected="one scanner at a time")
        return found

    for cells, declaration in tuning:
        checked(cells).tune(cells, declaration)
        each()
    if found is None:
        raise ModelError("no clean scans to tune on", expected="at least one")
    found.finish_tuning()
    for cells, declaration in calibrating:
        checked(cells).add(cells, declaration)
        each()
    return str(scanner), found.result()


def save_model(model: AnomalyModel, scanner: str, calibration: ScannerCalibration, folder: Path) -> Metadata:
    """Write a copy of a model whose calibration for one scanner is another, or change it in a copy made before.

    Parameters
    ----------
    model : AnomalyModel
    scanner : str
    calibration : ScannerCalibration
    folder : Path
        New, empty, or a copy with the same weights, whose other calibrations are kept.

    Returns
    -------
    Metadata

    Raises
    ------
    ModelError
        The folder holds something else.
    """
    base = model.metadata
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        base = read_metadata(folder)
        if base.sha256 != model.metadata.sha256:
            raise ModelError(
                f"holds the weights of {base.name} {base.version}",
                source=folder,
                expected=f"those of {model.name} {model.metadata.version}, or no folder",
                remedy="name another folder",
            )
    made = base.model_copy(update={"calibration": {**base.calibration, scanner: calibration}})
    if (folder / "metadata.json").is_file():
        write_metadata(folder, made)
        return made
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        shutil.copytree(model.folder, part, dirs_exist_ok=True)
        write_metadata(part, made)
        part.chmod(0o755)
        # An empty folder of that name gives way.
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return made
