import numpy as np
import pytest

from scananalysis.calibration.offset import MEAN_LOSS, dark_level, outlier_share, robust_mean


def test_stated_error_of_the_offset_is_the_real_one():
    rng = np.random.default_rng(0)
    errors = robust_mean(rng.normal(0, 1, (1, 200, 20_000)))[0]
    assert errors.std() * np.sqrt(200) == pytest.approx(MEAN_LOSS, rel=0.03)


def test_a_stray_line_moves_the_offset_by_less_than_its_error():
    rng = np.random.default_rng(1)
    dark = rng.normal(900, 3, (2, 200, 300)).round().astype(np.uint16)
    before = dark_level(dark)
    dark[:, 17] = 40_000
    after = dark_level(dark)
    # The plain mean would move by 195 counts.
    assert np.abs(after.offset - before.offset).mean() < before.sigma.mean()


@pytest.mark.parametrize("lines", [1, 3, 8, 9])
def test_few_lines_still_have_a_mean(lines):
    np.testing.assert_allclose(robust_mean(np.full((1, lines, 4), 7.0)), 7.0)


def test_outliers_are_counted_against_the_elements_own_noise():
    rng = np.random.default_rng(2)
    lines = rng.normal(0, [[1.0, 1.0, 1.0, 30.0]], (1, 2000, 4))
    lines[0, :100, 0] += 8
    lines[0, :100, 3] += 8
    share = outlier_share(lines)[0]
    assert share[0] == pytest.approx(0.05, abs=0.002)
    assert share[1:].max() < 0.002
