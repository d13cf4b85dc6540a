"""A recipe says how a scan is calibrated; it is validated whole before any pixel is read."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from scananalysis._resources import find, names
from scananalysis.core import ConfigurationError
from scananalysis.core.definitions import read_definition

if TYPE_CHECKING:
    from scananalysis.detectors import Scanner

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Offset(_Model):
    """Takes off the reading without beam."""

    enabled: bool = True


class Gain(_Model):
    """Divides by every element's open-beam signal; switched off, by the array's median."""

    enabled: bool = True


class Linearity(_Model):
    """Straightens the electronics' response."""

    enabled: bool = True
    curvature: float | None = Field(
        default=None, gt=-0.5, lt=0.5, description="Relative loss of signal at full scale; the scanner's by default"
    )
    relative_sigma: NotNegative = Field(default=0.05, description="Relative 1-σ error of the curvature")


class Afterglow(_Model):
    """Takes off what the scintillator still gives from earlier lines."""

    enabled: bool = True
    share: tuple[NotNegative, ...] | None = Field(
        default=None, description="Share of each component; the scanner's by default"
    )
    time_s: tuple[Positive, ...] | None = Field(
        default=None, description="Decay time of each component, s; the scanner's by default"
    )
    relative_sigma: NotNegative = Field(default=0.05, description="Relative 1-σ error of the shares")


class Crosstalk(_Model):
    """Gives back what neighbours received."""

    enabled: bool = True
    share: float | None = Field(
        default=None,
        ge=0,
        lt=0.25,
        description="Share that each neighbouring element receives; the scanner's by default",
    )
    relative_sigma: NotNegative = Field(default=0.05, description="Relative 1-σ error of the share")
    measured: bool = Field(
        default=True,
        description="Where no share is stated here, use what the calibration set measured, with the scanner's by their errors",
    )


class Scatter(_Model):
    """Subtracts scattered radiation."""

    enabled: bool = True
    share: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Scattered over ln(1/T) times transmitted signal; the scanner's by default",
    )
    range_mm: float | None = Field(
        default=None, gt=0, description="1-σ width of scatter along the array, mm; the scanner's by default"
    )
    relative_sigma: NotNegative = Field(default=0.1, description="Relative 1-σ error of the share")


class Drift(_Model):
    """Follows the open beam's level along the scan where no pulse is read: in the elements above the load."""

    enabled: bool = True
    sigma: float | None = Field(
        default=None, ge=0, lt=0.5, description="1-σ relative change along a scan; the scanner's by default"
    )


class PulseNormalisation(_Model):
    """Divides by the strength of every line's pulse."""

    enabled: bool = True
    source: Literal["auto", "monitor", "image"] = Field(
        default="auto",
        description="Where the pulse is read: the beam monitor, the open-beam part of every line, or the monitor if there is one",
    )
    common: bool = Field(default=False, description="All channels see the same pulse (one source, two layers)")
    band: float = Field(default=0.12, gt=0, lt=0.5, description="Open beam reads within this much of 1")
    least_elements: int = Field(default=8, ge=1, description="Elements that must see the open beam throughout")


class Defects(_Model):
    """Which elements are not trusted."""

    enabled: bool = True
    dead_share: float = Field(
        default=0.2, gt=0, lt=1, description="Open-beam signal below this share of its neighbours'"
    )
    hot_sigmas: Positive = Field(default=12.0, description="Offset above the array's median, in robust sigma")
    noisy_ratio: float = Field(default=1.5, gt=1, description="Dark noise over the array's median noise")
    noisy_air_ratio: float = Field(default=1.5, gt=1, description="Open-beam noise over that of the quanta")
    flicker_share: float = Field(
        default=0.02, gt=0, lt=0.5, description="Share of reference readings far off the element's own median"
    )
    in_scan: Literal["auto", "required", "off"] = Field(
        default="auto",
        description="Search the scan too, for elements that failed since the references: where the whole scan is there, or refuse a stream",
    )


class DroppedLines(_Model):
    """Flags lines that repeat the line before them."""

    enabled: bool = True


class Registration(_Model):
    """Brings interlaced energies to the same positions."""

    enabled: bool = True


class Geometry(_Model):
    """Brings lines that were taken at uneven travel to columns of equal travel, and the boom of an array to rows of equal height.

    Columns and rows then are not lines and elements any more.
    """

    enabled: bool = Field(default=False, description="Columns of equal travel")
    required: bool = Field(default=False, description="Refuse a scan without recorded positions")
    tolerance_lines: Positive = Field(
        default=0.1, description="Lines that stand within this of even travel are left where they are"
    )
    rows: bool = Field(
        default=True,
        description="Rows of equal height where the elements of a boom have one pitch; other arrays show such rows already",
    )


class Logarithm(_Model):
    """From transmission to attenuation."""

    starved_sigmas: Positive = Field(default=3.0, description="Signal below this many σ of the readout is starved")
    negative_sigmas: Positive = Field(
        default=5.0, description="Transmission above 1 by more than this many σ is flagged"
    )


class OpenBeam(_Model):
    """Open beam of an air-normalised image."""

    tolerance: float = Field(
        default=0.06, gt=0, lt=0.5, description="Half width of the band around the open beam's level"
    )
    least_share: float = Field(default=0.002, gt=0, lt=1, description="Share of pixels that must show the open beam")


STEPS = (
    "offset", "linearity", "gain", "afterglow", "pulse", "drift", "defects", "dropped_lines", "crosstalk", "scatter",
    "registration", "geometry", "logarithm",
)  # fmt: skip
"""Steps of a raw scan in the order in which they run; each needs the ones before it."""


class Recipe(_Model):
    """Parameters of every step, in the order of the steps.

    Examples
    --------
    >>> Recipe.named("default").logarithm.starved_sigmas
    3.0
    """

    title: str = "Calibration by the references inside the scan"
    offset: Offset = Offset()
    linearity: Linearity = Linearity()
    gain: Gain = Gain()
    afterglow: Afterglow = Afterglow()
    open_beam: OpenBeam = OpenBeam()
    pulse: PulseNormalisation = PulseNormalisation()
    drift: Drift = Drift()
    defects: Defects = Defects()
    dropped_lines: DroppedLines = DroppedLines()
    crosstalk: Crosstalk = Crosstalk()
    scatter: Scatter = Scatter()
    registration: Registration = Registration()
    geometry: Geometry = Geometry()
    logarithm: Logarithm = Logarithm()

    @classmethod
    def for_scanner(cls, scanner: Scanner) -> Recipe:
        """Return a scanner's default recipe: the one with its name, else with its modality's, else ``default``.

        Examples
        --------
        >>> from scananalysis.detectors import scanner
        >>> Recipe.for_scanner(scanner("parcel-160kv")).pulse.common
        True
        """
        known = [stem for stem, _ in names("calibration")]
        name = next((n for n in (scanner.name, scanner.modality) if n in known), "default")
        return cls.named(name)

    @classmethod
    def named(cls, name: str) -> Recipe:
        """Read a recipe of the definitions folder ``calibration/`` by name.

        Raises
        ------
        ConfigurationError
            No such recipe, or it is invalid.
        """
        known = [stem for stem, _ in names("calibration")]
        if name not in known:
            raise ConfigurationError(f"no calibration recipe {name!r}", expected=f"one of {', '.join(known)}")
        return cls.read(find("calibration", f"{name}.toml"))

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Recipe:
        """Read a recipe from a TOML file.

        Raises
        ------
        ConfigurationError
            The file is not TOML, or a field is unknown or out of range.
        """
        return read_definition(path, cls, expected="a calibration recipe as calibration/README.md describes it")
