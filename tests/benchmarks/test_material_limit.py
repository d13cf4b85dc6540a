"""``benchmarks/tasks/material_limit.py`` on binned scans: regions are found, σ is near scatter and limit."""

import importlib
import json
from pathlib import Path

import pytest

import scananalysis as sa

ROOT = Path(__file__).parents[2]


@pytest.fixture
def task(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.tasks.material_limit")


def test_regions_come_near_the_limit(task):
    found = task.figures(sa.scanner("cargo-6-4mv").binned(4, 4), 2)
    assert found["judged"] >= 15
    assert found["coverage_both"]["95"] > 0.85
    assert found["scatter_over_limit_on"] < 2.0
    assert found["scatter_over_limit_off"] < 2.0
    lines = found["table"]
    assert len(lines) == 40
    assert all(line["stated"] > 0.9 * line["limit_counts"] for line in lines if line.get("counts"))
    iron = next(line for line in lines if (line["element"], line["g_cm2"], line["axis"]) == ("Fe", 20, "on"))
    assert iron["twin"]
    assert not iron["counts"]
    json.dumps(found)
    assert "| Fe | 100 | on |" in task.markdown(found)


def test_the_limit_grows_with_matter_in_the_way(task):
    device = sa.scanner("cargo-6-4mv")
    model = task.exact(device)
    slab = task.Slab("Fe", 26, 50.0, 0.0, 0.0)
    thin, thick = (task.quantum_variance(device, model, slab, depth, 0.0) for depth in (10.0, 150.0))
    assert (thick > 10 * thin).all()
    assert thin[1] > thin[0]
