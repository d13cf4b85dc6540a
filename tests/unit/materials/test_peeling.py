import dataclasses

import numpy as np
import pytest

import scananalysis as sa
from scananalysis.core import ConfigurationError
from scananalysis.materials import DualEnergyModel, Layer, peel
from scananalysis.materials.labelled import means
from scananalysis.materials.measure import solve
from scananalysis.materials.peeling import _behind
from scananalysis.simulation import Box, Matter, Piece, Scene, render

QUARTER = sa.scanner("cargo-6-4mv").binned(4, 4)
EXACT = dataclasses.replace(DualEnergyModel.nominal(QUARTER), relative_sigma=0.0)
STEEL_MM = 20.0
GOODS = 54.0
HEIGHT = QUARTER.object_height_mm
ROWS = (HEIGHT > 1200) & (HEIGHT < 2000)


def radiograph(device, seed, goods="Al", wall_mm=STEEL_MM):
    wall = Piece(Box((300, 1900), (1000, 2200), (4900, 4900 + wall_mm)), Matter.of("Fe"), 7.87)
    block = Piece(Box((300, 1000), (1000, 2200), (5900, 6100)), Matter.of(goods), 2.7)
    return sa.calibrate(render(Scene((wall, block), 2200.0), device, seed).scan)


def columns(first_mm, last_mm, shape):
    x = (np.arange(shape[1]) + 0.5) * QUARTER.pixel_mm[1]
    return ROWS[:, None] & ((x > first_mm) & (x < last_mm))[None]


@pytest.fixture(scope="module")
def scans(drawn):
    return [radiograph(drawn(QUARTER, seed), seed) for seed in range(24)]


def areas(scan):
    shape = scan.shape[1:]
    return columns(450, 850, shape), columns(1200, 1700, shape)


def pulls(found, truth_z=13.0):
    depth = np.array([(p.areal_density - GOODS) / p.sigma_areal_density for p in found])
    z = np.array([(p.z_eff - truth_z) / p.sigma_z for p in found])
    return depth, z


def test_a_reference_beside_takes_the_wall_off(scans):
    """Behind 15.7 g/cm² of steel, aluminium reads as aluminium; over scans σ is what it says (24 scans know their scatter to 14 %)."""
    found = [peel(scan, EXACT, *areas(scan)) for scan in scans]
    for pull in pulls(found):
        assert abs(pull.mean()) < 0.8
        assert 0.7 < pull.std() < 1.3
    assert np.mean([p.z_eff for p in found]) == pytest.approx(13, abs=0.5)
    whole = means(scans[0], areas(scans[0])[0].astype(np.int32))
    together = solve(EXACT, whole.alpha, whole.independent, scans[0].fan_angle_rad.astype(float), whole.rows)
    assert together.z_eff[0] > 15


def test_the_error_of_a_reference_counts_in_the_beam_behind_it(scans):
    """Disturb what the reference shows and measure again: σ_Z is what both areas' errors do together, not that of their difference."""
    scan = scans[0]
    area, beside = areas(scan)
    labels = area.astype(np.int32) + 2 * beside.astype(np.int32)
    both = means(scan, labels, between=True)
    start = peel(scan, EXACT, area, beside)
    slopes = np.empty((2, 2))
    step = 2e-4
    for k, which in enumerate((area, beside)):
        for c in range(2):
            alpha = scan.attenuation.copy()
            alpha[c][which] += step
            slopes[k, c] = (
                peel(dataclasses.replace(scan, attenuation=alpha), EXACT, area, beside).z_eff - start.z_eff
            ) / step
    flat = slopes.ravel()
    assert start.sigma_z == pytest.approx(np.sqrt(flat @ both.between.reshape(4, 4) @ flat), rel=0.1)
    # That of the difference alone was half too small.
    assert np.abs(slopes[1]).sum() > 1.5 * np.abs(slopes[0]).sum()


def test_a_known_layer_takes_the_wall_off(scans):
    """The layer's stated thickness is wrong by its σ at random; σ of what remains covers it."""
    rng = np.random.default_rng(5)
    sigma = 0.5
    found = []
    for scan in scans:
        stated = STEEL_MM / 10 * 7.87 + rng.normal(0, sigma)
        found.append(peel(scan, EXACT, areas(scan)[0], Layer("Fe", stated, sigma)))
    for pull in pulls(found):
        assert abs(pull.mean()) < 0.8
        assert 0.6 < pull.std() < 1.45
    exact = peel(scans[0], EXACT, areas(scans[0])[0], Layer("Fe", STEEL_MM / 10 * 7.87, 0.0))
    assert exact.sigma_areal_density < found[0].sigma_areal_density


def test_the_hardened_beam_is_that_of_two_layers():
    """Attenuation of wall and goods together, without a scan: peeling returns the goods exactly."""
    mu = [EXACT.mass_attenuation(c, np.array([26.0]))[0] for c in range(2)]
    goods = [EXACT.mass_attenuation(c, np.array([6.0]))[0] for c in range(2)]
    weights = [beam.signal_weights() for beam in EXACT.beams]
    both = np.array([-np.log(w @ np.exp(-40 * m - 60 * g)) for w, m, g in zip(weights, mu, goods, strict=True)])
    wall = np.array(EXACT.forward(40.0, 26.0))
    found = solve(_behind(EXACT, mu, 40.0, np.zeros(1), np.ones((1, 1))), (both - wall)[None], np.eye(2)[None] * 1e-8)
    assert found.areal_density[0] == pytest.approx(60, rel=1e-3)
    assert found.z_eff[0] == pytest.approx(6, abs=0.05)


def test_upright_layers_are_longer_off_the_axis(scans):
    scan = scans[0]
    mask = np.zeros(scan.shape[1:], bool)
    mask[:40, 25:40] = True
    mask &= scan.attenuation[0] > 0.2
    if not mask.any():
        mask = areas(scan)[0]
    upright = peel(scan, EXACT, mask, Layer("Fe", 5.0, 0.1))
    lying = peel(scan, EXACT, mask, Layer("Fe", 5.0, 0.1, upright=False))
    assert upright.areal_density < lying.areal_density


def test_what_cannot_be_peeled_is_refused(scans):
    scan = scans[0]
    area, beside = areas(scan)
    with pytest.raises(ConfigurationError, match="more than the area"):
        peel(scan, EXACT, area, Layer("Fe", 300.0, 1.0))
    with pytest.raises(ConfigurationError, match="overlaps"):
        peel(scan, EXACT, area, area)
    with pytest.raises(ConfigurationError, match="empty"):
        peel(scan, EXACT, area, np.zeros_like(area))
    with pytest.raises(ConfigurationError, match="one energy"):
        peel(scan, sa.materials.SingleEnergyModel.nominal(sa.scanner("gamma-co60")), area, beside)
    with pytest.raises(ConfigurationError, match="not below 0"):
        Layer("Fe", -1.0, 0.0)
    with pytest.raises(ConfigurationError, match="not below 0"):
        Layer("Fe", 1.0, float("nan"))
