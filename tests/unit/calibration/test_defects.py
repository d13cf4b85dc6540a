import numpy as np
import pytest

from scananalysis.calibration import Calibration
from scananalysis.calibration.defects import find_defects, interpolate, plan_repair
from scananalysis.calibration.recipe import Defects
from scananalysis.core import Quality, RawScan, has
from scananalysis.detectors import scanner

SCANNER = scanner("cargo-6-4mv").binned(8, 8)
ELEMENTS = SCANNER.elements
LINES = 1000
NOISE, QUANTUM = 3.0, 5.0


def array(rng, density=0.01):
    """References of an array with 1 % of dead, hot and flickering elements; what each element is."""
    kind = np.zeros(ELEMENTS, int)
    bad = rng.random(ELEMENTS) < density
    kind[bad] = rng.integers(1, 4, bad.sum())
    offset = 900 + rng.normal(0, 20, ELEMENTS)
    gain = 40_000 * (1 + rng.normal(0, 0.02, ELEMENTS))
    shape = (LINES, ELEMENTS)
    pulse = 1 + rng.normal(0, 0.01, (LINES, 1))
    dark = rng.normal(offset, NOISE, shape)
    air = rng.normal(offset + gain * pulse, np.sqrt(QUANTUM * gain * pulse + NOISE**2))
    air[:, kind == 1] = rng.normal(offset, NOISE, shape)[:, kind == 1]
    dark[:, kind == 2] += 15_000
    air[:, kind == 2] += 15_000
    for element in np.flatnonzero(kind == 3):
        # Five sigma, five per cent of the time.
        jumps = rng.random(LINES) < 0.05
        dark[jumps, element] += 5 * NOISE
    return dark, air, kind


def calibration_of(dark, air):
    planes = [np.clip(np.rint(p), 0, 65535).astype(np.uint16)[None].repeat(2, 0) for p in (dark, air)]
    counts = np.full((2, 4, ELEMENTS), 1000, np.uint16)
    return Calibration.from_references(
        RawScan(counts, scanner="cargo-6-4mv", binning=(8, 8), dark=planes[0], air=planes[1])
    )


def test_defects_are_found_with_hardly_a_false_one():
    rng = np.random.default_rng(0)
    found = {1: [], 2: [], 3: []}
    false = []
    for _ in range(50):
        dark, air, kind = array(rng)
        flagged = find_defects(calibration_of(dark, air), Defects())[0] != 0
        for which, hits in found.items():
            hits.extend(flagged[kind == which])
        false.extend(flagged[kind == 0])
    for which, hits in found.items():
        assert len(hits) > 10
        assert np.mean(hits) >= 0.99, which
    assert np.mean(false) <= 0.001


def test_each_defect_has_its_name():
    rng = np.random.default_rng(1)
    dark, air, kind = array(rng, density=0.0)
    assert not kind.any()
    air[:, 10] = dark[:, 10]
    dark[:, 20] += 15_000
    air[:, 20] += 15_000
    dark[:, 30] = rng.normal(900, 5 * NOISE, LINES)
    dark[rng.random(LINES) < 0.1, 40] += 12 * NOISE
    air[:, 50] += rng.normal(0, 1200, LINES)
    flags = find_defects(calibration_of(dark, air), Defects())[0]
    for element, flag in ((10, Quality.DEAD), (20, Quality.HOT), (30, Quality.NOISY), (40, Quality.FLICKERING)):
        assert has(flags[element], flag), element
    assert has(flags[50], Quality.NOISY)
    assert np.count_nonzero(flags) == 5
    assert not find_defects(calibration_of(dark, air), Defects(enabled=False)).any()


def test_few_reference_lines_give_no_false_defects():
    rng = np.random.default_rng(2)
    false = []
    for _ in range(20):
        dark, air, _ = array(rng, density=0.0)
        false.extend(find_defects(calibration_of(dark[:16], air[:16]), Defects())[0] != 0)
    assert np.mean(false) <= 0.001


def test_interpolation_is_exact_on_a_slope_and_never_more_certain():
    flags = np.zeros(9, np.uint32)
    flags[[0, 4]] = Quality.DEAD.value
    repair = plan_repair(flags)
    transmission = np.tile(np.linspace(0.2, 1.0, 9, dtype=np.float32), (3, 1))
    truth = transmission.copy()
    transmission[:, [0, 4]] = -7
    variance = np.full_like(transmission, 1e-4)
    variance[:, [0, 4]] = 0
    interpolate(repair, transmission, variance)
    np.testing.assert_allclose(transmission[:, 4], truth[:, 4], rtol=1e-6)
    assert (variance[:, 4] > 1e-4).all()
    # At the end of the array only one neighbour is left.
    np.testing.assert_allclose(transmission[:, 0], truth[:, 1], rtol=1e-6)
    assert has(repair.flags[0], Quality.UNCORRECTABLE)
    assert not has(repair.flags[4], Quality.UNCORRECTABLE)
    assert has(repair.flags[[0, 4]], Quality.INTERPOLATED).all()


