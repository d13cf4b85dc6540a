"""Runs a plan: sends shards to Dask a few at a time, keeps the ledger, stops in good order."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scananalysis.batch.cluster import ClusterError
from scananalysis.batch.ledger import Entry, Ledger
from scananalysis.batch.shard import run_shard
from scananalysis.batch.store import StorageError, on_disk
from scananalysis.core import ScanAnalysisError

if TYPE_CHECKING:
    from distributed import Client, Future

    from scananalysis.batch.log import Log
    from scananalysis.batch.plan import Plan
    from scananalysis.batch.store import Store

AHEAD = 2
"""Shards per thread that are with Dask at a time: one at work, one waiting. More would only fill memory."""

WORKER_DEATHS = 25
"""A shard that has lost this many workers (each counted by an existing scheduler's own limit) ends the run."""

RECENT = 256
"""Shards that the rate is taken from; also the first ones of some hundred workers do not all end at one moment."""

STOP_SECONDS = 30.0
"""How long a stop waits for the scans at hand; they are in the journal then."""

LOST_SECONDS = 60.0
"""How long a scheduler may be silent."""

_LOST = "the connection to the Dask scheduler is lost; start it again and run the same command with --resume."


@dataclass(frozen=True, slots=True)
class Rate:
    """How far a run is, as told to whoever watches."""

    done: int
    total: int
    errors: int
    quarantined: int
    alarms: int
    per_second: float
    seconds_left: float | None

    def words(self) -> str:
        """Return it as one line.

        Examples
        --------
        >>> Rate(120, 1000, 1, 0, 7, 2.5, 352.0).words()
        '120 of 1,000 scans, 2.5/s, 5 min 52 s left; 7 alarms, 1 failed'
        """
        rate = f"{self.per_second:.1f}/s" if self.per_second >= 0.1 else f"{60 * self.per_second:.2g}/min"
        left = "" if self.seconds_left is None else f", {duration(self.seconds_left)} left"
        failed = self.errors + self.quarantined
        return f"{self.done:,} of {self.total:,} scans, {rate}{left}; {self.alarms:,} alarms, {failed:,} failed"


def duration(seconds: float) -> str:
    """Return a duration in words.

    Examples
    --------
    >>> duration(9.2), duration(3 * 3600 + 61), duration(200_000)
    ('9 s', '3 h 1 min', '2 d 7 h')
    """
    whole = round(seconds)
    for unit, size, below, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part} {below}"
    return f"{whole} s"


@dataclass
class Watch:
    """Counts what is done and how fast."""

    total: int
    before: int = 0
    done: int = 0
    errors: int = 0
    quarantined: int = 0
    alarms: int = 0
    _recent: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=RECENT), init=False)

    def begin(self) -> None:
        """Start the clock: what came before was planning and starting, and says nothing of the rate."""
        self._recent.append((time.monotonic(), self.done))

    def add(self, entry: Entry) -> None:
        """Count a shard."""
        self.done += entry.scans
        self._recent.append((time.monotonic(), self.done))
        self.errors += entry.errors
        self.quarantined += entry.quarantined
        self.alarms += entry.alarms

    def rate(self) -> Rate:
        """Return how far the run is; the rate is that of the last shards: scans of another size or a worker that came show in it."""
        since, before = self._recent[0] if self._recent else (time.monotonic(), self.done)
        fresh = self.done - before
        per_second = fresh / max(time.monotonic() - since, 1e-9)
        left = (self.total - self.done) / per_second if fresh else None
        return Rate(self.done, self.total, self.errors, self.quarantined, self.alarms, per_second, left)


class Stopped(ScanAnalysisError):  # noqa: N818 - it is no error: somebody asked for it
    """The run was stopped on request; it can be resumed."""

    exit_code = 130


