"""Container numbers and container types of ISO 6346."""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass

from scananalysis.cargo.packages import read_rows

# ISO 6346: letters count from 10 on, leaving out the multiples of 11.
_VALUES = dict(zip(string.digits, range(10), strict=True)) | dict(
    zip(string.ascii_uppercase, (n for n in range(10, 39) if n % 11), strict=True)
)
_NUMBER = re.compile(r"[A-Z]{3}[UJZ]\d{7}")
_TYPE = re.compile(r"[1-9A-Z][0-9A-Z][ABGHPRSTUVNKW][0-9A-Z]")


@dataclass(frozen=True)
class ContainerType:
    """Size and limits of one ISO 6346 size and type code.

    Parameters
    ----------
    code : str
        ``"42G1"``.
    name : str
    length_mm, width_mm, height_mm : float
        Inside, mm.
    volume_m3 : float
        Largest usual cubic capacity, m³.
    tare_min_kg, tare_max_kg : float
        Range of tares in use, kg.
    max_gross_kg : float
        Highest rating in use, kg.
    """

    code: str
    name: str
    length_mm: float
    width_mm: float
    height_mm: float
    volume_m3: float
    tare_min_kg: float
    tare_max_kg: float
    max_gross_kg: float

    @property
    def max_payload_kg(self) -> float:
        """Highest possible payload, kg: highest rating less lowest tare."""
        return self.max_gross_kg - self.tare_min_kg


def check_digit(number: str) -> int:
    """Return the check digit of a container number.

    Parameters
    ----------
    number : str
        Owner code, category letter and six serial digits: ``"CSQU305438"``.

    Returns
    -------
    int
        Sum of the characters' values times 2 to the power of their place, modulo 11, modulo 10 (ISO 6346, annex A).

    Raises
    ------
    ValueError
        Not ten characters A to Z and 0 to 9.

    Examples
    --------
    >>> check_digit("CSQU305438")
    3
    """
    if not re.fullmatch(r"[A-Z0-9]{10}", number):
        raise ValueError(f"{number!r} is not ten characters A to Z and 0 to 9")
    return sum(_VALUES[character] << place for place, character in enumerate(number)) % 11 % 10


def normalise(number: str) -> str:
    """Return a container number in capitals without the blanks and hyphens that people put in.

    Examples
    --------
    >>> normalise("csqu 305438-3")
    'CSQU3054383'
    """
    return re.sub(r"[\s\-/.]", "", number).upper()


def number_fault(number: str) -> str | None:
    """Return what is expected instead of a wrong container number, or None if it is right.

    Examples
    --------
    >>> number_fault("CSQU3054383") is None
    True
    >>> number_fault("CSQU3054384")
    'check digit 3'
    """
    plain = normalise(number)
    if not _NUMBER.fullmatch(plain):
        return "three letters of the owner, U, J or Z, six digits and the check digit"
    digit = check_digit(plain[:10])
    return None if digit == int(plain[10]) else f"check digit {digit}"


@functools.cache
def _table() -> Mapping[str, ContainerType]:
    rows = {}
    for row in read_rows("container_types.csv"):
        code, name, *figures = row.values()
        rows[code] = ContainerType(code, name, *(float(figure) for figure in figures))
    return rows


def container_types() -> tuple[ContainerType, ...]:
    """Return the container types whose sizes are known."""
    return tuple(_table().values())


def is_type_code(code: str) -> bool:
    """Return whether a code has the form of ISO 6346: length, height and width, type group, detail.

    Examples
    --------
    >>> is_type_code("42G1"), is_type_code("42X1")
    (True, False)
    """
    return _TYPE.fullmatch(code) is not None


def container_type(code: str) -> ContainerType | None:
    """Return size and limits of a container type; of the same size and type group where the last character is not listed.

    Examples
    --------
    >>> container_type("42G0").name
    '40 ft dry'
    >>> container_type("ZZZZ") is None
    True
    """
    table = _table()
    if code in table:
        return table[code]
    return next((row for key, row in table.items() if key[:3] == code[:3]), None)
