"""What a scan can do to its process costs that scan only."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scananalysis.batch.definition import RunDefinition
from scananalysis.batch.sandbox import Sandbox, SandboxError, Sandboxes
from scananalysis.batch.store import StorageError

INSPECTOR = """
import os, sys, time
from scananalysis.batch.store import StorageError


class Inspector:
    def __init__(self, root, output, definition, *, papers):
        if root.name == "refuses":
            raise ValueError("no such thing")

    def warm_up(self):
        pass

    def row(self, plan):
        kind = plan["path"]
        if kind == "sleep":
            time.sleep(60)
        elif kind == "heap":
            return {"path": kind, "size": len(bytearray(1 << 40))}
        elif kind == "segv":
            os.kill(os.getpid(), 11)
            time.sleep(60)
        elif kind == "exit":
            os._exit(7)
        elif kind == "print":
            print("hello")
            sys.stderr.write("x" * 200_000)
        elif kind == "disk":
            raise StorageError("/disk: the disk is full.")
        elif kind == "once" and not os.path.exists(plan["flag"]):
            open(plan["flag"], "w").close()
            os.abort()
        return {"path": kind, "status": "done", "pid": os.getpid(), "text": "ü" * 100_000}
"""


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    (tmp_path / "odd_inspector.py").write_text(INSPECTOR, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    return {
        "definition": RunDefinition().model_dump(mode="json"),
        "inspector": "odd_inspector:Inspector",
        "root": str(tmp_path),
        "output": str(tmp_path),
        "papers": False,
        "seconds": 1.0,
        "memory_mb": 512,
        "threads": 1,
    }


@pytest.fixture
def sandbox(head: dict[str, Any]) -> Iterator[Sandbox]:
    made = Sandbox(head)
    yield made
    made.close()


def test_one_process_serves_scan_after_scan(sandbox: Sandbox) -> None:
    first, second = sandbox.row({"path": "a"}), sandbox.row({"path": "b"})
    assert first["pid"] == second["pid"] != os.getpid()
    assert second["text"] == "ü" * 100_000


def test_what_libraries_print_is_no_answer(sandbox: Sandbox) -> None:
    assert sandbox.row({"path": "print"})["status"] == "done"


@pytest.mark.parametrize(
    ("path", "kind", "says"),
    [
        ("sleep", "timeout", "time limit of 1 s, twice"),
        ("heap", "memory", "memory limit of 512 MiB, twice"),
        ("segv", "crash", "signal SIGSEGV, twice"),
        ("exit", "crash", "exit code 7, twice"),
    ],
)
def test_a_scan_that_is_given_up_twice_is_quarantined_and_the_next_is_done(
    sandbox: Sandbox, path: str, kind: str, says: str
) -> None:
    row = sandbox.row({"path": path})
    assert (row["status"], row["error_kind"]) == ("quarantined", kind)
    assert says in row["reason"]
    assert sandbox.row({"path": "next"})["status"] == "done"


def test_a_crash_that_does_not_come_again_costs_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    assert sandbox.row({"path": "once", "flag": str(tmp_path / "flag")})["status"] == "done"


def test_a_kill_from_outside_is_not_the_scans_fault(head: dict[str, Any]) -> None:
    sandbox = Sandbox(head | {"seconds": 1.5})
    pids = []

    def kill() -> None:
        # Longer than the time limit in all, so that deaths that counted would quarantine it as killed, not as too slow.
        for _ in range(3):
            while sandbox._process is None or sandbox._process.pid in pids:
                time.sleep(0.01)
            pids.append(sandbox._process.pid)
            time.sleep(0.2)
            os.kill(pids[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    row = sandbox.row({"path": "sleep"})
    killer.join()
    sandbox.close()
    assert row["error_kind"] == "timeout"


def test_a_full_disk_is_nobodys_row(sandbox: Sandbox) -> None:
    with pytest.raises(StorageError, match="the disk is full"):
        sandbox.row({"path": "disk"})


def test_a_process_that_cannot_start_says_why(head: dict[str, Any]) -> None:
    with pytest.raises(SandboxError, match="no such thing"):
        Sandbox(head | {"root": "/refuses"}).row({"path": "a"})
    with pytest.raises(SandboxError, match="no_such_module"):
        Sandbox(head | {"inspector": "no_such_module:Inspector"}).row({"path": "a"})


def test_a_process_ends_with_its_parent(sandbox: Sandbox) -> None:
    sandbox.row({"path": "a"})
    process = sandbox._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=20) == 0


def test_sandboxes_are_kept_for_the_same_run_only(head: dict[str, Any]) -> None:
    kept = Sandboxes()
    one, two = kept.take(head), kept.take(head)
    assert one is not two
    kept.give(one)
    assert kept.take(head) is one
    kept.give(one)
    assert kept.take(head | {"seconds": 2.0}) is not one
    assert kept.take(head) is not one
    kept.close()
