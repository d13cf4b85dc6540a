"""Micro benchmarks of the inversion: ``pytest benchmarks/micro/test_materials.py`` (plug-in pytest-benchmark)."""

import numpy as np
import pytest

from scananalysis.detectors import scanner
from scananalysis.materials import DualEnergyModel
from scananalysis.materials.inversion import build_table


@pytest.fixture(scope="module")
def model():
    model = DualEnergyModel.nominal(scanner("cargo-6-4mv"))
    model.invert(1.0, 1.1)
    return model


def test_tables_of_a_scanner(benchmark, model):
    assert build_table(model).planes.shape[-1] == 4
    benchmark(build_table, model)


@pytest.mark.parametrize("rows", [8, 256])
def test_a_pair_of_rows_at_their_own_angles(benchmark, model, rows):
    depth, z = np.linspace(5, 90, 2000), np.tile([6.0, 7.0, 13.0, 26.0], 500)
    high, low = (np.tile(alpha.astype(np.float32), (rows, 1)) for alpha in model.forward(depth, z, 0.2))
    variance = np.full(high.shape, 1e-4, np.float32)
    found = benchmark(model.invert, high, low, variance, variance, np.full(rows, 0.2))
    np.testing.assert_allclose(found.areal_density[0], depth, rtol=2e-3)
