"""Whole runs: the same bytes from any cluster, nothing done twice, nothing of another run mixed in."""

from pathlib import Path

import pytest
from distributed import LocalCluster

from scananalysis.batch.cluster import ClusterError, check_workers, cluster
from scananalysis.batch.definition import RunDefinition
from scananalysis.batch.fingerprint import fingerprint
from scananalysis.batch.results import Results, status
from scananalysis.batch.run import Outcome, run
from scananalysis.core import ConfigurationError
from scananalysis.datasets import read_recipe, sample
from scananalysis.io import write

SETTINGS = {"shard_scans": 2, "outputs": {"reports": "all"}}
DEFINITION = RunDefinition(**SETTINGS)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    recipe = read_recipe("declared-cargo")
    for index in range(4):
        made = sample(recipe, "test", index, scanner="cargo-6-4mv")
        write(made.simulated.scan, folder / f"scan-{index}.h5")
        (folder / f"scan-{index}.json").write_text(
            made.declaration.model_dump_json(exclude_none=True), encoding="utf-8"
        )
    (folder / "scan-4.h5").write_bytes(b"no scan")
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    parts = ("scans", "regions", "reports")
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for part in parts
        for path in (folder / part).rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def first(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    folder = tmp_path_factory.mktemp("runs") / "one"
    return folder, run(str(archive), folder, DEFINITION, declarations=archive, workers=1)


def test_every_scan_has_its_row(first: tuple[Path, Outcome]) -> None:
    folder, outcome = first
    assert (outcome.scans, outcome.errors, outcome.quarantined, outcome.fresh, outcome.skipped) == (5, 1, 0, 5, 0)
    table = Results.open(folder).table(columns=["path", "status", "model_sha256", "configuration_sha256"]).to_pylist()
    assert [row["path"] for row in table] == [f"scan-{n}.h5" for n in range(5)]
    assert [row["status"] for row in table] == ["done"] * 4 + ["error"]
    assert {row["configuration_sha256"] for row in table} == {DEFINITION.sha256}
    assert status(Results.open(folder), verify=True).complete
    assert sorted(path.name for path in folder.iterdir()) == [
        ".lock", "ledger.jsonl", "log.jsonl", "plan-0000.parquet", "regions", "reports", "run.json", "scans",
    ]  # fmt: skip


def test_running_again_does_nothing(
    first: tuple[Path, Outcome], archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = first
    before = {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*.parquet")
        if "plan" not in path.name
    }
    monkeypatch.setattr("scananalysis.batch.cluster.cluster", None)  # no cluster may be started
    for resume in (False, True):
        outcome = run(str(archive), folder, DEFINITION, declarations=archive, resume=resume)
        assert (outcome.fresh, outcome.skipped, outcome.errors) == (0, 5, 1)
    assert before == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in before}


def test_two_workers_and_a_running_scheduler_give_the_same_bytes(
    first: tuple[Path, Outcome], archive: Path, tmp_path: Path
) -> None:
    expected = tree(first[0])
    assert len(expected) == 3 * 2 + 4 * 4
    run(str(archive), tmp_path / "two", DEFINITION, declarations=archive, workers=2)
    assert tree(tmp_path / "two") == expected
    with LocalCluster(n_workers=1, threads_per_worker=2, host="127.0.0.1", dashboard_address="127.0.0.1:0") as there:
        run(str(archive), tmp_path / "there", DEFINITION, declarations=archive, scheduler=there.scheduler_address)
    assert tree(tmp_path / "there") == expected


def test_a_damaged_shard_is_done_again(first: tuple[Path, Outcome], archive: Path) -> None:
    folder, _ = first
    expected = tree(folder)
    path = folder / "scans" / "000000" / "part-0000001.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    outcome = run(str(archive), folder, DEFINITION, declarations=archive, workers=1, resume=True)
    assert (outcome.fresh, outcome.skipped) == (2, 3)
    assert outcome.repaired.keys() == {1}
    assert tree(folder) == expected


def test_another_run_does_not_mix_with_this_one(first: tuple[Path, Outcome], archive: Path, tmp_path: Path) -> None:
    folder, _ = first
    for changes, says in (
        ({"limits": {"false_alarm_rate": 0.02}}, "another configuration"),
        ({"model": "mahalanobis"}, "another version of the package or of the model"),
    ):
        with pytest.raises(ConfigurationError, match=says):
            run(
                str(archive),
                folder,
                RunDefinition(**SETTINGS | changes),
                declarations=archive,
            )
    with pytest.raises(ConfigurationError, match="other declarations"):
        run(str(archive), folder, DEFINITION)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="holds other files"):
        run(str(archive), tmp_path, DEFINITION)
    with pytest.raises(ConfigurationError, match="is a file"):
        run(str(archive), tmp_path / "file", DEFINITION)
    with pytest.raises(ConfigurationError, match="lies inside the archive"):
        run(str(archive), archive / "out" / "run-1", DEFINITION)
    assert not (archive / "out").exists()


def test_a_run_that_was_begun_needs_the_word(first: tuple[Path, Outcome], archive: Path) -> None:
    folder, _ = first
    part = folder / "scans" / "000000" / "part-0000002.parquet"
    content = part.read_bytes()
    part.unlink()
    with pytest.raises(ConfigurationError, match="add --resume"):
        run(str(archive), folder, DEFINITION, declarations=archive)
    part.write_bytes(content)


def test_workers_that_differ_are_refused() -> None:
    here = fingerprint(None)
    with cluster(None, 1) as client:
        assert check_workers(client, here, None) == 1
        with pytest.raises(ConfigurationError, match=r"has package version 0\.1\.0 instead of 9"):
            check_workers(client, here | {"package version": "9"}, None)
        with pytest.raises(ConfigurationError, match="has model"):
            check_workers(client, here, "mahalanobis")
        with pytest.raises(ConfigurationError, match="no anomaly model"):
            check_workers(client, here, "/no/such/model")


def test_a_scheduler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scananalysis.batch.cluster.CONNECT_SECONDS", 1)
    with pytest.raises(ClusterError, match="no Dask scheduler answers"), cluster("tcp://127.0.0.1:9", 1):
        pass
