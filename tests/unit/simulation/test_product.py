import numpy as np
import pytest

from scananalysis.simulation.product import product


@pytest.mark.parametrize(
    "shape", [(18, 8, 12_288), (1400, 276, 96), (2, 18, 9000), (160, 40, 200), (1, 1, 1), (5, 3, 0), (300, 200_000, 2)]
)
def test_product_is_the_matrix_product(shape):
    m, k, n = shape
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((m, min(k, 3000))), rng.standard_normal((min(k, 3000), n))
    np.testing.assert_allclose(product(a, b), a @ b, rtol=1e-9, atol=1e-9)
    assert product(a.astype(np.float32), b.astype(np.float32)).dtype == np.float32
