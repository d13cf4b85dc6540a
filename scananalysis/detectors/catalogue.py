"""Finds scanners by name."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from scananalysis._resources import find, names
from scananalysis.core import ConfigurationError
from scananalysis.core.definitions import read_definition
from scananalysis.detectors.scanner import Scanner


def scanners() -> tuple[str, ...]:
    """Return the names of all scanners, a site's own first.

    Examples
    --------
    >>> "cargo-6-4mv" in scanners()
    True
    """
    return tuple(name for name, _ in names("detectors"))


def scanner(name: str) -> Scanner:
    """Return a scanner of the catalogue.

    Parameters
    ----------
    name : str
        E.g. ``"cargo-6-4mv"``; see `scanners`.

    Returns
    -------
    Scanner

    Raises
    ------
    ConfigurationError
        No such scanner, or its definition is invalid; the sentence names the file and the field.

    Examples
    --------
    >>> scanner("cargo-6-4mv").channels[0].label
    '6 MV'
    """
    if name not in scanners():
        raise ConfigurationError(
            f"no scanner {name!r}",
            expected=f"one of {', '.join(scanners())}",
            remedy="see 'scananalysis scanners', or add its definition with SCANANALYSIS_DEFINITIONS",
        )
    # The definitions folder is part of the key: a site may change it while the process runs.
    return _read(find("detectors", f"{name}.toml"), os.environ.get("SCANANALYSIS_DEFINITIONS"))


@functools.lru_cache(maxsize=64)
def _read(path: Path, _definitions: str | None) -> Scanner:
    return read_definition(
        path, Scanner, expected="a scanner definition as detectors/README.md describes it", named=True
    )
