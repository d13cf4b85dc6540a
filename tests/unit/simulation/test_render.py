import dataclasses

import numpy as np
import pytest

from scananalysis.calibration import calibrate
from scananalysis.core import UNUSABLE, ConfigurationError, has
from scananalysis.detectors import scanner, scanners
from scananalysis.physics import mass_attenuation
from scananalysis.simulation import Box, Cylinder, Imperfections, Matter, Piece, Scene, container_scene, render

PORTAL = scanner("cargo-6-4mv")
PERFECT = Imperfections.none()
NOISE = dataclasses.replace(PERFECT, noise=True)
# Stronger than the catalogue states.
ARTEFACTS = {
    "scatter_share": 0.01, "crosstalk": 0.015, "focal_spot_mm": 2.0, "afterglow_share": (0.02, 0.005), "afterglow_time_s": (0.003, 0.05),
    "curvature": 0.01, "drift": 0.003, "wobble": 0.01,
}  # fmt: skip


def flawed(device, **changes):
    return device.model_copy(update={"artefacts": device.artefacts.model_copy(update=ARTEFACTS | changes)})


def slab(device, matter, areal_density, density):
    """Return a slab across the whole fan, of an areal density on the axis."""
    middle, half = device.geometry.source_to_object_mm, areal_density / density * 5
    return Piece(Box((-1e5, 1e7), (-1e5, 1e5), (middle - half, middle + half)), Matter.of(matter, "cargo"), density)


def direct(device, c, paths):
    """Mean and variance of the signal by summing over every bin of the full beam, relative to the open beam on the axis, per element."""
    beam, angle = device.beams()[c], device.fan_angle_rad.astype(np.float64)
    mean, square = [], []
    for a in angle:
        behind = beam.photons(float(a)) / beam.photons().sum() * np.cos(a) ** 3
        for matter, areal_density in paths.items():
            behind = behind * np.exp(-mass_attenuation(matter, beam.energy_mev) * areal_density / np.cos(a))
        mean.append(behind @ beam.response)
        square.append(behind @ beam.response_square)
    return np.array(mean), np.array(square) / device.channels[c].photons_per_line


@pytest.mark.parametrize("name", scanners())
def test_mean_counts_are_those_of_direct_integration(name):
    device = scanner(name).binned(2, 20)
    for layers in (
        {"water": (60.0, 1.0)},
        {"Fe": (30.0, 7.87), "polyethylene": (10.0, 0.95)},
        {"copper": (12.0, 8.96), "tin": (3.0, 7.3), "SiO2": (8.0, 2.5)},
        {"Pb": (5.0, 11.35)},
        {"aluminium": (40.0, 2.7), "U" if name.startswith("cargo") else "W": (2.0, 19.0)},
    ):
        # One behind the other, so that none displaces another.
        pieces = []
        for i, (matter, (areal_density, density)) in enumerate(layers.items()):
            piece = slab(device, matter, areal_density, density)
            low, high = piece.solid.z
            moved = dataclasses.replace(piece.solid, z=(low - 10 * i, high - 10 * i))
            pieces.append(dataclasses.replace(piece, solid=moved))
        made = render(Scene(tuple(pieces), 3.5 * device.line_pitch_mm), device, imperfections=PERFECT)
        for c in range(len(device.channels)):
            mean, _ = direct(device, c, {m: d for m, (d, _) in layers.items()})
            open_beam, _ = direct(device, c, {})
            np.testing.assert_allclose(made.truth["transmission"][c, :, 1], mean / open_beam, rtol=1e-3)
            beam = device.beams()[c]
            counts = made.scan.counts[c, 1] - device.readout.offset_counts
            np.testing.assert_allclose(
                counts, mean / beam.mean_signal() * device.readout.air_counts, rtol=1e-3, atol=0.51
            )


