"""Every correction on rendered scans: needed, exact, with the stated error, in blocks of any size, and replayed."""

import dataclasses

import numpy as np
import pytest

from scananalysis.calibration import Calibration, Recipe, Stream, calibrate, replay
from scananalysis.calibration.corrections import Corrections
from scananalysis.core import CalibrationError, ConfigurationError, Quality, RawScan, has
from scananalysis.detectors import scanner
from scananalysis.simulation import Box, Imperfections, Matter, Piece, Scene, render

ARTEFACTS = {
    "scatter_share": 0.01, "scatter_range_mm": 200.0, "crosstalk": 0.08, "afterglow_share": (0.03, 0.01),
    "afterglow_time_s": (0.03, 0.3), "curvature": 0.02, "drift": 0.02,
}  # fmt: skip
RECIPE = {
    "linearity": {"curvature": 0.02},
    "afterglow": {"share": (0.03, 0.01), "time_s": (0.03, 0.3)},
    "crosstalk": {"share": 0.08},
    "scatter": {"share": 0.01, "range_mm": 200.0},
    "drift": {"sigma": 0.02},
}
FLAW = {
    "linearity": "curvature",
    "afterglow": "afterglow",
    "crosstalk": "crosstalk",
    "scatter": "scatter",
    "drift": "drift",
}


def with_artefacts(**changes):
    full = scanner("cargo-6-4mv")
    stated = full.artefacts.model_copy(update=ARTEFACTS | changes)
    return full.model_copy(update={"artefacts": stated}).binned(8, 8)


SCANNER = with_artefacts()
SCENE = Scene(
    tuple(
        Piece(Box((400 + 1200 * i, 1600 + 1200 * i), (300, 3300), (5900, 5900 + thick)), Matter.of("steel"), 7.85)
        for i, thick in enumerate((20.0, 80.0, 150.0))
    ),
    4400.0,
)


def recipe(**changes):
    """The values that the rendered scanner has; other sections replace or switch off."""
    sections = RECIPE | {"registration": {"enabled": False}}
    return Recipe.model_validate(sections | {name: sections.get(name, {}) | part for name, part in changes.items()})


def rendered(seed=2, device=SCANNER, **flaws):
    quiet = dataclasses.asdict(Imperfections.none())
    return render(SCENE, device, seed, imperfections=Imperfections(**(quiet | flaws)))


def off(radiograph, simulated):
    truth = -np.log(simulated.truth["transmission"])
    return np.abs(radiograph.attenuation - truth)[truth < 4]


@pytest.mark.parametrize("step", FLAW)
def test_a_step_switched_off_brings_its_imperfection_back(step):
    others = {name: {"enabled": False} for name in FLAW if name != step}
    if step == "drift":
        # A monitor or the pulses of the image would follow the drift as well.
        others["pulse"] = {"enabled": False}
    simulated = rendered(seed=3, **{FLAW[step]: True})
    used = off(calibrate(simulated.scan, recipe=recipe(**others)), simulated)
    without = off(calibrate(simulated.scan, recipe=recipe(**others, **{step: {"enabled": False}})), simulated)
    # Readings are whole numbers: half a count of what is left behind steel.
    assert used.max() < 1e-3
    assert without.max() > 8e-3
    assert without.mean() > 8 * used.mean()


@pytest.mark.parametrize("step", FLAW)
def test_a_step_with_nothing_to_do_changes_no_bit(step):
    scan = rendered(noise=True, gain=True, offset=True, pulse=True).scan
    nothing = {
        "linearity": {"curvature": 0.0},
        "afterglow": {"share": (), "time_s": ()},
        "crosstalk": {"share": 0.0},
        "scatter": {"share": 0.0},
        "drift": {"sigma": 0.0},
    }
    recipes = (Recipe.model_validate(nothing | extra) for extra in ({step: {"enabled": False}}, {}))
    first, second = (calibrate(scan, recipe=used) for used in recipes)
    np.testing.assert_array_equal(first.attenuation, second.attenuation)
    np.testing.assert_array_equal(first.variance, second.variance)
    assert step not in second.systematic


def test_all_steps_together_give_the_truth():
    simulated = rendered(offset=True, gain=True, pulse=True, **dict.fromkeys(FLAW.values(), True))
    radiograph = calibrate(simulated.scan, recipe=recipe())
    assert off(radiograph, simulated).max() < 3e-3
    assert set(radiograph.systematic) >= {"linearity", "afterglow", "crosstalk", "scatter"}


@pytest.fixture(scope="module")
def noisy():
    # A stream registers by timing, a whole scan by its positions; they agree where travel is even.
    return render(SCENE, SCANNER, 5, imperfections=Imperfections(flicker_share=0.01, wobble=False)).scan