@contextlib.contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C or SIGTERM sets; a second one ends the process the usual way."""
    wanted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield wanted
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(_number: int, _frame: Any) -> None:
        wanted.set()
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, stop)
    try:
        yield wanted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Engine:
    """Runs the shards of a plan that are not done.

    Parameters
    ----------
    client : Client
    store : Store
    plan : Plan
    ledger : Ledger
    log : Log
    order : dict
        What every shard needs; see `run_shard`.
    """

    def __init__(
        self, client: Client, store: Store, plan: Plan, ledger: Ledger, log: Log, order: dict[str, Any]
    ) -> None:
        self.client, self.store, self.plan, self.ledger, self.log, self.order = client, store, plan, ledger, log, order
        self._finished: queue.Queue[tuple[int, Future]] = queue.Queue()
        self._running: dict[int, tuple[Future, list[dict[str, Any]]]] = {}
        self._deaths: dict[int, int] = {}

    def run(
        self, shards: Iterator[int], threads: int, watch: Watch, say: Callable[[Rate], None], stop: threading.Event
    ) -> None:
        """Run shards until there are no more.

        Raises
        ------
        Stopped
            Somebody asked for it.
        StorageError, ClusterError, ScanAnalysisError
            The run cannot go on; what is committed stays.
        """
        from distributed.comm import CommClosedError

        ahead = max(1, threads) * AHEAD
        watch.begin()
        orders = self.plan.read(shards)
        seen = time.monotonic()
        try:
            while True:
                while len(self._running) < ahead and (following := next(orders, None)) is not None:
                    self._submit(*following)
                if not self._running:
                    return
                if stop.is_set():
                    self._stop(watch)
                try:
                    shard, future = self._finished.get(timeout=0.25)
                except queue.Empty:
                    seen = self._check_scheduler(seen)
                    say(watch.rate())
                    continue
                seen = time.monotonic()
                self._take(shard, future, watch)
                say(watch.rate())
        except CommClosedError as error:
            # The scheduler went between a shard's end and the moment its result was asked for.
            raise ClusterError(_LOST) from error
        finally:
            for future, _ in self._running.values():
                future.release()

    def _submit(self, shard: int, plan: list[dict[str, Any]]) -> None:
        # A key of its own per attempt: Dask would answer a known key with the failure that it remembers.
        run = self.plan.key_of(shard)
        key = f"scananalysis-{run[:16]}-{shard:07d}-{self._deaths.get(shard, 0)}-{time.monotonic_ns()}"
        order = self.order | {"run": run}
        future = self.client.submit(run_shard, order, shard, plan, key=key, pure=False, retries=0)
        self._running[shard] = (future, plan)
        future.add_done_callback(lambda done: self._finished.put((shard, done)))

    def _take(self, shard: int, future: Future, watch: Watch) -> None:
        current = self._running.get(shard)
        if current is None or current[0] is not future:
            return
        _, plan = self._running.pop(shard)
        if future.status == "finished":
            result = future.result()
            future.release()
            if result is None:
                return
            entry = Entry(**result)
            watch.add(entry)
            rate = watch.rate()
            with on_disk(self.store.folder):
                self.ledger.append(entry)
                self.log.event(
                    "shard", shard=shard, scans=entry.scans, errors=entry.errors, quarantined=entry.quarantined,
                    alarms=entry.alarms, done=rate.done, total=rate.total, per_second=rate.per_second,
                    seconds_left=rate.seconds_left,
                )  # fmt: skip
            return
        error = future.exception() if future.status == "error" else None
        future.release()
        self._failed(shard, plan, error)

    def _failed(self, shard: int, plan: list[dict[str, Any]], error: BaseException | None) -> None:
        """Send a shard again whose worker died, or end the run."""
        from distributed.scheduler import KilledWorker

        if isinstance(error, KilledWorker):
            deaths = self._deaths[shard] = self._deaths.get(shard, 0) + 1
            self.log.event("workers lost", shard=shard, times=deaths)
            if deaths < WORKER_DEATHS:
                self._submit(shard, plan)
                return
            raise ClusterError(
                f"shard {shard} ({plan[0]['path']} … {plan[-1]['path']}) lost its worker again and again; look into the "
                "workers' logs, then run the same command with --resume."
            )
        if error is None:
            raise ClusterError("the Dask scheduler dropped the work; run the same command with --resume.")
        if isinstance(error, ScanAnalysisError):
            raise error
        raise ClusterError(
            f"shard {shard} cannot be worked on ({type(error).__name__}: {' '.join(str(error).split())[:300]})."
        ) from error

    def _check_scheduler(self, seen: float) -> float:
        """Raise if the scheduler is gone; futures of a lost scheduler never finish."""
        if self.client.status == "running":
            return seen
        if self.client.status in {"closed", "closing"} or time.monotonic() - seen > LOST_SECONDS:
            raise ClusterError(_LOST)
        return seen

    def _stop(self, watch: Watch) -> None:
        """Let workers finish the scans at hand, keep what is complete, and say so."""
        self.store.stop.touch()
        self.log.event("stopping")
        end = time.monotonic() + STOP_SECONDS
        while self._running and time.monotonic() < end:
            try:
                shard, future = self._finished.get(timeout=0.25)
            except queue.Empty:
                continue
            with contextlib.suppress(ClusterError, StorageError):
                self._take(shard, future, watch)
        raise Stopped(
            f"stopped on request; {watch.done:,} of {watch.total:,} scans are committed; run the same command with --resume."
        )
