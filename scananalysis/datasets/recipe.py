"""Dataset recipes: what to simulate, from which seed, in which disjoint splits."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scananalysis._resources import find, names
from scananalysis.core import ConfigurationError
from scananalysis.core.definitions import read_definition
from scananalysis.simulation import FRAUDS

Share = Annotated[float, Field(ge=0, le=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ScannerShare(_Model):
    """A scanner of the recipe."""

    name: str
    binning: tuple[int, int] = Field(default=(1, 1), description="Lines and elements that are summed into one")
    weight: float = Field(default=1.0, gt=0, description="Share among the recipe's scanners")


class Split(_Model):
    """A part of the dataset that shares no scan with any other."""

    count: int = Field(gt=0, le=10_000_000)
    frauds: dict[str, Share] = Field(
        default_factory=dict, description="Share of each fraud; the rest is declared right"
    )

    @model_validator(mode="after")
    def _known(self) -> Split:
        unknown = set(self.frauds) - set(FRAUDS)
        if unknown:
            raise ValueError(f"unknown frauds {', '.join(sorted(unknown))}; known are {', '.join(FRAUDS)}")
        if sum(self.frauds.values()) > 1 + 1e-9:
            raise ValueError("shares of frauds sum to more than 1")
        return self


class Shift(_Model):
    """How scans differ from those that a model was trained and calibrated on; what is not given stays as the recipe has it."""

    title: str
    headings: tuple[str, ...] = Field(default=(), description="HS headings to draw from instead of the recipe's")
    scanner: str | None = Field(default=None, description="Another scanner of the recipe")
    dose: float = Field(default=1.0, gt=0, le=10, description="Photons over those of the scanner")
    gain_error: float = Field(
        default=0.0, ge=0, le=0.2, description="1-σ by which each element's gain differs from the references'"
    )
    size: str | None = Field(default=None, description="Container, instead of those that goods are drawn into")
    fill: float | None = Field(default=None, gt=0, le=1, description="Share of the height that is filled")
    carrier: str | None = Field(default=None, description="What carries the container")
    frauds: tuple[str, ...] = Field(default=(), description="Kinds of fraud that such loads can hold; all by default")

    @model_validator(mode="after")
    def _known(self) -> Shift:
        unknown = set(self.frauds) - set(FRAUDS)
        if unknown:
            raise ValueError(f"unknown frauds {', '.join(sorted(unknown))}; known are {', '.join(FRAUDS)}")
        return self


class Recipe(_Model):
    """A dataset.

    Examples
    --------
    >>> recipe = read_recipe("declared-cargo")
    >>> sorted(recipe.splits)
    ['calibration', 'test', 'train', 'tune']
    """

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    title: str
    licence: str = "CC0-1.0"
    seed: int = Field(ge=0, lt=2**31)
    headings: tuple[str, ...] = Field(
        default=(), description="HS headings to draw from; the whole commodity table by default"
    )
    scanners: tuple[ScannerShare, ...] = Field(min_length=1)
    splits: dict[str, Split] = Field(min_length=1)
    # Left out of what is written of a recipe: shifts only test models, so adding one does not make another training set.
    shifts: dict[str, Shift] = Field(
        default_factory=dict, exclude=True, description="Ways in which test scans may differ from all others"
    )

    @model_validator(mode="after")
    def _own_scanners(self) -> Recipe:
        own = {each.name for each in self.scanners}
        for name, each in self.shifts.items():
            if each.scanner is not None and each.scanner not in own:
                raise ValueError(f"shift {name} names the scanner {each.scanner}, which the recipe does not have")
        return self

    def shift(self, name: str) -> Shift:
        """Return a shift.

        Raises
        ------
        ConfigurationError
            The recipe has no such shift.
        """
        if name not in self.shifts:
            raise ConfigurationError(
                f"recipe {self.name} has no shift {name!r}", expected=f"one of {', '.join(self.shifts) or 'none'}"
            )
        return self.shifts[name]

    def split(self, name: str) -> Split:
        """Return a split.

        Raises
        ------
        ConfigurationError
            The recipe has no such split.
        """
        if name not in self.splits:
            raise ConfigurationError(
                f"recipe {self.name} has no split {name!r}", expected=f"one of {', '.join(self.splits)}"
            )
        return self.splits[name]


def recipes() -> tuple[str, ...]:
    """Return the names of the recipes in the definitions folders."""
    return tuple(name for name, _ in names("datasets"))


def read_recipe(recipe: str | PathLike[str]) -> Recipe:
    """Read a recipe by name or from a TOML file.

    Raises
    ------
    ConfigurationError
        No such recipe, or it is malformed; the sentence names file and field.
    """
    path = find("datasets", f"{recipe}.toml") if str(recipe) in recipes() else Path(recipe)
    if not path.is_file():
        raise ConfigurationError(
            f"no recipe {str(recipe)!r}", expected=f"a TOML file, or one of {', '.join(recipes())}"
        )
    return read_definition(path, Recipe, expected="a dataset recipe as datasets/README.md describes it", named=True)
