"""Reads the results of a run; whatever looks at them later starts here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scananalysis.batch.ledger import COUNTS, Ledger
from scananalysis.batch.plan import Plan, plan_of
from scananalysis.batch.schema import SCANS, TABLES, arrow
from scananalysis.batch.store import Store
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
        return plan_of(self.head, self.store.folder)

    @property
    def key(self) -> str:
        """Key of the run, for what the archive held when it began."""
        return self.plan.parts[0].key

    @property
    def ledger(self) -> Ledger:
        """The ledger."""
        return Ledger(self.store, self.plan)

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
        wanted = list(columns or (column.name for column in TABLES[table] if column.name != "thumbnail"))
        return self._read(table, wanted)

    def rows(self, paths: Sequence[str]) -> list[dict[str, Any]]:
        """Return whole rows of some scans, without thumbnails, in the order of the plan."""
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = [column.name for column in SCANS if column.name != "thumbnail"]
        held = pc.is_in(pc.field("path"), value_set=pa.array(paths, pa.string()))
        return list(self._read("scans", wanted, held).to_pylist())

    def thumbnails(self, paths: Sequence[str]) -> dict[str, bytes]:
        """Return the thumbnails of some scans, by path."""
        import pyarrow.compute as pc

        held = pc.field("path").isin(list(paths)) & pc.field("thumbnail").is_valid()
        found = self._read("scans", ["path", "thumbnail"], held)
        return dict(zip(found["path"].to_pylist(), found["thumbnail"].to_pylist(), strict=True))

    def _read(self, table: str, columns: list[str], held: Any = None) -> pa.Table:
        import pyarrow as pa
        from pyarrow import dataset

        files = sorted(map(str, (self.store.folder / table).glob("*/part-*.parquet")))
        if not files:
            raise ConfigurationError(
                "holds no results yet", source=self.store.folder, remedy="wait for the first shard, or start the run"
            )
        try:
            found = dataset.dataset(files, schema=arrow(TABLES[table]), format="parquet")
            return found.to_table(columns=columns, filter=held)
        except (pa.ArrowInvalid, OSError) as error:
            raise FormatError(
                f"cannot be read ({str(error).splitlines()[0][:200]})",
                source=self.store.folder / table,
                expected="the Parquet files of a run",
                remedy="run the same command with --resume: damaged shards are done again",
            ) from None


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
    absent : list of str
        Scans that have left the archive since they were planned; their rows stay.
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
    absent: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every scan of the plan has its row."""
        return self.done == self.scans


def status(results: Results, *, verify: bool = False) -> Status:
    """Return how far a run is, from the ledger; with ``verify`` every file is checked against its sha256."""
    plan, damaged = results.plan, {}
    if verify:
        audit = results.ledger.audit()
        lines, damaged = audit.lines, audit.damaged
    else:
        lines = results.ledger.read()
    done, errors, quarantined, alarms = map(lines.total, COUNTS)
    under_way = sum(1 for _ in _journalled(results.store))
    failures: list[dict[str, Any]] = []
    if errors + quarantined:
        import pyarrow.compute as pc

        table = results.table(columns=("path", "status", "error_kind", "reason"))
        failures = table.filter(pc.not_equal(table["status"], "done")).to_pylist()
    return Status(
        scans=plan.scans,
        done=done,
        errors=errors,
        quarantined=quarantined,
        alarms=alarms,
        shards=plan.shards,
        committed=int(lines.known.sum()),
        under_way=under_way,
        damaged=damaged,
        failures=failures,
        absent=_absent(results.store),
    )


def _absent(store: Store) -> list[str]:
    try:
        return list(json.loads(store.absent.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return []


def _journalled(store: Store) -> Iterator[bytes]:
    for path in store.folder.glob("journal/*/*.jsonl"):
        try:
            with path.open("rb") as stream:
                yield from stream
        except FileNotFoundError:  # its shard was committed in this moment
            continue
