"""A researcher's own labelled scans: brought into the same files and manifest as a simulated split.

The ground truth is a table, ``labels.csv``, beside the scans; `datasets/README.md` describes it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scananalysis.cargo import read_declaration
from scananalysis.core import FormatError, InputError, sha256_file
from scananalysis.datasets.generate import MANIFEST
from scananalysis.io import read, write
from scananalysis.io.limits import checked_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.core import RawScan

COLUMNS = ("scan", "declaration", "kind", "mask", "box")
"""Columns of ``labels.csv``; the last two may be left out or empty."""

_KIND = re.compile(r"[a-z][a-z0-9-]{0,39}")
_MOST_ROWS = 1_000_000


class Label(NamedTuple):
    """One row of ``labels.csv``.

    Parameters
    ----------
    line : int
        In the file.
    scan, declaration : Path
    kind : str
        ``"none"`` where the declaration is right.
    mask : Path or None
        Picture or array that is not 0 where something is wrong.
    box : (int, int, int, int) or None
        Instead: first row and column, row and column after the last.
    """

    line: int
    scan: Path
    declaration: Path
    kind: str
    mask: Path | None
    box: tuple[int, int, int, int] | None


def read_labels(path: str | PathLike[str]) -> list[Label]:
    """Read ``labels.csv``.

    Parameters
    ----------
    path : path-like
        The file; the names in it are relative to its folder.

    Raises
    ------
    FormatError
        A column is missing or unknown, or a row is malformed; the sentence names the line.
    """
    file = checked_file(Path(path))
    with file.open(newline="", encoding="utf-8-sig") as stream:
        try:
            rows = list(csv.DictReader(stream, strict=True))
        except (csv.Error, UnicodeDecodeError) as error:
            raise FormatError(
                f"is no table in UTF-8: {error}", source=file, expected="comma-separated values"
            ) from error
    if not rows:
        raise FormatError("holds no row", source=file, expected=f"a head {', '.join(COLUMNS)} and a row for every scan")
    if len(rows) > _MOST_ROWS:
        raise FormatError(f"holds {len(rows)} rows", source=file, expected=f"at most {_MOST_ROWS}")
    columns = [name for name in rows[0] if name is not None]
    missing, unknown = set(COLUMNS[:3]) - set(columns), set(columns) - set(COLUMNS)
    if missing or unknown:
        raise FormatError(
            f"has the columns {', '.join(columns)}",
            source=file,
            expected=f"{', '.join(COLUMNS)} (the last two optional)",
        )
    return [_label(row, line, file) for line, row in enumerate(rows, start=2)]


def _label(row: dict[str | Any, Any], line: int, file: Path) -> Label:
    values = {name: (row.get(name) or "").strip() for name in COLUMNS}
    if None in row or not values["scan"] or not values["declaration"]:
        raise FormatError(
            f"line {line} has {'too many cells' if None in row else 'no scan or no declaration'}",
            source=file,
            expected=", ".join(COLUMNS),
        )
    if not _KIND.fullmatch(values["kind"]):
        raise FormatError(
            f"line {line}: kind is {values['kind']!r}",
            source=file,
            expected="none, or a word such as metal or false-wall",
        )
    if values["mask"] and values["box"]:
        raise FormatError(f"line {line} has a mask and a box", source=file, expected="one of them, or neither")
    if values["kind"] == "none" and (values["mask"] or values["box"]):
        raise FormatError(
            f"line {line} marks a place in a scan of kind none", source=file, expected="no mask and no box"
        )
    return Label(
        line,
        file.parent / values["scan"],
        file.parent / values["declaration"],
        values["kind"],
        file.parent / values["mask"] if values["mask"] else None,
        _box(values["box"], line, file) if values["box"] else None,
    )


def _box(text: str, line: int, file: Path) -> tuple[int, int, int, int]:
    parts = text.split()
    if len(parts) == 4 and all(part.isdecimal() for part in parts):
        top, left, bottom, right = (int(part) for part in parts)
        if top < bottom and left < right:
            return top, left, bottom, right
    raise FormatError(
        f"line {line}: box is {text!r}",
        source=file,
        expected="four whole numbers: first row and column, row and column after the last",
    )


def mask_of(label: Label, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return where something is wrong, (element, line) as the scan lies.

    Parameters
    ----------
    label : Label
    shape : (int, int)
        Elements and lines of the scan.

    Raises
    ------
    FormatError
        The mask is unreadable or has another size, or the box lies outside.
    """
    found = np.zeros(shape, bool)
    if label.box is not None:
        top, left, bottom, right = label.box
        if bottom > shape[0] or right > shape[1]:
            raise FormatError(
                f"the box {label.box} of line {label.line} lies outside {shape[0]} × {shape[1]} pixels",
                source=label.scan,
            )
        found[top:bottom, left:right] = True
    elif label.mask is not None:
        plane = _plane(checked_file(label.mask))
        if plane.shape != shape:
            raise FormatError(
                f"has {' × '.join(map(str, plane.shape))} pixels",
                source=label.mask,
                expected=f"{shape[0]} × {shape[1]}, elements by lines of {label.scan.name}",
            )
        found = plane != 0
        if not found.any():
            raise FormatError(
                "marks no pixel", source=label.mask, expected="values other than 0 where something is wrong"
            )
    return found


