"""The plan of a run: every scan once, in shards that depend on nothing but the archive's listing.

A plan has parts. The first holds what the archive held when the run began; each resumption that finds new scans adds a part with shards of
its own, so that no shard that is done ever changes.
"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scananalysis.batch.listing import Listing, refuse_empty
from scananalysis.batch.schema import PLAN, arrow
from scananalysis.batch.store import run_key
from scananalysis.core import ConfigurationError, sha256_file
from scananalysis.io.atomic import complete

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

_GROUP = 2048


@dataclass(frozen=True)
class Part:
    """A part of a plan.

    Parameters
    ----------
    path : Path
        Its file.
    scans : int
    key : str
        Key of the run for these scans: what was asked of which files, with which code and model.
    """

    path: Path
    scans: int
    key: str


@dataclass(frozen=True)
class Plan:
    """A plan on disk; only one row group of it is ever in memory.

    Parameters
    ----------
    parts : tuple of Part
    shard_scans : int
        Scans per shard; the last of each part may hold fewer.
    """

    parts: tuple[Part, ...]
    shard_scans: int

    @property
    def scans(self) -> int:
        """Number of scans."""
        return sum(part.scans for part in self.parts)

    @functools.cached_property
    def _ends(self) -> list[int]:
        """Number of shards up to and with each part."""
        return list(accumulate(-(-part.scans // self.shard_scans) for part in self.parts))

    @property
    def shards(self) -> int:
        """Number of shards."""
        return self._ends[-1] if self.parts else 0

    def _place(self, shard: int) -> tuple[int, int]:
        """Return the part of a shard, and the shard's number within it."""
        part = bisect.bisect_right(self._ends, shard)
        return part, shard - (self._ends[part - 1] if part else 0)

    def shard_of(self, part: int, row: int) -> int:
        """Return the shard of a row of a part."""
        return (self._ends[part - 1] if part else 0) + row // self.shard_scans

    def rows_of(self, shard: int) -> int:
        """Return the number of scans of a shard."""
        part, number = self._place(shard)
        return min(self.shard_scans, self.parts[part].scans - number * self.shard_scans)

    def key_of(self, shard: int) -> str:
        """Return the key of the run for a shard's scans."""
        return self.parts[self._place(shard)[0]].key

    def read(self, shards: Iterable[int]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """Yield (shard, its plan rows) for shards in rising order."""
        from pyarrow import parquet

        per_group = group_rows(self.shard_scans) // self.shard_scans
        loaded, table = (-1, -1), None
        for shard in shards:
            part, number = self._place(shard)
            group = number // per_group
            if (part, group) != loaded or table is None:
                table = None
                with parquet.ParquetFile(self.parts[part].path) as file:
                    loaded, table = (part, group), file.read_row_group(group, use_threads=False)
            yield shard, table.slice((number - group * per_group) * self.shard_scans, self.shard_scans).to_pylist()


def plan_of(head: Mapping[str, Any], folder: Path) -> Plan:
    """Return the plan that the head of a run speaks of."""
    parts = tuple(
        Part(folder / each["file"], each["scans"], run_key(head, each["key_sha256"])) for each in head["plans"]
    )
    return Plan(parts, head["definition"]["shard_scans"])


def plan_head(file: str, written: Written) -> dict[str, Any]:
    """Return what the head of a run says of a new part."""
    return {"file": file, "scans": written.scans, "sha256": written.sha256, "key_sha256": written.sha256}


def group_rows(shard_scans: int) -> int:
    """Return the rows of a row group: whole shards, about 2,048 scans.

    Examples
    --------
    >>> group_rows(64), group_rows(100), group_rows(50_000)
    (2048, 2000, 50000)
    """
    return max(1, _GROUP // shard_scans) * shard_scans


class Written(NamedTuple):
    """A file of plan rows: how many they are, and the file's sha256."""

    scans: int
    sha256: str


def write_plan(
    listing: Listing, path: Path, shard_scans: int, archive: str, progress: Callable[[int], None] | None = None
) -> Written:
    """Write the plan of an archive; the same listing gives the same bytes.

    Raises
    ------
    ConfigurationError
        A manifest names a scan twice.
    InputError
        The archive holds no scans.
    """
    seen: list[NDArray[np.int64]] = []

    def counted() -> Iterator[pa.RecordBatch]:
        rows = 0
        for batch in listing.batches():
            if listing.source is not None:
                seen.append(np.fromiter(map(hash, batch.column("path").to_pylist()), np.int64, len(batch)))
            rows += len(batch)
            if progress is not None:
                progress(rows)
            yield batch

    with complete(path) as part:
        written = write_rows(counted(), part, shard_scans)
        refuse_empty(written.scans, archive)
        _refuse_twice(seen, part, listing)
    return written


def write_rows(batches: Iterator[pa.RecordBatch], path: Path, shard_scans: int) -> Written:
    """Write plan rows as row groups of whole shards."""
    from pyarrow import parquet

    rows = 0
    with parquet.ParquetWriter(path, arrow(PLAN), compression="zstd", use_dictionary=_REPEATED) as writer:
        for table in _grouped(batches, group_rows(shard_scans)):
            writer.write_table(table, row_group_size=len(table))
            rows += len(table)
    return Written(rows, sha256_file(path))


_REPEATED = ["scanner", "layout", "format", "consignor", "route"]
"""Columns with few different values; a dictionary of unique texts would only cost time."""


def _grouped(batches: Iterator[pa.RecordBatch], size: int) -> Iterator[pa.Table]:
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += len(batch)
        while count >= size:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, size).combine_chunks()
            rest = table.slice(size)
            waiting, count = rest.to_batches(), len(rest)
    if count:
        yield pa.Table.from_batches(waiting).combine_chunks()


def _refuse_twice(seen: list[NDArray[np.int64]], plan: Path, listing: Listing) -> None:
    """Refuse a scan that is named twice; hashes tell whether one can be, the texts are read only then."""
    import pyarrow.compute as pc
    from pyarrow import parquet

    if not seen or len(np.unique(np.concatenate(seen))) == sum(map(len, seen)):
        return
    counted = pc.value_counts(parquet.read_table(plan, columns=["path"])["path"])
    repeated = counted.filter(pc.greater(counted.field("counts"), 1))
    if not len(repeated):
        return
    twice = repeated[0].as_py()
    raise ConfigurationError(
        f"names the scan {twice['values']!r} {twice['counts']} times",
        source=listing.source,
        expected="each scan once",
        remedy="remove the repeated rows",
    )
