"""Reads the results of a run; whatever looks at them later starts here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scananalysis.batch.ledger import Ledger
from scananalysis.batch.plan import Plan
from scananalysis.batch.schema import SCANS, TABLES, Column, arrow
from scananalysis.batch.store import Store, run_key
from scananalysis.core import ConfigurationError, FormatError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Results:
    """The results of a run, complete or not.

    Parameters
    ----------
    store : Store
    head : dict
        ``run.json``.
    """

    store: Store
    head: dict[str, Any]

    @classmethod
    def open(cls, folder: str | PathLike[str]) -> Results:
        """Open the folder of a run.

        Raises
        ------
        ConfigurationError
            It is none.
        """
        store = Store(Path(folder).absolute())
        return cls(store, store.read_run())

    @property
    def plan(self) -> Plan:
        """The plan."""
        head = self.head
        return Plan(self.store.plan, head["scans"], head["definition"]["shard_scans"], head["plan_sha256"])

    @property
    def key(self) -> str:
        """Key of the run."""
        return run_key(self.head, self.head["plan_sha256"])

    @property
    def ledger(self) -> Ledger:
        """The ledger."""
        return Ledger(self.store, self.key)

    def table(self, table: str = "scans", columns: Sequence[str] | None = None) -> pa.Table:
        """Read a table of the results, in the order of the plan.

        Parameters
        ----------
        table : {"scans", "regions"}
        columns : sequence of str, optional
            All but the thumbnails by default.

        Raises
        ------
        ConfigurationError
            Nothing is committed yet.
        FormatError
            A file is damaged.
        """
        import pyarrow as pa

        files = sorted(map(str, (self.store.folder / table).glob("*/part-*.parquet")))
        if not files:
            raise ConfigurationError(
                "holds no results yet", source=self.store.folder, remedy="wait for the first shard, or start the run"
            )
        wanted = list(columns or (column.name for column in TABLES[table] if column.name != "thumbnail"))
        try:
            return self._dataset(files, TABLES[table]).to_table(columns=wanted)
        except (pa.ArrowInvalid, OSError) as error:
            raise FormatError(
                f"cannot be read ({str(error).splitlines()[0][:200]})",
                source=self.store.folder / table,
                expected="the Parquet files of a run",
                remedy="run the same command with --resume: damaged shards are done again",
            ) from None

    def rows(self, paths: Sequence[str]) -> list[dict[str, Any]]:
        """Return whole rows of some scans, without thumbnails, in the order of the plan."""
        import pyarrow as pa
        import pyarrow.compute as pc

        files = sorted(map(str, (self.store.folder / "scans").glob("*/part-*.parquet")))
        wanted = pa.array(paths, pa.string())
        found = self._dataset(files, SCANS).to_table(
            columns=[column.name for column in SCANS if column.name != "thumbnail"],
            filter=pc.is_in(pc.field("path"), value_set=wanted),
        )
        return list(found.to_pylist())

    @staticmethod
    def _dataset(files: list[str], columns: tuple[Column, ...]) -> Any:
        from pyarrow import dataset

        return dataset.dataset(files, schema=arrow(columns), format="parquet")

    def thumbnails(self, paths: Sequence[str]) -> dict[str, bytes]:
        """Return the thumbnails of some scans, by path."""
        import pyarrow.compute as pc

        files = sorted(map(str, (self.store.folder / "scans").glob("*/part-*.parquet")))
        found = self._dataset(files, SCANS).to_table(
            columns=["path", "thumbnail"], filter=pc.field("path").isin(list(paths)) & pc.field("thumbnail").is_valid()
        )
        return dict(zip(found["path"].to_pylist(), found["thumbnail"].to_pylist(), strict=True))


@dataclass(frozen=True)
class Status:
    """How far a run is.

    Parameters
    ----------
    scans, done, errors, quarantined, alarms : int
    shards, committed : int
    damaged : dict of int to str
        Shards whose files are not what was committed; only where that was asked for.
    under_way : int
        Scans that are done and not committed yet.
    failures : list of dict
        ``path``, ``status``, ``error_kind``, ``reason`` of scans that failed.
    """

    scans: int
    done: int
    errors: int
    quarantined: int
    alarms: int
    shards: int
    committed: int
    under_way: int
    damaged: dict[int, str] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every scan of the plan has its row."""
        return self.done == self.scans


def status(results: Results, *, verify: bool = False) -> Status:
    """Return how far a run is, from the ledger; with ``verify`` every file is checked against its sha256."""
    plan = results.plan
    damaged: dict[int, str] = {}
    if verify:
        audit = results.ledger.audit(plan)
        entries, damaged = audit.entries, audit.damaged
    else:
        entries = results.ledger.read()
    under_way = sum(1 for _ in _journalled(results.store))
    failures: list[dict[str, Any]] = []
    if any(entry.errors + entry.quarantined for entry in entries.values()):
        import pyarrow.compute as pc

        table = results.table(columns=("path", "status", "error_kind", "reason"))
        failures = table.filter(pc.not_equal(table["status"], "done")).to_pylist()
    return Status(
        scans=plan.scans,
        done=sum(entry.scans for entry in entries.values()),
        errors=sum(entry.errors for entry in entries.values()),
        quarantined=sum(entry.quarantined for entry in entries.values()),
        alarms=sum(entry.alarms for entry in entries.values()),
        shards=plan.shards,
        committed=len(entries),
        under_way=under_way,
        damaged=damaged,
        failures=failures,
    )


def _journalled(store: Store) -> Iterator[bytes]:
    for path in store.folder.glob("journal/*/*.jsonl"):
        try:
            with path.open("rb") as stream:
                yield from stream
        except FileNotFoundError:  # its shard was committed in this moment
            continue
