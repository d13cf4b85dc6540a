"""A recipe says how a scan is calibrated; it is validated whole before any pixel is read."""

from __future__ import annotations

import tomllib
from os import PathLike
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scananalysis._resources import find, names
from scananalysis.core import ConfigurationError

Positive = Annotated[float, Field(gt=0)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Defects(_Model):
    """Which elements are not trusted."""

    enabled: bool = True
    dead_share: float = Field(
        default=0.2, gt=0, lt=1, description="Open-beam signal below this share of its neighbours'"
    )
    hot_sigmas: Positive = Field(default=12.0, description="Offset above the array's median, in robust σ")
    noisy_ratio: Positive = Field(default=4.0, description="Dark noise over the array's median noise")


class PulseNormalisation(_Model):
    """Pulse-to-pulse correction by the beam monitor."""

    enabled: bool = True


class Registration(_Model):
    """Brings interlaced energies to the same positions."""

    enabled: bool = True


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


class Recipe(_Model):
    """Parameters of every step.

    Examples
    --------
    >>> Recipe.named("default").logarithm.starved_sigmas
    3.0
    """

    title: str = "Calibration by the references inside the scan"
    defects: Defects = Defects()
    pulse: PulseNormalisation = PulseNormalisation()
    registration: Registration = Registration()
    logarithm: Logarithm = Logarithm()
    open_beam: OpenBeam = OpenBeam()

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
        try:
            with Path(path).open("rb") as stream:
                return cls.model_validate(tomllib.load(stream))
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"is not TOML ({error})", source=path) from error
        except ValidationError as error:
            first = error.errors()[0]
            raise ConfigurationError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", source=path) from error
