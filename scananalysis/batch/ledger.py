"""The ledger: one line per committed shard, with the sha256 of what was written; a resumed run proves what it skips."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.core import sha256_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

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


COUNTS = ("scans", "errors", "quarantined", "alarms")
"""What is counted per shard."""


class Lines:
    """The last line of every shard, in 86 bytes each: a ledger of a million shards must not fill the main process.

    Parameters
    ----------
    shards : int

    Examples
    --------
    >>> lines = Lines(3)
    >>> lines.put(Entry("ab", 1, 64, 2, 0, 5, "00" * 32, "ff" * 32))
    >>> lines.known.tolist(), lines.total("scans"), lines.digests(1)[1][:4]
    ([False, True, False], 64, 'ffff')
    """

    def __init__(self, shards: int) -> None:
        self.known: NDArray[np.bool_] = np.zeros(shards, bool)
        self._counts: NDArray[np.int32] = np.zeros((shards, len(COUNTS)), np.int32)
        self._digests: NDArray[np.uint8] = np.zeros((shards, 2, 32), np.uint8)

    def put(self, entry: Entry) -> None:
        """Note a line; it takes the place of an earlier one of the same shard."""
        self.known[entry.shard] = True
        self._counts[entry.shard] = [getattr(entry, name) for name in COUNTS]
        for table, digest in enumerate((entry.scans_sha256, entry.regions_sha256)):
            self._digests[entry.shard, table] = np.frombuffer(bytes.fromhex(digest), np.uint8)

    def drop(self, shard: int) -> None:
        """Forget a shard."""
        self.known[shard] = False
        self._counts[shard] = 0

    def scans(self, shard: int) -> int:
        """Return the number of scans of a shard."""
        return int(self._counts[shard, 0])

    def digests(self, shard: int) -> tuple[str, str]:
        """Return the sha256 of a shard's table of scans and of its table of regions."""
        return self._digests[shard, 0].tobytes().hex(), self._digests[shard, 1].tobytes().hex()

    def total(self, name: str) -> int:
        """Return a count over all shards."""
        return int(self._counts[:, COUNTS.index(name)].sum(dtype=np.int64))


@dataclass
class Audit:
    """What a look at the ledger and the files showed.

    Parameters
    ----------
    lines : Lines
        Of the shards whose files are the ones that were committed.
    damaged : dict of int to str
        Shards that have to be done again, with the reason.
    """

    lines: Lines
    damaged: dict[int, str] = field(default_factory=dict)

    @property
    def done(self) -> NDArray[np.bool_]:
        """Whether each shard is done."""
        return self.lines.known

    @property
    def scans(self) -> int:
        """Number of scans that are done."""
        return self.lines.total("scans")


class Ledger:
    """The ledger file of a run; only the main process writes it.

    Parameters
    ----------
    store : Store
    plan : Plan
    """

    def __init__(self, store: Store, plan: Plan) -> None:
        self._store = store
        self._plan = plan

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

    def read(self) -> Lines:
        """Return the last line of every shard of this run; torn lines count for nothing."""
        found = Lines(self._plan.shards)
        if not self._store.ledger.exists():
            return found
        with self._store.ledger.open("rb") as stream:
            for line in stream:
                try:
                    entry = Entry(**json.loads(line))
                    if 0 <= entry.shard < self._plan.shards and entry.run == self._plan.key_of(entry.shard):
                        found.put(entry)
                except (ValueError, TypeError):
                    continue
        return found

    def audit(self, progress: Callable[[int, int], None] | None = None) -> Audit:
        """Check every committed file against its sha256; take in shards that were committed without a line.

        A worker renames a shard's files, then the main process adds the line; a kill between the two leaves a complete shard
        that the footer identifies.
        """
        audit = Audit(self.read())
        for shard in range(self._plan.shards):
            if progress is not None and shard % 256 == 0:
                progress(shard, self._plan.shards)
            fault = self._fault(audit.lines, shard)
            if fault is not None:
                audit.lines.drop(shard)
                if fault:
                    audit.damaged[shard] = fault
        return audit

    def _fault(self, lines: Lines, shard: int) -> str | None:
        """Return why a shard is not done: None where it is, nothing where it never was."""
        if not self._store.part("scans", shard).exists():
            # A shard that was taken back because the archive has changed is not damaged.
            lost = lines.known[shard] and not self._store.kept(shard).exists()
            return "its files are gone" if lost else ""
        if not lines.known[shard]:
            entry = adopt(self._store, self._plan.key_of(shard), shard)
            if entry is None:
                return "its files are of another run or damaged"
            self.append(entry)
            lines.put(entry)
        if lines.scans(shard) != self._plan.rows_of(shard):
            return f"it holds {lines.scans(shard)} scans where the plan has {self._plan.rows_of(shard)}"
        for table, expected in zip(("scans", "regions"), lines.digests(shard), strict=True):
            path = self._store.part(table, shard)
            if not path.exists():
                return f"{path.name} of {table} is gone"
            if sha256_file(path) != expected:
                return f"{path.name} of {table} was changed after it was written"
        return None


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