@pytest.mark.parametrize("size", [1, 7, 64])
def test_blocks_of_any_size_give_the_same_bits(noisy, size):
    used = recipe(registration={"enabled": True})
    whole, parts = calibrate(noisy, recipe=used, block_lines=1000), calibrate(noisy, recipe=used, block_lines=size)
    stream = Stream(SCANNER.name, Calibration.from_references(noisy, recipe=used), recipe=used, binning=(8, 8))
    blocks = [
        stream.feed(noisy.counts[:, k : k + size], noisy.monitor[:, k : k + size])
        for k in range(0, noisy.shape[1], size)
    ]
    blocks = [block for block in (*blocks, stream.close()) if block is not None]
    for name in ("attenuation", "variance", "quality"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
        streamed = np.concatenate([getattr(block, name) for block in blocks], axis=2)
        np.testing.assert_array_equal(streamed, getattr(whole, name))
    for name, term in whole.systematic.items():
        np.testing.assert_array_equal(term.effect, parts.systematic[name].effect)


def test_a_replay_gives_the_same_bits(noisy):
    first = calibrate(noisy, recipe=recipe())
    again = replay(noisy, first.provenance)
    np.testing.assert_array_equal(again.attenuation, first.attenuation)
    np.testing.assert_array_equal(again.variance, first.variance)


@pytest.mark.parametrize("step", ["linearity", "afterglow", "crosstalk", "scatter"])
def test_the_shared_error_is_that_of_the_parameter(step):
    """One σ of the parameter changes the attenuation by the stated effect."""
    simulated = rendered(**dict.fromkeys(FLAW.values(), True))
    relative = 0.05
    stated = {
        "linearity": {"curvature": 0.02 * (1 + relative)},
        "afterglow": {"share": tuple(a * (1 + relative) for a in ARTEFACTS["afterglow_share"])},
        "crosstalk": {"share": 0.08 * (1 + relative)},
        "scatter": {"share": 0.01 * (1 + relative)},
    }[step]
    first = calibrate(simulated.scan, recipe=recipe(**{step: {"relative_sigma": relative}}))
    moved = calibrate(simulated.scan, recipe=recipe(**{step: stated}))
    effect = np.broadcast_to(first.systematic[step].effect, first.shape)
    change = moved.attenuation - first.attenuation
    part = -np.log(simulated.truth["transmission"]) < 6
    # The effect is the first derivative; of what comes of it, second-order parts and rounding are left.
    assert np.abs(change - effect)[part].max() < 0.3 * np.abs(change[part]).max()
    assert np.corrcoef(change[part], effect[part])[0, 1] > 0.995


def test_a_set_that_was_straightened_otherwise_is_refused():
    scan = rendered(noise=True, curvature=True).scan
    used = Calibration.from_references(scan, recipe=recipe())
    calibrate(scan, used, recipe=recipe())
    with pytest.raises(CalibrationError, match="curvature 0"):
        calibrate(scan, used)


def test_afterglow_in_the_recipe_must_fit_together():
    with pytest.raises(ConfigurationError, match="1 shares"):
        Corrections.of(SCANNER, Recipe.model_validate({"afterglow": {"share": (0.1,)}}))


def test_the_scanner_states_what_the_recipe_does_not():
    found = Corrections.of(
        SCANNER, Recipe.model_validate({"scatter": {"share": 0.02}, "linearity": {"enabled": False}})
    )
    assert found.crosstalk == pytest.approx(0.01)
    assert (found.scatter_share, found.curvature) == (0.02, 0.0)
    assert found.afterglow_lines == pytest.approx([t * SCANNER.lines_per_s for t in (0.03, 0.3)])
    assert dict(found.sigma) == {"afterglow": 0.05, "crosstalk": 0.05, "scatter": 0.1}


@pytest.mark.parametrize("said", [4000, 0, "high"])
def test_saturation_is_where_the_file_says(said):
    scan = dataclasses.replace(rendered(noise=True).scan, metadata={"saturated_counts": said})
    if said != 4000:
        with pytest.raises(CalibrationError, match="saturated_counts"):
            calibrate(scan)
        return
    flags = has(calibrate(scan, recipe=recipe()).quality, Quality.SATURATED)
    np.testing.assert_array_equal(flags, scan.counts.transpose(0, 2, 1) >= 4000)
    image = RawScan(scan.counts, scan.scanner, stage="air-normalised", binning=scan.binning, metadata=scan.metadata,
                    air_level=50_000.0)  # fmt: skip
    np.testing.assert_array_equal(has(calibrate(image).quality, Quality.SATURATED)[..., :-1], flags[..., :-1])
