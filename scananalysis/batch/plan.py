"""The plan of a run: every scan once, in shards that depend on nothing but the archive's listing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.batch.listing import Listing, refuse_empty
from scananalysis.batch.schema import PLAN, arrow
from scananalysis.core import ConfigurationError, sha256_file
from scananalysis.io.atomic import complete

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

_GROUP = 8192


@dataclass(frozen=True)
class Plan:
    """A plan on disk; only one row group of it is ever in memory.

    Parameters
    ----------
    path : Path
    scans : int
    shard_scans : int
        Scans per shard; the last may hold fewer.
    sha256 : str
        Of the file.
    """

    path: Path
    scans: int
    shard_scans: int
    sha256: str

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.scans // self.shard_scans)

    def rows_of(self, shard: int) -> int:
        """Return the number of scans of a shard."""
        return min(self.shard_scans, self.scans - shard * self.shard_scans)

    def read(self, shards: Iterable[int]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """Yield (shard, its plan rows) for shards in rising order."""
        from pyarrow import parquet

        with parquet.ParquetFile(self.path) as file:
            per_group = group_rows(self.shard_scans) // self.shard_scans
            loaded, table = -1, None
            for shard in shards:
                group = shard // per_group
                if group != loaded or table is None:
                    loaded, table = group, file.read_row_group(group)
                start = (shard - group * per_group) * self.shard_scans
                yield shard, table.slice(start, self.shard_scans).to_pylist()


def group_rows(shard_scans: int) -> int:
    """Return the rows of a row group: whole shards, about 8,192 scans.

    Examples
    --------
    >>> group_rows(64), group_rows(100), group_rows(50_000)
    (8192, 8100, 50000)
    """
    return max(1, _GROUP // shard_scans) * shard_scans


def write_plan(listing: Listing, path: Path, shard_scans: int, archive: str) -> Plan:
    """Write the plan of an archive; the same listing gives the same bytes.

    Raises
    ------
    ConfigurationError
        A manifest names a scan twice.
    InputError
        The archive holds no scans.
    """
    import pyarrow as pa
    from pyarrow import parquet

    # The usual pool keeps what it once held, a hundred megabytes for a long manifest; the system's gives it back.
    pa.set_memory_pool(pa.system_memory_pool())
    rows = 0
    seen: list[NDArray[np.int64]] = []
    with complete(path) as part:
        with parquet.ParquetWriter(part, arrow(PLAN), compression="zstd", use_dictionary=_REPEATED) as writer:
            for table in _grouped(listing.batches(), group_rows(shard_scans)):
                writer.write_table(table, row_group_size=len(table))
                rows += len(table)
                if listing.source is not None:
                    seen.append(np.fromiter(map(hash, table.column("path").to_pylist()), np.int64, len(table)))
        refuse_empty(rows, archive)
        _refuse_twice(seen, part, listing)
        digest = sha256_file(part)
    pa.default_memory_pool().release_unused()
    return Plan(path, rows, shard_scans, digest)


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
