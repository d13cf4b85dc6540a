"""Readers by name, found through entry points and imported only when one is needed."""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from scananalysis.core import ConfigurationError, FormatError
from scananalysis.io.limits import checked_file

if TYPE_CHECKING:
    from scananalysis.core import RawScan
    from scananalysis.io.layout import Layout

GROUP = "scananalysis.readers"
_HEAD = 4096
_OWN = "scananalysis.io.readers."


class Reader(Protocol):
    """A module that reads one format.

    ``TITLE``, ``SUFFIXES`` and ``NEEDS_LAYOUT`` are literals at the top of the module, so that they can be listed without
    importing it. A module may also have ``load(path) -> ndarray``: the samples of a file that is one grey image, for
    `info` and `convert` of files whose scanner is not known.
    """

    TITLE: str
    SUFFIXES: tuple[str, ...]
    NEEDS_LAYOUT: bool

    def understand(self, head: bytes, path: Path) -> bool:
        """Say from the first bytes whether the file is of this format."""

    def read(self, path: Path, layout: Layout | None, scanner: str | None) -> RawScan:
        """Read a scan."""

    def describe(self, path: Path) -> Mapping[str, Any]:
        """Say what the file is without a layout or a scanner, in plain JSON values."""


@dataclass(frozen=True, slots=True)
class FormatInfo:
    """A format that can be read.

    Parameters
    ----------
    name, title : str
    suffixes : tuple of str
        Usual endings; the first bytes decide, not these.
    needs_layout : bool
    package : str
        Distribution that brings the reader.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    needs_layout: bool
    package: str


@functools.cache
def _entries() -> Mapping[str, EntryPoint]:
    # Our own come first: an added reader extends the formats and cannot take a file from them unasked.
    found = sorted(entry_points(group=GROUP), key=lambda e: (not e.value.startswith(_OWN), e.name))
    entries: dict[str, EntryPoint] = {}
    for entry in found:
        entries.setdefault(entry.name, entry)
    return entries


def names() -> tuple[str, ...]:
    """Return the names of all formats, without importing their readers."""
    return tuple(_entries())


def reader(name: str) -> Reader:
    """Import a reader.

    Raises
    ------
    ConfigurationError
        No such format, or its reader cannot be imported.
    """
    if name not in _entries():
        raise ConfigurationError(f"no format {name!r}", expected=f"one of {', '.join(_entries())}")
    entry = _entries()[name]
    try:
        return cast("Reader", entry.load())
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"reader {entry.value!r} of format {name!r} cannot be imported ({error})",
            remedy="install what it needs, or remove the package that brings it",
        ) from error


def formats() -> tuple[FormatInfo, ...]:
    """Return all formats with their properties; no reader is imported.

    Examples
    --------
    >>> [f.needs_layout for f in formats() if f.name in ("hdf5", "npy")]
    [False, True]
    """
    return tuple(_listed(entry) for entry in _entries().values())


def _listed(entry: EntryPoint) -> FormatInfo:
    said = _literals(entry.module)
    suffixes = said.get("SUFFIXES", ())
    return FormatInfo(
        name=entry.name,
        title=str(said.get("TITLE", entry.value)),
        suffixes=tuple(map(str, suffixes)) if isinstance(suffixes, tuple | list) else (),
        needs_layout=bool(said.get("NEEDS_LAYOUT", False)),
        package=entry.dist.name if entry.dist is not None else "",
    )


def _literals(module: str) -> dict[str, Any]:
    """Read the literal constants of a module from its source, without running it."""
    try:
        spec = find_spec(module)
    except ImportError:
        return {}
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return {}
    found: dict[str, Any] = {}
    for node in ast.parse(Path(spec.origin).read_bytes()).body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def sniff(path: str | PathLike[str]) -> str:
    """Return the name of a file's format, from its first bytes.

    Raises
    ------
    FormatError
        No reader understands it.
    """
    found = checked_file(path)
    with found.open("rb") as stream:
        head = stream.read(_HEAD)
    for name in _entries():
        if reader(name).understand(head, found):
            return name
    raise FormatError(
        "format not recognised",
        source=found,
        expected=f"one of {', '.join(_entries())}",
        remedy="name it with format and layout",
    )
