"""Elements that fail between the references and the scan: found, interpolated and flagged, and hardly a good one taken for bad."""

import dataclasses

import numpy as np
import pytest

from scananalysis.calibration import Calibration, Recipe, Stream, calibrate
from scananalysis.calibration.failed import find_failed
from scananalysis.calibration.plan import plans_of
from scananalysis.core import CalibrationError, Quality, RawScan, has
from scananalysis.detectors import scanner
from scananalysis.simulation import container_scene, render

SCANNER = scanner("cargo-6-4mv").binned(8, 8)
ELEMENTS = SCANNER.elements
OFFSET, NOISE, GAIN, QUANTUM = 900.0, 3.0, 40_000.0, 5.0
LINES = 600


def readings(rng, transmission, pulse=0.01):
    """Counts of one channel behind some transmission, (line, element)."""
    signal = GAIN * transmission * (1 + rng.normal(0, pulse, (len(transmission), 1)))
    return OFFSET + signal + rng.standard_normal(signal.shape) * np.sqrt(QUANTUM * signal + NOISE**2)


def counts_of(values):
    return np.clip(np.rint(values), 0, 65_535).astype(np.uint16)


def loaded(rng):
    """A load with edges along the travel: one-element roof and floor, posts, and the open beam before and behind it."""
    transmission = np.ones((LINES, ELEMENTS))
    for _ in range(12):
        top, height = int(rng.integers(30, ELEMENTS - 10)), int(rng.integers(1, 12))
        start, stop = np.sort(rng.integers(60, LINES - 60, 2))
        transmission[start:stop, top : top + height] *= np.exp(-rng.uniform(0.02, 5))
    for row in (30, 31, 140):
        transmission[60 : LINES - 60, row] *= np.exp(-rng.uniform(0.5, 9))
    return transmission


def scan_with(rng, change=None, transmission=None):
    lit = loaded(rng) if transmission is None else transmission
    dark, air = (np.full((200, ELEMENTS), level) for level in (0.0, 1.0))
    planes = [[counts_of(readings(rng, part)) for _ in range(2)] for part in (dark, air)]
    seen = [readings(rng, lit) for _ in range(2)]
    if change is not None:
        change(rng, seen[0])
    return RawScan(
        np.stack([counts_of(one) for one in seen]), "cargo-6-4mv",
        dark=np.stack(planes[0]), air=np.stack(planes[1]), binning=(8, 8),
    )  # fmt: skip


def found_in(scan, recipe=None):
    recipe = recipe or Recipe.for_scanner(SCANNER)
    used = Calibration.from_references(scan, recipe=recipe)
    return find_failed(scan.counts, plans_of(used, SCANNER, 0.0, recipe), used.dark_noise, recipe.defects)


def dead(element, first=0):
    def change(rng, seen):
        seen[first:, element] = rng.normal(OFFSET, NOISE, np.shape(seen[first:, element]))

    return change


def stuck(element, level=17_000):
    def change(_, seen):
        seen[:, element] = level

    return change


def weaker(element, share=0.7):
    def change(_, seen):
        seen[:, element] = OFFSET + share * (seen[:, element] - OFFSET)

    return change


def jumping(element):
    def change(rng, seen):
        seen[rng.random(LINES) < 0.08, element] += 9 * np.sqrt(QUANTUM * GAIN)

    return change


def noisy(element):
    def change(rng, seen):
        seen[:, element] += rng.normal(0, 3 * np.sqrt(QUANTUM * GAIN), LINES)

    return change


