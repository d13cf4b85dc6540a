"""UN/ECE Recommendation 21 codes for packages, with the net weight that one package plausibly holds."""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parent / "data"


def read_rows(name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a table in this room's ``data`` folder; lines that begin with ``#`` say where it comes from."""
    with (DATA / name).open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(line for line in stream if not line.startswith("#"))


@dataclass(frozen=True)
class PackageType:
    """One kind of package.

    Parameters
    ----------
    code : str
        Two characters, ``"CT"``.
    name : str
    kg_min, kg_max : float or None
        Net weight that one such package plausibly holds, kg (an estimate, wide on purpose); None where anything goes.
    """

    code: str
    name: str
    kg_min: float | None
    kg_max: float | None


@functools.cache
def _table() -> Mapping[str, PackageType]:
    return {
        row["code"]: PackageType(
            row["code"],
            row["name"],
            float(row["kg_min"]) if row["kg_min"] else None,
            float(row["kg_max"]) if row["kg_max"] else None,
        )
        for row in read_rows("packages.csv")
    }


def package_types() -> tuple[PackageType, ...]:
    """Return every package code of the list.

    Examples
    --------
    >>> len(package_types()) > 370
    True
    """
    return tuple(_table().values())


def package_type(code: str) -> PackageType | None:
    """Return the package of a code, or None where the list has no such code.

    Examples
    --------
    >>> package_type("CT").name
    'Carton'
    """
    return _table().get(code)
