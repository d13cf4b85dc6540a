"""Cells of ``benchmarks/tasks/failed.py`` whose outcome is known."""

import importlib
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def benchmark_module():
    root = str(Path(__file__).parents[2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [root, *sys.path])
        return importlib.import_module("benchmarks.tasks.failed")


def test_dead_elements_are_found_with_and_without_open_lines_and_no_good_one_is(benchmark_module):
    for cut in (False, True):
        figures = benchmark_module.measure("cargo-6-4mv", 8, 3, cut=cut)
        assert figures["found"]["dead"] == 1
        assert figures["false"] == 0
        assert (figures["found"]["weaker"] == 0) is cut
