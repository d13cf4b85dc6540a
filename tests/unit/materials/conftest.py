"""Scanners whose artefacts are not quite what they state, as the benchmark of the information limit draws them."""

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

from scananalysis.detectors import Scanner

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def drawn() -> Callable[[Scanner, int], Scanner]:
    """The scanner with artefacts as far from the stated ones as calibration takes them to be uncertain."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        return importlib.import_module("benchmarks.tasks.material_limit").drawn
