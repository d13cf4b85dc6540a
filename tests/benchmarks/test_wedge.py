"""``benchmarks/tasks/wedge.py`` on steps of our own beam: the fit finds them, and predicts the element that it was not shown."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from scananalysis.core import FormatError
from scananalysis.physics import transmission

ROOT = Path(__file__).parents[2]


@pytest.fixture
def task(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.tasks.wedge")


def test_exact_steps_leave_no_residual_and_shifted_ones_do(task, tmp_path):
    beam = task.beam_of(6)
    steps = [(z, depth) for z in (6, 26, 82) for depth in (20.0, 50.0, 100.0, 150.0)]
    name = {6: "C", 26: "Fe", 82: "Pb"}
    alphas = [-np.log(float(transmission(beam, {name[z]: np.array(depth)}))) for z, depth in steps]
    path = tmp_path / "wedge.csv"
    rows = [f"6,{z},{depth},{alpha:.6f},1e-3" for (z, depth), alpha in zip(steps, alphas, strict=True)]
    path.write_text("# made up\n" + ",".join(task.COLUMNS) + "\n" + "\n".join(rows) + "\n", encoding="utf-8")
    read = task.read_wedge(path)[6]
    assert read.shape == (12, 4)
    model = task.fitted(beam, read)
    assert task.rms_percent(model, read) < 0.1
    assert task.rms_percent(model, read * [1, 1, 1.02, 1]) > 1.5


def test_another_table_is_refused(task, tmp_path):
    path = tmp_path / "wedge.csv"
    path.write_text("z,alpha\n6,1\n", encoding="utf-8")
    with pytest.raises(FormatError, match="beam_mv, z, areal_density_g_cm2"):
        task.read_wedge(path)