@pytest.mark.parametrize("iron", [5.0, 100.0, 210.0, 260.0, 290.0])
def test_variance_is_that_of_the_compound_poisson_process(iron):
    """Over 1e5 draws, in the Gaussian branch (many quanta) and in the one that draws quanta (fewer than 50)."""
    draws = 100_000
    fine = PORTAL.readout.model_copy(update={"bits": 24, "air_counts": 1.2e7, "electronic_noise_counts": 0.0})
    device = PORTAL.with_elements(2).model_copy(update={"readout": fine})
    device = device.model_copy(update={"pulse": device.pulse.model_copy(update={"interlaced": False})})
    made = render(
        Scene((slab(device, "Fe", iron, 7.87),), (draws + 0.5) * device.line_pitch_mm), device, 7, imperfections=NOISE
    )
    few = []
    for c in range(2):
        mean, square = direct(device, c, {"Fe": iron})
        per_mev = fine.air_counts / device.beams()[c].mean_signal()
        found = made.scan.counts[c, :, 0].astype(np.float64) - fine.offset_counts
        assert found.mean() == pytest.approx(
            mean[0] * per_mev, abs=(5 * np.sqrt(square[0] / draws) + 5e-4 * mean[0]) * per_mev
        )
        assert found.var() == pytest.approx(square[0] * per_mev**2 + 1 / 12, rel=0.02)
        few.append(mean[0] ** 2 / square[0])
    assert (max(few) < 50) == (iron > 200)
    assert (min(few) > 50) == (iron < 200)


def test_few_quanta_leave_pixels_without_any():
    """The share of empty pixels is exp(−n), n the number of quanta that deposit anything, to which two moments are matched."""
    iron, draws = 220.0, 40_000
    fine = PORTAL.readout.model_copy(update={"bits": 24, "air_counts": 1.2e7, "electronic_noise_counts": 0.0})
    device = PORTAL.with_elements(1).model_copy(update={"readout": fine})
    scene = Scene((slab(device, "Fe", iron, 7.87),), (draws + 0.5) * device.line_pitch_mm)
    made = render(scene, device, 3, imperfections=NOISE)
    mean, square = direct(device, 1, {"Fe": iron})
    empty = float((made.scan.counts[1] == fine.offset_counts).mean())
    # Quanta that all deposit the same are the fewest that mean and variance allow.
    fewest = mean[0] ** 2 / square[0]
    assert 0.5 < fewest < 5
    assert np.exp(-1.15 * fewest) < empty < np.exp(-fewest) * 1.02


@pytest.fixture(scope="module")
def load():
    return container_scene(5, PORTAL.binned(4, 4), size="22G1", cargo=["7208", "0803"], fraud="shield").scene


def test_same_seed_same_bytes(load):
    device = flawed(PORTAL.binned(4, 4))
    flaws = Imperfections(flicker_share=0.02, dropped_line_share=0.01)
    first, again, other = (render(load, device, seed, imperfections=flaws) for seed in (1, 1, 2))
    assert first.scan.counts.tobytes() == again.scan.counts.tobytes()
    assert first.scan.air.tobytes() == again.scan.air.tobytes()
    for name, values in first.truth.items():
        assert values.tobytes() == again.truth[name].tobytes(), name
    assert (first.scan.counts != other.scan.counts).mean() > 0.5


def test_all_off_is_a_perfect_scanner(load):
    """However strong the scanner's imperfections are, switching them off leaves the ideal signal."""
    device = PORTAL.binned(4, 4)
    plain, off = render(load, device, 1, imperfections=PERFECT), render(load, flawed(device), 1, imperfections=PERFECT)
    np.testing.assert_array_equal(plain.scan.counts, off.scan.counts)
    np.testing.assert_array_equal(plain.scan.air, off.scan.air)
    ideal = plain.truth["transmission"] * (plain.scan.air[:, :1] - device.readout.offset_counts).transpose(0, 2, 1)
    np.testing.assert_allclose(plain.scan.counts - device.readout.offset_counts, ideal.transpose(0, 2, 1), atol=1.01)
    assert np.ptp(plain.scan.dark) == 0
    assert np.ptp(plain.scan.air, axis=1).max() == 0


