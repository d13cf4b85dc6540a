"""A run from its beginning to its end: plan, audit, cluster, shards, proof."""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scananalysis._version import __version__
from scananalysis.batch import listing
from scananalysis.batch.definition import RunDefinition
from scananalysis.batch.engine import Engine, Rate, Stopped, Watch, stop_on_signals
from scananalysis.batch.fingerprint import fingerprint
from scananalysis.batch.growth import Growth
from scananalysis.batch.ledger import COUNTS, Audit, Ledger
from scananalysis.batch.log import Log
from scananalysis.batch.plan import Plan, plan_of
from scananalysis.batch.planner import planned
from scananalysis.batch.schema import TABLES
from scananalysis.batch.shard import close_sandboxes
from scananalysis.batch.store import FORMAT, FORMAT_VERSION, Store, on_disk
from scananalysis.core import ConfigurationError
from scananalysis.io.atomic import complete


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    Parameters
    ----------
    folder : Path
    run : str
        Key of the run.
    scans, errors, quarantined, alarms : int
        Of the whole archive.
    fresh : int
        Scans of the shards that this call committed.
    skipped : int
        Scans of shards that were proved to be done already.
    repaired : dict of int to str
        Shards that were done again, with the reason.
    growth : Growth
        What is different in the archive since it was planned; new and changed scans were done now.
    """

    folder: Path
    run: str
    scans: int
    errors: int
    quarantined: int
    alarms: int
    fresh: int
    skipped: int
    repaired: dict[int, str]
    growth: Growth = field(default_factory=Growth)


Say = Callable[[str, float], None]

INSPECTOR = "scananalysis.batch.inspectone:Inspector"


def run(  # noqa: PLR0913 - the command line names each of them
    archive: str,
    output: str | os.PathLike[str],
    definition: RunDefinition | None = None,
    *,
    declarations: str | os.PathLike[str] | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    resume: bool = False,
    inspector: str = INSPECTOR,
    progress: Say | None = None,
) -> Outcome:
    """Re-analyse an archive.

    Parameters
    ----------
    archive : str
        A folder, a glob, or a manifest in CSV or Parquet.
    output : path-like
        Folder of the run; made if missing.
    definition : RunDefinition, optional
    declarations : path-like, optional
        Folder with one JSON declaration per scan.
    scheduler : str, optional
        Address of a Dask scheduler; a local cluster by default.
    workers : int, optional
        Processes of the local cluster; one per core by default. Their number changes no byte.
    resume : bool
        Go on with a run that was begun; every shard that is skipped is checked against its sha256 first.
    inspector : str
        ``module:class`` of what inspects a scan, with the interface of `scananalysis.batch.inspectone.Inspector`.
    progress : callable, optional
        Called with what is being done and the share that is done, 0 … 1.

    Returns
    -------
    Outcome

    Raises
    ------
    ConfigurationError
        The output is that of another run, or of one that was begun and ``resume`` is not set.
    StorageError, ClusterError, Stopped
        The run ended early; it can be resumed.
    """
    from scananalysis.batch.cluster import check_workers, cluster

    chosen = definition or RunDefinition()
    say = progress or _silent
    store = Store(Path(output).absolute())
    _refuse_inside(archive, store)
    _make(store)
    with store.locked(), on_disk(store.folder), _lean(), stop_on_signals() as stop:
        say("planning", 0.0)
        papers = None if declarations is None else Path(declarations)
        found = listing.find(archive, chosen.archive.patterns, papers)
        here = fingerprint(chosen.model)
        head = _head(found, chosen, here, inspector, papers=papers is not None or found.source is not None)
        head, growth = _planned(store, head, _request(archive, papers, chosen, store, resume=resume), say, stop)
        plan = plan_of(head, store.folder)
        ledger, log = Ledger(store, plan), Log(store.log)
        if growth:
            log.event("archive changed", added=growth.added, changed=growth.changed, removed=growth.removed)
        audit = ledger.audit(lambda done, total: say("checking what is done", done / total))
        watch = _watch(plan, audit)
        key = plan.parts[0].key
        if not audit.done.all():
            store.stop.unlink(missing_ok=True)
            log.event("begin", scans=plan.scans, shards=plan.shards, done=audit.scans, damaged=audit.damaged, key=key)
            order = _order(store, head, chosen, here)
            count = workers or os.cpu_count() or 1
            if stop.is_set():
                raise Stopped("stopped on request before any work began; run the same command again.")
            say("starting the cluster", 0.0)
            with cluster(scheduler, count) as client:
                threads = check_workers(client, here, chosen.model)
                engine = Engine(client, store, plan, ledger, log, order)
                todo = map(int, np.flatnonzero(~audit.done))
                engine.run(todo, threads or count, watch, lambda rate: _told(rate, say), stop)
                with contextlib.suppress(
                    OSError
                ):  # every shard is committed; a scheduler that is gone now does not matter
                    client.run(close_sandboxes, on_error="ignore")
            log.event("end", errors=watch.errors, quarantined=watch.quarantined, alarms=watch.alarms)
        _tidy(store, head)
    return Outcome(
        store.folder, key, watch.total, watch.errors, watch.quarantined, watch.alarms, watch.done - watch.before,
        watch.before, audit.damaged, growth,
    )  # fmt: skip


@contextlib.contextmanager
def _lean() -> Iterator[None]:
    """Take memory for Parquet from the system, which gets it back; the usual pool keeps what it once held."""
    import pyarrow as pa

    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


def _silent(_what: str, _share: float) -> None:
    """Report to nobody."""


def _told(rate: Rate, say: Say) -> None:
    say(rate.words(), rate.done / max(rate.total, 1))


def _refuse_inside(archive: str, store: Store) -> None:
    """Refuse a folder that the walk over the archive would enter: maps and reports of the run would be taken for scans."""
    root = Path(archive)
    if root.is_dir() and store.folder.resolve().is_relative_to(root.resolve()):
        raise ConfigurationError(
            "lies inside the archive", source=store.folder, expected="a folder outside of it", remedy="name another"
        )


def _make(store: Store) -> None:
    folder = store.folder
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError("is a file", source=folder, expected="a folder to write into")
    if folder.is_dir() and not store.run.exists() and any(_OWN.fullmatch(p.name) is None for p in folder.iterdir()):
        raise ConfigurationError(
            "holds other files",
            source=folder,
            expected="an empty folder, or that of an earlier run",
            remedy="name another",
        )
    folder.mkdir(parents=True, exist_ok=True)


_OWN = re.compile(r"\.lock|log\.jsonl|\.?plan-.*")
"""What a run may have left that was killed before it wrote its head."""


def _head(
    found: listing.Listing, definition: RunDefinition, here: dict[str, str], inspector: str, *, papers: bool
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "software": f"scananalysis {__version__}",
        "archive": str(found.root),
        "manifest": None if found.source is None else str(found.source),
        "declarations": papers,
        "inspector": inspector,
        "definition": definition.model_dump(mode="json"),
        "configuration_sha256": definition.sha256,
        "fingerprint": here,
    }


def _request(
    archive: str, papers: Path | None, definition: RunDefinition, store: Store, *, resume: bool
) -> dict[str, Any]:
    return {
        "archive": archive,
        "patterns": definition.archive.patterns,
        "declarations": None if papers is None else str(papers),
        "output": str(store.folder),
        "shard_scans": definition.shard_scans,
        "resume": resume,
    }


def _planned(
    store: Store, head: dict[str, Any], request: dict[str, Any], say: Say, stop: threading.Event
) -> tuple[dict[str, Any], Growth]:
    """Return the head of the run with its plan: a new one, or the one that is there with what the archive has gained."""
    before = store.read_run() if store.run.exists() else None
    if before is not None:
        _refuse_other(before, head, store)
        if not request["resume"] and not _complete(store, plan_of(before, store.folder)):
            raise ConfigurationError(
                "a run was begun here and is not complete",
                source=store.folder,
                expected="an empty folder, or --resume",
                remedy="add --resume to go on, or name another folder",
            )
    found = planned(request | {"head": before}, say, stop)
    now = head | {"plans": found.plans, "listing_sha256": found.listing_sha256}
    if before is None or found.listing_sha256 != before["listing_sha256"]:
        if found.growth.removed:
            with complete(store.absent) as part:
                part.write_text(json.dumps(found.growth.removed, indent=1) + "\n", encoding="utf-8")
        else:
            store.absent.unlink(missing_ok=True)
        # The head comes last: what it names is there.
        store.write_run((before or head) | {name: now[name] for name in ("plans", "listing_sha256", "manifest")})
    return now, found.growth


def _complete(store: Store, plan: Plan) -> bool:
    return all(store.part("scans", shard).exists() for shard in range(plan.shards))


def _refuse_other(before: dict[str, Any], head: dict[str, Any], store: Store) -> None:
    for name, words in (
        ("configuration_sha256", "another configuration"),
        ("fingerprint", "another version of the package or of the model"),
        ("archive", "another archive"),
        ("inspector", "another inspector"),
        ("declarations", "other declarations"),
    ):
        if before.get(name) != head[name]:
            raise ConfigurationError(
                f"holds a run with {words}",
                source=store.folder,
                expected="the run that was begun here",
                remedy="name another output folder, then compare the two with `scananalysis batch diff`",
            )


def _watch(plan: Plan, audit: Audit) -> Watch:
    done, errors, quarantined, alarms = map(audit.lines.total, COUNTS)
    return Watch(plan.scans, done, done, errors, quarantined, alarms)


def _order(store: Store, head: dict[str, Any], definition: RunDefinition, here: dict[str, str]) -> dict[str, Any]:
    return {
        "output": str(store.folder),
        "fingerprint": here,
        "keys": {"model_sha256": here["model"], "configuration_sha256": definition.sha256},
        "head": {
            "definition": head["definition"],
            "inspector": head["inspector"],
            "root": head["archive"],
            "output": str(store.folder),
            "papers": head["declarations"],
            "seconds": definition.scan.seconds,
            "memory_mb": definition.scan.memory_mb,
            "threads": definition.scan.threads,
        },
    }


def _tidy(store: Store, head: dict[str, Any]) -> None:
    """Take away what only a run that goes on needs."""
    import shutil

    shutil.rmtree(store.folder / "journal", ignore_errors=True)
    # A process that was killed while it wrote leaves what it wrote so far, under a temporary name.
    for left in store.folder.glob("reports/*/.*"):
        shutil.rmtree(left, ignore_errors=True)
    for table in TABLES:
        for left in store.folder.glob(f"{table}/*/.*.part"):
            left.unlink(missing_ok=True)
    for left in {*store.folder.glob("plan-*.parquet"), *store.folder.glob(".plan-*")}:
        if left.name not in {each["file"] for each in head["plans"]}:
            left.unlink(missing_ok=True)
    store.stop.unlink(missing_ok=True)
