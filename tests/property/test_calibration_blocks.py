"""Block size changes no bit; a scan without imperfections comes out as it went in."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scananalysis.calibration import Recipe, calibrate
from scananalysis.core import RawScan
from scananalysis.detectors import scanner

ELEMENTS = scanner("cargo-6-4mv").binned(16, 16).elements


def scan_of(lines, seed, *, lag=0.5):
    rng = np.random.default_rng(seed)
    transmission = np.exp(-rng.uniform(0, 9, (2, lines, ELEMENTS)))
    dark = rng.normal(900, 3, (2, 16, ELEMENTS)).round().astype(np.uint16)
    air = rng.normal(50_000, 110, (2, 16, ELEMENTS)).round().astype(np.uint16)
    air[:, :, 7] = dark[:, :, 7]
    counts = np.clip(rng.normal(900 + 49_100 * transmission, 20), 0, 65_535).round().astype(np.uint16)
    counts[rng.random(counts.shape) < 0.01] = 65_535
    counts[:, lines // 2] = counts[:, max(lines // 2 - 1, 0)]
    return RawScan(
        counts,
        scanner="cargo-6-4mv",
        binning=(16, 16),
        dark=dark,
        air=air,
        monitor=rng.normal(1, 0.02, (2, lines)).astype(np.float32),
        air_monitor=rng.normal(1, 0.02, (2, 16)).astype(np.float32),
        position_mm=(np.arange(lines) + np.array([[0.0], [lag]])) * 80.0,
    )


ARTEFACTS = ("linearity", "afterglow", "crosstalk", "scatter", "drift")
RECIPES = {
    "usual": Recipe(),
    # Every element stands alone: worked on element by element where a block is not longer than the scan, else line by line.
    "plain": Recipe.model_validate({name: {"enabled": False} for name in (*ARTEFACTS, "defects", "registration")}),
    "bent": Recipe.model_validate({name: {"enabled": False} for name in (*ARTEFACTS[1:], "defects", "registration")}),
}


@given(
    lines=st.integers(1, 70),
    block=st.sampled_from([1, 2, 3, 7, 16, 64, 1000]),
    seed=st.integers(0, 50),
    lag=st.sampled_from([0.5, -0.5, 0.0]),
    recipe=st.sampled_from(sorted(RECIPES)),
)
def test_block_size_changes_no_bit(lines, block, seed, lag, recipe):
    scan = scan_of(lines, seed, lag=lag)
    whole, parts = (calibrate(scan, recipe=RECIPES[recipe], block_lines=size) for size in (lines, block))
    for name in ("attenuation", "variance", "quality"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))
    for name, term in whole.systematic.items():
        np.testing.assert_array_equal(term.effect, parts.systematic[name].effect)


@given(alpha=st.floats(0, 6), lines=st.integers(1, 9))
def test_a_perfect_scanner_gives_the_attenuation(alpha, lines):
    dark = np.full((2, 8, ELEMENTS), 900, np.uint16)
    air = np.full((2, 8, ELEMENTS), 60_900, np.uint16)
    counts = np.full((2, lines, ELEMENTS), 900 + round(60_000 * np.exp(-alpha)), np.uint16)
    scan = RawScan(counts, scanner="cargo-6-4mv", binning=(16, 16), dark=dark, air=air)
    expected = -np.log((counts[0, 0, 0] - 900.0) / 60_000)
    plain = Recipe.model_validate({name: {"enabled": False} for name in ARTEFACTS})
    np.testing.assert_allclose(calibrate(scan, recipe=plain).attenuation, expected, rtol=1e-6, atol=1e-6)
