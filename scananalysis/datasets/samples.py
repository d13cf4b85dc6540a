"""Samples of a recipe, one by one, in memory: sample *k* of a split depends on nothing but recipe, split and *k*."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scananalysis.cargo import commodities
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


class Planned(NamedTuple):
    """All that decides a sample.

    Parameters
    ----------
    scanner : str
    binning : (int, int)
        Lines and elements summed into one.
    seed : int
    fraud : str
    shift : str or None
    """

    scanner: str
    binning: tuple[int, int]
    seed: int
    fraud: str
    shift: str | None = None


def possible_frauds(recipe: Recipe, split: str, scanner: str, shift: str | None = None) -> dict[str, float]:
    """Return the kinds of fraud of a split that a scanner's loads can hold, with their shares: no car is hidden in a parcel."""
    frauds = recipe.split(split).frauds
    parcels = find_scanner(scanner).modality == "dual-energy-kv"
    allowed = recipe.shift(shift).frauds if shift is not None else ()
    return {
        kind: share
        for kind, share in frauds.items()
        if not (parcels and kind in NOT_IN_PARCELS) and (not allowed or kind in allowed)
    }


def sample(
    recipe: Recipe,
    split: str,
    index: int,
    *,
    fraud: str | None = None,
    scanner: str | None = None,
    shift: str | None = None,
) -> Sample:
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
    shift : str, optional
        One of the recipe's shifts.

    Returns
    -------
    Sample

    Raises
    ------
    ConfigurationError
        The recipe has no such split, scanner or shift, or the scanner's loads cannot hold the fraud.
    """
    planned = plan(recipe, split, index, fraud=fraud, scanner=scanner, shift=shift)
    load, device = _load(recipe, planned)
    simulated = render(load.scene, device, planned.seed)
    if shift is not None and recipe.shift(shift).gain_error:
        simulated = with_gain_error(simulated, recipe.shift(shift).gain_error, planned.seed)
    return Sample(simulated, load.declaration, planned.fraud)


def declaration_of(
    recipe: Recipe, split: str, index: int, *, scanner: str | None = None, shift: str | None = None
) -> Declaration:
    """Return the papers of the clean twin of a sample, without scanning it; parameters as for `sample`."""
    return _load(recipe, plan(recipe, split, index, fraud="none", scanner=scanner, shift=shift))[0].declaration


def plan(
    recipe: Recipe,
    split: str,
    index: int,
    *,
    fraud: str | None = None,
    scanner: str | None = None,
    shift: str | None = None,
) -> Planned:
    """Return what decides a sample, without making it; parameters as for `sample`."""
    part = recipe.split(split)
    rng = np.random.default_rng([recipe.seed, zlib.crc32(split.encode()), index])
    weights = np.array([s.weight for s in recipe.scanners])
    chosen = recipe.scanners[int(rng.choice(len(weights), p=weights / weights.sum()))]
    if shift is not None:
        scanner = recipe.shift(shift).scanner or scanner
    if scanner is not None:
        chosen = _named(recipe, scanner)
    frauds = possible_frauds(recipe, split, chosen.name, shift)
    kinds = ["none", *frauds]
    shares = np.array([max(0.0, 1 - sum(part.frauds.values())), *frauds.values()])
    drawn = kinds[int(rng.choice(len(kinds), p=shares / shares.sum()))]
    return Planned(chosen.name, chosen.binning, int(rng.integers(2**31)), fraud or drawn, shift)


def split_digest(recipe: Recipe, split: str, shift: str | None = None) -> str:
    """Return the sha256 of all that decides the samples of a split, so that two sites can tell that theirs are the same.

    One line per sample, with scanner, binning, seed and fraud, after a line with the headings that goods are drawn from and the numbers
    of the shift. Bytes of scans depend on the version of the simulator too, so a published dataset names both.

    Examples
    --------
    >>> from scananalysis.datasets import read_recipe
    >>> recipe = read_recipe("declared-cargo")
    >>> len({split_digest(recipe, split) for split in ("tune", "test")})
    2
    """
    digest = hashlib.sha256()
    about = {
        "headings": recipe.headings or [c.heading for c in commodities()],
        "shift": None if shift is None else recipe.shift(shift).model_dump(mode="json", exclude={"title"}),
    }
    digest.update(json.dumps(about, sort_keys=True).encode() + b"\n")
    for index in range(recipe.split(split).count):
        one = plan(recipe, split, index, shift=shift)
        digest.update(json.dumps([one.scanner, one.binning, one.seed, one.fraud]).encode() + b"\n")
    return digest.hexdigest()


def with_gain_error(simulated: Simulated, gain_error: float, seed: int) -> Simulated:
    """Return a scan whose elements' gains moved after the references were taken: each by its own share, 1-σ ``gain_error``."""
    scan = simulated.scan
    if scan.dark is None:
        raise ConfigurationError("a gain error needs dark references", expected="a scan that was simulated with them")
    error = np.random.default_rng([seed, 3]).normal(0.0, gain_error, (scan.counts.shape[0], 1, scan.counts.shape[2]))
    offset = scan.dark.mean(axis=1, keepdims=True)
    moved = np.rint(offset + (scan.counts - offset) * (1 + error))
    counts = np.clip(moved, 0, np.iinfo(scan.counts.dtype).max).astype(scan.counts.dtype)
    made = scan.provenance.then("datasets.gain_error", parameters={"gain_error": gain_error})
    return dataclasses.replace(simulated, scan=dataclasses.replace(scan, counts=counts, provenance=made))


def _load(recipe: Recipe, planned: Planned) -> tuple[Load, Scanner]:
    """Return load and scanner of a sample."""
    device = find_scanner(planned.scanner).binned(*planned.binning)
    fraud = None if planned.fraud == "none" else planned.fraud
    pool = recipe.headings or None
    if planned.shift is None:
        return container_scene(planned.seed, device, fraud=fraud, pool=pool), device
    shift = recipe.shift(planned.shift)
    if device.modality == "dual-energy-kv" and (shift.size or shift.fill or shift.carrier):
        raise ConfigurationError(f"shift {planned.shift} of a parcel", expected="a scanner for containers")
    if shift.dose != 1:
        channels = tuple(
            c.model_copy(update={"photons_per_line": c.photons_per_line * shift.dose}) for c in device.channels
        )
        device = device.model_copy(update={"channels": channels})
    load = container_scene(
        planned.seed,
        device,
        fraud=fraud,
        pool=shift.headings or pool,
        size=shift.size,
        fill=shift.fill,
        carrier=shift.carrier,
    )
    return load, device


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
