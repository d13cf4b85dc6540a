"""A beam with the response of the array that measures it: what turns areal density into attenuation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scananalysis.core import ConfigurationError, PhysicsRangeError
from scananalysis.physics.attenuation import mass_attenuation


@dataclass(frozen=True, init=False, eq=False)
class Beam:
    """Spectrum of the incident photons, by fan angle, and the response of an element.

    Parameters
    ----------
    energy_mev : array-like, (k,)
        Bin energies, MeV, ascending.
    spectrum : array-like, (k,) or (angle, k)
        Photons per bin, in any unit; rows may differ in sum where the beam is brighter at some angles.
    response : array-like, (k,)
        Mean signal per incident photon, MeV deposited (or counts, for a photon counter).
    response_square : array-like, (k,), optional
        Mean square of the same; needed for noise. Without it every photon of a bin is taken to leave the mean.
    fan_angle_rad : array-like, (angle,), optional
        Angles of the spectrum's rows from the beam axis, rad, ascending, needed where there are several.
    label : str
        Name for pictures and messages, e.g. ``"6 MV"``.

    Raises
    ------
    ConfigurationError
        Energies that do not ascend, negative or non-finite values, or shapes that do not fit.

    Examples
    --------
    >>> beam = Beam([1.0, 2.0], [3.0, 1.0], [0.5, 1.0])
    >>> beam.signal_weights()
    array([0.6, 0.4])
    """

    energy_mev: NDArray[np.float64]
    spectrum: NDArray[np.float64]
    response: NDArray[np.float64]
    response_square: NDArray[np.float64]
    fan_angle_rad: NDArray[np.float64]
    label: str

    def __init__(
        self,
        energy_mev: ArrayLike,
        spectrum: ArrayLike,
        response: ArrayLike,
        *,
        response_square: ArrayLike | None = None,
        fan_angle_rad: ArrayLike | None = None,
        label: str = "",
    ) -> None:
        energy = np.array(energy_mev, np.float64)
        rows = np.atleast_2d(np.array(spectrum, np.float64))
        mean = np.array(response, np.float64)
        square = mean**2 if response_square is None else np.array(response_square, np.float64)
        angle = np.zeros(1) if fan_angle_rad is None else np.atleast_1d(np.array(fan_angle_rad, np.float64))
        name = f"beam {label}".strip()
        if energy.ndim != 1 or energy.size == 0 or not np.all(np.diff(energy) > 0):
            raise ConfigurationError(f"{name}: energies do not ascend", expected="a rising list of MeV")
        if rows.shape != (angle.size, energy.size) or mean.shape != energy.shape or square.shape != energy.shape:
            raise ConfigurationError(
                f"{name}: spectrum {rows.shape}, response {mean.shape}, angles {angle.shape}",
                expected=f"({angle.size}, {energy.size}), ({energy.size},)",
            )
        if not np.all(np.diff(angle) > 0):
            raise ConfigurationError(f"{name}: fan angles do not ascend", expected="a rising list of rad")
        for what, values in (("spectrum", rows), ("response", mean), ("mean square response", square)):
            if not np.all(np.isfinite(values)) or values.min() < 0:
                raise ConfigurationError(f"{name}: {what} has negative or non-finite values", expected="values ≥ 0")
        if np.any((rows * mean).sum(axis=1) <= 0):
            raise ConfigurationError(f"{name}: no signal", expected="spectrum times response above 0 somewhere")
        for key, value in {
            "energy_mev": energy,
            "spectrum": rows,
            "response": mean,
            "response_square": square,
            "fan_angle_rad": angle,
            "label": label,
        }.items():
            object.__setattr__(self, key, value)

    def photons(self, fan_angle_rad: ArrayLike | None = None) -> NDArray[np.float64]:
        """Return photons per bin at fan angles, linear between rows: (k,) for None or a scalar, else (n, k).

        Raises
        ------
        PhysicsRangeError
            An angle outside the beam's; nothing is extrapolated.
        """
        if fan_angle_rad is None:
            angles = np.zeros(1) if self.fan_angle_rad[0] <= 0 <= self.fan_angle_rad[-1] else self.fan_angle_rad[:1]
        else:
            angles = np.atleast_1d(np.asarray(fan_angle_rad, np.float64))
        if self.fan_angle_rad.size == 1:
            rows = np.repeat(self.spectrum, angles.size, axis=0)
        else:
            low, high = self.fan_angle_rad[[0, -1]]
            if angles.min() < low - 1e-6 or angles.max() > high + 1e-6:
                raise PhysicsRangeError(
                    f"fan angles {angles.min():.4f} to {angles.max():.4f} rad", expected=f"{low:.4f} to {high:.4f} rad"
                )
            at = np.clip(np.searchsorted(self.fan_angle_rad, angles, side="right") - 1, 0, self.fan_angle_rad.size - 2)
            step = np.diff(self.fan_angle_rad)[at]
            share = np.clip((angles - self.fan_angle_rad[at]) / step, 0, 1)[:, None]
            rows = (1 - share) * self.spectrum[at] + share * self.spectrum[at + 1]
        return rows[0] if fan_angle_rad is None or np.ndim(fan_angle_rad) == 0 else rows

    def signal_weights(self, fan_angle_rad: ArrayLike | None = None) -> NDArray[np.float64]:
        """Return each bin's share of the open-beam signal, (k,) or (n, k); sums to 1."""
        weight = self.photons(fan_angle_rad) * self.response
        share: NDArray[np.float64] = weight / weight.sum(axis=-1, keepdims=True)
        return share

    def relative_signal(self, fan_angle_rad: ArrayLike) -> NDArray[np.float64]:
        """Return the open-beam signal at fan angles over that on the axis."""
        axis = float((self.photons() * self.response).sum())
        found: NDArray[np.float64] = (self.photons(fan_angle_rad) * self.response).sum(axis=-1) / axis
        return found

    def mean_signal(self) -> float:
        """Return the mean signal per incident photon on the axis, MeV."""
        photons = self.photons()
        return float((photons * self.response).sum() / photons.sum())

    def to_dict(self) -> dict[str, Any]:
        """Return the arrays by name."""
        names = ("energy_mev", "spectrum", "response", "response_square", "fan_angle_rad")
        return {name: getattr(self, name) for name in names}


def transmission(beam: Beam, path: Mapping[str, ArrayLike], fan_angle_rad: float | None = None) -> NDArray[np.float64]:
    """Return the transmitted share of the signal behind layers of several materials.

    Parameters
    ----------
    beam : Beam
    path : mapping of str to array-like
        Areal density of each material along the ray, g/cm²; arrays broadcast.
    fan_angle_rad : float, optional
        Angle of the ray from the beam axis.

    Returns
    -------
    ndarray of float64
        1 where there is nothing.

    Examples
    --------
    >>> beam = Beam([1.0], [1.0], [1.0])
    >>> float(transmission(beam, {"Fe": 10.0}).round(4))
    0.5491
    """
    exponent: NDArray[np.float64] = np.zeros(1)
    for name, areal_density in path.items():
        depth = np.asarray(areal_density, np.float64)
        exponent = exponent + depth[..., None] * mass_attenuation(name, beam.energy_mev)
    found: NDArray[np.float64] = (np.exp(-exponent) * beam.signal_weights(fan_angle_rad)).sum(axis=-1)
    return found
