"""Runs samples of a recipe through calibration and materials, and jobs on them in parallel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from scananalysis.anomaly.grid import working_map
from scananalysis.calibration import calibrate
from scananalysis.datasets import sample
from scananalysis.materials import discriminate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scananalysis.core import Declaration, MaterialMap
    from scananalysis.datasets import Recipe


T = TypeVar("T")
R = TypeVar("R")


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


def in_parallel(job: Callable[[T], R], tasks: Sequence[T], workers: int | None = None) -> Iterator[R]:
    """Yield what a job makes of each task, in the order of the tasks.

    Parameters
    ----------
    job : callable
        A function of a module, so that other processes can find it.
    tasks : sequence
    workers : int, optional
        Processes, one per core by default; 1 works in this process. Their number changes no result.
    """
    count = workers or os.cpu_count() or 1
    if count == 1:
        yield from map(job, tasks)
        return
    # Few are under way at once, since each may hold several megabytes.
    ahead = 3 * count
    # "spawn": a forked copy of a process that already runs numerical threads can hang.
    with ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        queue: list[Future[R]] = []
        for task in tasks:
            queue.append(pool.submit(job, task))
            if len(queue) >= ahead:
                yield queue.pop(0).result()
        for future in queue:
            yield future.result()


def _one_thread() -> None:
    """Keep numerical libraries of a worker to one thread: workers times threads would exceed the cores."""
    import cv2

    os.environ["OMP_NUM_THREADS"] = "1"
    cv2.setNumThreads(1)
