"""What an archive holds: a folder, a glob or a manifest, as batches of plan rows in an order that depends on nothing else."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scananalysis.batch.schema import PLAN, arrow
from scananalysis.core import ConfigurationError, FormatError, InputError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 8192
MANIFESTS = (".csv", ".parquet")
_TEXTS = tuple(column.name for column in PLAN if column.type == "string")


@dataclass(frozen=True)
class Listing:
    """An archive that was found.

    Parameters
    ----------
    root : Path
        Folder that the scans' paths count from.
    source : Path or None
        The manifest, if there is one.
    batches : callable
        Gives the rows anew on each call.
    """

    root: Path
    source: Path | None
    batches: Callable[[], Iterator[pa.RecordBatch]]


def find(archive: str, patterns: tuple[str, ...], declarations: Path | None) -> Listing:
    """Find an archive.

    Parameters
    ----------
    archive : str
        A folder, a CSV or Parquet manifest, or a glob.
    patterns : tuple of str
        Names of scan files within a folder.
    declarations : Path, optional
        Folder with the declarations: ``<path of the scan without its ending>.json``, or the same without folders.

    Raises
    ------
    ConfigurationError
        Nothing is there, or the declarations' folder is none.
    """
    if declarations is not None and not declarations.is_dir():
        raise ConfigurationError(
            "is not a folder", source=declarations, expected="a folder with one JSON declaration per scan"
        )
    papers = None if declarations is None else Papers(declarations.resolve())
    path = Path(archive)
    if path.is_dir():
        root = path.resolve()
        return Listing(root, None, lambda: _batches(_walk(root, patterns), papers))
    if path.is_file() and path.suffix.lower() in MANIFESTS:
        source = path.resolve()
        return Listing(source.parent, source, lambda: _manifest(source, papers))
    if glob.has_magic(archive):
        root = _fixed_part(archive)
        return Listing(root, None, lambda: _batches(_globbed(archive, root), papers))
    raise ConfigurationError(
        "is not there" if not path.exists() else "is neither a folder nor a manifest",
        source=path,
        expected="a folder, a glob, or a manifest in CSV or Parquet",
        remedy="check the name, and that its disk is mounted",
    )


class Papers:
    """Finds declarations in a folder.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, dict[str, os.DirEntry[str]]] = {}

    def of(self, relative: str) -> str | None:
        """Return the declaration of a scan, or None."""
        found = self._entry(relative)
        return None if found is None else found[0]

    def seen(self, relative: str) -> tuple[str | None, int | None, int | None]:
        """Return the declaration of a scan with its size and time of change, or None for each."""
        found = self._entry(relative)
        return (None, None, None) if found is None else (found[0], *_size(found[1]))

    def _entry(self, relative: str) -> tuple[str, os.DirEntry[str]] | None:
        parent, _, name = relative.rpartition("/")
        stem = name.rpartition(".")[0] or name
        for place in dict.fromkeys((parent, "")):
            entry = self._names(place).get(f"{stem}.json")
            if entry is not None:
                return str(self.folder / place / entry.name), entry
        return None

    def _names(self, place: str) -> dict[str, os.DirEntry[str]]:
        # A listing per folder, not a question per scan: on a network disk that is a thousand times cheaper.
        if place not in self._known:
            if len(self._known) > 2:
                self._known = {"": self._known[""]} if "" in self._known else {}
            try:
                self._known[place] = {entry.name: entry for entry in os.scandir(self.folder / place)}
            except (FileNotFoundError, NotADirectoryError):
                self._known[place] = {}
        return self._known[place]


