"""Pieces that are worked on side by side give the bits of one that is worked on alone."""

import numpy as np
import pytest

from scananalysis.calibration import Recipe, calibrate, run
from scananalysis.calibration.noise import noise_of, relative_noise_of
from scananalysis.calibration.plan import plans_of
from scananalysis.calibration.references import Calibration
from scananalysis.core import RawScan
from scananalysis.detectors import scanner

SCANNER = scanner("cargo-6-4mv").binned(16, 16)
LINES = 4000
ARTEFACTS = ("linearity", "afterglow", "crosstalk", "scatter", "drift")


@pytest.fixture(scope="module")
def scan():
    rng = np.random.default_rng(0)
    dark, air = (rng.normal(level, sigma, (2, 50, SCANNER.elements)) for level, sigma in ((900, 3), (50_000, 300)))
    air[:, :, 9] = dark[:, :, 9]
    counts = 900 + 49_000 * np.exp(-rng.uniform(0, 9, (2, LINES, SCANNER.elements))) + rng.normal(0, 3, (2, LINES, 1))
    counts[0, 700, 3] = 65_535
    counts, dark, air = (np.round(values).astype(np.uint16) for values in (counts, dark, air))
    monitor = rng.normal(1, 0.02, (2, LINES)).astype(np.float32)
    monitor[1, 1000] = 0
    return RawScan(
        counts, "cargo-6-4mv", dark=dark, air=air, monitor=monitor,
        air_monitor=rng.normal(1, 0.02, (2, 50)).astype(np.float32), binning=(16, 16),
    )  # fmt: skip


def without(*steps):
    return Recipe.model_validate({name: {"enabled": False} for name in steps})


@pytest.mark.parametrize(
    "recipe",
    [without(*ARTEFACTS, "defects", "registration"), without("afterglow"), without(*ARTEFACTS[1:], "defects", "registration")],
    ids=["elements", "lines", "elements-bent"],
)  # fmt: skip
def test_pieces_change_no_bit(scan, recipe, monkeypatch):
    pieces = calibrate(scan, recipe=recipe)
    monkeypatch.setattr(run, "_PIECE_LINES", LINES)
    whole = calibrate(scan, recipe=recipe, block_lines=LINES + 1)
    for name in ("attenuation", "variance", "quality"):
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name))
    for name, term in whole.systematic.items():
        np.testing.assert_array_equal(term.effect, pieces.systematic[name].effect)


def test_elements_are_cut_so_that_all_are_done_once():
    pieces = run._element_pieces(2000, 4000)
    assert [i for piece in pieces for i in range(piece.start, piece.stop)] == list(range(2000))
    assert len(pieces) > 20


def test_noise_of_pixels_that_stand_alone_is_the_noise_of_transmission(scan):
    plan = plans_of(Calibration.from_references(scan), SCANNER, 0.0, Recipe())[0]
    rng = np.random.default_rng(1)
    transmission = np.exp(-rng.uniform(0, 17, (40, SCANNER.elements))).astype(np.float32)
    pulse = rng.normal(1, 0.1, 40).astype(np.float32)
    inverse = 1 / transmission
    expected = noise_of(plan, transmission, pulse) * inverse**2
    found = relative_noise_of(plan, -np.log(transmission), inverse * pulse[:, None])
    shallow = transmission > 1e-7
    np.testing.assert_allclose(found[shallow], expected[shallow], rtol=1e-4)
    # Below that noise of the readout is all there is.
    np.testing.assert_allclose(found[~shallow], expected[~shallow], rtol=1e-2)
