"""An archive that is no longer what it was: new scans get shards of their own, changed ones are done again, the rest is kept.

What changed is told from the plan's columns. Where they do not tell (another time of change after an archive was copied, papers in another
folder), the sha256 of the file is compared with that of the row: a scan that is proved to be the same is kept.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.batch.plan import Plan, Written, plan_head, write_rows
from scananalysis.batch.schema import PLAN
from scananalysis.core import sha256_file
from scananalysis.io.atomic import complete

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from scananalysis.batch.store import Store

_UNPROVED = frozenset({"mtime_ns", "declaration_mtime_ns"})
"""Columns whose change alone proves nothing."""

_UNKNOWN = frozenset({"size", "sha256", "declaration_size"})
"""Columns that prove nothing where one of the two listings does not know them."""


@dataclass(frozen=True)
class Growth:
    """What is different in an archive.

    Parameters
    ----------
    added : int
        Scans that are new.
    changed : tuple of str
        Scans whose file or papers are others than they were.
    removed : tuple of str
        Scans that have left the archive. Their rows stay.
    """

    added: int = 0
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def words(self) -> str:
        """Return it in words.

        Examples
        --------
        >>> Growth(3, ("a.h5",)).words()
        '3 new, 1 changed (a.h5)'
        """
        parts = [f"{self.added:,} new"] if self.added else []
        for paths, word in ((self.changed, "changed"), (self.removed, "gone")):
            if paths:
                more = ", …" if len(paths) > 3 else ""
                parts.append(f"{len(paths):,} {word} ({', '.join(paths[:3])}{more})")
        return ", ".join(parts) or "nothing"


class Archive:
    """The archive as it was planned and as it is listed now; all of both is in memory.

    Parameters
    ----------
    store : Store
    plan : Plan
        As it was.
    listing : Path
        Plan of the archive as it is.
    root : Path
        Folder that the scans' paths count from.
    """

    def __init__(self, store: Store, plan: Plan, listing: Path, root: Path) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc
        from pyarrow import parquet

        self.store, self.plan, self.root = store, plan, root
        self.old = [parquet.read_table(part.path) for part in plan.parts]
        self.now = parquet.read_table(listing)
        before = pa.concat_tables(self.old)
        # For each scan of the listing its place in the plan, null for those that are new.
        self.place = pc.index_in(self.now["path"], value_set=before["path"]).combine_chunks()
        self.is_new = pc.is_null(self.place).to_numpy(zero_copy_only=False).astype(bool)
        gone = pc.invert(pc.is_in(before["path"], value_set=self.now["path"]))
        self.removed = tuple(before["path"].filter(gone).to_pylist())
        self.common = self.now.filter(~self.is_new)
        self.rows = self.place.drop_null().to_numpy().astype(np.int64)
        self.certain, self.doubtful = _differing(before.take(self.rows), self.common)

    def growth(self, progress: Callable[[int], None]) -> Growth:
        """Return what is different; scans of which it cannot be told are read, and kept if they are the same."""
        changed, doubtful = self.certain.copy(), self.doubtful & ~self.certain
        changed[doubtful] = ~self._proved(np.flatnonzero(doubtful), progress)
        self.changed = np.flatnonzero(changed)
        return Growth(int(self.is_new.sum()), tuple(self.common["path"].take(self.changed).to_pylist()), self.removed)

    def _proved(self, doubtful: NDArray[np.int64], progress: Callable[[int], None]) -> NDArray[np.bool_]:
        """Return which scans are, byte for byte, those that their rows speak of, or have no row yet."""
        same = np.ones(len(doubtful), bool)
        if not len(doubtful):
            return same
        for shard, which in self._by_shard(self.rows[doubtful]).items():
            known = _known(self.store, shard)
            for index in which:
                if known is None:
                    continue
                now = self.common.slice(int(doubtful[index]), 1).to_pylist()[0]
                same[index] = _same(now, known.get(now["path"]), self.root)
                progress(int(index))
        return same

    def _by_shard(self, rows: NDArray[np.int64]) -> dict[int, list[int]]:
        """Return the indices of plan rows by their shard."""
        found: dict[int, list[int]] = {}
        for index, (part, row) in enumerate(self._in_parts(rows)):
            found.setdefault(self.plan.shard_of(part, row), []).append(index)
        return found

    def _in_parts(self, rows: NDArray[np.int64]) -> list[tuple[int, int]]:
        starts = np.cumsum([0, *(len(table) for table in self.old)])
        parts = np.searchsorted(starts, rows, side="right") - 1
        return list(zip(parts.tolist(), (rows - starts[parts]).tolist(), strict=True))

    def grow(self, plans: Sequence[Mapping[str, Any]], shard_scans: int) -> list[dict[str, Any]]:
        """Write what the new plan needs and return its parts; shards with changed scans are taken back.

        Nothing counts before the head of the run names it, and each step can be repeated: a kill at any moment costs nothing.
        """
        grown = [dict(each) for each in plans]
        rows = self.rows[self.changed]
        for shard, which in self._by_shard(rows).items():
            _take_back(self.store, shard, set(self.common["path"].take(self.changed[which]).to_pylist()))
        now = self.common.take(self.changed)
        places = self._in_parts(rows)
        for part in sorted({part for part, _ in places}):
            which = [index for index, place in enumerate(places) if place[0] == part]
            table = _replaced(self.old[part], [places[index][1] for index in which], now.take(which))
            file, written = self._write(table, part, shard_scans)
            grown[part] |= {"file": file, "sha256": written.sha256}
        if self.is_new.any():
            file, written = self._write(self.now.filter(self.is_new), len(grown), shard_scans)
            grown.append(plan_head(file, written))
        return grown

    def _write(self, table: pa.Table, part: int, shard_scans: int) -> tuple[str, Written]:
        path = self.store.folder / f".plan-{part:04d}.parquet"
        with complete(path) as unfinished:
            written = write_rows(iter(table.combine_chunks().to_batches()), unfinished, shard_scans)
        name = f"plan-{part:04d}-{written.sha256[:12]}.parquet"
        path.replace(self.store.folder / name)
        return name, written


def _differing(before: pa.Table, now: pa.Table) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows are certainly others than they were, and of which it cannot be told."""
    import pyarrow.compute as pc

    certain, doubtful = np.zeros(len(now), bool), np.zeros(len(now), bool)
    for name in (column.name for column in PLAN if column.name != "path"):
        one, other = before[name], now[name]
        known = pc.and_(pc.is_valid(one), pc.is_valid(other)).to_numpy().astype(bool)
        either = pc.or_(pc.is_valid(one), pc.is_valid(other)).to_numpy().astype(bool)
        unequal = ~pc.fill_null(pc.equal(one, other), fill_value=True).to_numpy().astype(bool)
        if name in _UNPROVED:
            doubtful |= unequal | (either & ~known)
        elif name in _UNKNOWN:
            certain |= unequal
            doubtful |= either & ~known
        elif name == "declaration":
            # The same papers may lie elsewhere now; papers that came or went are others.
            doubtful |= unequal
            certain |= either & ~known
        else:
            certain |= unequal | (either & ~known)
    return certain, doubtful