@pytest.mark.parametrize(
    ("change", "elements", "flag"),
    [
        (dead(80), [80], Quality.DEAD),
        (dead(80, first=LINES // 3), [80], Quality.DEAD),
        (dead(slice(80, 82)), [80, 81], Quality.DEAD),
        (dead(slice(80, 96)), list(range(80, 96)), Quality.DEAD),
        (stuck(80), [80], Quality.DEAD),
        (weaker(80), [80], Quality.FLICKERING),
        (weaker(80, share=1.2), [80], Quality.FLICKERING),
        (jumping(80), [80], Quality.FLICKERING),
        (noisy(80), [80], Quality.NOISY),
        (dead(0), [0], Quality.DEAD),
        (dead(ELEMENTS - 1), [ELEMENTS - 1], Quality.DEAD),
    ],
    ids=["dead", "dies", "two", "board", "stuck", "weaker", "stronger", "jumping", "noisy", "first", "last"],
)
def test_what_failed_is_found_and_nothing_else(change, elements, flag):
    # ``change`` touches the first channel only.
    hits, others = 0, 0
    for seed in range(5):
        flags = found_in(scan_with(np.random.default_rng(seed), change))
        hits += has(flags[0, elements], flag).sum()
        others += np.count_nonzero(flags) - np.count_nonzero(flags[0, elements])
    assert hits == 5 * len(elements)
    assert others == 0


def test_loads_alone_are_not_taken_for_failures():
    wrong = [np.count_nonzero(found_in(scan_with(np.random.default_rng(seed)))) for seed in range(40)]
    assert sum(wrong) == 0  # of 40 × 344 elements: below 0.03 % with 95 % confidence


@pytest.mark.parametrize("part", [slice(None), slice(20, 65)], ids=["whole", "no open beam"])
def test_simulated_containers_are_not_taken_for_failures(part):
    coarse = scanner("cargo-6-4mv").binned(16, 16)
    wrong = 0
    for seed in range(12):
        scan = render(container_scene(seed, coarse).scene, coarse, seed=seed).scan
        cut = dataclasses.replace(
            scan, counts=scan.counts[:, part], monitor=scan.monitor[:, part], position_mm=None, time_s=None
        )
        used = Calibration.from_references(cut)
        recipe = Recipe.for_scanner(coarse)
        wrong += np.count_nonzero(
            find_failed(cut.counts, plans_of(used, coarse, 0.0, recipe), used.dark_noise, recipe.defects)
        )
    assert wrong == 0


def test_without_any_open_beam_a_dead_element_between_lit_ones_is_found():
    rng = np.random.default_rng(0)
    lit = np.exp(-rng.uniform(1, 4, (LINES, 1))) * np.ones(ELEMENTS)
    assert np.argwhere(found_in(scan_with(rng, dead(80), lit))).tolist() == [[0, 80]]


def test_a_scan_without_beam_shows_nothing():
    rng = np.random.default_rng(0)
    assert not found_in(scan_with(rng, dead(80), np.zeros((LINES, ELEMENTS)))).any()
    assert not found_in(scan_with(rng, dead(80), np.ones((10, ELEMENTS)))).any()


def test_it_is_interpolated_flagged_and_written_down():
    scan = scan_with(np.random.default_rng(3), dead(80))
    made = calibrate(scan)
    assert has(made.quality[0, 80], Quality.DEAD).all()
    assert has(made.quality[0, 80], Quality.INTERPOLATED).all()
    assert not has(made.quality[1, 80], Quality.DEAD).any()
    around = np.exp(-made.attenuation[0, [79, 81]]).mean(axis=0)
    np.testing.assert_allclose(np.exp(-made.attenuation[0, 80]), around, atol=0.02)
    step = next(entry for entry in made.provenance.steps if entry.name == "calibration.defects")
    assert step.parameters["found"]["failed_since_references"] == [[0, 80]]
    off = Recipe.model_validate({"defects": {"in_scan": "off"}})
    assert not has(calibrate(scan, recipe=off).quality[0, 80], Quality.DEAD).any()


def test_a_stream_refuses_the_search_by_name():
    scan = scan_with(np.random.default_rng(4))
    recipe = Recipe.model_validate({"defects": {"in_scan": "required"}, "pulse": {"enabled": False}})
    with pytest.raises(CalibrationError, match="defects found in the scan"):
        Stream("cargo-6-4mv", Calibration.from_references(scan), recipe=recipe, binning=(8, 8))
