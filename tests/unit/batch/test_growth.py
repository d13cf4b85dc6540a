"""An archive that has grown, shrunk or changed since the run: what is done stays done, and what is said of it is true."""

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import LocalCluster

from scananalysis.batch.cluster import ClusterError
from scananalysis.batch.definition import RunDefinition
from scananalysis.batch.engine import Stopped
from scananalysis.batch.growth import Growth
from scananalysis.batch.planner import planned
from scananalysis.batch.results import Results, status
from scananalysis.batch.run import Outcome, run
from scananalysis.core import ConfigurationError, FormatError, InputError

DEFINITION = RunDefinition(shard_scans=4)
INSPECTOR = "tests.unit.batch.test_growth:Counting"


class Counting:
    """Makes rows from the files' bytes and writes down which files it was asked for."""

    def __init__(self, root: Path, output: Path, _definition: Any, *, papers: bool) -> None:
        self.root, self.output, self.papers = root, output, papers

    def warm_up(self) -> None:
        """Nothing to load."""

    def row(self, plan: dict[str, Any]) -> dict[str, Any]:
        """Return a row with a region and a thumbnail, so that both must survive being kept."""
        with self.output.with_suffix(".asked").open("a") as stream:
            stream.write(plan["path"] + "\n")
        content = (self.root / plan["path"]).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        papers = plan["declaration"]
        region = {"path": plan["path"], "scan_sha256": digest, "number": 1, "head": "test", "score": 0.1 + len(content)}
        return {
            "path": plan["path"],
            "scan_sha256": digest,
            "declaration_sha256": papers and hashlib.sha256(Path(papers).read_bytes()).hexdigest(),
            "status": "done",
            "headings": [],
            "air_level": [1 / 3, None],
            "thumbnail": "AAEC",
            "regions": [region] if len(content) % 2 else [],
        }


class Site:
    """An archive and its run."""

    def __init__(self, folder: Path, scheduler: str) -> None:
        self.scheduler = scheduler
        self.archive, self.papers, self.output = folder / "archive", folder / "papers", folder / "out"
        self.archive.mkdir()
        self.papers.mkdir()

    def put(self, *numbers: int, more: str = "") -> None:
        """Write scans and their papers."""
        for number in numbers:
            (self.archive / f"{number:03d}.h5").write_text(f"scan {'x' * number}{more}")
            (self.papers / f"{number:03d}.json").write_text(f"papers {number}")

    def run(self, output: Path | None = None, *, resume: bool = True) -> Outcome:
        """Run, and forget what was asked for before."""
        folder = output or self.output
        folder.with_suffix(".asked").unlink(missing_ok=True)
        return run(
            str(self.archive), folder, DEFINITION, declarations=self.papers, scheduler=self.scheduler, resume=resume,
            inspector=INSPECTOR,
        )  # fmt: skip

    def asked(self) -> list[str]:
        """Return the scans that were inspected in the last run."""
        path = self.output.with_suffix(".asked")
        return sorted(path.read_text().split()) if path.exists() else []

    def rows(self, output: Path | None = None) -> list[dict[str, Any]]:
        """Return all rows by path, with their thumbnails and regions."""
        results = Results.open(output or self.output)
        scans = results.table("scans").to_pylist()
        pictures = results.thumbnails([row["path"] for row in scans])
        regions = results.table("regions").to_pylist()
        for row in scans:
            row["picture"] = pictures[row["path"]]
            row["regions"] = [region for region in regions if region["path"] == row["path"]]
        return sorted(scans, key=lambda row: row["path"])

    def shards(self) -> dict[str, bytes]:
        """Return the bytes of every result file."""
        return {path.as_posix(): path.read_bytes() for path in sorted(self.output.glob("*/*/part-*.parquet"))}


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """A cluster inside this process: these tests are about what is done, not where."""
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as there:
        yield there.scheduler_address


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheduler: str) -> Site:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    site = Site(tmp_path, scheduler)
    site.put(*range(0, 20, 2))
    site.run(resume=False)
    assert len(site.asked()) == 10
    return site


def names(*numbers: int) -> list[str]:
    return [f"{number:03d}.h5" for number in numbers]


def test_new_scans_are_added_and_what_is_done_stays(site: Site, tmp_path: Path) -> None:
    before = site.shards()
    site.put(3, 99)
    with pytest.raises(ConfigurationError, match=r"2 new; expected .* add --resume"):
        site.run(resume=False)
    outcome = site.run()
    assert site.asked() == names(3, 99)
    assert (outcome.scans, outcome.fresh, outcome.skipped, outcome.growth.added) == (12, 2, 10, 2)
    assert before.items() < site.shards().items(), "no byte of what was done has changed"
    found = status(Results.open(site.output), verify=True)
    assert (found.complete, found.scans, found.shards, found.absent) == (True, 12, 4, [])
    # Rows are those of a run over the whole archive; only the order of shards tells that it grew.
    site.run(tmp_path / "fresh", resume=False)
    assert site.rows() == site.rows(tmp_path / "fresh")
    after = site.shards()
    assert (site.run().fresh, site.run(resume=False).fresh, site.asked(), site.shards()) == (0, 0, [], after)


def test_growing_twice_and_before_it_is_complete(site: Site) -> None:
    path = site.output / "scans" / "000000" / "part-0000001.parquet"
    path.unlink()
    site.put(1)
    site.run()
    assert site.asked() == names(1, 8, 10, 12, 14)
    site.put(5, 7, 9, 11, 13)
    outcome = site.run()
    assert (outcome.scans, outcome.fresh, site.asked()) == (16, 5, names(5, 7, 9, 11, 13))
    assert [row["path"] for row in site.rows()] == names(*sorted({*range(0, 20, 2), 1, 5, 7, 9, 11, 13}))
    assert len(list(site.output.glob("plan-*.parquet"))) == 3


