import os
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from scananalysis.batch.definition import RunDefinition
from scananalysis.batch.listing import BATCH, find
from scananalysis.batch.plan import Part, Plan, group_rows, write_plan
from scananalysis.core import ConfigurationError, FormatError, InputError
from scananalysis.io.layout import layouts

PATTERNS = RunDefinition().archive.patterns


def rows(archive: object, papers: Path | None = None) -> list[dict[str, object]]:
    return pa.Table.from_batches(find(str(archive), PATTERNS, papers).batches()).to_pylist()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    for name in ("b/2.h5", "b/10.h5", "a.H5", "c.txt", "b/x/1.dcm", "b/1.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * len(name))
    return folder


def test_a_folder_is_walked_in_order(archive: Path) -> None:
    found = rows(archive)
    assert [row["path"] for row in found] == ["a.H5", "b/10.h5", "b/2.h5", "b/x/1.dcm"]
    assert [row["size"] for row in found] == [4, 7, 6, 9]
    assert found[0]["mtime_ns"] == (archive / "a.H5").stat().st_mtime_ns
    assert all(row["declaration"] is None for row in found)


def test_links_to_folders_are_left_out_and_dead_links_are_planned(archive: Path) -> None:
    (archive / "loop").symlink_to(archive, target_is_directory=True)
    (archive / "dead.h5").symlink_to(archive / "nothing")
    assert [row["path"] for row in rows(archive)] == ["a.H5", "b/10.h5", "b/2.h5", "b/x/1.dcm", "dead.h5"]


def test_a_glob(archive: Path) -> None:
    found = rows(archive / "b" / "*.h5")
    assert [row["path"] for row in found] == ["10.h5", "2.h5"]
    assert find(str(archive / "b" / "*.h5"), PATTERNS, None).root == archive / "b"
    assert [row["path"] for row in rows(archive / "**" / "*.dcm")] == ["b/x/1.dcm"]


def test_declarations_stand_beside_or_flat(archive: Path, tmp_path: Path) -> None:
    papers = tmp_path / "papers"
    (papers / "b").mkdir(parents=True)
    (papers / "b" / "2.json").touch()
    (papers / "10.json").touch()
    found = {row["path"]: row["declaration"] for row in rows(archive, papers)}
    assert found["b/2.h5"] == str(papers / "b" / "2.json")
    assert found["b/10.h5"] == str(papers / "10.json")
    assert found["a.H5"] is None
    (papers / "10.json").write_text("{}")
    os.utime(papers / "10.json", ns=(5, 7))
    again = {row["path"]: row for row in rows(archive, papers)}
    assert (again["b/10.h5"]["declaration_size"], again["b/10.h5"]["declaration_mtime_ns"]) == (2, 7)
    assert again["a.H5"]["declaration_size"] is None


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_manifest(archive: Path, kind: str) -> None:
    table = pa.table(
        {
            "scan": ["b/2.h5", "a.H5"],
            "declaration": ["papers/2.json", "/abs/a.json"],
            "sha256": ["ab" * 32, "cd" * 32],
            "consignor": ["Grüne & Co", None],
            "other": ["1", "2"],
        }
    )
    path = archive / f"manifest.{kind}"
    (csv.write_csv if kind == "csv" else parquet.write_table)(table, path)
    found = rows(path)
    assert [row["path"] for row in found] == ["b/2.h5", "a.H5"]
    assert [row["declaration"] for row in found] == [str(archive / "papers/2.json"), "/abs/a.json"]
    assert [row["consignor"] for row in found] == ["Grüne & Co", None]
    assert [row["size"] for row in found] == [None, None], (
        "the sha256 identifies them; nothing has to be asked of the disk"
    )
    assert find(str(path), PATTERNS, None).root == archive


def test_a_manifest_without_sha256_is_told_apart_by_size_and_time(archive: Path) -> None:
    path = archive / "manifest.csv"
    path.write_text("scan\nb/2.h5\nmissing.h5\n", encoding="utf-8")
    assert [row["size"] for row in rows(path)] == [6, None]


def test_a_manifest_names_layouts_of_the_catalogue_only(archive: Path) -> None:
    path = archive / "manifest.csv"
    path.write_text(f"scan,layout\nb/2.h5,{layouts()[0]}\na.H5,\n", encoding="utf-8")
    assert [row["layout"] for row in rows(path)] == [layouts()[0], None]
    path.write_text("scan,layout\nb/2.h5,own.toml\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"no layout 'own\.toml'"):
        rows(path)


def test_what_is_no_archive_is_refused(archive: Path, tmp_path: Path) -> None:
    for name, kind, says in (
        ("none", ConfigurationError, "is not there"),
        ("archive/c.txt", ConfigurationError, "neither a folder nor a manifest"),
    ):
        with pytest.raises(kind, match=says):
            find(str(tmp_path / name), PATTERNS, None)
    with pytest.raises(ConfigurationError, match="is not a folder"):
        find(str(archive), PATTERNS, tmp_path / "none")
    (archive / "m.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(FormatError, match="manifest"):
        rows(archive / "m.parquet")
    (archive / "m.csv").write_text("file\nx.h5\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="names no scan"):
        rows(archive / "m.csv")


def test_names_that_are_not_utf8_are_refused(archive: Path) -> None:
    os.close(os.open(os.fsencode(archive) + b"/\xff.h5", os.O_CREAT))
    with pytest.raises(FormatError, match="not UTF-8"):
        rows(archive)


def plan(path: Path, scans: int, shard_scans: int) -> Plan:
    return Plan((Part(path, scans, "key"),), shard_scans)


def test_plans(tmp_path: Path, archive: Path) -> None:
    listing = find(str(archive), PATTERNS, None)
    written = write_plan(listing, tmp_path / "plan.parquet", 3, "archive")
    made = plan(tmp_path / "plan.parquet", written.scans, 3)
    assert (made.scans, made.shards, made.rows_of(0), made.rows_of(1)) == (4, 2, 3, 1)
    assert [[row["path"] for row in part] for _, part in made.read([0, 1])] == [
        ["a.H5", "b/10.h5", "b/2.h5"],
        ["b/x/1.dcm"],
    ]
    assert write_plan(listing, tmp_path / "again.parquet", 3, "archive") == written
    os.utime(archive / "a.H5", ns=(1, 1))
    assert write_plan(listing, tmp_path / "again.parquet", 3, "archive").sha256 != written.sha256


def test_a_plan_of_several_parts(tmp_path: Path, archive: Path) -> None:
    listing = find(str(archive), PATTERNS, None)
    write_plan(listing, tmp_path / "plan.parquet", 3, "archive")
    parts = tuple(Part(tmp_path / "plan.parquet", 4, key) for key in ("one", "other"))
    both = Plan(parts, 3)
    assert (both.scans, both.shards) == (8, 4)
    assert [both.rows_of(shard) for shard in range(4)] == [3, 1, 3, 1]
    assert [both.key_of(shard) for shard in range(4)] == ["one", "one", "other", "other"]
    assert [both.shard_of(1, row) for row in range(4)] == [2, 2, 2, 3]
    assert [(shard, len(rows)) for shard, rows in both.read([0, 1, 3])] == [(0, 3), (1, 1), (3, 1)]


def test_a_plan_of_several_groups_gives_every_scan_once(tmp_path: Path) -> None:
    names = [f"{number:06d}.h5" for number in range(3 * BATCH + 17)]
    table = pa.table({"scan": names, "sha256": ["ab" * 32] * len(names)})
    parquet.write_table(table, tmp_path / "m.parquet")
    write_plan(find(str(tmp_path / "m.parquet"), PATTERNS, None), tmp_path / "plan.parquet", 100, "m")
    made = plan(tmp_path / "plan.parquet", len(names), 100)
    assert group_rows(100) == 2000
    assert parquet.ParquetFile(tmp_path / "plan.parquet").num_row_groups == -(-len(names) // 2000)
    assert [row["path"] for _, part in made.read(range(made.shards)) for row in part] == names
    assert [part[0]["path"] for _, part in made.read([20, 50])] == [names[2000], names[5000]]


def test_a_scan_named_twice_and_an_empty_archive_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("scan\na.h5\nb.h5\na.h5\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"'a\.h5' 2 times"):
        write_plan(find(str(tmp_path / "m.csv"), PATTERNS, None), tmp_path / "plan.parquet", 3, "m")
    assert not (tmp_path / "plan.parquet").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no scans"):
        write_plan(find(str(tmp_path / "empty"), PATTERNS, None), tmp_path / "plan.parquet", 3, "empty")
