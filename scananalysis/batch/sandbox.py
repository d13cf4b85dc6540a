"""The sandbox's outside: starts the process, hands it scans, kills it at the time limit, and judges how it died."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scananalysis.batch.store import StorageError
from scananalysis.core import ScanAnalysisError

START_SECONDS = 180.0
"""A process that has not loaded the model by then never will."""

OUTSIDE_KILLS = 10
"""Deaths by SIGKILL or SIGTERM are not the scan's: memory and time are limited before the system would kill. They are
forgiven this many times."""

ATTEMPTS = 2
"""A scan that is given up is tried once more in a process of its own, then quarantined."""

Row = dict[str, Any]


class SandboxError(ScanAnalysisError):
    """The sandbox itself does not start."""


@dataclass(frozen=True, slots=True)
class Death:
    """How an attempt ended without an answer: timeout, memory or crash, and the sentence for the row."""

    kind: str
    reason: str


class Sandbox:
    """One process that inspects scans; it is started when it is first needed.

    Parameters
    ----------
    head : mapping
        ``definition``, ``root``, ``output``, ``papers``, ``seconds``, ``memory_mb``, ``threads``; plain JSON values.
    """

    def __init__(self, head: Mapping[str, Any]) -> None:
        self.head = dict(head)
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: Any = None
        self._buffer = b""

    def row(self, plan: Mapping[str, Any]) -> Row:
        """Return the row of one scan: results, an error, or quarantine.

        Raises
        ------
        StorageError
            A disk is full or gone.
        SandboxError
            The process cannot be started at all.
        """
        attempts = outside = 0
        while True:
            answer = self._ask(plan)
            if isinstance(answer, dict):
                return answer
            if answer.kind == "outside":
                outside += 1
                if outside <= OUTSIDE_KILLS:
                    continue
            attempts += 1
            if attempts >= ATTEMPTS:
                kind = "crash" if answer.kind == "outside" else answer.kind
                return {"path": plan["path"], "status": "quarantined", "error_kind": kind, "reason": answer.reason}

    def _ask(self, plan: Mapping[str, Any]) -> Row | Death:
        process = self._started()
        seconds = float(self.head["seconds"])
        try:
            self._send(process, plan)
            line = self._line(process, seconds)
        except TimeoutError:
            self.close()
            return Death("timeout", f"gave no result within the time limit of {seconds:g} s, twice.")
        except (BrokenPipeError, EOFError):
            return self._judged(process)
        answer = json.loads(line)
        if "storage" in answer:
            raise StorageError(answer["storage"])
        if "memory" in answer:
            self.close()
            return Death("memory", f"needs more than the memory limit of {self.head['memory_mb']} MiB, twice.")
        return dict(answer["row"])

    def _judged(self, process: subprocess.Popen[bytes]) -> Death:
        code = process.wait()
        self.close()
        if code in {-signal.SIGKILL, -signal.SIGTERM}:
            return Death("outside", "its process was killed from outside every time.")
        if code == -getattr(signal, "SIGALRM", 0):
            return Death(
                "timeout", f"gave no result within the time limit of {float(self.head['seconds']):g} s, twice."
            )
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return Death("crash", f"ended its process with {how}, twice.")

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        threads = str(self.head["threads"])
        environment = os.environ | dict.fromkeys(
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), threads
        )
        # Dask has its workers give every freed block back to the system at once; an inspection would pay with twice its time.
        environment.pop("MALLOC_TRIM_THRESHOLD_", None)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        # A session of its own: Ctrl-C on the terminal is for the main process, which ends the sandbox in good order.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scananalysis.batch.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            start_new_session=True,
        )
        self._buffer = b""
        try:
            self._send(self._process, self.head)
            answer = json.loads(self._line(self._process, START_SECONDS))
        except (BrokenPipeError, EOFError):
            code = self._process.wait()
            if code in {-signal.SIGKILL, -signal.SIGTERM}:
                return self._started()
            raise SandboxError(
                f"the inspecting process does not start ({self._said() or f'exit code {code}'})."
            ) from None
        except TimeoutError:
            self.close()
            raise SandboxError(f"the inspecting process did not start within {START_SECONDS:g} s.") from None
        if "failed" in answer:
            self.close()
            raise SandboxError(f"the inspecting process does not start ({answer['failed']}).")
        return self._process

    def _said(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").split("\n")
        return " ".join(lines[-3:]).strip()[-300:]

    @staticmethod
    def _send(process: subprocess.Popen[bytes], value: Any) -> None:
        if process.stdin is None:
            raise EOFError
        process.stdin.write(json.dumps(value).encode() + b"\n")
        process.stdin.flush()

    def _line(self, process: subprocess.Popen[bytes], seconds: float) -> bytes:
        if process.stdout is None:
            raise EOFError
        end = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                left = end - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise TimeoutError
                piece = os.read(process.stdout.fileno(), 1 << 16)
                if not piece:
                    raise EOFError
                self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def close(self) -> None:
        """End the process, whatever it is doing."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()
        if self._errors is not None:
            self._errors.close()
            self._errors = None


class Sandboxes:
    """The idle sandboxes of a worker process, one per thread that inspects."""

    def __init__(self) -> None:
        self._idle: list[Sandbox] = []
        self._lock = threading.Lock()

    def take(self, head: Mapping[str, Any]) -> Sandbox:
        """Return an idle sandbox of the same run, or a new one; those of other runs are ended."""
        with self._lock:
            others = [each for each in self._idle if each.head != head]
            same = [each for each in self._idle if each.head == head]
            self._idle = same[1:]
        for each in others:
            each.close()
        return same[0] if same else Sandbox(head)

    def give(self, sandbox: Sandbox) -> None:
        """Take a sandbox back."""
        with self._lock:
            self._idle.append(sandbox)

    def close(self) -> None:
        """End all idle sandboxes."""
        with self._lock:
            idle, self._idle = self._idle, []
        for each in idle:
            each.close()


sandboxes = Sandboxes()
"""Of this process."""
