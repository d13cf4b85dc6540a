"""Scans of arrays that are not one straight row with one gain, through calibration and back to areal density."""

import dataclasses
import functools
import re

import numpy as np
import pytest

import scananalysis as sa
from scananalysis._resources import find
from scananalysis.calibration import Calibration, Recipe, Stream, calibrate
from scananalysis.core import UNUSABLE, Quality, has
from scananalysis.materials import model_for, pool
from scananalysis.physics import mass_attenuation
from scananalysis.simulation import Box, Imperfections, Matter, Piece, Scene, render

SLABS = {10: (150, 350), 60: (450, 650), 160: (750, 950)}
"""Steel plates: thickness and travel, mm; higher and lower than the array sees."""
SCENE = Scene(
    tuple(
        Piece(Box(x, (-2000, 6000), (6000 - thick / 2, 6000 + thick / 2)), Matter.of("steel"), 7.85)
        for thick, x in SLABS.items()
    ),
    1100.0,
)
GOOD_ELEMENTS = Imperfections(dead_share=0, hot_share=0, flicker_share=0)
BOOM, STRAIGHT = slice(4, 56), slice(64, 336)
"""Elements of the boom and of the vertical array, of 344 after binning, away from the corner and the ends."""
CORNER = "boom_elements = 240\ncolumns = 2\n"
GAINS = "low_gain_from_counts = 9000\nlow_gain_step_counts = 8\nlow_gain_noise_counts = 12\n"
SPREAD = 0.006


