"""Readers by name, found through entry points and imported only when one is needed."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
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


class Reader(Protocol):
    """A module that reads one format."""

    TITLE: str
    SUFFIXES: tuple[str, ...]
    NEEDS_LAYOUT: bool

    def understand(self, head: bytes, path: Path) -> bool:
        """Say from the first bytes whether the file is of this format."""

    def read(self, path: Path, layout: Layout | None, scanner: str | None) -> RawScan:
        """Read a scan."""

    def describe(self, path: Path) -> Mapping[str, Any]:
        """Say what the file is without a layout or a scanner."""


@dataclass(frozen=True)
class Format:
    """A format that can be read."""

    name: str
    title: str
    suffixes: tuple[str, ...]
    needs_layout: bool


@functools.cache
def _entries() -> Mapping[str, EntryPoint]:
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name)}


def names() -> tuple[str, ...]:
    """Return the names of all formats, without importing their readers."""
    return tuple(_entries())


def reader(name: str) -> Reader:
    """Import a reader.

    Raises
    ------
    ConfigurationError
        No such format.
    """
    if name not in _entries():
        raise ConfigurationError(f"no format {name!r}", expected=f"one of {', '.join(_entries())}")
    return cast("Reader", _entries()[name].load())


def formats() -> tuple[Format, ...]:
    """Return all formats with their properties.

    Examples
    --------
    >>> "hdf5" in [f.name for f in formats()]
    True
    """
    found = ((name, reader(name)) for name in _entries())
    return tuple(Format(name, r.TITLE, tuple(r.SUFFIXES), r.NEEDS_LAYOUT) for name, r in found)


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
