"""Files of a bundle, read without trust: no links, no special files, nothing outside, nothing unbounded."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from scananalysis.core import FormatError

MAX_FILES = 10_000
"""Most files and folders of a bundle."""

MAX_DEPTH = 16
"""Deepest folder of a bundle."""

_CHUNK = 1 << 20
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_NAME = re.compile(r"[^\x00-\x1f\x7f%/\\]+(/[^\x00-\x1f\x7f%/\\]+)*")

Kind = Literal["changed", "removed", "added", "re-ordered", "refused", "signature"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it was when the bundle was made.

    Parameters
    ----------
    kind : {"changed", "removed", "added", "re-ordered", "refused", "signature"}
    what : str
        Name of the file inside the bundle, or the custody entry.
    detail : str
        What was found and expected.
    """

    kind: Kind
    what: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what} ({self.detail})"


def safe_name(name: str) -> bool:
    r"""Return whether a name stays inside the folder it is looked up in: relative, no ``..``, no control characters.

    Examples
    --------
    >>> [safe_name(n) for n in ("data/a.h5", "../a", "/etc/passwd", "data/../../a", "data//a", "C:\\a", "data/a\nb")]
    [True, False, False, False, False, False, False]
    """
    if not _NAME.fullmatch(name) or ":" in name.split("/", 1)[0]:
        return False
    return not any(part in {".", ".."} for part in name.split("/"))


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading; links and special files are refused.

    Raises
    ------
    FormatError
    """
    try:
        # Without O_NONBLOCK opening a pipe would wait for ever.
        handle = os.open(path, os.O_RDONLY | _NO_LINK | _NO_WAIT | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise FormatError(
            f"cannot be opened ({(error.strerror or 'no such file').lower()})", source=path, expected="a regular file"
        ) from None
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise FormatError("is not a regular file", source=path, expected="a regular file")
        yield stream


def bounded(path: Path, most: int, expected: str, *, follow: bool = True) -> bytes:
    """Return the content of a file of at most ``most`` bytes.

    Raises
    ------
    FormatError
        Missing, not a regular file, or too large.
    """
    with opened(path.resolve() if follow else path) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise FormatError(f"is larger than {most} bytes", source=path, expected=expected)
    return content


def digest(path: Path) -> tuple[str, int]:
    """Return sha256 and size of a regular file, read in pieces."""
    found, size = hashlib.sha256(), 0
    with opened(path) as stream:
        while chunk := stream.read(_CHUNK):
            found.update(chunk)
            size += len(chunk)
    return found.hexdigest(), size


def copy(source: Path, target: Path, most: int) -> tuple[str, int]:
    """Copy a file's content and return the sha256 and size of the bytes that were written.

    Raises
    ------
    FormatError
        The source is larger than ``most`` bytes or no regular file.
    """
    found, size = hashlib.sha256(), 0
    target.parent.mkdir(parents=True, exist_ok=True)
    # A scan may be reached through a link of the archive; what is copied is the file behind it.
    with opened(source.resolve()) as stream, target.open("xb") as out:
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            if size > most:
                raise FormatError(f"is larger than {most} bytes", source=source, expected=f"at most {most} bytes")
            found.update(chunk)
            out.write(chunk)
    return found.hexdigest(), size


def listing(root: Path) -> tuple[dict[str, Path], list[Problem]]:
    """Return the regular files below a folder by name, and what should not be there.

    Links are never followed; they, special files and empty folders are problems.

    Raises
    ------
    FormatError
        Not a folder, or one with too many files or too deep.
    """
    if not root.is_dir():
        raise FormatError("is not a folder", source=root, expected="an evidence bundle")
    files: dict[str, Path] = {}
    problems: list[Problem] = []
    waiting, seen = [(root, "", 0)], 0
    while waiting:
        folder, prefix, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise FormatError(f"{prefix} is nested too deeply", source=root, expected=f"at most {MAX_DEPTH} folders")
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        seen += len(found)
        if seen > MAX_FILES:
            raise FormatError(f"holds more than {MAX_FILES} files", source=root, expected="an evidence bundle")
        if not found and prefix:
            problems.append(Problem("added", prefix.rstrip("/"), "an empty folder"))
        for entry in found:
            name = prefix + entry.name
            problem = _unwanted(entry, name)
            if problem is not None:
                problems.append(problem)
            elif entry.is_dir(follow_symlinks=False):
                waiting.append((folder / entry.name, f"{name}/", depth + 1))
            else:
                files[name] = folder / entry.name
    return files, problems


def _unwanted(entry: os.DirEntry[str], name: str) -> Problem | None:
    if not name.isprintable():
        # Bytes that are no UTF-8 arrive as surrogates, which no manifest can name.
        shown = name.encode("unicode_escape", "backslashreplace").decode("ascii")
        return Problem("refused", shown, "a name that is not plain text")
    if entry.is_symlink():
        return Problem("refused", name, "a link; a bundle holds regular files only")
    if not entry.is_dir(follow_symlinks=False) and not entry.is_file(follow_symlinks=False):
        return Problem("refused", name, "a special file; a bundle holds regular files only")
    return None
