"""Writes a split as files: raw HDF5 with truth, declarations, and a manifest with sha256."""

from __future__ import annotations

import csv
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from scananalysis.core import sha256_file
from scananalysis.core.parallel import in_parallel
from scananalysis.datasets.samples import sample
from scananalysis.io import write

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from scananalysis.datasets.recipe import Recipe

MANIFEST = ("scan", "declaration", "fraud", "scanner", "sha256")
"""Columns of a manifest."""


def write_sample(recipe: Recipe, split: str, index: int, folder: Path) -> None:
    """Write one sample; its files get their names only when they are complete, the declaration last."""
    made = sample(recipe, split, index)
    stem = f"{recipe.name}-{split}-{index:06d}"
    write(made.simulated.scan, folder / f"{stem}.h5", truth=made.simulated.truth)
    part = folder / f"{stem}.json.part"
    part.write_text(made.declaration.model_dump_json(indent=1, exclude_none=True) + "\n", encoding="utf-8")
    part.replace(folder / f"{stem}.json")


def generate(
    recipe: Recipe,
    split: str,
    count: int | None,
    output: str | PathLike[str],
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the first ``count`` samples of a split; those that are there already are kept.

    Parameters
    ----------
    recipe : Recipe
    split : str
    count : int, optional
        All by default.
    output : path-like
        Folder; made if missing.
    workers : int, optional
        Processes, one per core by default; their number changes no byte.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    Path
        The manifest, a CSV file with one row per scan.
    """
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    total = recipe.split(split).count if count is None else count
    stems = [f"{recipe.name}-{split}-{i:06d}" for i in range(total)]
    missing = [i for i, stem in enumerate(stems) if not (folder / f"{stem}.json").is_file()]
    done = total - len(missing)
    if progress is not None:
        progress(done, total)
    write_one = partial(write_sample, recipe, split, folder=folder)
    for each, _ in enumerate(in_parallel(write_one, missing, workers), start=done + 1):
        if progress is not None:
            progress(each, total)
    return _write_manifest(folder, f"{recipe.name}-{split}", stems)


def _write_manifest(folder: Path, name: str, stems: list[str]) -> Path:
    from scananalysis.io import read

    target, part = folder / f"{name}.csv", folder / f"{name}.csv.part"
    with part.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(MANIFEST)
        for stem in stems:
            path = folder / f"{stem}.h5"
            scan = read(path)
            step = scan.provenance.find("simulation.render")
            labels = json.loads(json.dumps(step.parameters["labels"])) if step else {}
            rows.writerow([path.name, f"{stem}.json", labels.get("fraud", ""), scan.scanner, sha256_file(path)])
    part.replace(target)
    return target
