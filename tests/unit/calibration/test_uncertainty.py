"""Monte Carlo: the stated σ of attenuation is the real one, for pixels, regions, columns and lines."""

import numpy as np
import pytest

from scananalysis.calibration import calibrate
from scananalysis.core import UNUSABLE, Quality, has
from scananalysis.detectors import scanner
from scananalysis.simulation import Box, Imperfections, Matter, Piece, Scene, render

SCANNER = scanner("cargo-6-4mv").binned(8, 8)
DEFECTS_OFF = {"dead_share": 0.0, "hot_share": 0.0}


def slabs(*thickness_mm):
    """Steel slabs one after the other along the travel, 1 m each, over the whole height."""
    pieces = []
    for i, thick in enumerate(thickness_mm):
        x = (400.0 + 1000 * i, 1400.0 + 1000 * i)
        pieces.append(Piece(Box(x, (-1000, 6000), (5900, 5900 + thick)), Matter.of("steel"), 7.85))
    return Scene(tuple(pieces), 800.0 + 1000 * len(thickness_mm))


def residuals(scene, seed, **imperfections):
    simulated = render(scene, SCANNER, seed, imperfections=Imperfections(**(DEFECTS_OFF | imperfections)))
    radiograph = calibrate(simulated.scan)
    truth = -np.log(simulated.truth["transmission"])
    return radiograph, radiograph.attenuation - truth


@pytest.fixture(scope="module")
def draws():
    # Interlacing is left out: its truth differs from channel to channel at the slabs' ends.
    return [residuals(slabs(20.0, 80.0, 150.0), seed, interlace=True) for seed in range(40)]


def areas(x0, x1):
    mask = np.zeros((SCANNER.elements, int(3800 // SCANNER.line_pitch_mm)), bool)
    mask[20:150, x0:x1] = True
    return mask


# Lines well inside each slab, for a line pitch of 40 mm.
INSIDE = {20: (13, 32), 80: (38, 57), 150: (63, 82)}


@pytest.mark.parametrize("thick", INSIDE)
@pytest.mark.parametrize("channel", [0, 1])
def test_single_pixels(draws, thick, channel):
    values = []
    for radiograph, off in draws:
        part = np.s_[channel, 20:150, slice(*INSIDE[thick])]
        variance = radiograph.variance[part] + sum(
            np.broadcast_to(term.effect, off.shape)[part] ** 2 for term in radiograph.systematic.values()
        )
        good = ~has(radiograph.quality[part], UNUSABLE)
        values.append((off[part] / np.sqrt(variance))[good])
    assert np.concatenate(values).std() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("thick", INSIDE)
@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [("region", slice(40, 60), None), ("row", slice(70, 71), None), ("line", slice(20, 150), slice(5, 6))],
)
def test_means(draws, thick, name, rows, columns):
    first, last = INSIDE[thick]
    values = []
    for radiograph, off in draws:
        for channel in (0, 1):
            mask = np.zeros(off.shape[1:], bool)
            chosen = slice(first, last) if columns is None else slice(first + columns.start, first + columns.stop)
            mask[rows, chosen] = True
            independent, shared = radiograph.mean_covariance(mask)
            sigma = np.sqrt((independent + shared)[channel, channel])
            values.append(off[channel][mask].mean() / sigma)
    spread = np.sqrt(np.mean(np.square(values)))
    # 80 draws tell the spread within 8 %, so three of that.
    assert spread == pytest.approx(1.0, abs=0.25), name


def test_ignoring_shared_errors_would_fail(draws):
    """Over a whole line of elements the pulse is one random variable: noise alone understates the error."""
    first, _ = INSIDE[20]
    ratios = []
    for radiograph, _ in draws[:5]:
        mask = np.zeros(radiograph.shape[1:], bool)
        mask[20:150, first + 5] = True
        independent, shared = radiograph.mean_covariance(mask)
        ratios.append(np.sqrt((independent + shared)[0, 0] / independent[0, 0]))
    assert np.mean(ratios) > 1.5


def test_bias_is_small_over_the_range(draws):
    """Mean transmission over hundreds of pixels: −ln of it is within 0.002 + 0.2 % of the truth."""
    for thick, (first, last) in INSIDE.items():
        part = np.s_[0, 20:150, first:last]
        found = np.mean([np.exp(-r.attenuation[part]).mean(axis=1) for r, _ in draws], axis=0)
        true = np.mean([np.exp(-(r.attenuation - off)[part]).mean(axis=1) for r, off in draws], axis=0)
        difference = np.abs(-np.log(found) + np.log(true)).mean()
        assert difference <= 0.002 + 0.002 * -np.log(true).mean(), thick


def test_defects_come_out_flagged_with_a_larger_sigma():
    simulated = render(slabs(50.0), SCANNER, 5, imperfections=Imperfections(dead_share=0.03, hot_share=0.03))
    radiograph = calibrate(simulated.scan)
    dead, hot = simulated.truth["dead"][0], simulated.truth["hot"][0]
    assert dead.any()
    assert hot.any()
    found_dead = has(radiograph.quality[0], Quality.DEAD).all(axis=1)
    found_hot = has(radiograph.quality[0], Quality.HOT).all(axis=1)
    np.testing.assert_array_equal(found_dead, dead)
    np.testing.assert_array_equal(found_hot, hot & ~dead)
    assert has(radiograph.quality[0], Quality.INTERPOLATED)[dead | hot].all()
    inner = np.s_[15:25]
    assert radiograph.variance[0][dead, inner].mean() > radiograph.variance[0][~(dead | hot), inner].mean() * 0.9
