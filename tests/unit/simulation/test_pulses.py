import dataclasses

import numpy as np
import pytest

from scananalysis.core import ConfigurationError
from scananalysis.detectors import scanner
from scananalysis.detectors.scanner import Scanner
from scananalysis.simulation import Box, Imperfections, Matter, Piece, Scene, render
from scananalysis.simulation.pulses import draw_pulses, draw_travel, times_of

PORTAL = scanner("cargo-6-4mv")


def stated(**values):
    return PORTAL.model_copy(update={"artefacts": PORTAL.artefacts.model_copy(update=values)})


def test_pulses_fluctuate_in_common_and_alone():
    found = draw_pulses(PORTAL, 40_000, Imperfections(), np.random.default_rng(0))
    common, own = PORTAL.pulse.fluctuation_common, PORTAL.pulse.fluctuation_channel
    assert found.pulse.std() == pytest.approx(np.hypot(common, own), rel=0.03)
    assert np.corrcoef(found.pulse)[0, 1] == pytest.approx(common**2 / (common**2 + own**2), abs=0.02)
    assert (found.monitor / found.level - 1).std() == pytest.approx(PORTAL.pulse.monitor_noise, rel=0.03)
    assert found.air_pulse.shape == (2, PORTAL.reference_lines)


def test_drift_is_linear_and_seen_by_the_monitor():
    device = stated(drift=0.01)
    flaws = dataclasses.replace(Imperfections.none(), drift=True)
    ends = []
    for seed in range(200):
        found = draw_pulses(device, 50, flaws, np.random.default_rng(seed))
        np.testing.assert_allclose(np.diff(found.drift), np.diff(found.drift)[0], atol=1e-12)
        np.testing.assert_allclose(found.monitor[0], found.drift)
        assert found.drift[0] == 1
        ends.append(found.drift[-1] - 1)
    assert np.std(ends) == pytest.approx(0.01, rel=0.2)
    off = draw_pulses(device, 50, Imperfections.none(), np.random.default_rng(0))
    assert np.array_equal(off.level, np.ones((2, 50)))


def side_by_side(columns):
    stated = PORTAL.model_dump()
    stated["geometry"]["columns"] = columns
    stated["artefacts"] |= {"afterglow_share": (), "afterglow_time_s": ()}
    stated["pulse"]["interlaced"] = columns < 3
    return Scanner.model_validate(stated)


@pytest.mark.parametrize("columns", [2, 4])
def test_columns_of_one_pulse_share_it(columns):
    device, lines = side_by_side(columns), 1001
    found = draw_pulses(device, lines, Imperfections(), np.random.default_rng(0))
    for values in (found.pulse, found.air_pulse, found.monitor / found.drift):
        whole = values[:, : values.shape[1] // columns * columns].reshape(2, -1, columns)
        assert np.ptp(whole, axis=2).max() < 1e-12
        assert np.abs(np.diff(whole[:, :, 0])).min() > 0
    x, time = draw_travel(device, lines, Imperfections(), np.random.default_rng(1)), taken(device, lines)
    within = np.arange(lines - 1) % columns != columns - 1
    np.testing.assert_allclose(np.diff(x)[:, within], device.line_pitch_mm)
    assert np.diff(x)[:, ~within].mean() == pytest.approx(device.line_pitch_mm, rel=0.02)
    assert np.diff(x)[:, ~within].std() > 1e-3
    assert np.all(np.diff(time)[:, within] == 0)
    np.testing.assert_allclose(np.diff(time)[:, ~within], columns / device.lines_per_s)
    lag = columns / 2 * device.line_pitch_mm * device.pulse.interlaced
    np.testing.assert_allclose((x[1] - x[0]).mean(), lag, rtol=0.02, atol=1e-9)


def taken(device, lines):
    return times_of(device, lines, Imperfections())


def test_one_column_changes_nothing():
    assert side_by_side(1).geometry == PORTAL.geometry
    np.testing.assert_allclose(np.diff(taken(PORTAL, 50)), 1 / PORTAL.lines_per_s)


def test_columns_that_cannot_be_calibrated_are_refused():
    for geometry, flaw in ((2, "afterglow"), (4, "registered")):
        stated = PORTAL.model_dump()
        stated["geometry"]["columns"] = geometry
        if flaw == "registered":
            stated["artefacts"] |= {"afterglow_share": (), "afterglow_time_s": ()}
        with pytest.raises(ValueError, match=flaw):
            Scanner.model_validate(stated)


def test_binned_columns():
    device = side_by_side(2)
    assert device.binned(2, 2).geometry.columns == 1
    # Two lines of one pulse do not average its fluctuation.
    assert device.binned(2, 2).pulse.fluctuation_common == device.pulse.fluctuation_common
    assert device.binned(4, 4).pulse.fluctuation_common == pytest.approx(device.pulse.fluctuation_common / np.sqrt(2))
    with pytest.raises(ConfigurationError, match="columns per pulse"):
        device.binned(3, 1)


def test_two_columns_of_a_scan_follow_the_monitor():
    device = side_by_side(2).with_elements(120)
    block = Piece(Box((300, 700), (1000, 2200), (5900, 6100)), Matter.of("Al"), 2.7)
    flaws = dataclasses.replace(Imperfections.none(), pulse=True, interlace=True)
    made = render(Scene((block,), 1000.0), device, 1, imperfections=flaws)
    assert made.scan.shape == (2, 200, 120)
    seen = (made.scan.counts[0].astype(float) - device.readout.offset_counts)[:, 0] / made.scan.monitor[0]
    assert np.ptp(seen) / seen.mean() < 1e-3


def test_travel_wobbles_smoothly_by_what_is_stated():
    device = stated(wobble=0.01, wobble_mm=1000.0)
    speeds = []
    for seed in range(60):
        x = draw_travel(device, 2000, Imperfections(), np.random.default_rng(seed))
        speed = np.diff(x[0]) / device.line_pitch_mm - 1
        assert np.abs(np.diff(speed)).max() < 1e-3
        np.testing.assert_allclose((x[0, 1:] + x[0, :-1]) / 2, x[1, :-1], atol=1e-3)
        speeds.append(speed)
    speeds = np.array(speeds)
    assert speeds.std() == pytest.approx(0.01, rel=0.1)
    lag = int(1000 / device.line_pitch_mm)
    near, far = ((speeds[:, :-k] * speeds[:, k:]).mean() / 1e-4 for k in (lag // 4, 3 * lag))
    assert near > 0.75
    assert abs(far) < 0.15


def test_steady_travel_is_exact():
    x = draw_travel(stated(wobble=0.01), 10, Imperfections.none(), np.random.default_rng(0))
    np.testing.assert_array_equal(x, np.repeat((np.arange(10)[None] + 0.5) * PORTAL.line_pitch_mm, 2, axis=0))
