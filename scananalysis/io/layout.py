"""Layout files: a few lines of TOML that say how a file without a full header of its own is to be read."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scananalysis._resources import find, names
from scananalysis.core import ConfigurationError
from scananalysis.core.definitions import read_definition
from scananalysis.io.limits import MAX_TEXT

Axes = Literal["cxy", "cyx", "xcy", "ycx", "xyc", "yxc", "xy", "yx"]
Plane = Literal["high", "low", "material"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Expected(_Model):
    """A 16-bit number that the header must hold."""

    at: int = Field(ge=0, le=1 << 20, description="Its byte")
    value: int = Field(ge=0, le=0xFFFF)
    meaning: str = Field(min_length=1, max_length=80, description="Named in the error, e.g. bits per pixel")


class Layout(_Model):
    """How samples are ordered and what they mean.

    Examples
    --------
    >>> named_layout("rail-6-4mv").axes
    'yxc'
    """

    title: str = Field(min_length=1, max_length=200)
    source: str = Field(default="", max_length=500, description="Where the description comes from")
    axes: Axes = Field(
        description="Order of the axes, slowest first: y along the array from the top, x along travel, c channel"
    )
    channels: int = Field(ge=1, le=2, description="Channels of the scan, high energy first")
    planes: tuple[Plane, ...] = Field(
        default=(), max_length=3, description="What the file holds along c, where that is not high, low"
    )
    dtype: Literal["u1", "<u2", ">u2", "<u4", ">u4"] = Field(
        default="<u2", description="Samples; images and .npy know their own byte order"
    )
    shape: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(
        default=None, description="Sizes in the order of axes, for raw dumps whose header does not give them"
    )
    header_bytes: int = Field(default=0, ge=0, le=1 << 20, description="Bytes before the first sample of a raw dump")
    magic: str = Field(default="", pattern=r"^([0-9a-f]{2})*$", max_length=64, description="First bytes, hexadecimal")
    width_at: int | None = Field(default=None, ge=0, description="Byte of the 16-bit length of a row in the header")
    height_at: int | None = Field(default=None, ge=0, description="Byte of the 16-bit number of rows in the header")
    expect: tuple[Expected, ...] = Field(default=(), max_length=8, description="Numbers that the header must hold")
    trailer: bool = Field(default=False, description="Bytes behind the last sample are allowed")
    flip_x: bool = Field(default=False, description="The file starts with the last line")
    flip_y: bool = Field(default=False, description="The file starts with the lowest element")
    siblings: tuple[Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^/\\]+$")], ...] = Field(
        default=(), max_length=2, description="Endings of the files of the channels, high energy first, e.g. _high.png"
    )
    stage: Literal["raw", "air-normalised"] = Field(description="Whether offset and gain were applied already")
    air_level: float | None = Field(
        default=None, gt=0, description="Counts of the open beam, where the format fixes it"
    )
    saturated: int | None = Field(
        default=None, gt=0, description="Counts from which a sample is saturated; the dtype's largest by default"
    )
    binning: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = Field(
        default=(1, 1), description="Lines and elements that were summed into one"
    )
    scanner: str | None = Field(
        default=None, min_length=1, description="Name of the scanner in the catalogue; without it, read needs scanner="
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problem = next((text for wrong, text in self._rules() if wrong), None)
        if problem is not None:
            raise ValueError(problem)
        return self

    def _rules(self) -> tuple[tuple[bool, str], ...]:
        single = "c" not in self.axes
        sized = self.width_at is not None
        last = max(
            [*(at for at in (self.width_at, self.height_at) if at is not None), *(e.at for e in self.expect), -2]
        )
        return (
            (single and self.channels > 1, "two channels need an axis c in axes"),
            (single and bool(self.planes), "planes need an axis c in axes"),
            (bool(self.planes) and len(set(self.planes)) < len(self.planes), "planes name one twice"),
            (
                bool(self.planes) and not {"high", "low"}.issuperset(self.planes) and self.channels > len(self.planes),
                "planes are fewer than channels",
            ),
            (bool(self.planes) and "high" not in self.planes, "planes lack high"),
            (bool(self.planes) and self.channels == 2 and "low" not in self.planes, "planes lack low"),
            (bool(self.siblings) and len(self.siblings) != self.channels, "siblings are not one for each channel"),
            (bool(self.siblings) and bool(self.planes), "siblings and planes exclude each other"),
            (len(set(self.siblings)) < len(self.siblings), "siblings are equal"),
            (self.shape is not None and len(self.shape) != len(self.axes), "shape has not one size for each of axes"),
            (sized != (self.height_at is not None), "width_at and height_at belong together"),
            (
                sized and not self.siblings and not single and self.axes[1] != "c",
                "width_at needs siblings, one channel or c as the middle axis",
            ),
            (last + 2 > self.header_bytes, "a number of the header lies outside header_bytes"),
            (len(self.magic) // 2 > self.header_bytes, "magic is longer than header_bytes"),
            (self.air_level is not None and self.stage == "raw", "air_level belongs to stage air-normalised"),
        )

    @property
    def file_axes(self) -> str:
        """Axes of one file: without c where every channel has its own file."""
        return self.axes.replace("c", "") if self.siblings else self.axes

    @property
    def file_planes(self) -> int:
        """Number of planes along c in one file."""
        return len(self.planes) or self.channels


def named_layout(name: str | PathLike[str]) -> Layout:
    """Return a layout by name from ``detectors/layouts/`` or from a file.

    Raises
    ------
    ConfigurationError
        No such layout, or it is malformed.
    """
    known = layouts()
    path = find("detectors", f"layouts/{name}.toml") if str(name) in known else Path(name)
    if not path.is_file() or path.stat().st_size > MAX_TEXT:
        raise ConfigurationError(
            f"no layout {str(name)!r}",
            expected=f"a TOML file, or one of {', '.join(known)}",
            remedy="see docs/formats.md",
        )
    return read_definition(path, Layout, expected="a layout as docs/formats.md describes")


def layouts() -> tuple[str, ...]:
    """Return the names of the layouts in the catalogue."""
    return tuple(name for name, _ in names("detectors", "layouts/*.toml"))
