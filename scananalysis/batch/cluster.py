"""The Dask cluster of a run: a local one that starts and stops with it, or one that is there already."""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from scananalysis.batch.fingerprint import Fingerprint, differences, fingerprint
from scananalysis.core import ConfigurationError, ScanAnalysisError

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 20


class ClusterError(ScanAnalysisError):
    """The cluster is not there, or no longer. What is committed stays, and the run can be resumed."""

    exit_code = 3


def dask_setup(worker: Any) -> None:
    """Keep Ctrl-C on the terminal for the main process; Dask calls this in every local worker."""
    del worker
    with contextlib.suppress(ValueError):  # not the main thread: then no signal arrives here either
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextlib.contextmanager
def cluster(address: str | None, workers: int) -> Iterator[Client]:
    """Yield a client of an existing scheduler, or of a local cluster that lives as long as the block.

    Parameters
    ----------
    address : str or None
        Of a scheduler, e.g. ``"tcp://10.0.0.1:8786"``; None starts a local cluster.
    workers : int
        Worker processes of a local cluster.

    Raises
    ------
    ClusterError
        No scheduler answers at the address.
    ConfigurationError
        Dask is not installed.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ConfigurationError(
            f"Dask is not installed ({error.name} is missing)",
            expected="the extra 'batch'",
            remedy="pip install 'scananalysis[batch]'",
        ) from error
    # Dask tells of every worker that comes and goes; the run's own log says what matters.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if address is not None:
        try:
            client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ClusterError(
                f"{address}: no Dask scheduler answers; check the address and that it runs ({type(error).__name__})."
            ) from None
        with client:
            yield client
        return
    settings = {
        # The sandbox limits memory itself, and names the scan that asked for too much.
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
        "distributed.worker.memory.terminate": False,
        # A worker that dies is not its shard's fault: what can end a process runs in the sandbox.
        "distributed.scheduler.allowed-failures": 1000,
        # The scheduler's and the workers' web servers stay on the loopback address, and have nothing to show.
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
        # Nobody looks at Dask's profiles and monitors here, which take time all along and memory for the first hour.
        "distributed.worker.profile.enabled": False,
        "distributed.admin.tick.interval": "1s",
        "distributed.admin.system-monitor.interval": "10s",
        "distributed.admin.system-monitor.log-length": 6,
        "distributed.diagnostics.computations.max-history": 1,
        "distributed.admin.low-level-log-length": 10,
        "distributed.admin.log-length": 10,
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(settings))
        try:
            local = stack.enter_context(
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    worker_dashboard_address=None,
                    memory_limit=0,
                    silence_logs=logging.CRITICAL,
                    security=_security(),
                    preload=["scananalysis.batch.cluster"],
                )
            )
        except RuntimeError as error:
            raise ClusterError(
                f"the local cluster does not start ({' '.join(str(error).split())[:200]}); see what else this machine is "
                "doing, then run the same command with --resume; a script of your own must call `run` below "
                "`if __name__ == '__main__':`."
            ) from error
        yield stack.enter_context(Client(local, set_as_default=False))


def _security() -> Any:
    """Return certificates for the run, so that no other user of the machine can send code to its workers.

    They need the package cryptography (extra ``evidence``); without it the loopback address alone keeps others out.
    """
    try:
        import cryptography  # noqa: F401 - only whether it is there
    except ImportError:
        return None
    from distributed.security import Security

    return Security.temporary()


def check_workers(client: Client, expected: Fingerprint, model: str | None) -> int:
    """Refuse a cluster whose workers differ; return the number of threads it has.

    Raises
    ------
    ConfigurationError
        A worker has another version of the package or of the model, or lacks them; the sentence names it.
    """
    try:
        found = client.run(fingerprint, model, on_error="return")
    except OSError as error:
        raise ClusterError(
            f"the Dask scheduler does not answer ({type(error).__name__}); see that it runs, then run the same command again."
        ) from None
    except Exception as error:  # noqa: BLE001 - a worker without the package fails while it unpacks the question
        found = {"a worker": error}
    for worker, answer in sorted(found.items()):
        if isinstance(answer, BaseException):
            said = f"does not have the package or the model ({' '.join(str(answer).split())[:200]})"
        else:
            differs = differences(expected, answer)
            if not differs:
                continue
            said = f"has {', '.join(differs)}"
        raise ConfigurationError(
            f"worker {worker} {said}",
            source="cluster",
            expected="the same package and model as here",
            remedy="install the same version on every worker and start it again",
        )
    return sum(int(each["nthreads"]) for each in client.scheduler_info(n_workers=-1)["workers"].values())
