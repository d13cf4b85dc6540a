"""Files that are complete or not there: written under a temporary name, renamed at the end."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from scananalysis.core import ConfigurationError


@contextmanager
def complete(path: str | PathLike[str]) -> Iterator[Path]:
    """Yield a temporary name beside the target; it takes the target's name only if the block ends without an error.

    Raises
    ------
    ConfigurationError
        The target's folder does not exist, or the target is a folder.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with complete(target) as part:
    ...     _ = part.write_text("whole")
    >>> target.read_text(), len(list(target.parent.iterdir()))
    ('whole', 1)
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise ConfigurationError("its folder does not exist", source=target, remedy="make the folder first")
    if target.is_dir():
        raise ConfigurationError("is a folder", source=target, expected="the name of a file to write")
    # The name is unique, so that two writers of one target never write into each other's file.
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
