"""Quantile regression finds the quantiles that made the data, and seldom families lean on all."""

import numpy as np
import pytest

from scananalysis.anomaly.expected import MEAN_TERMS, SPREAD_TERMS
from scananalysis.anomaly.training.expected import Cells, fit_expected, linear_quantile


def test_a_line_and_its_upper_quantile_are_found():
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(40_000), rng.uniform(0, 2, 40_000)])
    y = 1 + 2 * x[:, 1] + rng.standard_normal(40_000) * (0.5 + x[:, 1])
    median, high = (linear_quantile(x, y, q) for q in (0.5, 0.9))
    np.testing.assert_allclose(median, [1, 2], atol=0.05)
    # The 90th percentile of a normal deviate is 1.2816.
    np.testing.assert_allclose(high, [1 + 0.5 * 1.2816, 2 + 1.2816], atol=0.08)
    assert np.mean(y <= x @ high) == pytest.approx(0.9, abs=0.005)


def drawn(n, family, intercept, spread, seed):
    rng = np.random.default_rng(seed)
    mean_terms = rng.normal(0, 0.3, (n, len(MEAN_TERMS)))
    spread_terms = rng.normal(0, 0.3, (n, len(SPREAD_TERMS)))
    mean_terms[:, 0] = spread_terms[:, 0] = 1
    seen = intercept + mean_terms[:, 1] + spread * np.exp(spread_terms[:, 1]) * rng.standard_normal(n)
    return [np.full(n, family), seen, mean_terms, spread_terms]


def test_medians_and_tails_are_found_by_family():
    parts = [drawn(30_000, 0, 0.0, 0.05, 1), drawn(30_000, 1, 1.0, 0.2, 2)]
    cells = Cells(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    found = fit_expected(cells, 3)
    np.testing.assert_allclose(found["expected"][:2, 0], [0, 1], atol=0.05)
    np.testing.assert_allclose(found["expected"][:2, 1], [1, 1], atol=0.05)
    # 98 % of the positive half of a normal deviate lie below 2.326 σ; widths scale with the family's own spread.
    np.testing.assert_allclose(np.exp(found["upper"][:2, 0]), [0.05 * 2.326, 0.2 * 2.326], rtol=0.25)
    np.testing.assert_allclose(found["upper"][:2, 1], [1, 1], atol=0.25)
    for family in (0, 1):
        own = cells.family == family
        off = cells.seen[own] - cells.mean_terms[own] @ found["expected"][family]
        widths = (np.exp(cells.spread_terms[own] @ found[side][family]) for side in ("upper", "lower"))
        width = np.where(off > 0, *widths)
        assert np.mean(np.abs(off) > width) == pytest.approx(0.02, abs=0.008)


def test_a_family_that_was_never_seen_is_like_all_together():
    parts = [drawn(5000, 0, 0.0, 0.05, 1), drawn(30, 1, 1.0, 0.05, 2)]
    cells = Cells(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    found = fit_expected(cells, 3)["expected"]
    assert found[2, 0] == pytest.approx(found[0, 0], abs=0.05)
    # Thirty cells pull a little, not all the way.
    assert found[2, 0] < found[1, 0] < 0.5
