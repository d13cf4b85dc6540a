"""Monte Carlo: the stated σ of attenuation is the real one, for pixels, regions, columns and lines.

Noise, pulses and references alone; array, beam and drive with uncertain parameters: `test_uncertainty_artefacts`.
"""

import dataclasses

import numpy as np
import pytest

from scananalysis.calibration import Recipe, calibrate
from scananalysis.core import UNUSABLE, Quality, has
from scananalysis.detectors import scanner
from scananalysis.simulation import Box, Imperfections, Matter, Piece, Scene, render

SCANNER = scanner("cargo-6-4mv").binned(8, 8)
ARTEFACTS = ("scatter", "focal_spot", "crosstalk", "afterglow", "curvature", "drift", "wobble")
RECIPE = Recipe.model_validate(
    {name: {"enabled": False} for name in ("linearity", "afterglow", "crosstalk", "scatter", "drift")}
)


def flaws(**changes):
    """Imperfections without the artefacts that the recipe leaves alone."""
    return Imperfections(**dict.fromkeys(ARTEFACTS, False), **changes)


def slabs(*thickness_mm):
    """Steel slabs one after the other along the travel, 1.6 m each, up to 3.3 m."""
    pieces = []
    for i, thick in enumerate(thickness_mm):
        x = (400.0 + 1600 * i, 2000.0 + 1600 * i)
        pieces.append(Piece(Box(x, (-1000, 3300), (5900, 5900 + thick)), Matter.of("steel"), 7.85))
    return Scene(tuple(pieces), 800.0 + 1600 * len(thickness_mm))


def residuals(scene, seed, *, monitor):
    simulated = render(scene, SCANNER, seed, imperfections=flaws(dead_share=0.0, hot_share=0.0))
    scan = simulated.scan
    radiograph = calibrate(
        scan if monitor else dataclasses.replace(scan, monitor=None, air_monitor=None), recipe=RECIPE
    )
    # Interlaced energies see the ends of the slabs at different places; places well inside them are compared.
    return radiograph, radiograph.attenuation + np.log(simulated.truth["transmission"])


def drawn(*, monitor):
    # The slabs end below the array's upper third, which sees the sky.
    return [residuals(slabs(20.0, 80.0, 150.0), seed, monitor=monitor) for seed in range(120)]


@pytest.fixture(scope="module")
def monitor():
    return drawn(monitor=True)


@pytest.fixture(scope="module")
def image():
    return drawn(monitor=False)


# Lines well inside each slab, for a line pitch of 40 mm.
INSIDE = {20: (13, 47), 80: (53, 87), 150: (93, 127)}


@pytest.mark.parametrize("source", ["monitor", "image"])
@pytest.mark.parametrize("thick", INSIDE)
@pytest.mark.parametrize("channel", [0, 1])
def test_single_pixels(source, thick, channel, request):
    values = []
    for radiograph, off in request.getfixturevalue(source):
        part = np.s_[channel, 90:162, slice(*INSIDE[thick])]
        variance = radiograph.variance[part] + sum(
            np.broadcast_to(term.effect, off.shape)[part] ** 2 for term in radiograph.systematic.values()
        )
        good = ~has(radiograph.quality[part], UNUSABLE)
        values.append((off[part] / np.sqrt(variance))[good])
    assert np.concatenate(values).std() == pytest.approx(1.0, abs=0.05)


def windows(name, first, last):
    """Several places for each kind of mean: squares of 20 × 20, single elements over all lines, single lines."""
    if name == "region":
        return [(slice(y, y + 20), slice(first + 5, first + 25)) for y in (90, 112, 134)]
    if name == "element":
        return [(slice(y, y + 1), slice(first, last)) for y in range(90, 160, 10)]
    return [(slice(90, 162), slice(x, x + 1)) for x in range(first, last, 4)]


