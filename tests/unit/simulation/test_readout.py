import dataclasses

import numpy as np
import pytest

from scananalysis.detectors import scanner
from scananalysis.detectors.scanner import Scanner
from scananalysis.simulation import Box, Imperfections, Matter, Piece, Scene, render
from scananalysis.simulation.readout import draw_elements

PORTAL = scanner("cargo-6-4mv").binned(2, 2)
QUIET = Imperfections.none()


def air_of(device, **flaws):
    made = render(Scene((), 3000.0), device, 3, imperfections=dataclasses.replace(QUIET, **flaws))
    return made, made.scan.air.astype(float) - device.readout.offset_counts


def test_elements_differ_by_what_is_stated():
    found = draw_elements(PORTAL.with_elements(20_000), Imperfections(), np.random.default_rng(0))
    assert found.gain.std() == pytest.approx(PORTAL.readout.gain_spread, rel=0.03)
    assert found.offset.std() == pytest.approx(PORTAL.readout.offset_spread_counts, rel=0.03)
    for name in ("dead", "hot", "flicker"):
        mask = getattr(found, name)
        assert mask[0].mean() == pytest.approx(getattr(Imperfections(), f"{name}_share"), rel=0.6)
        assert np.array_equal(mask[0], mask[1])
    assert not (found.dead & found.hot).any()
    assert not (found.flicker & (found.dead | found.hot)).any()


def test_curvature_is_the_stated_parabola():
    straight = air_of(PORTAL)[1]
    bent = PORTAL.model_copy(update={"artefacts": PORTAL.artefacts.model_copy(update={"curvature": 0.02})})
    _, found = air_of(bent, curvature=True)
    full = PORTAL.readout.full_scale_counts
    np.testing.assert_allclose(found, straight * (1 - 0.02 * straight / full), atol=1.01)
    assert (straight - found).max() > 500


def test_references_show_crosstalk_between_neighbours_of_unlike_brightness():
    mixed = PORTAL.model_copy(update={"artefacts": PORTAL.artefacts.model_copy(update={"crosstalk": 0.02})})
    made, found = air_of(mixed, crosstalk=True)
    straight = air_of(PORTAL)[1]
    # The ends lose to the outside, the others exchange with neighbours that are nearly alike.
    np.testing.assert_allclose(found[:, :, 0], 0.98 * straight[:, :, 0], rtol=2e-3)
    np.testing.assert_allclose(found[:, :, 1:-1], straight[:, :, 1:-1], rtol=1e-3)
    np.testing.assert_array_equal(made.scan.counts[:, :1], made.scan.air[:, :1])


def test_references_are_settled():
    glow = {"afterglow_share": (0.1,), "afterglow_time_s": (0.5,)}
    slow = PORTAL.model_copy(update={"artefacts": PORTAL.artefacts.model_copy(update=glow)})
    made, found = air_of(slow, afterglow=True)
    np.testing.assert_allclose(found, air_of(PORTAL)[1], atol=1.01)
    assert np.ptp(made.scan.dark) == 0


def two_gains(**changes):
    stated = PORTAL.model_dump()
    stated["readout"] |= {
        "low_gain_from_counts": 9000,
        "low_gain_step_counts": 16,
        "low_gain_noise_counts": 8,
    } | changes
    return Scanner.model_validate(stated)


# Water of growing thickness, above the array's middle none: signals from the open beam down to a hundredth of it.
RAMP = Scene(
    tuple(
        Piece(Box((400.0 * i, 400.0 * (i + 1)), (-1000, 2500), (5500, 5500 + 60.0 * i)), Matter.of("water"), 1.0)
        for i in range(12)
    ),
    4800.0,
)


def test_two_gains_read_in_steps_of_their_own_and_join():
    """Below the switch-over single counts, above it steps; the truth says which; nothing else changes."""
    plain, made = (render(RAMP, d, 1, imperfections=Imperfections.none()) for d in (PORTAL, two_gains()))
    low = made.truth["at_low_gain"].transpose(0, 2, 1)
    assert 0.1 < low.mean() < 0.9
    one, two = plain.scan.counts.astype(float), made.scan.counts.astype(float)
    np.testing.assert_array_equal(low, one >= 9000)
    np.testing.assert_array_equal(one[~low], two[~low])
    assert np.all(two[low] % 16 == 0)
    assert np.abs(two - one)[low].max() <= 8.5
    assert np.abs(two - one)[low].max() > 6
    np.testing.assert_array_equal(made.truth["low_gain"], 1)
    assert "at_low_gain" not in plain.truth


