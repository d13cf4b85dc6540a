"""Samples of a recipe, one by one, in memory: sample *k* of a split depends on nothing but recipe, split and *k*."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scananalysis.core import ConfigurationError
from scananalysis.detectors import scanner as find_scanner
from scananalysis.simulation import NOT_IN_PARCELS, Simulated, container_scene, render

if TYPE_CHECKING:
    from scananalysis.core import Declaration
    from scananalysis.datasets.recipe import Recipe, ScannerShare
    from scananalysis.detectors import Scanner
    from scananalysis.simulation import Load


class Sample(NamedTuple):
    """A simulated scan with its papers.

    Parameters
    ----------
    simulated : Simulated
    declaration : Declaration
        What the papers say, true or not.
    fraud : str
        ``"none"``, or what is wrong.
    """

    simulated: Simulated
    declaration: Declaration
    fraud: str


def possible_frauds(recipe: Recipe, split: str, scanner: str) -> dict[str, float]:
    """Return the kinds of fraud of a split that a scanner's loads can hold, with their shares: no car is hidden in a parcel."""
    frauds = recipe.split(split).frauds
    parcels = find_scanner(scanner).modality == "dual-energy-kv"
    return {kind: share for kind, share in frauds.items() if not (parcels and kind in NOT_IN_PARCELS)}


def sample(recipe: Recipe, split: str, index: int, *, fraud: str | None = None, scanner: str | None = None) -> Sample:
    """Make one sample.

    Parameters
    ----------
    recipe : Recipe
    split : str
    index : int
    fraud : str, optional
        Instead of the drawn one; ``"none"`` makes the clean twin of a fraudulent sample.
    scanner : str, optional
        One of the recipe's scanners instead of the drawn one.

    Returns
    -------
    Sample

    Raises
    ------
    ConfigurationError
        The recipe has no such split or scanner, or the scanner's loads cannot hold the fraud.
    """
    load, device, seed, kind = _drawn(recipe, split, index, fraud, scanner)
    return Sample(render(load.scene, device, seed), load.declaration, kind)


def declaration_of(recipe: Recipe, split: str, index: int, *, scanner: str | None = None) -> Declaration:
    """Return the papers of the clean twin of a sample, without scanning it; parameters as for `sample`."""
    return _drawn(recipe, split, index, "none", scanner)[0].declaration


def _drawn(
    recipe: Recipe, split: str, index: int, fraud: str | None, scanner: str | None
) -> tuple[Load, Scanner, int, str]:
    """Return load, scanner, seed and kind of fraud of a sample."""
    part = recipe.split(split)
    rng = np.random.default_rng([recipe.seed, zlib.crc32(split.encode()), index])
    weights = np.array([s.weight for s in recipe.scanners])
    chosen = recipe.scanners[int(rng.choice(len(weights), p=weights / weights.sum()))]
    if scanner is not None:
        chosen = _named(recipe, scanner)
    frauds = possible_frauds(recipe, split, chosen.name)
    kinds = ["none", *frauds]
    shares = np.array([max(0.0, 1 - sum(part.frauds.values())), *frauds.values()])
    drawn = kinds[int(rng.choice(len(kinds), p=shares / shares.sum()))]
    kind = fraud or drawn
    seed = int(rng.integers(2**31))
    device = find_scanner(chosen.name).binned(*chosen.binning)
    load = container_scene(seed, device, fraud=None if kind == "none" else kind, pool=recipe.headings or None)
    return load, device, seed, kind


def _named(recipe: Recipe, scanner: str) -> ScannerShare:
    for each in recipe.scanners:
        if each.name == scanner:
            return each
    raise ConfigurationError(
        f"recipe {recipe.name} has no scanner {scanner!r}",
        expected=f"one of {', '.join(each.name for each in recipe.scanners)}",
    )


def samples(recipe: Recipe, split: str, start: int = 0, count: int | None = None) -> Iterator[Sample]:
    """Yield samples ``start`` to ``start + count`` of a split, to its end by default."""
    stop = recipe.split(split).count if count is None else start + count
    for index in range(start, stop):
        yield sample(recipe, split, index)
