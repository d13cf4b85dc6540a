import dataclasses

import numpy as np
import pytest

from scananalysis.calibration import calibrate
from scananalysis.core import ConfigurationError, Quality, has
from scananalysis.detectors import scanner
from scananalysis.simulation import Box, Imperfections, Matter, Piece, Scene, project, render, shadow

GAMMA = scanner("gamma-cs137").binned(2, 2)
PORTAL = scanner("cargo-6-4mv").binned(8, 8)
CLEAN = Imperfections(dead_share=0.0, hot_share=0.0, flicker_share=0.0, scatter=False, wobble=False)


def goods(density=0.3, x=(300, 3700)):
    return Piece(Box(x, (1000, 3000), (5000, 7000)), Matter.of("water", "cargo"), density)


def block(density, x=(1000, 3000), y=(1500, 2500), matter="Fe"):
    return Piece(Box(x, y, (7050, 7150)), Matter.of(matter), density)


def scan(device, *pieces, seed=0, flaws=CLEAN):
    made = render(Scene(pieces, 4000.0), device, seed, imperfections=flaws)
    return calibrate(made.scan)


def core(device, shape):
    """Pixels well inside the block."""
    height = device.object_height_mm
    x = (np.arange(shape[1]) + 0.5) * device.pixel_mm[1]
    return ((height > 1500) & (height < 2000))[:, None] & ((x > 1200) & (x < 2800))[None]


def test_one_energy_gives_the_scan_that_would_have_been():
    """Mean, spread and stated σ are those of a scan with the object in it: transmissions multiply exactly."""
    device = GAMMA
    bare, real = (scan(device, *pieces) for pieces in ((goods(0.1),), (goods(0.1), block(1.5))))
    found = project(bare, shadow(bare, [block(1.5)]), seed=1)
    inside = core(device, bare.shape[1:])
    assert inside.sum() > 300
    for get in (np.mean, np.std):
        ours, theirs = (get(r.attenuation[0][inside]) for r in (found, real))
        error = real.attenuation[0][inside].std() / np.sqrt(inside.sum())
        assert ours == pytest.approx(theirs, abs=5 * error), get.__name__
    np.testing.assert_allclose(np.median(found.variance[0][inside]), np.median(real.variance[0][inside]), rtol=0.08)
    outside = shadow(bare, [block(1.5)]) == 1
    for name in ("attenuation", "variance", "quality"):
        np.testing.assert_array_equal(getattr(found, name)[outside], getattr(bare, name)[outside])


@pytest.mark.parametrize("share", [0.5, 0.02, 0.004])
def test_noise_is_what_is_stated(share):
    """Over draws of scans and objects the spread of transmission is that of the stated variance, down to few quanta."""
    added, stated = [], []
    for seed in range(6):
        bare = scan(PORTAL, goods(), seed=seed)
        inside = core(PORTAL, bare.shape[1:])
        found = project(bare, np.where(inside, share, 1.0) * np.ones(bare.shape), seed=seed)
        level, seen = (np.exp(-r.attenuation.astype(float))[:, inside] for r in (bare, found))
        floor = PORTAL.readout.electronic_noise_counts / PORTAL.readout.air_counts
        expected = np.maximum(share * level, floor)
        added.append((seen - share * level) / expected)
        variance = found.variance[:, inside] * seen**2 - bare.variance[:, inside] * (share * level) ** 2
        stated.append(variance / expected**2)
    for c in range(2):
        spread = np.concatenate([a[c] for a in added]).std()
        assert spread == pytest.approx(np.sqrt(np.mean([v[c].mean() for v in stated])), rel=0.06)


