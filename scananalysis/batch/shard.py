"""A shard on a worker: its scans through the sandbox, a journal while it lasts, two Parquet files at the end."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scananalysis.batch.fingerprint import differences, fingerprint
from scananalysis.batch.ledger import REGIONS_KEY, RUN_KEY, SHARD_KEY, Entry
from scananalysis.batch.sandbox import sandboxes
from scananalysis.batch.schema import REGIONS, RESULTS_VERSION, SCANS, arrow
from scananalysis.batch.store import Store, on_disk
from scananalysis.core import ConfigurationError, sha256_file
from scananalysis.io.atomic import complete

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]


def run_shard(order: Mapping[str, Any], shard: int, plan: list[Row]) -> dict[str, Any] | None:
    """Inspect the scans of a shard and commit its results; this is the Dask task.

    Parameters
    ----------
    order : mapping
        ``run`` (key), ``output``, ``fingerprint``, ``keys`` (model and configuration sha256), ``head`` (of the sandbox).
    shard : int
    plan : list of dict
        Plan rows.

    Returns
    -------
    dict or None
        The ledger's entry; None where the run was stopped before the shard was complete. What is done is in the journal.

    Raises
    ------
    ConfigurationError
        This worker has another version of the package or of the model.
    StorageError
        A disk is full or gone.
    """
    differs = differences(order["fingerprint"], fingerprint(order["head"]["definition"]["model"]))
    if differs:
        raise ConfigurationError(
            f"the worker has {', '.join(differs)}",
            source="cluster",
            expected="the same package and model on every worker",
            remedy="install the same version and start the workers again",
        )
    store = Store(Path(order["output"]))
    with on_disk(store.folder):
        done = read_journals(store, shard)
        rows: list[Row] = []
        with _journal(store, shard) as journal:
            for each in plan:
                row = done.get(each["path"])
                if row is None:
                    if store.stop.exists():
                        return None
                    row = _inspected(order["head"], each)
                    journal.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
                    journal.flush()
                rows.append(row)
        entry = commit(store, order, shard, rows)
        shutil.rmtree(store.journal(shard), ignore_errors=True)
    return asdict(entry)


def _inspected(head: Mapping[str, Any], plan: Row) -> Row:
    sandbox = sandboxes.take(head)
    try:
        row = sandbox.row(plan)
    except BaseException:
        sandbox.close()
        raise
    sandboxes.give(sandbox)
    return row


@contextlib.contextmanager
def _journal(store: Store, shard: int) -> Iterator[Any]:
    folder = store.journal(shard)
    folder.mkdir(parents=True, exist_ok=True)
    # A worker that Dask gave up may still be at this shard: each writes into a file of its own.
    with (folder / f"{secrets.token_hex(8)}.jsonl").open("wb") as stream:
        yield stream


def read_journals(store: Store, shard: int) -> dict[str, Row]:
    """Return the rows that earlier attempts at a shard left behind, by path; a line that was cut off counts for nothing."""
    found: dict[str, Row] = {}
    with contextlib.suppress(FileNotFoundError):
        for path in sorted(store.journal(shard).iterdir()):
            with path.open("rb") as stream:
                for line in stream:
                    with contextlib.suppress(ValueError, KeyError, TypeError):
                        row = json.loads(line)
                        found.setdefault(row["path"], row)
    return found


def commit(store: Store, order: Mapping[str, Any], shard: int, rows: list[Row]) -> Entry:
    """Write the two tables of a shard; the table of scans comes last, and with it the shard is committed."""
    keys = order["keys"]
    regions = [region for row in rows for region in row.get("regions") or ()]
    scans = [_complete(row, keys) for row in rows]
    footer = {
        RUN_KEY: order["run"].encode(),
        SHARD_KEY: str(shard).encode(),
        b"scananalysis.results": RESULTS_VERSION.encode(),
    }
    regions_path, scans_path = store.part("regions", shard), store.part("scans", shard)
    _write(_table(regions, REGIONS, footer), regions_path)
    digest = sha256_file(regions_path)
    _write(_table(scans, SCANS, footer | {REGIONS_KEY: digest.encode()}), scans_path)
    return Entry(
        run=order["run"],
        shard=shard,
        scans=len(rows),
        errors=sum(row["status"] == "error" for row in scans),
        quarantined=sum(row["status"] == "quarantined" for row in scans),
        alarms=sum(row.get("verdict") == "inspect" for row in scans),
        scans_sha256=sha256_file(scans_path),
        regions_sha256=digest,
    )


def _complete(row: Row, keys: Mapping[str, str]) -> Row:
    picture = row.get("thumbnail")
    return row | dict(keys) | {"thumbnail": None if picture is None else base64.b64decode(picture)}


def _table(rows: list[Row], columns: Any, footer: Mapping[bytes, bytes]) -> pa.Table:
    import pyarrow as pa

    schema = arrow(columns).with_metadata(dict(footer))
    arrays = [pa.array([row.get(field.name) for row in rows], field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _write(table: pa.Table, path: Path) -> None:
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    with complete(path) as part, part.open("wb") as stream:
        parquet.write_table(table, stream, compression="zstd", version="2.6")
        stream.flush()
        os.fsync(stream.fileno())


def close_sandboxes() -> None:
    """End the idle sandboxes of this worker."""
    sandboxes.close()
