"""Reading declarations: JSON of bounded size, every fault told in one sentence that names the field."""

from __future__ import annotations

import json
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from scananalysis.cargo.checks import malformed
from scananalysis.core import Declaration, DeclarationError, Item

MAX_BYTES = 4 * 2**20
"""A declaration of ten thousand items fits well."""

_REMEDY = "correct the declaration"
_PATTERNS = {
    "hs_code": "4, 6, 8 or 10 digits",
    "package_type": "two capitals or digits of UN/ECE Recommendation 21, e.g. CT",
    "origin": "two capital letters of ISO 3166, e.g. EC",
    "imdg_class": "an IMDG class or division, e.g. 3, 6.1 or 1.4S",
}
_KINDS = {
    "string_type": "a text in quotes",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "finite_number": "a finite number",
    "tuple_type": "a list",
    "model_type": "an object in curly brackets",
    "model_attributes_type": "an object in curly brackets",
}


def read_declaration(path: str | PathLike[str]) -> Declaration:
    """Read the declaration of one container or vehicle.

    Parameters
    ----------
    path : path-like
        JSON file, at most 4 MiB, in the shape of `scananalysis.Declaration`.

    Returns
    -------
    Declaration
        Well formed: fields of the right kind, HS chapters that exist, a container number with the right check digit. Whether
        its figures agree with each other is for `check`.

    Raises
    ------
    DeclarationError
        Not readable, not such JSON, or malformed; the sentence names the field.
    """
    source = Path(path)
    text = _text(source)
    try:
        parsed = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise DeclarationError(
            f"is not JSON at line {error.lineno}, column {error.colno} ({error.msg})",
            source=source,
            expected="a declaration in JSON",
            remedy=_REMEDY,
        ) from None
    except (ValueError, RecursionError) as error:
        found = "is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DeclarationError(found, source=source, expected="a declaration in JSON", remedy=_REMEDY) from None
    if not isinstance(parsed, dict):
        raise DeclarationError(
            f"holds a {type(parsed).__name__}",
            source=source,
            expected="one object with the field items",
            remedy=_REMEDY,
        )
    try:
        clean = json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise DeclarationError(
            "holds half of a surrogate pair, which is no character",
            source=source,
            expected="UTF-8 text",
            remedy=_REMEDY,
        ) from None
    try:
        declaration = Declaration.model_validate_json(clean, strict=True)
    except ValidationError as error:
        raise _translate(error, source) from None
    for finding in malformed(declaration):
        found, _, expected = finding.message.partition("; expected ")
        raise DeclarationError(f"{finding.field} {found}", source=source, expected=expected, remedy=_REMEDY)
    return declaration


def _text(source: Path) -> str:
    try:
        if not source.is_file():
            raise DeclarationError(
                "is not a file", source=source, expected="a declaration in JSON", remedy="check the path"
            )
        with source.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise DeclarationError(
            f"cannot be read ({error.strerror})", source=source, remedy="check the path and its permissions"
        ) from None
    if len(raw) > MAX_BYTES:
        raise DeclarationError(
            f"is larger than {MAX_BYTES // 2**20} MiB",
            source=source,
            expected=f"at most {MAX_BYTES // 2**20} MiB",
            remedy="split the declaration",
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DeclarationError(
            f"is not UTF-8 at byte {error.start}", source=source, expected="UTF-8 text", remedy="save the file as UTF-8"
        ) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"field {twice[:100]!r} stands twice in one object")
    return result


def _constant(name: str) -> float:
    raise ValueError(f"holds {name}, which is not a JSON number")


def _translate(error: ValidationError, source: Path) -> DeclarationError:
    """Return the first fault of a validation as one sentence."""
    fault = error.errors(include_url=False)[0]
    field = _place(fault["loc"])
    name = next((str(part) for part in reversed(fault["loc"]) if isinstance(part, str)), "")
    kind, context = fault["type"], fault.get("ctx", {})
    value = repr(fault["input"])
    value = value if len(value) <= 60 else value[:57] + "..."
    if kind == "missing":
        return DeclarationError(f"{field} is missing", source=source, expected=_purpose(name), remedy=_REMEDY)
    if kind == "extra_forbidden":
        known = Item.model_fields if len(fault["loc"]) > 1 else Declaration.model_fields
        return DeclarationError(
            f"{field} is not a known field", source=source, expected=f"one of {', '.join(known)}", remedy=_REMEDY
        )
    limits: dict[str, Callable[[], str]] = {
        "string_pattern_mismatch": lambda: _PATTERNS.get(name, "another form"),
        "greater_than": lambda: f"more than {context['gt']:g}",
        "greater_than_equal": lambda: f"at least {context['ge']:g}",
        "less_than_equal": lambda: f"at most {context['le']:g}",
        "string_too_long": lambda: f"at most {context['max_length']} characters",
        "too_short": lambda: f"at least {context['min_length']} item",
        "too_long": lambda: f"at most {context['max_length']} items",
    }
    expected = limits[kind]() if kind in limits else _KINDS.get(kind, fault["msg"][:1].lower() + fault["msg"][1:])
    return DeclarationError(f"{field} is {value}", source=source, expected=expected, remedy=_REMEDY)


def _place(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or "the declaration"


def _purpose(name: str) -> str:
    field = Declaration.model_fields.get(name) or Item.model_fields.get(name)
    description = field.description if field is not None else None
    if not description:
        return "it"
    # Abbreviations such as HS keep their capitals.
    return description if description[1:2].isupper() else description[:1].lower() + description[1:]
