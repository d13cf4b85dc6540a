"""The ledger: one line per committed shard, with the sha256 of what was written; a resumed run proves what it skips."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from scananalysis.core import sha256_file

if TYPE_CHECKING:
    from scananalysis.batch.plan import Plan
    from scananalysis.batch.store import Store

RUN_KEY = b"scananalysis.run"
SHARD_KEY = b"scananalysis.shard"
REGIONS_KEY = b"scananalysis.regions_sha256"
"""Names in the footer of a shard's table of scans: which run and shard it is, and the sha256 of its table of regions."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A committed shard."""

    run: str
    shard: int
    scans: int
    errors: int
    quarantined: int
    alarms: int
    scans_sha256: str
    regions_sha256: str


@dataclass
class Audit:
    """What a look at the ledger and the files showed.

    Parameters
    ----------
    done : set of int
        Shards whose files are the ones that were committed.
    damaged : dict of int to str
        Shards that have to be done again, with the reason.
    entries : dict of int to Entry
    """

    done: set[int] = field(default_factory=set)
    damaged: dict[int, str] = field(default_factory=dict)
    entries: dict[int, Entry] = field(default_factory=dict)

    @property
    def scans(self) -> int:
        """Number of scans that are done."""
        return sum(entry.scans for entry in self.entries.values())


class Ledger:
    """The ledger file of a run; only the main process writes it.

    Parameters
    ----------
    store : Store
    run : str
        Key of the run: its plan, configuration and fingerprint.
    """

    def __init__(self, store: Store, run: str) -> None:
        self._store = store
        self._run = run

    def append(self, entry: Entry) -> None:
        """Add a line; it is on the disk when this returns."""
        line = json.dumps(asdict(entry), separators=(",", ":"))
        with self._store.ledger.open("ab+") as stream:
            # A line that was cut off by a kill must not swallow this one.
            if stream.tell() and not self._ends_with_newline(stream):
                stream.write(b"\n")
            stream.write(line.encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())

    @staticmethod
    def _ends_with_newline(stream: Any) -> bool:
        stream.seek(-1, os.SEEK_END)
        return bool(stream.read(1) == b"\n")

    def read(self) -> dict[int, Entry]:
        """Return the last entry of every shard of this run; torn lines count for nothing."""
        found: dict[int, Entry] = {}
        if not self._store.ledger.exists():
            return found
        with self._store.ledger.open("rb") as stream:
            for line in stream:
                try:
                    entry = Entry(**json.loads(line))
                except (ValueError, TypeError):
                    continue
                if entry.run == self._run:
                    found[entry.shard] = entry
        return found

    def audit(self, plan: Plan, progress: Callable[[int, int], None] | None = None) -> Audit:
        """Check every committed file against its sha256; take in shards that were committed without a line.

        A worker renames a shard's files, then the main process adds the line; a kill between the two leaves a complete shard
        that the footer identifies.
        """
        audit = Audit()
        lines = self.read()
        for shard in range(plan.shards):
            if progress is not None and shard % 256 == 0:
                progress(shard, plan.shards)
            if not self._store.part("scans", shard).exists():
                if shard in lines:
                    audit.damaged[shard] = "its files are gone"
                continue
            entry = lines.get(shard)
            if entry is None:
                entry = adopt(self._store, self._run, shard)
                if entry is None:
                    audit.damaged[shard] = "its files are of another run or damaged"
                    continue
                self.append(entry)
            fault = self._fault(entry, plan)
            if fault:
                audit.damaged[shard] = fault
            else:
                audit.done.add(shard)
                audit.entries[shard] = entry
        return audit

    def _fault(self, entry: Entry, plan: Plan) -> str:
        if entry.scans != plan.rows_of(entry.shard):
            return f"it holds {entry.scans} scans where the plan has {plan.rows_of(entry.shard)}"
        for table, expected in (("scans", entry.scans_sha256), ("regions", entry.regions_sha256)):
            path = self._store.part(table, entry.shard)
            if not path.exists():
                return f"{path.name} of {table} is gone"
            if sha256_file(path) != expected:
                return f"{path.name} of {table} was changed after it was written"
        return ""


def adopt(store: Store, run: str, shard: int) -> Entry | None:
    """Return the entry of a shard from its files alone, or None where they are not a complete shard of this run."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import parquet

    scans, regions = store.part("scans", shard), store.part("regions", shard)
    try:
        with parquet.ParquetFile(scans) as file:
            footer = file.schema_arrow.metadata or {}
            table = file.read(["status", "verdict"])
    except (pa.ArrowInvalid, OSError):
        return None
    if footer.get(RUN_KEY) != run.encode() or footer.get(SHARD_KEY) != str(shard).encode() or not regions.exists():
        return None
    digest = sha256_file(regions)
    if footer.get(REGIONS_KEY) != digest.encode():
        return None
    status, verdict = table.column("status"), table.column("verdict")
    return Entry(
        run=run,
        shard=shard,
        scans=len(table),
        errors=int(pc.sum(pc.equal(status, "error")).as_py() or 0),
        quarantined=int(pc.sum(pc.equal(status, "quarantined")).as_py() or 0),
        alarms=int(pc.sum(pc.equal(verdict, "inspect")).as_py() or 0),
        scans_sha256=sha256_file(scans),
        regions_sha256=digest,
    )