def _known(store: Store, shard: int) -> dict[str, dict[str, Any]] | None:
    """Return the sha256 of scans and papers of a shard's rows; None where it has none: it will be done anyway."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(store.part("scans", shard), columns=["path", "scan_sha256", "declaration_sha256"])
    except (OSError, pa.ArrowInvalid):
        return None
    return {row["path"]: row for row in table.to_pylist()}


def _same(now: Mapping[str, Any], row: Mapping[str, Any] | None, root: Path) -> bool:
    if row is None or row["scan_sha256"] is None:
        return False
    try:
        if (now["sha256"] or sha256_file(root / now["path"])) != row["scan_sha256"]:
            return False
        return now["declaration"] is None or sha256_file(now["declaration"]) == row["declaration_sha256"]
    except OSError:
        return False


def _replaced(table: pa.Table, rows: list[int], by: pa.Table) -> pa.Table:
    """Return a table with some rows replaced."""
    import pyarrow as pa

    order = np.arange(len(table))
    order[rows] = len(table) + np.arange(len(rows))
    return pa.concat_tables([table, by]).take(order)


def _take_back(store: Store, shard: int, changed: set[str]) -> None:
    """Undo the commit of a shard; the rows of its other scans go back into a journal, from which they are taken again."""
    import pyarrow as pa
    from pyarrow import parquet

    scans, regions = store.part("scans", shard), store.part("regions", shard)
    rows: list[dict[str, Any]] = []
    with contextlib.suppress(OSError, pa.ArrowInvalid):
        rows = parquet.read_table(scans).to_pylist()
        by_path: dict[str, list[dict[str, Any]]] = {}
        for region in parquet.read_table(regions).to_pylist():
            by_path.setdefault(region["path"], []).append(region)
        for row in rows:
            if row["thumbnail"] is not None:
                row["thumbnail"] = base64.b64encode(row["thumbnail"]).decode("ascii")
            row["regions"] = by_path.get(row["path"], [])
    folder = store.journal(shard)
    kept = [row for row in [*rows, *_journalled(folder)] if row["path"] not in changed]
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.jsonl"):
        path.unlink()
    with complete(store.kept(shard)) as part:
        part.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in kept), encoding="utf-8")
    # The table of scans goes first: without it the shard counts as not done.
    for path in (scans, regions):
        path.unlink(missing_ok=True)


def _journalled(folder: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
    return found
