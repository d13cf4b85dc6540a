import numpy as np
import pytest

from scananalysis.calibration.plan import plans_of
from scananalysis.calibration.recipe import Recipe
from scananalysis.calibration.references import Calibration
from scananalysis.core import RawScan
from scananalysis.detectors import scanner


@pytest.fixture(scope="session")
def channel_plan():
    """The first channel's plan of a portal of every eighth element, without shift or defects."""
    device = scanner("cargo-6-4mv").binned(8, 8)
    rng = np.random.default_rng(0)
    shape = (2, 100, device.elements)
    scan = RawScan(
        np.ones((2, 2, device.elements), np.uint16),
        scanner="cargo-6-4mv",
        binning=(8, 8),
        dark=rng.normal(900, 3, shape).round().astype(np.uint16),
        air=rng.normal(50_000, 110, shape).round().astype(np.uint16),
    )
    return plans_of(Calibration.from_references(scan), device, 0.0, Recipe())[0]