@pytest.mark.parametrize("source", ["monitor", "image"])
@pytest.mark.parametrize("thick", INSIDE)
@pytest.mark.parametrize("name", ["region", "element", "line"])
def test_means(source, thick, name, request):
    values = []
    for radiograph, off in request.getfixturevalue(source):
        for where in windows(name, *INSIDE[thick]):
            mask = np.zeros(off.shape[1:], bool)
            mask[where] = True
            independent, shared = radiograph.mean_covariance(mask)
            sigma = np.sqrt(np.diag(independent + shared))
            values.append(off[:, mask].mean(axis=1, dtype=float) / sigma)
    assert np.sqrt(np.mean(np.square(values))) == pytest.approx(1.0, abs=0.1), name


def test_ignoring_shared_errors_would_fail(monitor):
    """Over a whole line of elements the pulse is one random variable: noise alone understates the error."""
    first, _ = INSIDE[20]
    ratios = []
    for radiograph, _ in monitor[:5]:
        mask = np.zeros(radiograph.shape[1:], bool)
        mask[90:162, first + 5] = True
        independent, shared = radiograph.mean_covariance(mask)
        ratios.append(np.sqrt((independent + shared)[0, 0] / independent[0, 0]))
    assert np.mean(ratios) > 1.5


def test_bias_is_small_over_the_range(monitor):
    """Mean transmission over hundreds of pixels: −ln of it is within 0.002 + 0.2 % of the truth."""
    for thick, (first, last) in INSIDE.items():
        part = np.s_[0, 90:162, first:last]
        found = np.mean([np.exp(-r.attenuation[part]).mean(axis=1) for r, _ in monitor], axis=0)
        true = np.mean([np.exp(-(r.attenuation - off)[part]).mean(axis=1) for r, off in monitor], axis=0)
        difference = np.abs(-np.log(found) + np.log(true)).mean()
        assert difference <= 0.002 + 0.002 * -np.log(true).mean(), thick


def test_means_over_interpolated_elements():
    """An interpolated pixel repeats its neighbours' noise; a mean over all of them still has the stated error."""
    values = []
    for seed in range(60):
        simulated = render(slabs(20.0, 80.0, 150.0), SCANNER, seed, imperfections=flaws(dead_share=0.1, hot_share=0.0))
        radiograph = calibrate(simulated.scan, recipe=RECIPE)
        off = radiograph.attenuation + np.log(simulated.truth["transmission"])
        usable = ~has(radiograph.quality, Quality.UNCORRECTABLE).any(axis=0)
        for first, last in INSIDE.values():
            for y in range(92, 156, 4):
                # Narrow strips: there the share of interpolated pixels is large.
                mask = np.zeros(usable.shape, bool)
                mask[y - 1 : y + 2, first:last] = usable[y - 1 : y + 2, first:last]
                if not (
                    has(radiograph.quality[0, y, first], Quality.INTERPOLATED) and mask[y - 1 : y + 2, first].all()
                ):
                    continue
                independent, shared = radiograph.mean_covariance(mask)
                values.append(off[:, mask].mean(axis=1, dtype=float) / np.sqrt(np.diag(independent + shared)))
    assert len(values) > 100
    assert np.sqrt(np.mean(np.square(values))) == pytest.approx(1.0, abs=0.1)


def test_defects_come_out_flagged_with_a_larger_sigma():
    simulated = render(slabs(50.0), SCANNER, 5, imperfections=flaws(dead_share=0.03, hot_share=0.03))
    radiograph = calibrate(simulated.scan, recipe=RECIPE)
    dead, hot = simulated.truth["dead"][0], simulated.truth["hot"][0]
    assert dead.any()
    assert hot.any()
    found_dead = has(radiograph.quality[0], Quality.DEAD).all(axis=1)
    found_hot = has(radiograph.quality[0], Quality.HOT).all(axis=1)
    np.testing.assert_array_equal(found_dead, dead)
    np.testing.assert_array_equal(found_hot, hot & ~dead)
    assert has(radiograph.quality[0], Quality.INTERPOLATED)[dead | hot].all()
    inner = np.s_[15:25]
    assert radiograph.variance[0][dead, inner].mean() > 2 * radiograph.variance[0][~(dead | hot), inner].mean()
