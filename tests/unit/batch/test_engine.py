"""The engine when its scheduler goes away."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from distributed.comm import CommClosedError

from scananalysis.batch.cluster import ClusterError
from scananalysis.batch.engine import Engine, Watch
from scananalysis.batch.log import Log
from scananalysis.batch.store import Store


class LostResult:
    """A shard that has ended on a worker, and whose scheduler is gone when its result is asked for."""

    status = "finished"

    def add_done_callback(self, call: Any) -> None:
        call(self)

    def result(self) -> None:
        raise CommClosedError("in <TCP (closed)>: Stream is closed")

    def release(self) -> None:
        pass


def test_a_scheduler_that_goes_before_a_result_arrives_is_named(tmp_path: Path) -> None:
    client: Any = SimpleNamespace(submit=lambda *_, **__: LostResult(), status="running")
    plan: Any = SimpleNamespace(
        read=lambda shards: ((s, [{"path": "a.h5"}]) for s in shards), key_of=lambda _: "k" * 32
    )
    store, ledger = Store(tmp_path), None
    engine = Engine(client, store, plan, ledger, Log(store.log), {})  # type: ignore[arg-type]  # no line reaches the ledger
    with pytest.raises(ClusterError, match="connection to the Dask scheduler is lost"):
        engine.run(iter([0]), 1, Watch(1), lambda _: None, threading.Event())
