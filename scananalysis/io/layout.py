"""Layout files: a few lines of TOML that say how a file without a header of its own is to be read."""

from __future__ import annotations

import tomllib
from os import PathLike
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scananalysis._resources import find, names
from scananalysis.core import ConfigurationError


class Layout(BaseModel):
    """How samples are ordered and what they mean.

    Examples
    --------
    >>> named_layout("rail-air-normalised").axes
    'yxc'
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    title: str
    source: str = Field(default="", description="Where the description comes from")
    axes: Literal["yxc", "cyx", "xyc", "cxy", "yx", "xy"] = Field(
        description="Order of the axes: y along the array from the top, x along travel, c channel (high energy first)"
    )
    channels: int = Field(ge=1, le=2)
    dtype: Literal["u1", "<u2", ">u2", "<u4", ">u4"] = "<u2"
    shape: tuple[int, ...] | None = Field(default=None, description="Sizes in the order of axes; needed for raw dumps")
    header_bytes: int = Field(default=0, ge=0, le=1 << 20, description="Bytes before the first sample of a raw dump")
    width_at: int | None = Field(default=None, ge=0, description="Byte of a 16-bit width in the header")
    height_at: int | None = Field(default=None, ge=0, description="Byte of a 16-bit height in the header")
    flip_y: bool = Field(default=False, description="The file starts with the lowest row")
    siblings: tuple[str, ...] = Field(
        default=(), max_length=2, description="Endings of the files of the channels, high energy first, e.g. _high.png"
    )
    stage: Literal["raw", "air-normalised"]
    air_level: float | None = Field(
        default=None, gt=0, description="Counts of the open beam, where the format fixes it"
    )
    scanner: str = Field(description="Name of the scanner in the catalogue")


def named_layout(name: str | PathLike[str]) -> Layout:
    """Return a layout by name from ``detectors/layouts/`` or from a file.

    Raises
    ------
    ConfigurationError
        No such layout, or it is malformed.
    """
    known = layouts()
    path = find("detectors", f"layouts/{name}.toml") if str(name) in known else Path(name)
    if not path.is_file():
        raise ConfigurationError(
            f"no layout {str(name)!r}",
            expected=f"a TOML file, or one of {', '.join(known)}",
            remedy="see docs/formats.md",
        )
    try:
        with path.open("rb") as stream:
            return Layout.model_validate(tomllib.load(stream))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"is not TOML ({error})", source=path, remedy="correct the layout") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigurationError(
            f"{where}: {first['msg']}", source=path, expected="a layout as docs/formats.md describes"
        ) from error


def layouts() -> tuple[str, ...]:
    """Return the names of the layouts in the catalogue."""
    return tuple(name for name, _ in names("detectors", "layouts/*.toml"))