def definition(geometry="", readout="", *, artefacts=False):
    text = find("detectors", "cargo-6-4mv.toml").read_text(encoding="utf-8")
    text = text.replace("[geometry]\n", f"[geometry]\n{geometry}").replace("[readout]\n", f"[readout]\n{readout}")
    if artefacts:
        return re.sub(r"^afterglow.*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"^\[artefacts\][^\[]*(\[[\d., ]*\][^\[]*)*", "", text, flags=re.MULTILINE)


@pytest.fixture(scope="module", autouse=True)
def portals(tmp_path_factory):
    """A site's own scanners, as calibration finds them: by name."""
    folder = tmp_path_factory.mktemp("definitions")
    (folder / "detectors").mkdir()
    for name, text in {
        "corner": definition(CORNER),
        "corner-with-artefacts": definition(CORNER, artefacts=True),
        "two-gains": definition(readout=GAINS),
        "two-gains-off": definition(readout=f"{GAINS}low_gain_spread = {SPREAD}\n"),
    }.items():
        (folder / "detectors" / f"{name}.toml").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCANANALYSIS_DEFINITIONS", str(folder))
        yield


GRID = np.linspace(0, 260, 521)


@functools.cache
def curves(name, binning, channel):
    """Attenuation behind steel by the beam at each element's angle, (element, depth)."""
    device = sa.scanner(name).binned(*binning)
    behind = np.exp(-GRID[:, None] * mass_attenuation("steel", device.beams()[channel].energy_mev))
    return -np.log(device.beams()[channel].signal_weights(device.fan_angle_rad) @ behind.T)


def depths(name, binning, channel, rows, alpha):
    """Areal density of steel with some attenuation, (row, line), g/cm²."""
    by_element = curves(name, binning, channel)[rows]
    return np.stack([np.interp(line, curve, GRID) for line, curve in zip(alpha, by_element, strict=True)])


class Measured:
    """A simulated scan, calibrated: the areal density of steel that its attenuation stands for, with its error."""

    def __init__(self, name, binning, seed):
        self.name, self.binning = name, binning
        self.device = sa.scanner(name).binned(*binning)
        made = render(SCENE, self.device, seed, imperfections=GOOD_ELEMENTS)
        self.truth, self.radiograph = made.truth, sa.calibrate(made.scan)
        self.good = ~has(self.radiograph.quality, UNUSABLE | Quality.INTERPOLATED).any(axis=0)
        self.off = self.radiograph.attenuation + np.log(self.truth["transmission"])

    def lines(self, thick):
        low, high = (x / self.device.line_pitch_mm for x in SLABS[thick])
        margin = int(40 / self.device.line_pitch_mm)
        return slice(int(low) + margin, int(high) - margin)

    def pixels(self, channel, rows, lines):
        """Error of the areal density of single pixels over its stated σ."""
        shared = sum(
            np.broadcast_to(term.effect, self.off.shape)[channel, rows, lines] ** 2
            for term in self.radiograph.systematic.values()
        )
        sigma = np.sqrt(self.radiograph.variance[channel, rows, lines] + shared)
        alpha = self.radiograph.attenuation[channel, rows, lines]
        found, more = (depths(self.name, self.binning, channel, rows, a) for a in (alpha, alpha + 1e-3))
        off = found - self.truth["areal_density"][rows, lines]
        return (off / ((more - found) / 1e-3 * sigma))[self.good[rows, lines]]

    def mask(self, rows, lines):
        mask = np.zeros_like(self.good)
        mask[rows, lines] = self.good[rows, lines]
        return mask

    def region(self, rows, lines):
        """Error of −ln of the mean transmission of a region over its stated σ, one per channel."""
        mask = self.mask(rows, lines)
        independent, shared = self.radiograph.mean_covariance(mask)
        true = self.truth["transmission"][:, mask]
        mean = (true * np.exp(-self.off[:, mask])).mean(axis=1, dtype=float) / true.mean(axis=1, dtype=float)
        return -np.log(mean) / np.sqrt(np.diag(independent + shared))


@pytest.fixture(scope="module")
def cornered():
    return [Measured("corner", (1, 4), seed) for seed in range(12)]


def test_the_definitions_are_what_they_say():
    bent, off = sa.scanner("corner"), sa.scanner("two-gains-off")
    assert (bent.geometry.boom_elements, bent.geometry.columns, bent.pulse.interlaced) == (240, 2, True)
    assert bent.artefacts == off.artefacts == type(bent.artefacts)()
    assert sa.scanner("corner-with-artefacts").artefacts.scatter_share == 0.03
    assert off.readout.low_gain_spread == SPREAD


@pytest.mark.parametrize("thick", SLABS)
@pytest.mark.parametrize("rows", [BOOM, STRAIGHT], ids=["boom", "straight"])
def test_pixels_of_a_corner_and_of_both_columns_keep_their_areal_density(cornered, thick, rows):
    for column in (0, 1):
        values = []
        for each in cornered:
            lines = each.lines(thick)
            part = slice(lines.start + (lines.start + column) % 2, lines.stop, 2)
            values += [each.pixels(c, rows, part) for c in (0, 1)]
        found = np.concatenate(values)
        # Lines that are made of two pulses have half the error of the pulse that is stated for all.
        assert 0.9 < found.std() < 1.06
        # Starved pixels are skewed, but as many read too much as too little.
        assert abs(np.median(found)) < 0.08


@pytest.mark.parametrize("rows", [BOOM, STRAIGHT], ids=["boom", "straight"])
def test_regions_of_a_corner_and_two_columns_are_right_within_their_error(cornered, rows):
    """Columns share the error of their pulse, so a mean over lines has fewer independent ones than lines."""
    found = [each.region(rows, each.lines(thick)) for each in cornered for thick in SLABS]
    # 72 values; calibration that took lines for independent would make it 1.4.
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(1.0, abs=0.2)


def test_every_artefact_of_a_corner_is_taken_off_again():
    each = Measured("corner-with-artefacts", (1, 4), 1)
    assert {"scatter", "crosstalk", "linearity"} <= set(each.radiograph.systematic)
    for thick in SLABS:
        for rows in (BOOM, STRAIGHT):
            mask = each.mask(rows, each.lines(thick))
            assert np.all(np.abs(each.region(rows, each.lines(thick))) < 2)
            alpha = -np.log(np.exp(-each.radiograph.attenuation[:, mask]).mean(axis=1, dtype=float))
            true = -np.log(each.truth["transmission"][:, mask].mean(axis=1, dtype=float))
            np.testing.assert_allclose(alpha, true, rtol=2e-3, atol=2e-3)
            materials = pool(each.radiograph, model_for(each.radiograph)[0], mask)
            expected = each.truth["areal_density"][mask].mean()
            assert abs(materials.areal_density - expected) < 2 * materials.sigma_areal_density


@pytest.fixture(scope="module")
def joined():
    return {name: [Measured(name, (4, 4), seed) for seed in range(12)] for name in ("two-gains", "two-gains-off")}


def test_two_gains_that_join_well_leave_the_stated_errors_true(joined):
    for thick in SLABS:
        values = [each.pixels(c, STRAIGHT, each.lines(thick)) for each in joined["two-gains"] for c in (0, 1)]
        assert np.concatenate(values).std() == pytest.approx(1.0, abs=0.06)
    found = [each.region(STRAIGHT, each.lines(thick)) for each in joined["two-gains"] for thick in SLABS]
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("thick", SLABS)
def test_the_join_of_two_gains_is_an_error_by_element_that_calibration_states(joined, thick):
    """As docs/theory/calibration.md says: ln of it in every pixel below the switch, nothing above."""
    errors, expected, stated, join = [], [], [], []
    for each in joined["two-gains-off"]:
        lines = each.lines(thick)
        low = each.truth["at_low_gain"][:, STRAIGHT, lines]
        assert low.mean() > 0.99 if thick == 10 else low.mean() < 0.01
        true = each.truth["transmission"][:, STRAIGHT, lines]
        mean = (true * np.exp(-each.off[:, STRAIGHT, lines])).mean(axis=2) / true.mean(axis=2)
        kept = np.broadcast_to(each.good[STRAIGHT, lines].all(axis=1), mean.shape)
        errors.append(-np.log(mean[kept]))
        expected.append(np.log(each.truth["low_gain"][:, STRAIGHT])[kept])
        shared = each.radiograph.systematic
        stated.append(np.concatenate([np.ravel(shared[f"gain-{c}"].effect[c, STRAIGHT]) for c in (0, 1)]))
        join.append(np.concatenate([shared[f"join-{c}"].effect[c, STRAIGHT, lines].mean(axis=1) for c in (0, 1)]))
        assert shared["join-0"].shared_along == "x"
        assert not shared["join-0"].effect[1].any()
    errors, expected = np.concatenate(errors), np.concatenate(expected)
    assert expected.std() == pytest.approx(SPREAD / 2, rel=0.1)
    slope = float(errors @ expected / (expected @ expected))
    assert slope == pytest.approx(0.0 if thick == 10 else 1.0, abs=0.15)
    # What is stated for the gain of an element is far below it; its own term says how large it is.
    assert np.concatenate(stated).mean() < 0.1 * expected.std()
    assert np.concatenate(join).mean() == pytest.approx(0.0 if thick == 10 else SPREAD / 2, rel=0.01, abs=SPREAD / 100)


def test_with_the_join_stated_regions_of_few_elements_are_right_within_their_error(joined):
    """Means along the travel of single elements, where nothing but the element's own errors is left."""
    found = [
        each.region(slice(row, row + 1), each.lines(thick))
        for each in joined["two-gains-off"] for thick in SLABS for row in range(70, 330, 20) if each.good[row].any()
    ]  # fmt: skip
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(1.0, abs=0.1)


def test_a_stream_knows_the_lag_and_the_shared_pulses_of_two_columns():
    """Without recorded positions: two columns lag by a line, by the scanner's timing; the same pixels and errors as of the whole scan."""
    device = sa.scanner("corner").binned(1, 4)
    scan = render(SCENE, device, 3, imperfections=GOOD_ELEMENTS).scan
    recipe = Recipe.model_validate({"defects": {"in_scan": "off"}})
    used = Calibration.from_references(scan)
    whole, blind = (calibrate(s, used, recipe=recipe) for s in (scan, dataclasses.replace(scan, position_mm=None)))
    np.testing.assert_array_equal(blind.attenuation, whole.attenuation)
    stream = Stream(device, used, recipe=recipe)
    parts = [stream.feed(scan.counts[:, a : a + 60], scan.monitor[:, a : a + 60]) for a in range(0, scan.shape[1], 60)]
    seen = [part for part in [*parts, stream.close()] if part is not None]
    np.testing.assert_array_equal(np.concatenate([part.attenuation for part in seen], axis=2), whole.attenuation)
    for c in (0, 1):
        stated = np.concatenate([part.systematic[f"pulse-{c}"].effect for part in seen], axis=2)
        np.testing.assert_array_equal(stated, whole.systematic[f"pulse-{c}"].effect)
        # Half and half of two lines of one pulse have all of its error, √½ of two lines with errors of their own.
        assert stated[c].mean() == pytest.approx(used.monitor_sigma[c], rel=1e-3)
