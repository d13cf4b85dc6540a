"""Planning in a process of its own: what it holds of a long listing goes with it, and it can be stopped at any moment.

It speaks JSON lines like the inspecting process: the request on its standard input, how far it is and the answer on its standard output.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scananalysis.batch import listing
from scananalysis.batch.engine import Stopped
from scananalysis.batch.growth import Archive, Growth
from scananalysis.batch.plan import plan_head, plan_of, write_plan
from scananalysis.batch.store import StorageError, Store, storage_error
from scananalysis.core import ConfigurationError, FormatError, InputError, ScanAnalysisError, sha256_file

EVERY = 20_000
"""Scans between two words on how far the listing is."""

_REFUSALS = {kind.__name__: kind for kind in (InputError, ConfigurationError, FormatError)}


@dataclass(frozen=True)
class Planned:
    """What planning gave.

    Parameters
    ----------
    plans : list of dict
        The parts of the plan, as the head of the run names them.
    listing_sha256 : str
        Of the archive as it is listed now.
    growth : Growth
        What is different from the plan that was there.
    """

    plans: list[dict[str, Any]]
    listing_sha256: str
    growth: Growth


def planned(request: Mapping[str, Any], say: Callable[[str, float], None], stop: threading.Event) -> Planned:
    """Plan in another process and wait for it.

    Parameters
    ----------
    request : mapping
        ``archive``, ``patterns``, ``declarations``, ``output``, ``shard_scans``, ``resume``, ``head`` (of the run that is there, or None).
    say : callable
    stop : Event

    Returns
    -------
    Planned

    Raises
    ------
    ConfigurationError, FormatError, InputError, StorageError
        As `scananalysis.batch.plan.write_plan` raises them.
    Stopped
    """
    with tempfile.TemporaryFile() as errors:
        # A session of its own: Ctrl-C on the terminal is for the main process alone.
        process = subprocess.Popen(
            [sys.executable, "-m", "scananalysis.batch.planner"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True,
        )  # fmt: skip
        try:
            answer = _answer(process, request, say, stop)
        finally:
            process.kill()
            process.communicate()
        if answer is None:
            errors.seek(0)
            said = " ".join(errors.read().decode("utf-8", "replace").split())[-300:]
            raise ScanAnalysisError(
                f"planning ended with exit code {process.returncode} ({said or 'and said nothing'})."
            )
    if "storage" in answer:
        raise StorageError(answer["storage"])
    if "refused" in answer:
        raise _REFUSALS[answer.pop("refused")](answer.pop("found"), **answer)
    different = answer["growth"]
    return Planned(
        answer["plans"],
        answer["listing_sha256"],
        Growth(different["added"], tuple(different["changed"]), tuple(different["removed"])),
    )


def _answer(
    process: subprocess.Popen[bytes],
    request: Mapping[str, Any],
    say: Callable[[str, float], None],
    stop: threading.Event,
) -> dict[str, Any] | None:
    """Return the answer, or None where the process ended without one."""
    if process.stdin is None or process.stdout is None:
        return None
    # The pipe stays open: the process ends itself when it closes.
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
    received = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if stop.is_set():
                raise Stopped("stopped on request before any work began; run the same command again.")
            if not selector.select(0.25):
                continue
            piece = os.read(process.stdout.fileno(), 1 << 16)
            if not piece:
                return None
            *lines, received = (received + piece).split(b"\n")
            for line in lines:
                content: dict[str, Any] = json.loads(line)
                if "doing" not in content:
                    return content
                say(content["doing"], 0.0)


def main() -> None:
    """Answer one request."""
    import pyarrow as pa

    # Libraries that print must not be able to speak in the protocol's name.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pa.set_memory_pool(pa.system_memory_pool())

    def tell(content: Mapping[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    try:
        tell(asdict(_plan(request, tell)))
    except InputError as error:
        named = next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _REFUSALS)
        tell(
            {"refused": named, "found": error.found, "source": error.source, "expected": error.expected}
            | {"remedy": error.remedy}
        )
    except OSError as error:
        lost = storage_error(error, error.filename or request["output"])
        if lost is None:
            raise
        tell({"storage": str(lost)})


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


def _plan(request: Mapping[str, Any], tell: Callable[[Mapping[str, Any]], None]) -> Planned:
    store, head, shard_scans = Store(Path(request["output"])), request["head"], request["shard_scans"]
    papers = None if request["declarations"] is None else Path(request["declarations"])
    found = listing.find(request["archive"], tuple(request["patterns"]), papers)
    told = 0

    def progress(rows: int) -> None:
        nonlocal told
        if rows - told >= EVERY:
            told = rows
            tell({"doing": f"planning, {rows:,} scans"})

    with _removed(store.folder / ".plan-listing.parquet") as path:
        written = write_plan(found, path, shard_scans, request["archive"], progress)
        if head is None:
            first = store.folder / "plan-0000.parquet"
            path.replace(first)
            return Planned([plan_head(first.name, written)], written.sha256, Growth())
        if written.sha256 == head["listing_sha256"]:
            if len(head["plans"]) == 1 and written.sha256 == head["plans"][0]["sha256"]:
                path.replace(store.folder / head["plans"][0]["file"])
            _check(store, head)
            return Planned(head["plans"], written.sha256, Growth())
        _check(store, head)
        tell({"doing": "comparing with what was planned"})
        archive = Archive(store, plan_of(head, store.folder), path, found.root)
        growth = archive.growth(lambda number: tell({"doing": f"reading scans that may have changed, {number:,}"}))
        if growth and not request["resume"]:
            raise ConfigurationError(
                f"the archive has changed since this run was planned: {growth.words()}",
                source=request["archive"],
                expected="the same scans and papers",
                remedy="add --resume to take the changes in, or name another folder",
            )
        return Planned(archive.grow(head["plans"], shard_scans), written.sha256, growth)


@contextlib.contextmanager
def _removed(path: Path) -> Iterator[Path]:
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _check(store: Store, head: Mapping[str, Any]) -> None:
    for each in head["plans"]:
        path = store.folder / each["file"]
        if not path.is_file() or sha256_file(path) != each["sha256"]:
            raise FormatError(
                "is not what was planned",
                source=path,
                expected=f"sha256 {each['sha256']}",
                remedy="name another folder",
            )


if __name__ == "__main__":
    main()
