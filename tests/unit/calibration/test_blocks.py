import dataclasses

import numpy as np

from scananalysis.calibration.noise import growth, noise_of
from scananalysis.calibration.plan import plans_of
from scananalysis.calibration.recipe import Recipe
from scananalysis.calibration.references import Calibration
from scananalysis.calibration.signal import transmission_of
from scananalysis.core import RawScan
from scananalysis.detectors import scanner

SCANNER = scanner("cargo-6-4mv").binned(8, 8)


def plan():
    rng = np.random.default_rng(0)
    shape = (2, 100, SCANNER.elements)
    scan = RawScan(
        np.ones((2, 2, SCANNER.elements), np.uint16),
        scanner="cargo-6-4mv",
        binning=(8, 8),
        dark=rng.normal(900, 3, shape).round().astype(np.uint16),
        air=rng.normal(50_000, 110, shape).round().astype(np.uint16),
    )
    return plans_of(Calibration.from_references(scan), SCANNER, 0.0, Recipe())[0]


def test_wide_counts_give_what_narrow_ones_give():
    counts = np.random.default_rng(1).integers(0, 65_536, (7, SCANNER.elements)).astype(np.uint16)
    pulse = np.linspace(0.9, 1.1, 7, dtype=np.float32)
    narrow = transmission_of(plan(), counts, pulse)
    np.testing.assert_allclose(transmission_of(plan(), counts.astype(np.uint32), pulse), narrow, rtol=2e-6, atol=2e-8)


def test_memory_layout_changes_no_bit():
    counts = np.random.default_rng(1).integers(0, 65_536, (7, SCANNER.elements)).astype(np.uint16)
    pulse = np.ones(7, np.float32)
    expected = transmission_of(plan(), counts, pulse)
    for other in (counts.astype(">u2"), np.asfortranarray(counts), np.repeat(counts, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(transmission_of(plan(), other, pulse), expected)


def test_counts_below_the_offset_are_not_clipped():
    counts = np.full((1, SCANNER.elements), 850, np.uint16)
    assert (transmission_of(plan(), counts, np.ones(1, np.float32)) < 0).all()


def test_noise_follows_the_hardening_of_the_beam():
    used = dataclasses.replace(plan(), dark_variance=np.zeros(SCANNER.elements, np.float32))
    attenuation, worth = growth(SCANNER.beams()[0])
    deep = attenuation < 10
    transmission = np.repeat(np.exp(-attenuation[deep])[:, None], SCANNER.elements, axis=1).astype(np.float32)
    variance = noise_of(used, transmission, np.ones(deep.sum(), np.float32))
    np.testing.assert_allclose(variance[:, 0], used.quantum[0] * worth[deep] * transmission[:, 0], rtol=0.02)