@pytest.mark.parametrize("switch", ["scatter", "focal_spot", "crosstalk", "afterglow", "curvature", "drift", "wobble"])
def test_each_artefact_acts_alone(switch):
    device = flawed(PORTAL.binned(4, 4))
    block = Piece(Box((1800, 3000), (800, 2300), (5900, 6100)), Matter.of("Fe"), 3.0)
    scene = Scene((block,), 5000.0)
    clean = render(scene, device, 1, imperfections=PERFECT)
    alone = render(scene, device, 1, imperfections=dataclasses.replace(PERFECT, **{switch: True}))
    changed = clean.scan.counts.astype(float) - alone.scan.counts
    assert np.abs(changed).max() > 5
    # Where the beam is open nothing but the level of beam and electronics shows.
    assert not clean.truth["areal_density"][:, :85].any()
    quiet = np.abs(changed[:, 4:80, 2:-2]).max()
    # The open beam's profile over the array is not straight, so even there neighbours exchange a few counts.
    assert quiet < (6 if switch not in ("curvature", "drift") else 800)


def test_noise_alone_does_not_move_the_mean(load):
    device = flawed(PORTAL.binned(4, 4))
    flaws = Imperfections(noise=False, pulse=False, dead_share=0.0, hot_share=0.0, flicker_share=0.0)
    quiet = render(load, device, 4, imperfections=flaws)
    noisy = render(load, device, 4, imperfections=dataclasses.replace(flaws, noise=True))
    difference = noisy.scan.counts.astype(float) - quiet.scan.counts
    signal = np.maximum(quiet.scan.counts - device.readout.offset_counts, 10.0)
    assert abs((difference / np.sqrt(signal)).mean()) < 0.01


@pytest.fixture(scope="module")
def twins():
    """Makes two scans, with and without a hidden object, and a mask of what lies around it."""
    device = PORTAL.binned(8, 8)
    scenes = [container_scene(3, device, cargo=["0803"], size="22G1", fraud=f).scene for f in ("metal", None)]

    def make(**flaws):
        with_it, without = (render(scene, device, 3, imperfections=Imperfections(**flaws)) for scene in scenes)
        assert with_it.truth["insert"].any()
        rows, columns = np.nonzero(with_it.truth["object_areal_density"] > 0)
        near = np.zeros(with_it.truth["insert"].shape, bool)
        near[max(rows.min() - 3, 0) : rows.max() + 4, max(columns.min() - 3, 0) : columns.max() + 4] = True
        return with_it, without, near

    return make


def test_twins_share_their_noise(twins):
    """With and without a hidden object, a scan differs only around it: training compares the two."""
    with_it, without, near = twins(scatter=False, afterglow=False)
    differs = (with_it.scan.counts != without.scan.counts).any(axis=0).T
    assert differs[near].any()
    assert not differs[~near].any()


def test_calibrated_twins_differ_by_less_than_their_noise_elsewhere(twins):
    """Scatter and afterglow of the object reach further; calibration takes them off, and the noise is the same."""
    first, second, near = twins()
    assert (first.scan.counts != second.scan.counts).any(axis=0).T[~near].any()
    found, plain = calibrate(first.scan), calibrate(second.scan)
    usable = ~near & ~has(found.quality[0] | plain.quality[0], UNUSABLE)
    off = (found.attenuation - plain.attenuation)[0][usable] / np.sqrt(plain.variance[0][usable])
    assert np.abs(off).max() < 0.5
    inside = np.abs(found.attenuation - plain.attenuation)[0][first.truth["insert"]]
    assert inside.max() > 20 * np.sqrt(np.median(plain.variance[0][first.truth["insert"]]))


def test_an_empty_scene_is_an_open_beam_scan():
    device = flawed(PORTAL.binned(8, 8))
    made = render(Scene((), 800.0), device, 2, imperfections=PERFECT)
    assert made.scan.shape == (2, 20, device.elements)
    np.testing.assert_array_equal(made.truth["transmission"], 1.0)
    np.testing.assert_array_equal(made.scan.counts[:, :1], made.scan.air[:, :1])
    assert not made.truth["load"].any()
    full = render(Scene((), 800.0), device, 2)
    assert not full.truth["scatter"].any()
    assert full.scan.counts.mean() == pytest.approx(full.scan.air.mean(), rel=0.02)