def test_scans_that_left_are_named_and_their_rows_stay(site: Site) -> None:
    (site.archive / "004.h5").unlink()
    outcome = site.run()
    assert (outcome.growth, outcome.fresh, site.asked()) == (Growth(removed=("004.h5",)), 0, [])
    assert status(Results.open(site.output)).absent == ["004.h5"]
    assert len(site.rows()) == 10
    assert not site.run().growth, "said once; `status` goes on saying it"
    assert status(Results.open(site.output)).absent == ["004.h5"]
    site.put(4)
    assert site.run().fresh == 0
    assert status(Results.open(site.output)).absent == []


def test_changed_scans_and_papers_are_done_again_and_nothing_else(site: Site, tmp_path: Path) -> None:
    before = site.shards()
    site.put(2, more=" other bytes")
    (site.papers / "012.json").write_text("corrected papers 12")
    (site.papers / "014.json").unlink()
    outcome = site.run()
    assert site.asked() == names(2, 12, 14)
    assert outcome.growth.changed == tuple(names(2, 12, 14))
    assert outcome.repaired == {}, "what was taken back on purpose is not called damaged"
    after = site.shards()
    assert after.keys() == before.keys()
    site.run(tmp_path / "fresh", resume=False)
    assert site.rows() == site.rows(tmp_path / "fresh")
    assert status(Results.open(site.output), verify=True).damaged == {}
    assert site.run().fresh == 0


def test_a_copied_archive_is_proved_and_not_inspected_again(site: Site) -> None:
    before = site.shards()
    for path in (*site.archive.iterdir(), *site.papers.iterdir()):
        os.utime(path, ns=(1, 1))
    outcome = site.run(resume=False)
    assert (outcome.fresh, outcome.skipped, bool(outcome.growth), site.asked()) == (0, 10, False, [])
    assert site.shards() == before
    # The same size and another time, but other bytes: the sha256 tells.
    content = (site.archive / "006.h5").read_text()
    (site.archive / "006.h5").write_text(content.replace("scan", "SCAN"))
    assert site.run().growth == Growth(changed=("006.h5",))
    assert site.asked() == names(6)


def test_a_manifest_with_sums_proves_what_a_folder_gave(site: Site) -> None:
    lines = ["scan,sha256,declaration"]
    for path in sorted(site.archive.iterdir()):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(f"{path.name},{digest},{site.papers / path.with_suffix('.json').name}")
    (site.archive / "manifest.csv").write_text("\n".join(lines) + "\n")
    site.output.with_suffix(".asked").unlink()
    outcome = run(
        str(site.archive / "manifest.csv"), site.output, DEFINITION, declarations=site.papers, inspector=INSPECTOR
    )
    assert (outcome.fresh, bool(outcome.growth), site.asked()) == (0, False, [])


def test_a_kill_while_shards_are_taken_back_costs_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan is made, a shard is taken back, and the process dies before the run's head names any of it."""
    site.put(2, more=" other bytes")
    site.put(31)
    monkeypatch.setattr("scananalysis.batch.store.Store.write_run", _killed)
    with pytest.raises(KeyboardInterrupt):
        site.run()
    monkeypatch.undo()
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    outcome = site.run()
    assert site.asked() == names(2, 31), "the other scans of the shard came from the journal"
    assert (outcome.growth.added, outcome.growth.changed) == (1, ("002.h5",))
    assert len(site.rows()) == 11
    assert not (site.output / "journal").exists()


def _killed(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_lost_cluster_while_growing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scananalysis.batch.cluster.CONNECT_SECONDS", 1)
    site.put(31)
    with pytest.raises(ClusterError):
        run(
            str(site.archive), site.output, DEFINITION, declarations=site.papers, resume=True, inspector=INSPECTOR,
            scheduler="tcp://127.0.0.1:9",
        )  # fmt: skip
    assert status(Results.open(site.output)).scans == 11
    assert site.run().fresh == 1


def test_a_plan_that_was_tampered_with(site: Site) -> None:
    site.put(31)
    site.run()
    plan = next(site.output.glob("plan-0001-*.parquet"))
    plan.write_bytes(plan.read_bytes()[:-1])
    with pytest.raises(FormatError, match="is not what was planned"):
        site.run()


def request(site: Site, **changes: Any) -> dict[str, Any]:
    return {
        "archive": str(site.archive), "patterns": ["*.h5"], "declarations": None, "output": str(site.output), "shard_scans": 4,
        "resume": False, "head": None,
    } | changes  # fmt: skip


def test_refusals_come_through_from_the_planning_process(site: Site, tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no scans"):
        planned(request(site, archive=str(tmp_path / "empty")), lambda what, _: said.append(what), threading.Event())
    with pytest.raises(ConfigurationError, match="is not there") as caught:
        planned(request(site, archive="/none"), lambda what, _: said.append(what), threading.Event())
    assert caught.value.remedy == "check the name, and that its disk is mounted"


def test_planning_stops_on_request(site: Site) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        planned(request(site), lambda *_: None, stop)


def test_the_log_tells_what_changed(site: Site) -> None:
    site.put(31)
    (site.archive / "000.h5").unlink()
    site.run()
    events = [json.loads(line) for line in (site.output / "log.jsonl").read_text().splitlines()]
    told = next(event for event in events if event["event"] == "archive changed")
    assert (told["added"], told["changed"], told["removed"]) == (1, [], ["000.h5"])