def test_the_low_gain_has_noise_and_a_join_of_its_own():
    noisy = dataclasses.replace(Imperfections.none(), noise=True)
    quiet = two_gains(low_gain_step_counts=1, low_gain_noise_counts=200, electronic_noise_counts=3)
    found = render(Scene((), 8000.0), quiet, 2, imperfections=noisy).scan
    plain = render(Scene((), 8000.0), PORTAL, 2, imperfections=noisy).scan
    assert found.dark.std() == pytest.approx(np.hypot(3, 1 / np.sqrt(12)), rel=0.02)
    grown = found.counts.astype(float).var(axis=1).mean() - plain.counts.astype(float).var(axis=1).mean()
    assert grown == pytest.approx(200**2 - PORTAL.readout.electronic_noise_counts**2, rel=0.05)
    off = render(
        RAMP, two_gains(low_gain_spread=0.01), 1, imperfections=dataclasses.replace(Imperfections.none(), gain=True)
    )
    true = render(RAMP, two_gains(), 1, imperfections=dataclasses.replace(Imperfections.none(), gain=True))
    assert off.truth["low_gain"].std() == pytest.approx(0.01, rel=0.1)
    low = off.truth["at_low_gain"].transpose(0, 2, 1)
    lowest = low[:, 2]
    ratio = (off.scan.counts[:, 2] - off.truth["offset"]) / (true.scan.counts[:, 2] - true.truth["offset"])
    np.testing.assert_allclose(ratio[lowest], off.truth["low_gain"][lowest], atol=2e-3)
    np.testing.assert_array_equal(off.scan.counts[~low], true.scan.counts[~low])


def test_a_low_gain_is_stated_whole():
    for changes, sentence in (
        ({"low_gain_from_counts": 0}, "from where"),
        ({"low_gain_from_counts": 70_000}, "below full scale"),
    ):
        with pytest.raises(ValueError, match=sentence):
            two_gains(**changes)
    assert two_gains().binned(2, 2).readout.low_gain_step_counts == 4
    assert two_gains().binned(2, 2).readout.low_gain_noise_counts == 4


def test_flickering_elements_jump_far_and_often():
    flaws = Imperfections(flicker_share=0.05, dead_share=0.0, hot_share=0.0, pulse=False)
    made = render(Scene((), 8000.0), PORTAL, 5, imperfections=flaws)
    jumping = made.truth["flicker"][0]
    assert 10 < jumping.sum() < 80
    assert np.array_equal(made.truth["flickering"].any(axis=2), made.truth["flicker"])
    for c in range(2):
        for e in np.flatnonzero(jumping):
            active = made.truth["flickering"][c, e]
            assert 0.05 <= active.mean() <= 0.4
            reading = made.scan.counts[c, :, e].astype(float)
            jump = abs(reading[active].mean() - reading[~active].mean())
            assert abs(made.truth["jump"][c, e]) == pytest.approx(jump, rel=0.1)
            assert jump > 5 * reading[~active].std()
            # Dark readings jump as well, for it is the electronics; one below zero reads zero.
            dark = made.scan.dark[c, :, e].astype(float)
            assert np.ptp(dark) > 0.9 * min(jump, np.median(dark))


def test_dead_and_hot_elements_read_what_they_do():
    flaws = Imperfections(dead_share=0.05, hot_share=0.05, flicker_share=0.0)
    made = render(Scene((), 2000.0), PORTAL, 5, imperfections=flaws)
    dead, hot = made.truth["dead"], made.truth["hot"]
    air, dark = (part.mean(axis=1) for part in (made.scan.air, made.scan.dark))
    assert np.abs(air - dark)[dead].max() < 2
    assert (dark[hot] > 0.3 * PORTAL.readout.full_scale_counts).all()
    assert (air - dark)[~dead & ~hot].min() > 1000