def edge(rng, slope, blur=0.35):
    """Transmission on both sides of an edge that runs slantwise, its noise, and what is true."""
    line, element = np.mgrid[0:40, 0:9]
    # How far a pixel lies behind the edge, with the scanner's own blur.
    depth = (line - 20 - slope * (element - 4) - rng.uniform(-0.5, 0.5)) / np.hypot(1, slope)
    truth = 0.2 + 0.6 / (1 + np.exp(-depth / blur))
    variance = (1e-4 * truth).astype(np.float32)
    return truth, (truth + rng.normal(0, np.sqrt(variance))).astype(np.float32), variance


def at_the_edge(slope, *, plain):
    flags = np.zeros(9, np.uint32)
    flags[4] = Quality.DEAD.value
    repair = plan_repair(flags)
    rng = np.random.default_rng(7)
    off, stated = [], []
    for _ in range(400):
        truth, transmission, variance = edge(rng, slope)
        if plain:
            for line in range(len(truth)):
                interpolate(repair, transmission[line : line + 1], variance[line : line + 1])
        else:
            interpolate(repair, transmission, variance)
        # What an error along the edge costs: lines where the neighbours differ.
        near = np.abs(truth[:, 3] - truth[:, 5]) > 0.1
        off.extend((transmission[:, 4] - truth[:, 4])[near])
        stated.extend(np.sqrt(variance[:, 4])[near])
    return np.array(off), np.array(stated)


@pytest.mark.parametrize("slope", [1.0, -1.0])
def test_interpolation_keeps_an_edge_that_runs_slantwise(slope):
    kept, stated = at_the_edge(slope, plain=False)
    blurred, _ = at_the_edge(slope, plain=True)
    assert np.sqrt(np.mean(kept**2)) < 0.5 * np.sqrt(np.mean(blurred**2))
    assert abs(kept.mean()) < 0.01
    # Larger than the noise of a measured pixel there, and never too small.
    assert (stated > 0.01 * np.sqrt(0.2)).all()
    assert np.sqrt(np.mean((kept / stated) ** 2)) < 1.0


@pytest.mark.parametrize("slope", [0.0, 0.4, 2.0, 6.0])
def test_other_edges_are_no_worse_than_on_their_own_line_and_the_error_is_stated(slope):
    kept, stated = at_the_edge(slope, plain=False)
    blurred, _ = at_the_edge(slope, plain=True)
    assert np.sqrt(np.mean(kept**2)) <= 1.02 * np.sqrt(np.mean(blurred**2)) if blurred.size else kept.size == 0
    if kept.size:
        assert np.sqrt(np.mean((kept / stated) ** 2)) < 1.1


def test_a_small_thing_beside_a_bad_element_is_not_taken_for_an_edge():
    flags = np.zeros(5, np.uint32)
    flags[2] = Quality.DEAD.value
    transmission, variance = np.full((5, 5), 0.8, np.float32), np.full((5, 5), 1e-6, np.float32)
    transmission[2, 1] = 0.2
    interpolate(plan_repair(flags), transmission, variance)
    assert transmission[2, 2] == pytest.approx(0.5)
    assert np.sqrt(variance[2, 2]) == pytest.approx(0.3, rel=1e-3)
    np.testing.assert_allclose(transmission[[0, 1, 3, 4], 2], 0.8)


def test_where_there_is_no_edge_noise_chooses_nothing():
    rng = np.random.default_rng(3)
    flags = np.zeros(41, np.uint32)
    flags[2::4] = Quality.DEAD.value
    repair = plan_repair(flags)
    transmission = rng.normal(0.5, 0.01, (500, 41)).astype(np.float32)
    variance = np.full_like(transmission, 1e-4)
    between = (transmission[:, 1:-1:4] + transmission[:, 3::4]) / 2
    interpolate(repair, transmission, variance)
    np.testing.assert_allclose(transmission[:, 2::4], between, rtol=1e-5)


def test_an_array_without_a_good_element_is_uncorrectable():
    repair = plan_repair(np.full(5, Quality.DEAD.value, np.uint32))
    assert has(repair.flags, Quality.UNCORRECTABLE).all()
    assert repair.bad.size == 0


@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_limits_below_one_are_refused(ratio):
    with pytest.raises(ValueError, match="noisy_ratio"):
        Defects(noisy_ratio=ratio)
