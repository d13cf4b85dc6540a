import numpy as np
import pytest

from scananalysis.calibration.openbeam import air_level, estimate_air, highest_mode
from scananalysis.calibration.recipe import OpenBeam
from scananalysis.core import CalibrationError, RawScan

LIMITS = OpenBeam()


def rail(seed=0, walls=55_000, sky=63_000, sky_share=0.01):
    """Walls of a container before the open beam, a small piece of sky, a load."""
    rng = np.random.default_rng(seed)
    image = np.full((400, 300), walls, float)
    image[:, 100:] = 500
    image[:, : max(1, round(300 * sky_share))] = sky
    noise = np.sqrt(15 * image)
    return np.clip(rng.normal(image, noise), 0, 65_535).astype(np.uint16)


def test_sky_is_told_from_the_walls_of_a_container():
    found = estimate_air(rail(), 65_535, LIMITS)
    assert found.level == pytest.approx(63_000, rel=0.005)
    assert not found.clipped


def test_a_quantum_is_measured_in_the_open_beam():
    assert estimate_air(rail(sky_share=0.2), 65_535, LIMITS).quantum == pytest.approx(15, rel=0.1)


def test_saturated_pixels_are_no_open_beam():
    counts = rail()
    counts[:20] = 65_535
    assert estimate_air(counts, 65_535, LIMITS).level == pytest.approx(63_000, rel=0.005)


def test_an_image_that_is_clipped_at_its_air_level_is_recognised():
    counts = np.minimum(rail(sky=60_500, sky_share=0.4), 60_000)
    found = estimate_air(counts, 65_535, LIMITS)
    assert found.clipped
    assert found.level == 60_000
    assert found.quantum is None


@pytest.mark.parametrize("attenuation", [(0.5, 6.0), None])
def test_no_open_beam_is_refused_unless_a_level_is_stated(attenuation):
    rng = np.random.default_rng(0)
    shape = (2, 300, 100)
    values = (
        rng.uniform(1, 60_000, shape) if attenuation is None else 60_000 * np.exp(-rng.uniform(*attenuation, shape))
    )
    counts = values.astype(np.uint16)
    scan = RawScan(counts, scanner="rail-6-4mv", stage="air-normalised")
    with pytest.raises(CalibrationError, match="open beam on"):
        air_level(scan, 0, LIMITS)
    stated = RawScan(counts, scanner="rail-6-4mv", stage="air-normalised", air_level=61_000.0)
    assert air_level(stated, 0, LIMITS).level == 61_000


def test_nothing_but_zeros_has_no_mode():
    assert highest_mode(np.zeros((5, 5), np.uint16), 65_535, 0.002) == 0.0
