"""Cells of ``benchmarks/tasks/defects.py`` whose outcome is known."""

import importlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def task(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.tasks.defects")


@pytest.mark.parametrize(
    ("cell", "least", "most"),
    [
        ({"kind": 3, "sigmas": 6.0, "share": 0.05}, 0.99, 1.0),
        ({"kind": 3, "sigmas": 2.0, "share": 0.05}, 0.0, 0.05),
        ({"kind": 1, "left": 0.0}, 0.99, 1.0),
        ({"kind": 2, "counts": 15_000}, 0.99, 1.0),
        ({"kind": 2, "counts": 50}, 0.0, 0.05),
        ({"kind": 4, "ratio": 2.0}, 0.99, 1.0),
    ],
)
def test_what_is_plain_is_found_and_what_is_hidden_is_not(task, cell, least, most):
    found = task.measure(cell, arrays=3, elements=256, density=0.03)
    assert found["bad"] > 10
    assert least <= found["found"][0] <= most
    assert found["false"][0] <= 0.002


def test_strengths_are_those_that_were_asked_for(task):
    rng = np.random.default_rng(1)
    dark, _, bad = task.references(rng, 400, 0.1, {"kind": 3, "sigmas": 50.0, "share": 0.1})
    high = dark[0] > np.median(dark[0], axis=0) + 25 * task.NOISE
    assert high[:, bad].mean() == pytest.approx(0.1, abs=0.01)
    assert not high[:, ~bad].any()
