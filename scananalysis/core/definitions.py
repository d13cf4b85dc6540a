"""Reads definition files (TOML) into validated models; whatever is wrong becomes one sentence."""

from __future__ import annotations

import tomllib
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from scananalysis.core.errors import ConfigurationError

M = TypeVar("M", bound=BaseModel)
_LONGEST = 120


def toml_content(path: str | PathLike[str], expected: str) -> dict[str, Any]:
    """Return what a TOML file holds.

    Parameters
    ----------
    path : path-like
    expected : str
        What the file should be, for the sentence.

    Raises
    ------
    ConfigurationError
        The file cannot be read or is not TOML.
    """
    try:
        with Path(path).open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise ConfigurationError(
            f"cannot be read ({error.strerror or error})", source=path, expected=expected
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        said = " ".join(str(error).split())[:_LONGEST]
        raise ConfigurationError(
            f"is not TOML ({said})", source=path, expected=expected, remedy="correct the file"
        ) from error


def validated(model: type[M], content: dict[str, Any], source: str | PathLike[str] | None, expected: str) -> M:
    """Return a model of what was read.

    Raises
    ------
    ConfigurationError
        A field is missing, unknown or out of range; the sentence names the first.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        said = first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"{where}: {said}", source=source, expected=expected) from error


def read_definition(path: str | PathLike[str], model: type[M], *, expected: str, named: bool = False) -> M:
    """Read a TOML file into a model.

    Parameters
    ----------
    path : path-like
    model : type of pydantic.BaseModel
    expected : str
        What the file should be, e.g. ``"a scanner as detectors/README.md describes it"``.
    named : bool
        Whether the model's ``name`` is that of the file where the file states none.

    Raises
    ------
    ConfigurationError
        As `toml_content` and `validated`.
    """
    content = toml_content(path, expected)
    return validated(model, ({"name": Path(path).stem} | content) if named else content, path, expected)
