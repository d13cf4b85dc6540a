import numpy as np
import pytest

from scananalysis.calibration import StepWedge
from scananalysis.core import CalibrationError

GOOD = {"z": [6, 26, 82], "areal_density": [20.0, 40.0, 60.0], "alpha": [[0.7, 1.2, 2.0], [0.8, 1.4, 2.2]]}


def test_default_error_is_half_a_per_cent_of_alpha():
    wedge = StepWedge(**GOOD)
    np.testing.assert_allclose(np.sqrt(wedge.variance), 0.005 * wedge.alpha)
    assert wedge.element is None


def test_a_variance_per_point_serves_both_channels():
    wedge = StepWedge(**GOOD, variance=[1e-4, 2e-4, 3e-4], element=[3, 4, 5])
    np.testing.assert_array_equal(wedge.variance[0], wedge.variance[1])
    np.testing.assert_array_equal(wedge.element, [3, 4, 5])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"z": [6, 26]}, "step wedge with z"),
        ({"alpha": [[0.7, 1.2, 2.0]]}, "step wedge with z"),
        ({"z": [0, 26, 82]}, "z has values below 1"),
        ({"areal_density": [-1, 2, 3]}, "areal density has values below 0"),
        ({"alpha": [[np.nan, 1, 2], [1, 1, 2]]}, "α has values below 0 or not finite"),
        ({"variance": [1e-4, 0, 1e-4]}, "variance is not positive"),
        ({"variance": [1e-4, 1e-4]}, r"variance \(2,\)"),
        ({"element": [1, 2]}, "element"),
        ({"fan_angle_rad": [0.1]}, "fan_angle_rad"),
    ],
)
def test_points_that_do_not_fit_are_refused(change, message):
    with pytest.raises(CalibrationError, match=message):
        StepWedge(**(GOOD | change))
