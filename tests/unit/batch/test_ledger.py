"""A resumed run proves what it skips."""

from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from scananalysis.batch.results import Results, status
from scananalysis.core import ConfigurationError, FormatError


@pytest.fixture
def run(make_run: Any, row: Any) -> Results:
    return make_run([row(n, verdict="inspect" if n == 3 else "clear") for n in range(10)])


def test_untouched_files_are_done(run: Results) -> None:
    audit = run.ledger.audit()
    assert np.flatnonzero(audit.done).tolist() == [0, 1, 2]
    assert not audit.damaged
    assert audit.scans == 10
    found = status(run, verify=True)
    assert found.complete
    assert (found.done, found.alarms, found.errors, found.damaged) == (10, 1, 0, {})


@pytest.mark.parametrize("table", ["scans", "regions"])
def test_one_changed_byte_is_found(run: Results, table: str) -> None:
    path = run.store.part(table, 1)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    audit = run.ledger.audit()
    assert np.flatnonzero(audit.done).tolist() == [0, 2]
    assert "was changed" in audit.damaged[1]
    assert status(run, verify=True).damaged.keys() == {1}


def test_damaged_files_are_refused_whichever_way_they_are_read(run: Results) -> None:
    paths = run.table(columns=["path"])["path"].to_pylist()
    assert [row["path"] for row in run.rows(paths[5:7])] == paths[5:7]
    path = run.store.part("scans", 1)
    content = bytearray(path.read_bytes())
    # Damaged where the columns are: the footer still says what they should be.
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    path.write_bytes(content)
    for read in (run.table, lambda: run.rows(paths), lambda: run.thumbnails(paths)):
        with pytest.raises(FormatError, match="--resume"):
            read()


def test_missing_files_are_found(run: Results) -> None:
    run.store.part("scans", 0).unlink()
    run.store.part("regions", 2).unlink()
    audit = run.ledger.audit()
    assert np.flatnonzero(audit.done).tolist() == [1]
    assert audit.damaged.keys() == {0, 2}


def test_a_shard_without_its_line_is_taken_in(run: Results) -> None:
    lines = run.store.ledger.read_text().splitlines(keepends=True)
    run.store.ledger.write_text(lines[0] + lines[1])
    before = run.ledger.read()
    assert np.flatnonzero(run.ledger.audit().done).tolist() == [0, 1, 2]
    assert run.store.ledger.read_text() == "".join(lines), "the line that was lost is the line that was made anew"
    assert before.known.tolist() == [True, True, False]


def test_a_torn_line_counts_for_nothing_and_swallows_nothing(run: Results) -> None:
    lines = run.store.ledger.read_text().splitlines(keepends=True)
    run.store.ledger.write_text(lines[0] + lines[1][:30])
    assert np.flatnonzero(run.ledger.audit().done).tolist() == [0, 1, 2]
    assert run.ledger.read().known.all()


def test_the_shard_of_another_run_is_not_taken_in(run: Results, make_run: Any, row: Any) -> None:
    other = make_run([row(n) for n in range(10)], "other", model="cd" * 32)
    other.store.ledger.unlink()
    for table in ("scans", "regions"):
        other.store.part(table, 1).write_bytes(run.store.part(table, 1).read_bytes())
    audit = other.ledger.audit()
    assert np.flatnonzero(audit.done).tolist() == [0, 2]
    assert "another run" in audit.damaged[1]


def test_the_same_rows_give_the_same_bytes(run: Results, make_run: Any, row: Any) -> None:
    rows = [row(n, verdict="inspect" if n == 3 else "clear") for n in range(10)]
    again = make_run(rows, "again")
    for shard in range(3):
        # The keys of the two runs differ (their archives' files have other times); all else must not.
        one, two = (parquet.read_table(each.store.part("scans", shard)) for each in (run, again))
        assert one.equals(two)


def test_a_run_that_is_not_complete(make_run: Any, row: Any) -> None:
    run = make_run([row(n) for n in range(10)], count=2)
    found = status(run)
    assert not found.complete
    assert (found.done, found.committed, found.shards) == (8, 2, 3)


def test_folders_that_are_no_run(make_run: Any, row: Any, tmp_path: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"no run\.json"):
        Results.open(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(FormatError, match="damaged"):
        Results.open(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(FormatError, match="not the head of a run"):
        Results.open(tmp_path)
    (tmp_path / "run.json").write_text('{"format": "scananalysis-batch", "version": 1}')
    with pytest.raises(FormatError, match="has no archive"):
        Results.open(tmp_path)
    with pytest.raises(ConfigurationError, match="no results yet"):
        make_run([row(0)], count=0).table()


def test_failures_are_named(make_run: Any, row: Any) -> None:
    bad = {"path": "scan-00001.h5", "status": "quarantined", "error_kind": "timeout", "reason": "gave no result."}
    found = status(make_run([row(0), bad, row(2)]))
    assert (found.errors, found.quarantined) == (0, 1)
    assert found.failures == [bad]


def test_the_results_are_read_by_pandas_from_the_folder(run: Results) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(run.store.folder / "scans")
    assert frame["path"].tolist() == [f"scan-{n:05d}.h5" for n in range(10)]
    assert (frame["verdict"] == "inspect").sum() == 1
    assert frame["air_level"][0].tolist() == [50000.0, 50000.0]
