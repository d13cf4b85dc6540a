"""What would be noticed: noise and clutter of the goods count, the step from goods to air does not."""

from dataclasses import replace

import numpy as np
import pytest

from scananalysis.anomaly.detectability import CONTRAST_SIGMAS, minimum_detectable
from scananalysis.core import MaterialMap, Radiograph, Regions

PITCH = 15.0
WINDOW = 49  # (100 mm / 15 mm)², rounded to 7 × 7 cells


def goods(texture: float, sigma: float, *, level: float = 50.0) -> tuple[MaterialMap, np.ndarray]:
    """A load of white texture in air, 120 × 200 cells, and where it is."""
    shape = (120, 200)
    rng = np.random.default_rng(3)
    load = np.zeros(shape, bool)
    load[30:90, 40:160] = True
    density = np.where(load, level + rng.normal(0, texture, shape), 0.0).astype(np.float32)
    one = np.ones(shape, np.float32)
    alpha = np.stack([density * 0.04, density * 0.05]).astype(np.float32)
    flags = np.zeros((2, *shape), np.uint32)
    fan = np.linspace(0.4, -0.2, shape[0], dtype=np.float32)
    radiograph = Radiograph(
        alpha, np.full_like(alpha, 1e-4), flags, {}, np.ones(2, np.float32), (PITCH, PITCH), fan, "cargo-6-4mv"
    )
    return MaterialMap(
        density, 7 * one, sigma * one, one, 0 * one, flags[0], radiograph, {}, Regions(load.astype(np.int32))
    ), load


@pytest.mark.parametrize(("texture", "sigma"), [(3.0, 0.5), (0.5, 3.0), (2.0, 2.0)])
def test_inside_the_load_it_is_noise_and_clutter_of_the_goods(texture: float, sigma: float) -> None:
    materials, load = goods(texture, sigma)
    found = minimum_detectable(materials, load)
    expected = CONTRAST_SIGMAS * np.hypot(texture, sigma) / np.sqrt(WINDOW)
    assert np.median(found[load]) == pytest.approx(expected, rel=0.15)


def test_the_edge_of_the_load_is_no_clutter() -> None:
    materials, load = goods(2.0, 0.5)
    found, blind = minimum_detectable(materials, load), minimum_detectable(materials)
    middle = np.median(found[55:65, 90:110])
    rim = found[31:89, 41:46]
    # Windows at the rim are cut in half and so a little noisier, no more.
    assert np.median(rim) < 1.5 * middle
    # Without the load's outline the same places look hopeless.
    assert np.median(blind[31:89, 41:46]) > 20 * middle
    above = found[10:28, 60:140]
    assert np.median(above) < middle


def test_a_step_inside_the_load_still_counts() -> None:
    materials, load = goods(1.0, 0.5)
    density = materials.areal_density.copy()
    density[30:90, 100:160] += 20
    stepped = minimum_detectable(replace(materials, areal_density=density), load)
    plain = minimum_detectable(materials, load)
    assert np.median(stepped[40:80, 95:105]) > 5 * np.median(plain[40:80, 95:105])


def test_a_narrow_load_gets_a_number() -> None:
    materials, load = goods(1.0, 0.5)
    load[:] = False
    load[30:90, 100:103] = True
    found = minimum_detectable(materials, load)
    assert np.isfinite(found[load]).all()
    assert (found[load] > 0).all()