def test_the_boom_of_an_l_shaped_array_sees_the_same_load_in_more_light():
    """Its elements stand nearer to the source, where they fill a wider angle; rays and transmission are those of a straight array."""
    bent = PORTAL.geometry.model_copy(update={"boom_elements": 240})
    devices = [d.binned(8, 8) for d in (PORTAL, PORTAL.model_copy(update={"geometry": bent}))]
    scene = Scene((Piece(Box((400, 1200), (2000, 3800), (5900, 6000)), Matter.of("Fe"), 7.87),), 1600.0)
    straight, found = (render(scene, device, imperfections=PERFECT) for device in devices)
    np.testing.assert_allclose(found.truth["transmission"], straight.truth["transmission"], rtol=1e-6)
    offset = PORTAL.readout.offset_counts
    ratio = (found.scan.counts[0, 0] - offset) / (straight.scan.counts[0, 0] - offset)
    np.testing.assert_allclose(ratio, 9000 / devices[1].element_depth_mm, rtol=1e-4)
    assert ratio[0] > 1.1
    assert np.all(ratio[30:] == 1)


def test_interlaced_energies_see_the_load_half_a_line_apart():
    device = PORTAL.binned(4, 4)
    scene = Scene(
        (slab(device, "Fe", 20, 7.87), Piece(Cylinder("y", (1500, 1600, 6000), 300, 2500), Matter.of("Fe"), 7.87)),
        3000.0,
    )
    made = render(scene, device, imperfections=dataclasses.replace(PERFECT, interlace=True))
    np.testing.assert_allclose(made.scan.position_mm[1] - made.scan.position_mm[0], device.line_pitch_mm / 2)
    np.testing.assert_allclose(made.scan.time_s[1] - made.scan.time_s[0], 0.5 / device.lines_per_s)
    middle = device.elements // 2
    centre = [
        np.average(np.arange(made.scan.shape[1]), weights=(1 - t[middle] / t[middle].max()) + 1e-12)
        for t in made.truth["transmission"]
    ]
    assert centre[0] - centre[1] == pytest.approx(0.5, abs=0.02)


def test_truth_names_what_is_there(load):
    device = PORTAL.binned(4, 4)
    made = render(load, device, 1)
    truth = made.truth
    total, cargo, hidden = (truth[k] for k in ("areal_density", "cargo_areal_density", "object_areal_density"))
    assert np.all(total - cargo - hidden >= -1e-3)
    assert np.array_equal(truth["load"], cargo > 1)
    assert np.array_equal(truth["family"] >= 0, truth["load"])
    assert set(np.unique(truth["heading"])) == {-1, 803, 7208}
    assert not (truth["structure"] & truth["load"]).any()
    assert truth["insert"].any()
    assert truth["dead"].shape == truth["flicker"].shape == (2, device.elements)
    assert truth["pulse"].shape == truth["drift"].shape == truth["position_mm"].shape == (2, made.scan.shape[1])


def test_many_bits_and_dropped_lines():
    deep = PORTAL.readout.model_copy(
        update={"bits": 32, "air_counts": 4.2e9, "offset_counts": 0.0, "offset_spread_counts": 0.0}
    )
    device = PORTAL.binned(8, 8).model_copy(update={"readout": deep})
    made = render(Scene((), 4000.0), device, 1, imperfections=Imperfections(dropped_line_share=0.2))
    assert made.scan.counts.dtype == np.uint32
    assert made.scan.counts.max() > 4e9
    lost = made.truth["dropped"]
    assert 0.05 < lost.mean() < 0.4
    assert not lost[:, 0].any()
    for c, line in zip(*np.nonzero(lost), strict=True):
        np.testing.assert_array_equal(made.scan.counts[c, line], made.scan.counts[c, line - 1])


def test_shares_are_checked():
    with pytest.raises(ConfigurationError, match="dead_share"):
        Imperfections(dead_share=1.5)
    with pytest.raises(ConfigurationError, match="flicker_share"):
        Imperfections(flicker_share=-0.1)
