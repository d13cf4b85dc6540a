"""Runs made by hand: result files as a worker commits them, without inspecting anything."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scananalysis.batch.definition import RunDefinition
from scananalysis.batch.ledger import Ledger
from scananalysis.batch.listing import find
from scananalysis.batch.plan import plan_head, plan_of, write_plan
from scananalysis.batch.results import Results
from scananalysis.batch.shard import commit
from scananalysis.batch.store import FORMAT, FORMAT_VERSION, Store

Row = dict[str, Any]
MakeRun = Callable[..., Results]
MakeRow = Callable[..., Row]


def _row(number: int, **changes: Any) -> Row:
    """A clear scan of bananas."""
    return {
        "path": f"scan-{number:05d}.h5",
        "scan_sha256": f"{number:064x}",
        "status": "done",
        "scanner": "cargo-6-4mv",
        "consignor": "Fruit Ltd",
        "route": "EC",
        "headings": ["0803"],
        "hazard_classes": [],
        "findings": [],
        "reasons": ["Nothing stands out."],
        "verdict": "clear",
        "region_count": 0,
        "scan_p_value": 0.5,
        "inspectable_share": 1.0,
        "load_mass_kg": 20000.0,
        "sigma_load_mass_kg": 1000.0,
        "declared_mass_kg": 20000.0,
        "sigma_declared_mass_kg": 200.0,
        "mass_difference_sigmas": 0.0,
        "mass_p_value": 1.0,
        "air_level": [50000.0, 50000.0],
        "dark_level": [900.0, 900.0],
        "gain_spread": [0.02, 0.02],
        "dead_elements": 1,
        "noisy_elements": 0,
    } | changes


@pytest.fixture
def row() -> MakeRow:
    """Makes rows of results."""
    return _row


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Makes the folder of a run from given rows, all of its shards or the first few."""

    def make(
        rows: list[Row],
        name: str = "run",
        *,
        definition: RunDefinition | None = None,
        model: str = "ab" * 32,
        count: int | None = None,
    ) -> Results:
        archive = tmp_path / f"{name}-archive"
        archive.mkdir()
        for each in rows:
            (archive / each["path"]).write_bytes(b"x")
        chosen = definition or RunDefinition(shard_scans=4)
        store = Store(tmp_path / name)
        store.folder.mkdir()
        listed = find(str(archive), chosen.archive.patterns, None)
        written = write_plan(listed, store.folder / "plan-0000.parquet", chosen.shard_scans, "archive")
        head = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "software": "scananalysis 0",
            "archive": str(archive),
            "manifest": None,
            "declarations": True,
            "inspector": "none",
            "definition": chosen.model_dump(mode="json"),
            "configuration_sha256": chosen.sha256,
            "fingerprint": {"package version": "0", "model": model},
            "plans": [plan_head("plan-0000.parquet", written)],
            "listing_sha256": written.sha256,
        }
        store.write_run(head)
        plan = plan_of(head, store.folder)
        order = {"run": plan.parts[0].key, "keys": {"model_sha256": model, "configuration_sha256": chosen.sha256}}
        ledger = Ledger(store, plan)
        for shard in range(plan.shards if count is None else count):
            part = rows[shard * chosen.shard_scans : (shard + 1) * chosen.shard_scans]
            ledger.append(commit(store, order, shard, part))
        return Results.open(store.folder)

    return make
