"""Single energy: areal density under a stated material. There is no atomic number, and every pixel says so."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scananalysis.core import CalibrationError, ConfigurationError, Quality
from scananalysis.materials.inversion import Inverted, Twins
from scananalysis.physics import Beam, mass_attenuation

if TYPE_CHECKING:
    from scananalysis.detectors import Scanner
    from scananalysis.materials.dualenergy import HasCurves

PLAUSIBLE = ("cellulose", "aluminium", "steel", "copper")
"""Materials whose spread at the same attenuation is the systematic error of a stated one."""

_POINTS = 1024


@dataclass(frozen=True, eq=False)
class SingleEnergyModel:
    """Areal density of a stated material from one attenuation.

    Parameters
    ----------
    beam : Beam
    material : str
        Named material or formula.
    largest_areal_density : float
        g/cm².

    Examples
    --------
    >>> from scananalysis.detectors import scanner
    >>> model = SingleEnergyModel.nominal(scanner("gamma-co60"))
    >>> round(float(model.invert(model.forward(50.0)).areal_density), 1)
    50.0
    """

    beam: Beam
    material: str
    largest_areal_density: float

    @classmethod
    def nominal(cls, scanner: Scanner) -> SingleEnergyModel:
        """Return the model of a scanner's nominal beam and stated material.

        Raises
        ------
        CalibrationError
            The scanner's definition states no material.
        """
        if scanner.stated_material is None:
            raise CalibrationError(
                f"scanner {scanner.name} states no material", remedy="add stated_material to its definition"
            )
        return cls(scanner.beams()[0], scanner.stated_material, scanner.largest_areal_density)

    @classmethod
    def from_calibration(cls, calibration: HasCurves) -> SingleEnergyModel:
        """Rebuild the model from named arrays.

        Raises
        ------
        CalibrationError
            No curves, or not those of a single-energy model.
        """
        curves = calibration.curves
        if curves is None or "stated_material" not in curves:
            raise CalibrationError("no single-energy curves", expected="a single-energy calibration")
        beam = Beam(curves["energy_mev"], curves["spectrum"], curves["response"], fan_angle_rad=curves["fan_angle_rad"])
        name = bytes(curves["stated_material"]).decode()
        return cls(beam, name, float(curves["largest_areal_density"]))

    @property
    def curves(self) -> Mapping[str, NDArray[Any]]:
        """The parameters as named arrays."""
        return self.beam.to_dict() | {
            "stated_material": np.frombuffer(self.material.encode(), np.uint8),
            "largest_areal_density": np.array(self.largest_areal_density),
        }

    def forward(self, areal_density: ArrayLike, material: str | None = None) -> NDArray[np.float64]:
        """Return the attenuation of the stated (or another) material, g/cm² in."""
        depth = np.asarray(areal_density, np.float64)
        mu = mass_attenuation(material or self.material, self.beam.energy_mev)
        least = mu.min()
        rest = np.exp(-depth[..., None] * (mu - least)) @ self.beam.signal_weights()
        found: NDArray[np.float64] = depth * least - np.log(rest)
        return found

    @functools.cached_property
    def _grid(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Attenuation, areal density and the relative spread over plausible materials, on an even grid of α."""
        depth = np.linspace(0, 1.2 * self.largest_areal_density, 2000)
        own = self.forward(depth)
        alpha = np.linspace(0, own[-1], _POINTS)
        stated = np.interp(alpha, own, depth)
        others = np.stack([np.interp(alpha, self.forward(depth, name), depth) for name in PLAUSIBLE])
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = np.where(stated > 0, np.abs(others / stated - 1).max(axis=0) / np.sqrt(3), 0)
        spread[0] = spread[1]
        return alpha, stated, spread

    def spread(self, alpha: ArrayLike) -> NDArray[np.float64]:
        """Return the relative 1-σ error of areal density for not knowing the material."""
        grid, _, spread = self._grid
        return np.interp(np.asarray(alpha, np.float64), grid, spread)

    def invert(self, alpha: ArrayLike, variance: ArrayLike | None = None) -> Inverted:
        """Return areal density and its independent σ; atomic number is NaN.

        Parameters
        ----------
        alpha, variance : array-like
            Any shape.

        Raises
        ------
        ConfigurationError
            Negative variances.
        """
        grid, stated, _ = self._grid
        value = np.asarray(alpha, np.float64)
        noise = np.zeros(value.shape) if variance is None else np.asarray(variance, np.float64)
        if noise.size and float(np.fmin.reduce(noise, axis=None)) < 0:
            raise ConfigurationError("negative variances of attenuation", expected="variances of at least 0")
        slope0 = stated[1] / grid[1]
        depth = np.where(value < 0, value * slope0, np.interp(value, grid, stated))
        slope = np.interp(value, grid, np.gradient(stated, grid)).astype(np.float32)
        sigma = slope * np.sqrt(noise)
        quality = np.full(value.shape, Quality.STATED_MATERIAL.value, np.uint32)
        quality[(value > grid[-1]) | (depth > self.largest_areal_density)] |= np.uint32(Quality.EXTRAPOLATED.value)
        quality[~np.isfinite(value)] |= np.uint32(Quality.NOT_FINITE.value)
        nothing = np.full(value.shape, np.nan, np.float32)
        jacobian = np.zeros((2, 2, *value.shape), np.float32)
        jacobian[0, 0] = slope
        twins = Twins(nothing, nothing, np.zeros(value.shape, np.float32))
        return Inverted(
            depth.astype(np.float32),
            nothing,
            sigma.astype(np.float32),
            nothing,
            nothing,
            quality,
            lambda: (jacobian, twins),
        )