def _plane(path: Path) -> NDArray[Any]:
    if path.suffix.lower() == ".npy":
        try:
            return np.asarray(np.load(path, allow_pickle=False))
        except ValueError as error:
            raise FormatError(f"is no array: {error}", source=path, expected="a .npy file without objects") from error
    import cv2

    found = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise FormatError("is no picture that can be read", source=path, expected="PNG, TIFF or .npy")
    return np.asarray(found if found.ndim == 2 else found.max(axis=2))


def import_scans(
    labels: str | PathLike[str],
    name: str,
    output: str | PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 - the word users expect
    layout: str | PathLike[str] | None = None,
    scanner: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Path, list[InputError]]:
    """Bring labelled scans into one folder: HDF5 with the mask as truth, declaration, and a manifest with sha256.

    Parameters
    ----------
    labels : path-like
        ``labels.csv``.
    name : str
        Of the set; small letters, digits and hyphens.
    output : path-like
        Folder; made if missing.
    format, layout, scanner : optional
        As for `scananalysis.read`.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    manifest : Path
        A CSV file as `generate` writes it.
    refused : list of InputError
        Scans that were left out, with the reason.
    """
    if not _KIND.fullmatch(name):
        raise FormatError(f"the name is {name!r}", expected="small letters, digits and hyphens, a letter first")
    rows = read_labels(labels)
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    made: list[tuple[str, ...]] = []
    refused: list[InputError] = []
    seen: set[str] = set()
    for done, label in enumerate(rows, start=1):
        try:
            digest = sha256_file(checked_file(label.scan))
            if digest in seen:
                raise FormatError("is the same file as one before it", source=label.scan, remedy="give every scan once")
            scan = read(label.scan, format=format, layout=layout, scanner=scanner)
            papers = read_declaration(label.declaration)
            mask = mask_of(label, (scan.shape[2], scan.shape[1]))
        except InputError as error:
            refused.append(error)
        else:
            seen.add(digest)
            stem = f"{name}-{len(made):06d}"
            write(_marked(scan, label, digest), folder / f"{stem}.h5", truth={"insert": mask})
            part = folder / f"{stem}.json.part"
            part.write_text(papers.model_dump_json(indent=1, exclude_none=True) + "\n", encoding="utf-8")
            part.replace(folder / f"{stem}.json")
            made.append((f"{stem}.h5", f"{stem}.json", label.kind, scan.scanner, sha256_file(folder / f"{stem}.h5")))
        if progress is not None:
            progress(done, len(rows))
    target, part = folder / f"{name}.csv", folder / f"{name}.csv.part"
    with part.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(MANIFEST)
        table.writerows(made)
    part.replace(target)
    return target, refused


def _marked(scan: RawScan, label: Label, digest: str) -> RawScan:
    """Note in the provenance where a scan came from and what its label says."""
    import dataclasses

    step = scan.provenance.then(
        "datasets.import",
        parameters={"file": label.scan.name, "labels": {"fraud": label.kind}},
        inputs={"scan": digest},
    )
    return dataclasses.replace(scan, provenance=step)


class Listed(NamedTuple):
    """One scan of a manifest."""

    scan: Path
    declaration: Path
    kind: str
    scanner: str


def read_manifest(path: str | PathLike[str]) -> Iterator[Listed]:
    """Yield the scans of a manifest that `generate` or `import_scans` wrote; sha256 is checked.

    Raises
    ------
    FormatError
        No such manifest, or a scan is missing or was changed.
    """
    file = checked_file(Path(path))
    with file.open(newline="", encoding="utf-8") as stream:
        rows = csv.DictReader(stream)
        if tuple(rows.fieldnames or ()) != MANIFEST:
            raise FormatError(
                f"has the columns {', '.join(rows.fieldnames or ('none',))}", source=file, expected=", ".join(MANIFEST)
            )
        for row in rows:
            scan = checked_file(file.parent / row["scan"])
            if sha256_file(scan) != row["sha256"]:
                raise FormatError("is not the scan of the manifest", source=scan, expected=f"sha256 {row['sha256']}")
            yield Listed(scan, file.parent / row["declaration"], row["fraud"], row["scanner"])
