import dataclasses

import numpy as np
import pytest

from scananalysis.detectors import scanner
from scananalysis.simulation import Imperfections, Scene, render
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
