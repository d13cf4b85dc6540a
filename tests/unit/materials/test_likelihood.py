"""Likelihood in atomic number: the truth explains a pair best, and how many pairs are looked up together changes nothing."""

import numpy as np
import pytest

from scananalysis.detectors import scanner
from scananalysis.materials import DualEnergyModel
from scananalysis.materials.likelihood import Z, explain


@pytest.fixture(scope="module")
def model():
    return DualEnergyModel.nominal(scanner("cargo-6-4mv"))


@pytest.mark.parametrize(("z", "areal_density"), [(6.0, 40.0), (13.0, 60.0), (26.0, 100.0), (50.0, 80.0), (82.0, 60.0)])
def test_the_true_element_leaves_no_residual_and_its_areal_density(model, z, areal_density):
    alpha = np.array(model.forward(areal_density, z))
    found = explain(model, alpha[None], np.diag([1e-8, 1e-8])[None])
    true = int(np.abs(z - Z).argmin())
    assert abs(found.residual[0, true]) < 2e-4 * alpha[1]
    assert found.areal_density[0, true] == pytest.approx(areal_density, rel=2e-3)


def test_pairs_together_give_what_pairs_alone_give(model):
    rng = np.random.default_rng(3)
    alpha = np.stack(
        [model.forward(a, z) for a, z in zip(rng.uniform(5, 200, 300), rng.uniform(5, 80, 300), strict=True)]
    )
    covariance = np.tile(np.diag([1e-6, 2e-6]), (300, 1, 1))
    angles, weights = np.linspace(-0.2, 0.2, 7), rng.dirichlet(np.ones(7), 300)
    together = explain(model, alpha, covariance, angles, weights=weights)
    for n in (0, 255, 256, 299):
        alone = explain(model, alpha[n : n + 1], covariance[n : n + 1], angles, weights=weights[n : n + 1])
        np.testing.assert_allclose(alone.chi2[0], together.chi2[n], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(alone.areal_density[0], together.areal_density[n], rtol=1e-12)