def _walk(root: Path, patterns: tuple[str, ...]) -> Iterator[tuple[str, int, int]]:
    """Yield (relative path, size, time of change) in the order of names, folder by folder; links to folders are left out."""

    def within(folder: str) -> Iterator[tuple[str, int, int]]:
        with os.scandir(root / folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            relative = f"{folder}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from within(f"{relative}/")
            elif any(fnmatch.fnmatchcase(entry.name.lower(), pattern.lower()) for pattern in patterns):
                yield relative, *_size(entry)

    return within("")


def _size(entry: os.DirEntry[str]) -> tuple[int, int]:
    try:
        status = entry.stat()
    except FileNotFoundError:
        # A link that leads nowhere is planned all the same: it becomes an error row with its name.
        status = entry.stat(follow_symlinks=False)
    return status.st_size, status.st_mtime_ns


def _fixed_part(pattern: str) -> Path:
    parts = Path(pattern).parts
    fixed = [*parts[: next(i for i, part in enumerate(parts) if glob.has_magic(part))]]
    return Path(*fixed).resolve() if fixed else Path.cwd()


def _globbed(pattern: str, root: Path) -> Iterator[tuple[str, int, int]]:
    for name in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - takes absolute patterns and `**` alike
        path = Path(name).absolute()
        if path.is_dir() or path.suffix.lower() == ".json":
            continue
        status = path.stat() if path.exists() else path.lstat()
        yield path.relative_to(root).as_posix(), status.st_size, status.st_mtime_ns


def _batches(rows: Iterator[tuple[str, int, int]], papers: Papers | None) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    def batch(part: list[tuple[str, int, int]]) -> pa.RecordBatch:
        columns: dict[str, list[Any]] = {name: [None] * len(part) for name in arrow(PLAN).names}
        columns["path"] = [_utf8(path) for path, _, _ in part]
        columns["size"] = [size for _, size, _ in part]
        columns["mtime_ns"] = [changed for _, _, changed in part]
        if papers is not None:
            seen = zip(*(papers.seen(path) for path, _, _ in part), strict=True)
            columns |= dict(
                zip(("declaration", "declaration_size", "declaration_mtime_ns"), map(list, seen), strict=True)
            )
        return pa.RecordBatch.from_pydict(columns, schema=arrow(PLAN))

    collected: list[tuple[str, int, int]] = []
    for row in rows:
        collected.append(row)
        if len(collected) == BATCH:
            yield batch(collected)
            collected = []
    if collected:
        yield batch(collected)


def _utf8(path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise FormatError(
            f"the name {path!r} is not UTF-8", expected="names that can be written down", remedy="rename the file"
        ) from None
    return path


def _manifest(source: Path, papers: Papers | None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a manifest in its own order; the column ``scan`` (or ``path``) is needed, the others are not."""
    import pyarrow as pa

    for batch in _manifest_batches(source):
        columns = {name: batch.column(name) for name in batch.schema.names}
        path = _texts(columns.pop("scan", columns.pop("path", None)), "scan", source)
        if path is None or path.null_count:
            raise ConfigurationError("a row names no scan", source=source, expected="a column scan without gaps")
        found: dict[str, Any] = {
            name: _texts(columns.get(name), name, source) for name in _TEXTS if name not in {"path", "declaration"}
        }
        _known_layouts(found["layout"], source)
        found["path"] = path
        declared = _texts(columns.get("declaration"), "declaration", source)
        if declared is not None:
            found["declaration"] = _absolute(declared, source.parent)
        elif papers is not None:
            found["declaration"] = pa.array([papers.of(name) for name in path.to_pylist()], pa.string())
        if found["sha256"] is None or found["sha256"].null_count:
            _add_status(found, "", [source.parent / name for name in path.to_pylist()])
            if found.get("declaration") is not None:
                _add_status(found, "declaration_", found["declaration"].to_pylist())
        schema = arrow(PLAN)
        arrays = [
            pa.nulls(len(path), field.type) if found.get(field.name) is None else found[field.name] for field in schema
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _manifest_batches(source: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        if source.suffix.lower() == ".parquet":
            with parquet.ParquetFile(source, pre_buffer=False, buffer_size=1 << 20) as file:
                wanted = [name for name in file.schema_arrow.names if name in {*_TEXTS, "scan"}]
                yield from file.iter_batches(batch_size=BATCH, columns=wanted, use_threads=False)
        else:
            with source.open("rb") as stream:
                head = stream.readline(1 << 20).decode("utf-8-sig", "replace").strip().split(",")
            options = csv.ConvertOptions(
                column_types=dict.fromkeys((name.strip().strip('"') for name in head), pa.string()),
                strings_can_be_null=True,
                null_values=[""],
            )
            with csv.open_csv(source, convert_options=options) as reader:
                yield from reader
    except pa.ArrowInvalid as error:
        raise FormatError(
            f"cannot be read as a manifest ({str(error).splitlines()[0][:200]})",
            source=source,
            expected="CSV or Parquet with a column scan",
        ) from None


def _texts(column: pa.Array | None, name: str, source: Path) -> pa.Array | None:
    import pyarrow as pa

    if column is None:
        return None
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_temporal(column.type) or pa.types.is_large_string(column.type):
        column = column.cast(pa.string())
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.string())
    if not pa.types.is_string(column.type):
        raise ConfigurationError(f"column {name} holds {column.type}", source=source, expected="texts")
    return column


def _known_layouts(column: pa.Array | None, source: Path) -> None:
    """Refuse layouts that are not of the catalogue: a file beside the manifest could change and no key would tell."""
    from scananalysis.io.layout import layouts

    named = () if column is None else column.unique().drop_null().to_pylist()
    unknown = sorted({*named} - {*layouts()})
    if unknown:
        raise ConfigurationError(
            f"no layout {unknown[0]!r}",
            source=source,
            expected=f"one of {', '.join(layouts())}",
            remedy="put it into a folder of definitions (--definitions), or name its file in [archive] layout",
        )


def _absolute(names: pa.Array, folder: Path) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    joined = pc.binary_join_element_wise(pa.scalar(str(folder)), names, "/")
    return pc.if_else(pc.starts_with(names, "/"), names, joined)


def _add_status(found: dict[str, Any], prefix: str, paths: Sequence[Path | str | None]) -> None:
    import pyarrow as pa

    sizes = [_status(path) for path in paths]
    found[f"{prefix}size"] = pa.array([size for size, _ in sizes], pa.int64())
    found[f"{prefix}mtime_ns"] = pa.array([changed for _, changed in sizes], pa.int64())


def _status(path: Path | str | None) -> tuple[int | None, int | None]:
    if path is None:
        return None, None
    try:
        status = Path(path).stat()
    except OSError:
        return None, None
    return status.st_size, status.st_mtime_ns


def refuse_empty(rows: int, archive: str) -> None:
    """Refuse an archive without scans.

    Raises
    ------
    InputError
    """
    if rows == 0:
        raise InputError(
            "holds no scans",
            source=archive,
            expected="files that match the patterns",
            remedy="check [archive] patterns, and that its disk is mounted",
        )
