"""Runs samples of a recipe through calibration and materials, in parallel, ready to be scored by any number of models."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, NamedTuple

from scananalysis.anomaly.grid import working_map
from scananalysis.calibration import calibrate
from scananalysis.datasets import sample
from scananalysis.materials import discriminate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scananalysis.core import Declaration, MaterialMap
    from scananalysis.datasets import Recipe


class Prepared(NamedTuple):
    """A sample on the working grid.

    Parameters
    ----------
    cells : MaterialMap
    declaration : Declaration
    fraud : str
    labels : mapping
        Of the scene.
    """

    cells: MaterialMap
    declaration: Declaration
    fraud: str
    labels: dict[str, object]


class Task(NamedTuple):
    """Which sample to prepare."""

    recipe: Recipe
    split: str
    number: int
    fraud: str | None
    scanner: str | None
    pitch_mm: tuple[float, float]


def prepare(task: Task) -> Prepared:
    """Simulate one sample and bring it to the working grid."""
    made = sample(task.recipe, task.split, task.number, fraud=task.fraud, scanner=task.scanner)
    cells, _ = working_map(discriminate(calibrate(made.simulated.scan)), task.pitch_mm)
    return Prepared(cells, made.declaration, made.fraud, dict(made.simulated.labels))


def prepared(tasks: Sequence[Task], workers: int | None = None) -> Iterator[Prepared]:
    """Yield prepared samples in the order of the tasks.

    Parameters
    ----------
    tasks : sequence of Task
    workers : int, optional
        Processes, one per core by default; 1 works in this process.
    """
    count = workers or os.cpu_count() or 1
    if count == 1:
        yield from map(prepare, tasks)
        return
    # Few are under way at once, since each holds several megabytes.
    ahead = 3 * count
    # "spawn": a forked copy of a process that already runs numerical threads can hang.
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        queue: list[Future[Prepared]] = []
        for task in tasks:
            queue.append(pool.submit(prepare, task))
            if len(queue) >= ahead:
                yield queue.pop(0).result()
        for job in queue:
            yield job.result()
