"""Runs a job on many tasks in several processes, in order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_parallel(job: Callable[[T], R], tasks: Sequence[T], workers: int | None = None) -> Iterator[R]:
    """Yield what a job makes of each task, in the order of the tasks.

    Parameters
    ----------
    job : callable
        A function of a module, or a `functools.partial` of one, so that other processes can find it.
    tasks : sequence
    workers : int, optional
        Processes, one per core by default; 1 works in this process. Their number changes no result.

    Examples
    --------
    >>> list(in_parallel(abs, [-1, 2], workers=1))
    [1, 2]
    """
    count = min(workers or os.cpu_count() or 1, max(len(tasks), 1))
    if count == 1:
        yield from map(job, tasks)
        return
    # "spawn": a forked copy of a process that already runs numerical threads can hang.
    with ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        queue: list[Future[R]] = []
        for task in tasks:
            queue.append(pool.submit(job, task))
            # Few are under way at once, since each may hold several megabytes.
            if len(queue) >= 3 * count:
                yield queue.pop(0).result()
        for future in queue:
            yield future.result()


def _one_thread() -> None:
    """Keep numerical libraries of a worker to one thread: workers times threads would exceed the cores."""
    import cv2

    os.environ["OMP_NUM_THREADS"] = "1"
    cv2.setNumThreads(1)
