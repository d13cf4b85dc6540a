"""Finds the definition files (scanners, recipes, datasets) that ship with the package, and a site's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from scananalysis.core.errors import ConfigurationError

_PACKAGE = Path(__file__).parent
_KINDS = ("detectors", "calibration", "datasets")


def roots() -> tuple[Path, ...]:
    """Return the folders that hold ``detectors/``, ``calibration/`` and ``datasets/``, a site's own first.

    A site names its own with the environment variable ``SCANANALYSIS_DEFINITIONS``.
    """
    own = os.environ.get("SCANANALYSIS_DEFINITIONS")
    found = []
    if own:
        folder = Path(own)
        if not folder.is_dir():
            raise ConfigurationError(
                "is not a folder",
                source=own,
                expected="a folder with detectors/, calibration/ or datasets/",
                remedy="correct SCANANALYSIS_DEFINITIONS or --definitions",
            )
        found.append(folder)
    shipped = _PACKAGE / "_data"
    # In a source tree the definitions stand at the root of the project.
    found.append(shipped if shipped.is_dir() else _PACKAGE.parent)
    return tuple(found)


def find(kind: str, name: str) -> Path:
    """Return the path of a definition file such as ``find("detectors", "cargo-6-4mv.toml")``.

    Raises
    ------
    ConfigurationError
        No such file in any definition folder.
    """
    if kind not in _KINDS:
        raise ConfigurationError(f"no definitions of kind {kind!r}", expected=f"one of {', '.join(_KINDS)}")
    for root in roots():
        path = root / kind / name
        if path.is_file():
            return path
    raise ConfigurationError(f"no definition {kind}/{name}", expected=f"a file in {' or '.join(map(str, roots()))}")


def names(kind: str, pattern: str = "*.toml") -> Iterator[tuple[str, Path]]:
    """Yield (name without suffix, path) of every definition of a kind, sorted, a site's own first."""
    seen = set()
    for root in roots():
        for path in sorted((root / kind).glob(pattern)):
            if path.stem not in seen:
                seen.add(path.stem)
                yield path.stem, path
