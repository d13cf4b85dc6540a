"""The artefacts against the formulas in the docstring of `Artefacts`, written out here term by term."""

import dataclasses

import numpy as np
import pytest

from scananalysis.detectors import scanner
from scananalysis.simulation import Box, Imperfections, Matter, Piece, Scene, render
from scananalysis.simulation.artefacts import FWHM, Afterglow, Scatter, artefacts_truth, blur, crosstalk, focal_kernels

PORTAL = scanner("cargo-6-4mv")


def stated(device, **values):
    return device.model_copy(update={"artefacts": device.artefacts.model_copy(update=values)})


@pytest.mark.parametrize(
    ("name", "binning", "range_mm"),
    [
        ("cargo-6-4mv", 1, 150.0),
        ("cargo-6-4mv", 4, 150.0),
        ("rail-6-4mv", 1, 400.0),
        ("parcel-160kv", 1, 40.0),
        ("cargo-6-4mv", 1, 4.0),
    ],
)
def test_scatter_is_the_convolution_it_says(name, binning, range_mm):
    device = stated(scanner(name).binned(1, binning), scatter_share=0.01, scatter_range_mm=range_mm)
    rng = np.random.default_rng(0)
    edges = np.repeat(rng.uniform(0, 7, (device.elements // 20 + 1, 3)), 20, axis=0)[: device.elements]
    open_beam = np.linspace(3.0, 5.0, device.elements)[:, None]
    transmission = np.exp(-edges)
    potential = transmission * np.log(1 / transmission) * open_beam
    sigma = range_mm / device.element_pitch_mm
    at = np.arange(device.elements)
    kernel = np.exp(-0.5 * ((at[:, None] - at) / sigma) ** 2)
    kernel /= np.exp(-0.5 * (np.arange(-20 * sigma - 9, 20 * sigma + 10).round() / sigma) ** 2).sum()
    wanted = 0.01 * kernel @ potential
    found = Scatter(device).of((transmission * open_beam).astype(np.float32), open_beam.astype(np.float32))
    np.testing.assert_allclose(found, wanted, rtol=0.01, atol=0.004 * wanted.max())


def test_scatter_of_open_beam_and_of_nothing():
    device = stated(PORTAL, scatter_share=0.02)
    open_beam = np.full((device.elements, 1), 2.0, np.float32)
    assert not Scatter(device).of(np.full((device.elements, 3), 2.0, np.float32), open_beam).any()
    assert np.abs(Scatter(device).of(np.zeros((device.elements, 3), np.float32), open_beam)).max() < 1e-6


def test_crosstalk_by_hand():
    signal = np.array([[1.0, 4.0], [2.0, 0.0], [7.0, 1.0]], np.float32)
    x = 0.1
    wanted = [
        [(1 - 2 * x) * 1 + x * 2, (1 - 2 * x) * 4],
        [(1 - 2 * x) * 2 + x * (1 + 7), x * (4 + 1)],
        [(1 - 2 * x) * 7 + x * 2, (1 - 2 * x) * 1],
    ]
    np.testing.assert_allclose(crosstalk(signal, x), wanted, rtol=1e-6)
    assert crosstalk(signal, 0.0) is signal


def test_afterglow_line_by_line():
    device = stated(PORTAL, afterglow_share=(0.05, 0.01), afterglow_time_s=(0.004, 0.1))
    rng = np.random.default_rng(1)
    signal = rng.uniform(0, 100, (5, 40))
    before = rng.uniform(50, 100, 5)
    wanted = np.empty_like(signal)
    q = np.repeat(before[None], 2, axis=0)
    r = np.exp(-1 / device.lines_per_s / np.array([0.004, 0.1]))
    for n in range(40):
        q = r[:, None] * q + (1 - r[:, None]) * signal[:, n]
        wanted[:, n] = (1 - 0.06) * signal[:, n] + np.array([0.05, 0.01]) @ q
    glow = Afterglow.of(device, before.astype(np.float32), on=True)
    parts = [glow.apply(signal[:, part].T.astype(np.float32)) for part in (slice(0, 7), slice(7, 8), slice(8, 40))]
    np.testing.assert_allclose(np.concatenate(parts).T, wanted, rtol=1e-5)


def test_a_steady_signal_keeps_its_level_and_off_is_off():
    device = stated(PORTAL, afterglow_share=(0.2,), afterglow_time_s=(0.01,))
    steady = np.full((4, 30), 7.0, np.float32)
    np.testing.assert_allclose(Afterglow.of(device, steady[:, 0], on=True).apply(steady.T.copy()), 7.0, rtol=1e-6)
    dark = Afterglow.of(device, steady[:, 0], on=True).apply(np.zeros((30, 4), np.float32)).T
    assert np.all(np.diff(dark[0]) < 0)
    assert dark[0, 0] == pytest.approx(0.2 * 7 * np.exp(-1 / 400 / 0.01), rel=1e-5)
    assert Afterglow.of(device, steady[:, 0], on=False).apply(steady) is steady


@pytest.mark.parametrize("spot", [0.0, 1.0, 4.0, 30.0])
@pytest.mark.parametrize("name", ["cargo-6-4mv", "parcel-160kv"])
def test_the_focal_spot_blurs_by_its_penumbra(name, spot):
    device = stated(scanner(name), focal_spot_mm=spot)
    m = device.magnification
    pixels = spot * (m - 1) / FWHM / device.element_pitch_mm, spot * (1 - 1 / m) / FWHM / device.line_pitch_mm
    for kernel, sigma in zip(focal_kernels(device), pixels, strict=True):
        at = np.arange(kernel.size) - kernel.size // 2
        assert kernel.sum() == pytest.approx(1, abs=1e-6)
        assert (kernel * at**2).sum() == pytest.approx(sigma**2, rel=5e-2, abs=1e-9)


@pytest.mark.parametrize("thick_mm", [20.0, 80.0, 300.0])
def test_quanta_in_a_penumbra_are_the_blurred_signal(thick_mm):
    """Beside an edge of tungsten that lets little through, or nothing, quanta that are drawn one by one have its mean and spread."""
    device = stated(PORTAL.with_elements(41), focal_spot_mm=12.0)
    device = device.model_copy(
        update={
            "pulse": device.pulse.model_copy(update={"interlaced": False}),
            "readout": device.readout.model_copy(
                update={"bits": 24, "air_counts": 1.2e7, "electronic_noise_counts": 0.0}
            ),
            "channels": tuple(c.model_copy(update={"photons_per_line": 400.0}) for c in device.channels),
        }
    )
    block = Piece(Box((-1e5, 1e7), (-1e4, device.object_height_mm[20]), (6000, 6000 + thick_mm)), Matter.of("W"), 19.3)
    lines = 20_000
    scene = Scene((block,), (lines + 0.5) * device.line_pitch_mm)
    flaws = dataclasses.replace(Imperfections.none(), focal_spot=True)
    quiet, noisy = (
        render(scene, device, 1, imperfections=f).scan.counts[0] - device.readout.offset_counts
        for f in (flaws, dataclasses.replace(flaws, noise=True))
    )
    mean, found, variance = quiet[100], noisy.mean(axis=0), noisy.var(axis=0)
    seen = mean > 1e-4 * mean.max()
    assert seen[:22].all()
    assert np.abs((found - mean) / np.sqrt(variance / lines + 1))[seen].max() < 4.5
    # What one quantum is worth lies between the open beam's and that of the hard rest behind tungsten.
    worth = variance[seen] / mean[seen]
    assert worth.min() > 0.85 * worth[0]
    assert worth.max() < 2.2 * worth[0]


def test_blur_is_a_convolution_with_repeated_ends():
    rng = np.random.default_rng(2)
    image = rng.uniform(0, 1, (12, 20)).astype(np.float32)
    along, across = np.array([0.1, 0.2, 0.4, 0.2, 0.1], np.float32), np.array([0.25, 0.5, 0.25], np.float32)
    padded = np.pad(image, ((2, 2), (0, 0)), mode="edge")
    wanted = sum(a * b * padded[i : i + 12, j : j + 18] for i, a in enumerate(along) for j, b in enumerate(across))
    np.testing.assert_allclose(blur(image, along, across), wanted, rtol=1e-5)
    one = np.ones(1, np.float32)
    assert blur(image, one, one) is image


def test_what_acts_alike_everywhere_is_part_of_the_truth():
    """Each says what acts, and nothing where its switch is off or the scanner states none."""
    found = render(Scene((), 400.0), PORTAL, 1).truth
    stated = PORTAL.artefacts
    np.testing.assert_array_equal(found["afterglow"][:, 0], stated.afterglow_share)
    np.testing.assert_array_equal(found["afterglow"][:, 1], stated.afterglow_time_s)
    assert (found["crosstalk"], found["curvature"]) == (stated.crosstalk, stated.curvature)
    for name in ("focal_spot_elements", "focal_spot_lines"):
        assert found[name].sum() == pytest.approx(1, abs=1e-6)
    everything = set(artefacts_truth(PORTAL, Imperfections()))
    for switch, names in (
        ("afterglow", {"afterglow"}),
        ("crosstalk", {"crosstalk"}),
        ("curvature", {"curvature"}),
        ("focal_spot", {"focal_spot_elements", "focal_spot_lines"}),
    ):
        assert (
            everything - set(artefacts_truth(PORTAL, dataclasses.replace(Imperfections(), **{switch: False}))) == names
        )
    assert not artefacts_truth(PORTAL, Imperfections.none())
    assert set(artefacts_truth(scanner("gamma-cs137"), Imperfections())).isdisjoint({"afterglow"})
