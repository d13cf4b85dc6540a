"""The sandbox's inside: a process that inspects one scan after another and may die of any of them.

It speaks JSON lines: the run on its standard input first, then plan rows; answers go to its standard output. Nothing is unpickled,
so a scan that takes the process over gains no more than the process had.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import IO, Any

IDLE_SECONDS = 900.0
"""A sandbox that nobody asks for this long ends itself: its worker's run is over or forgot it."""

GRACE_SECONDS = 5.0
"""The parent kills at the time limit; a child whose parent is gone kills itself this much later."""


def main() -> None:
    """Serve until the parent closes the pipe."""
    # Libraries that print must not be able to speak in the protocol's name.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asked = sys.stdin
    head = json.loads(asked.readline())
    try:
        inspector = _inspector(head)
        inspector.warm_up()
    except Exception as error:  # noqa: BLE001 - the parent turns whatever it is into a sentence
        _answer(answers, {"failed": f"{type(error).__name__}: {error}"})
        return
    _limit_memory(int(head["memory_mb"]))
    _answer(answers, {"ready": os.getpid()})
    waiting: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(asked, waiting), daemon=True).start()
    while True:
        try:
            line = waiting.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            return
        if not _serve(inspector, json.loads(line), float(head["seconds"]), answers):
            return


def _serve(inspector: Any, plan: dict[str, Any], seconds: float, answers: IO[str]) -> bool:
    """Answer one request; False ends the process."""
    from scananalysis.batch.store import StorageError

    _alarm(seconds + GRACE_SECONDS)
    try:
        answer: dict[str, Any] = {"row": inspector.row(plan)}
    except MemoryError:
        answer = {"memory": True}
    except StorageError as error:
        answer = {"storage": str(error)}
    _alarm(0.0)
    _answer(answers, answer)
    # What a failed allocation left behind is not known; the next scan gets a fresh process.
    return "memory" not in answer


def _inspector(head: dict[str, Any]) -> Any:
    import cv2

    from scananalysis.batch.definition import RunDefinition

    definition = RunDefinition.model_validate(head["definition"])
    cv2.setNumThreads(definition.scan.threads)
    module, _, name = str(head["inspector"]).partition(":")
    return getattr(importlib.import_module(module), name)(
        Path(head["root"]), Path(head["output"]), definition, papers=bool(head["papers"])
    )


def _listen(asked: IO[str], waiting: queue.Queue[str]) -> None:
    for line in asked:
        waiting.put(line)
    # The parent is gone, however it went: nobody waits for an answer.
    os._exit(0)


def _answer(answers: IO[str], answer: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        answers.write(json.dumps(answer, allow_nan=False) + "\n")
        answers.flush()


def _alarm(seconds: float) -> None:
    # The default action of SIGALRM ends the process even while C code holds the interpreter.
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _limit_memory(megabytes: int) -> None:
    """Let allocations fail beyond what the idle process holds plus the limit, before the machine's own memory ends."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (ImportError, OSError):  # no such limit on this system; the time limit and the worker's own still hold
        return
    limit = pages * resource.getpagesize() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
