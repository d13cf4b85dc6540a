"""The parts of ``benchmarks/tasks/peer.py`` and ``model.py`` that need no peer: cutting, drawing, counting, listening."""

import importlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def task(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.tasks.peer")


@pytest.fixture
def model_task(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.tasks.model")


@pytest.mark.parametrize("width", [100, 256, 257, 512, 700])
def test_squares_cover_every_column(task, width):
    columns = np.tile(np.arange(width), (task.SIDE, 1))
    squares = task.cut(columns)
    assert squares.shape[1:] == (task.SIDE, task.SIDE)
    assert set(squares.ravel().tolist()) == set(range(width))
    assert len(squares) == max(1, -(-width // task.SIDE))


def test_pictures_keep_their_proportions(task):
    picture = np.zeros((344, 688, 3), np.uint8)
    picture[:, :344] = 200
    found = task.resized(picture)
    assert found.shape == (task.SIDE, 2 * task.SIDE, 3)
    assert found[:, 10].mean() == 200
    mask = np.zeros((344, 688), np.uint8)
    mask[100:200] = 1
    assert set(np.unique(task.resized(mask)).tolist()) == {0, 1}


def test_the_table_names_every_kind_with_its_interval(task):
    kinds = ["none"] * 10 + ["void"] * 4
    p_values = {"a": [0.5] * 10 + [0.01, 0.01, 0.2, 0.2], "b": [0.001] + [0.5] * 13}
    lines = task.table(kinds, p_values, 0.05)
    assert lines[0] == "| scans | n | a | b |"
    clean, void, everything = lines[2:]
    assert clean.startswith("| declared right (false alarms) | 10 | 0.000 (0.00 to 0.31) | 0.100")
    assert void.startswith("| void | 4 | 0.500 (0.07 to 0.93) | 0.000")
    assert everything.startswith("| all frauds | 4 |")


def test_session_calls_are_heard_and_left_as_they_were(model_task):
    import onnxruntime

    from scananalysis.anomaly import load
    from scananalysis.anomaly.features import PLANES

    planes = np.random.default_rng(0).standard_normal((len(PLANES), 64, 96), np.float32)
    own = onnxruntime.InferenceSession.run
    model = load("network")
    whole = model.logits(planes)
    calls = model_task.session_calls(lambda: model.logits(planes))
    assert onnxruntime.InferenceSession.run is own
    ((session, names, feed),) = calls
    assert next(iter(feed.values())).shape == (1, len(PLANES), 64, 96)
    np.testing.assert_array_equal(session.run(names, feed)[0][0], whole)
