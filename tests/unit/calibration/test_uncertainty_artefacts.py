"""Monte Carlo with every imperfection on, the parameters of the corrections only known within their stated errors."""

import numpy as np
import pytest

from scananalysis.calibration import Recipe, calibrate
from scananalysis.core import UNUSABLE, Quality, has
from scananalysis.detectors import scanner
from scananalysis.simulation import Box, Imperfections, Matter, Piece, Scene, render

STATED = {
    "scatter_share": 0.006, "scatter_range_mm": 200.0, "crosstalk": 0.08, "afterglow_share": (0.02, 0.01),
    "afterglow_time_s": (0.02, 0.2), "curvature": 0.02, "drift": 0.01, "wobble": 0.0,
}  # fmt: skip
RECIPE = Recipe.model_validate(
    {
        "linearity": {"curvature": 0.02, "relative_sigma": 0.05},
        "afterglow": {"share": (0.02, 0.01), "time_s": (0.02, 0.2), "relative_sigma": 0.05},
        "crosstalk": {"share": 0.08, "relative_sigma": 0.05},
        "scatter": {"share": 0.006, "range_mm": 200.0, "relative_sigma": 0.03},
        "drift": {"sigma": 0.01},
    }
)
SLABS = {3: (13, 47), 60: (53, 87), 190: (93, 127)}
FLAWED = Imperfections(dead_share=0.003, hot_share=0.003, flicker_share=0.003)
SCANS = 150


def device(rng):
    """A scanner whose parameters differ from the stated ones by as much as those are uncertain."""
    true = dict(STATED)
    for name, sigma in (("curvature", 0.05), ("crosstalk", 0.05), ("scatter_share", 0.03)):
        true[name] *= 1 + rng.normal(0, sigma)
    off = 1 + rng.normal(0, 0.05)
    true["afterglow_share"] = tuple(a * off for a in STATED["afterglow_share"])
    full = scanner("cargo-6-4mv")
    return full.model_copy(update={"artefacts": full.artefacts.model_copy(update=true)}).binned(8, 8)


def scene():
    return Scene(
        tuple(
            Piece(Box((400 + 1600 * i, 2000 + 1600 * i), (-1000, 3300), (5900, 5900 + thick)), Matter.of("steel"), 7.85)
            for i, thick in enumerate(SLABS)
        ),
        5600.0,
    )


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(11)
    found = []
    for seed in range(SCANS):
        simulated = render(scene(), device(rng), seed, imperfections=FLAWED)
        truth = simulated.truth["transmission"]
        radiograph = calibrate(simulated.scan, recipe=RECIPE)
        found.append((radiograph, radiograph.attenuation + np.log(truth), truth))
    return found


@pytest.mark.parametrize("thick", SLABS)
@pytest.mark.parametrize("channel", [0, 1])
def test_single_pixels(drawn, thick, channel):
    values = []
    for radiograph, off, _ in drawn:
        part = np.s_[channel, 90:162, slice(*SLABS[thick])]
        terms = radiograph.systematic.values()
        variance = radiograph.variance[part] + sum(np.broadcast_to(t.effect, off.shape)[part] ** 2 for t in terms)
        good = ~has(radiograph.quality[part], UNUSABLE | Quality.INTERPOLATED)
        values.append((off[part] / np.sqrt(variance))[good])
    # −ln of a starved pixel is skewed; its spread is that of the noise where quanta are not few.
    assert np.concatenate(values).std() == pytest.approx(1.0, abs=0.05)


def windows(name, first, last):
    if name == "region":
        return [(slice(y, y + 20), slice(first + 5, first + 25)) for y in (92, 114, 136)]
    if name == "element":
        return [(slice(y, y + 1), slice(first, last)) for y in range(92, 160, 10)]
    return [(slice(92, 160), slice(x, x + 1)) for x in range(first, last, 4)]


@pytest.mark.parametrize("thick", SLABS)
@pytest.mark.parametrize("name", ["region", "element", "line"])
def test_means(drawn, thick, name):
    values = []
    for radiograph, off, truth in drawn:
        usable = ~has(radiograph.quality, UNUSABLE | Quality.INTERPOLATED).any(axis=0)
        for where in windows(name, *SLABS[thick]):
            mask = np.zeros(usable.shape, bool)
            mask[where] = usable[where]
            if not mask.any():
                continue
            independent, shared = radiograph.mean_covariance(mask)
            # Means are judged on transmission: the logarithm of few quanta is biased.
            true = truth[:, mask]
            mean = (true * np.exp(-off[:, mask])).mean(axis=1, dtype=float) / true.mean(axis=1, dtype=float) - 1
            values.append(mean / np.sqrt(np.diag(independent + shared)))
    assert np.sqrt(np.mean(np.square(values))) == pytest.approx(1.0, abs=0.1), name


@pytest.mark.parametrize("channel", [0, 1])
def test_bias_is_small_over_the_range(drawn, channel):
    """−ln of mean transmission over hundreds of pixels, over the scans, within 0.002 + 0.2 %."""
    for thick, (first, last) in SLABS.items():
        part = np.s_[channel, 92:160, first:last]
        ratios = []
        for radiograph, off, truth in drawn:
            good = ~has(radiograph.quality[part], UNUSABLE | Quality.INTERPOLATED)
            true = truth[part][good]
            ratios.append((true * np.exp(-off[part][good])).sum(dtype=float) / true.sum(dtype=float))
        alpha = -np.log(true.mean(dtype=float))
        error = np.std(ratios) / np.sqrt(len(ratios))
        assert abs(np.log(np.mean(ratios))) <= 0.002 + 0.002 * alpha + 2 * error, thick
        assert error < 0.005