def test_means_over_a_region_have_their_stated_error():
    """The redrawn noise hangs together along the lines as the scan's own does, so means over it are not better than they say."""
    device = PORTAL
    values, sigma = [], []
    for seed in range(40):
        bare = scan(device, goods(0.1), seed=seed)
        inside = core(device, bare.shape[1:])
        found = project(bare, np.where(inside, 0.05, 1.0) * np.ones(bare.shape), seed=seed)
        values.append(found.attenuation[0][inside].mean(dtype=float) - bare.attenuation[0][inside].mean(dtype=float))
        independent, _ = found.mean_covariance(inside)
        own, _ = bare.mean_covariance(inside)
        sigma.append(np.sqrt(independent[0, 0] - own[0, 0]))
    assert np.std(values) == pytest.approx(np.mean(sigma), rel=0.35)


@pytest.mark.parametrize("matter", ["water", "Al"])
def test_the_beam_behind_the_load_is_harder(matter):
    """Hardening by the load takes a sixth off the object's attenuation; what is taken for the load hardly matters."""
    quiet = Imperfections.none()
    load = dataclasses.replace(goods(0.2), matter=Matter.of(matter, "cargo"))
    seen = [render(Scene(p, 4000.0), PORTAL, imperfections=quiet) for p in ((load,), (load, block(3.0)), (block(3.0),))]
    bare, both, alone = (-np.log(one.truth["transmission"]) for one in seen)
    inside = core(PORTAL, bare.shape[1:])
    flawless = dataclasses.replace(scan(PORTAL, load), attenuation=bare.astype(np.float32))
    found = -np.log(shadow(flawless, [block(3.0)]))[:, inside]
    true = (both - bare)[:, inside]
    assert np.all((alone[:, inside] - true).mean(axis=1) > 0.1 * true.mean(axis=1))
    np.testing.assert_allclose(found, true, rtol=0.02)


def test_opaque_objects_leave_starved_pixels_at_the_floor():
    bare = scan(PORTAL, goods())
    inside = core(PORTAL, bare.shape[1:])
    found = project(bare, np.where(inside, 1e-9, 1.0) * np.ones(bare.shape), seed=2)
    assert has(found.quality[:, inside], Quality.STARVED).mean() > 0.99
    assert np.isfinite(found.attenuation).all()
    assert found.attenuation[:, inside].min() > 7
    assert not has(found.quality & ~bare.quality, Quality.STARVED)[:, ~inside].any()
    kept = bare.quality & ~found.quality
    assert not kept.any()
    grown = found.systematic["scatter"].effect if "scatter" in found.systematic else found.systematic["dark-0"].effect
    before = bare.systematic["scatter"].effect if "scatter" in bare.systematic else bare.systematic["dark-0"].effect
    assert np.abs(grown[0][inside]).mean() > 100 * np.abs(before[0][inside]).mean()
    np.testing.assert_array_equal(grown[:, ~inside], before[:, ~inside])


def test_the_same_seed_gives_the_same_picture():
    bare = scan(PORTAL, goods())
    alone = shadow(bare, [block(2.0)])
    first, again, other = (project(bare, alone, seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(first.attenuation, again.attenuation)
    assert (first.attenuation != other.attenuation).any()
    assert first.provenance.find("simulation.project").parameters["seed"] == 3
    assert bare.provenance.find("simulation.project") is None


def test_what_is_no_transmission_is_refused():
    bare = scan(PORTAL, goods())
    ones = np.ones(bare.shape)
    with pytest.raises(ConfigurationError, match="shape"):
        project(bare, ones[:1])
    for wrong in (0.0, 1.1, np.nan):
        with pytest.raises(ConfigurationError, match="leaves 0 to 1"):
            project(bare, np.where(ones, wrong, 0))


def test_pixels_that_are_no_number_stay_so():
    bare = scan(PORTAL, goods())
    attenuation, variance = bare.attenuation.copy(), bare.variance.copy()
    attenuation[:, 100], variance[:, 100] = np.nan, np.inf
    found = project(dataclasses.replace(bare, attenuation=attenuation, variance=variance), np.full(bare.shape, 0.5))
    assert np.isnan(found.attenuation[:, 100]).all()
    assert np.isinf(found.variance[:, 100]).all()
    assert np.isfinite(np.delete(found.attenuation, 100, axis=1)).all()
