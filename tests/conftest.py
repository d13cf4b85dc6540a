"""Shared by all tests: the folder of real radiographs, where there is one, and a fixed hypothesis profile."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Tests must give the same answer on every run and on slow machines.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=40)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real radiographs; tests that use it are marked ``real_data`` and skip without it."""
    folder = os.environ.get("SCANANALYSIS_REAL_DATA")
    if not folder:
        pytest.skip("SCANANALYSIS_REAL_DATA names no folder of real radiographs")
    return Path(folder)
