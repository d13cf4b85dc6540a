"""Writes a split as files: raw HDF5 with truth, declarations, and a manifest with sha256."""

from __future__ import annotations

import csv
import json
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from scananalysis.core import sha256_file
from scananalysis.datasets.samples import sample
from scananalysis.io import write

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from scananalysis.datasets.recipe import Recipe

_MANIFEST = ("scan", "declaration", "fraud", "scanner", "sha256")


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
    if workers == 1 or len(missing) <= 1:
        for index in missing:
            write_sample(recipe, split, index, folder)
            done += 1
            if progress is not None:
                progress(done, total)
    elif missing:
        # "spawn": a forked copy of a process that already runs numerical threads can hang.
        with ProcessPoolExecutor(workers or os.cpu_count(), mp_context=get_context("spawn")) as pool:
            jobs = [pool.submit(write_sample, recipe, split, index, folder) for index in missing]
            for job in as_completed(jobs):
                job.result()
                done += 1
                if progress is not None:
                    progress(done, total)
    return _write_manifest(folder, f"{recipe.name}-{split}", stems)


def _write_manifest(folder: Path, name: str, stems: list[str]) -> Path:
    from scananalysis.io import read

    target, part = folder / f"{name}.csv", folder / f"{name}.csv.part"
    with part.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(_MANIFEST)
        for stem in stems:
            path = folder / f"{stem}.h5"
            scan = read(path)
            step = scan.provenance.find("simulation.render")
            labels = json.loads(json.dumps(step.parameters["labels"])) if step else {}
            rows.writerow([path.name, f"{stem}.json", labels.get("fraud", ""), scan.scanner, sha256_file(path)])
    part.replace(target)
    return target
