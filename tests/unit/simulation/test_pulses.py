import dataclasses

import numpy as np
import pytest

from scananalysis.detectors import scanner
from scananalysis.simulation import Imperfections
from scananalysis.simulation.pulses import draw_pulses, draw_travel

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
