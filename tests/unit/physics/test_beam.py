import numpy as np
import pytest

from scananalysis.core import ConfigurationError, PhysicsRangeError
from scananalysis.physics import Beam, mass_attenuation, transmission

GOOD = {"energy_mev": [0.5, 1.0, 2.0], "spectrum": [1.0, 2.0, 1.0], "response": [0.2, 0.3, 0.4]}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"energy_mev": [1.0, 0.5, 2.0]}, "do not ascend"),
        ({"spectrum": [1.0, -2.0, 1.0]}, "negative or non-finite"),
        ({"response": [0.2, float("nan"), 0.4]}, "negative or non-finite"),
        ({"spectrum": [1.0, 2.0]}, "spectrum"),
        ({"spectrum": [0.0, 0.0, 0.0]}, "no signal"),
        ({"spectrum": np.ones((2, 3)), "fan_angle_rad": [0.1, 0.0]}, "angles do not ascend"),
    ],
)
def test_odd_beams_are_refused(change, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        Beam(**(GOOD | change))


def test_weights_are_shares_of_the_signal():
    beam = Beam(**GOOD)
    np.testing.assert_allclose(beam.signal_weights(), np.array([0.2, 0.6, 0.4]) / 1.2)


def test_angles_are_linear_between_rows_and_refused_outside():
    beam = Beam([1.0, 2.0], [[1.0, 1.0], [3.0, 1.0]], [1.0, 1.0], fan_angle_rad=[0.0, 0.2])
    np.testing.assert_allclose(beam.photons([0.1]), [[2.0, 1.0]])
    assert beam.relative_signal([0.2]) == pytest.approx(2.0)
    with pytest.raises(PhysicsRangeError, match="fan angles"):
        beam.photons([0.3])


def test_transmission_of_layers_multiplies_at_one_energy():
    beam = Beam([1.0], [1.0], [1.0])
    both = transmission(beam, {"Fe": np.array([0.0, 10.0]), "H2O": 5.0})
    expected = np.exp(-10 * mass_attenuation("Fe", 1.0) - 5 * mass_attenuation("H2O", 1.0))
    assert both[1] == pytest.approx(expected)


def test_beam_hardens():
    beam = Beam(**GOOD)
    steps = -np.log(transmission(beam, {"Fe": np.array([10.0, 20.0, 40.0])}))
    assert steps[1] < 2 * steps[0]
    assert steps[2] < 2 * steps[1]
