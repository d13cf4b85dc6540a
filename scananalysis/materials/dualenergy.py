"""Dual-energy model: areal density and atomic number from two attenuations, with uncertainty.

The semi-empirical transparency model of Lalor and Danagoulian (Nucl. Instrum. Methods A 1064 (2024) 169343,
doi:10.1016/j.nima.2024.169343): α = −ln Σ w(E) exp(−λ μ(E, Z)), μ = a μ_photoelectric + b μ_scatter + c μ_pair, where w is each
energy's share of the open-beam signal and a, b, c absorb what spectrum and scatter get wrong. They are fitted to step-wedge points.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from scananalysis.calibration import StepWedge
from scananalysis.calibration.curves import WORST_CHI2
from scananalysis.core import CalibrationError, PhysicsRangeError
from scananalysis.materials.inversion import InverseTable, Inverted, build_table, invert
from scananalysis.physics import Beam, element_attenuation

if TYPE_CHECKING:
    from scananalysis.detectors import Scanner

PROCESSES = ("photoelectric", "scatter", "pair")
"""Processes whose coefficients a, b, c the fit scales."""

NOMINAL_SIGMA = 0.01
"""Relative 1-σ error of α under nominal curves: without a fit the plain model is off by about 1 %."""


class HasCurves(Protocol):
    """Anything that carries curve parameters: a calibration, a radiograph, a material map."""

    @property
    def curves(self) -> Mapping[str, NDArray[Any]] | None:
        """Named arrays."""


@dataclass(frozen=True, eq=False)
class DualEnergyModel:
    """Forward and inverse model of a pair of beams.

    Parameters
    ----------
    beams : (Beam, Beam)
        High energy first.
    coefficients : ndarray of float64, (2, 3)
        a, b, c of each beam.
    covariance : ndarray of float64, (2, 3, 3)
        Of the coefficients of each beam.
    relative_sigma : float
        Relative 1-σ error of α that the model itself makes; shared by all pixels.
    reduced_chi2 : ndarray of float64, (2,)
        Of the fit; NaN for nominal curves.
    largest_areal_density : float
        g/cm².

    Examples
    --------
    >>> from scananalysis.detectors import scanner
    >>> model = DualEnergyModel.nominal(scanner("cargo-6-4mv"))
    >>> high, low = model.forward(50.0, 26.0)
    >>> found = model.invert(high, low)
    >>> round(float(found.areal_density)), round(float(found.z_eff))
    (50, 26)
    """

    beams: tuple[Beam, Beam]
    coefficients: NDArray[np.float64]
    covariance: NDArray[np.float64]
    relative_sigma: float
    reduced_chi2: NDArray[np.float64]
    largest_areal_density: float

    @classmethod
    def nominal(cls, scanner: Scanner) -> DualEnergyModel:
        """Return the model of a scanner's nominal beams, without a fit.

        Raises
        ------
        CalibrationError
            The scanner has one energy only.
        """
        beams = scanner.beams()
        if len(beams) != 2:
            raise CalibrationError(f"scanner {scanner.name} has one energy", expected="two for an atomic number")
        return cls(
            (beams[0], beams[1]),
            np.ones((2, 3)),
            np.zeros((2, 3, 3)),
            NOMINAL_SIGMA,
            np.full(2, np.nan),
            scanner.largest_areal_density,
        )

    @classmethod
    def fit(
        cls, beams: tuple[Beam, Beam], wedge: StepWedge, *, largest_areal_density: float = 400.0
    ) -> DualEnergyModel:
        """Fit a, b, c of each beam to step-wedge points.

        Parameters
        ----------
        beams : (Beam, Beam)
            High energy first.
        wedge : StepWedge
            At least three points of at least two elements; on the beam axis, or with ``fan_angle_rad`` per point.
        largest_areal_density : float
            Where the inverse ends, g/cm².

        Returns
        -------
        DualEnergyModel

        Raises
        ------
        CalibrationError
            Too few points, or beams that cannot be brought to fit them.
        PhysicsRangeError
            Points at a fan angle where the beams are not known.
        """
        if len(beams) != 2:
            raise CalibrationError(f"{len(beams)} beams for a dual-energy model", expected="two, high energy first")
        if not np.all((wedge.z >= 1) & (wedge.z <= 92)):
            raise CalibrationError(
                f"step wedge of atomic numbers {wedge.z.min():g} to {wedge.z.max():g}", expected="elements from 1 to 92"
            )
        if wedge.z.size < 3 or np.unique(wedge.z).size < 2:
            raise CalibrationError(
                f"{wedge.z.size} step-wedge points of {np.unique(wedge.z).size} elements",
                expected="at least 3 points of at least 2 elements",
            )
        fits = [_fit_beam(beam, wedge, wedge.alpha[i], wedge.variance[i]) for i, beam in enumerate(beams)]
        # What the residuals hold beyond the errors of the points is the model's.
        unexplained = float(np.mean([fit[3] for fit in fits]))
        return cls(
            beams,
            np.stack([fit[0] for fit in fits]),
            np.stack([fit[1] for fit in fits]),
            float(np.sqrt(max(unexplained, 0.0))),
            np.array([fit[2] for fit in fits]),
            largest_areal_density,
        )

    @classmethod
    def from_calibration(cls, calibration: HasCurves) -> DualEnergyModel:
        """Rebuild the model from named arrays that travel with a calibration.

        Raises
        ------
        CalibrationError
            No curves, or not those of a dual-energy model.
        """
        curves = calibration.curves
        if curves is None or "coefficients" not in curves:
            raise CalibrationError("no dual-energy curves", expected="a calibration with a fitted step wedge")
        beams = [
            Beam(
                curves[f"beam{i}_energy_mev"],
                curves[f"beam{i}_spectrum"],
                curves[f"beam{i}_response"],
                response_square=curves[f"beam{i}_response_square"],
                fan_angle_rad=curves[f"beam{i}_fan_angle_rad"],
            )
            for i in range(2)
        ]
        return cls(
            (beams[0], beams[1]),
            curves["coefficients"],
            curves["covariance"],
            float(curves["relative_sigma"]),
            curves["reduced_chi2"],
            float(curves["largest_areal_density"]),
        )

    @property
    def curves(self) -> Mapping[str, NDArray[Any]]:
        """The parameters as named arrays."""
        named = {
            f"beam{i}_{name}": value for i, beam in enumerate(self.beams) for name, value in beam.to_dict().items()
        }
        return named | {
            "coefficients": self.coefficients,
            "covariance": self.covariance,
            "relative_sigma": np.array(self.relative_sigma),
            "reduced_chi2": self.reduced_chi2,
            "largest_areal_density": np.array(self.largest_areal_density),
        }

    def forward(
        self, areal_density: ArrayLike, z: ArrayLike, fan_angle_rad: float = 0.0
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return both attenuations of an element.

        Parameters
        ----------
        areal_density : array-like
            g/cm².
        z : array-like
            Atomic number, 1 to 92; broadcasts with ``areal_density``.
        fan_angle_rad : float

        Returns
        -------
        alpha_high, alpha_low : ndarray of float64
        """
        depth, number = np.broadcast_arrays(np.asarray(areal_density, np.float64), np.asarray(z, np.float64))
        if number.size and not (number.min() >= 1 and number.max() <= 92):
            raise PhysicsRangeError(f"atomic numbers {number.min():g} to {number.max():g}", expected="1 to 92")
        unique, index = np.unique(number, return_inverse=True)
        high, low = (
            attenuation(
                depth.ravel(), self.mass_attenuation(i, unique)[index.ravel()], beam.signal_weights(fan_angle_rad)
            )
            for i, beam in enumerate(self.beams)
        )
        return high.reshape(depth.shape), low.reshape(depth.shape)

    def mass_attenuation(self, beam: int, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the fitted mass attenuation of each element in a beam's bins, (z, k), cm²/g."""
        return scaled_attenuation(self.beams[beam], z, self.coefficients[beam])

    def systematic_variance(
        self,
        areal_density: ArrayLike,
        z: ArrayLike,
        fan_angle_rad: float | NDArray[np.float64] = 0.0,
        *,
        alpha: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the variance of both attenuations that the model's own error makes; it is shared by all pixels of a material.

        The sum of what the fit leaves unexplained (``relative_sigma``) and of the spread of the fitted coefficients.

        Parameters
        ----------
        areal_density, z : array-like
            As for `forward`.
        fan_angle_rad : float or ndarray
            With ``alpha`` an array that broadcasts with ``areal_density``, else one angle.
        alpha : (ndarray, ndarray), optional
            Both attenuations where they are known; those of `forward` by default.

        Returns
        -------
        var_high, var_low : ndarray of float64

        Examples
        --------
        >>> from scananalysis.detectors import scanner
        >>> model = DualEnergyModel.nominal(scanner("cargo-6-4mv"))
        >>> high, _ = model.forward(50.0, 26.0)
        >>> var_high, _ = model.systematic_variance(50.0, 26.0)
        >>> bool(np.isclose(np.sqrt(var_high) / high, model.relative_sigma))
        True
        """
        known = self.forward(areal_density, z, float(fan_angle_rad)) if alpha is None else alpha
        rest = [(self.relative_sigma * a) ** 2 for a in known]
        depth, number, angle = np.broadcast_arrays(
            *(np.asarray(a, np.float64) for a in (areal_density, z, fan_angle_rad))
        )
        for i, beam in enumerate(self.beams):
            if not self.covariance[i].any():
                continue
            parts = np.stack([element_attenuation(number.ravel(), beam.energy_mev, process) for process in PROCESSES])
            mu = np.einsum("p,pnk->nk", self.coefficients[i], parts)
            weight = beam.signal_weights(angle.ravel()) * np.exp(
                -depth.reshape(-1, 1) * (mu - mu.min(axis=1, keepdims=True))
            )
            # ∂α/∂coefficient is the depth times the mean of the process over what is transmitted.
            slope = depth.ravel() * np.einsum("nk,pnk->pn", weight / weight.sum(axis=1, keepdims=True), parts)
            rest[i] = rest[i] + np.einsum("pn,pq,qn->n", slope, self.covariance[i], slope).reshape(depth.shape)
        return rest[0], rest[1]

    def invert(
        self,
        alpha_high: ArrayLike,
        alpha_low: ArrayLike,
        var_high: ArrayLike | None = None,
        var_low: ArrayLike | None = None,
        fan_angle_rad: float | NDArray[np.floating[Any]] = 0.0,
        *,
        systematic: bool = True,
    ) -> Inverted:
        """Return areal density and atomic number of pairs of attenuations.

        Parameters
        ----------
        alpha_high, alpha_low : array-like
            Any shape.
        var_high, var_low : array-like, optional
            Independent variances; 0 by default.
        fan_angle_rad : float or ndarray, (y,)
            One angle, or one per row of two-dimensional input.
        systematic : bool
            σ and correlation count the model's own error (`systematic_variance`), which is shared by all pixels of a material, and so
            do flags where curves were fitted. Without it everything comes of the variances alone.

        Returns
        -------
        Inverted
            Arrays of float32 in the shape of the input; of two solutions, the lighter element (`Inverted.second_z` is the other).

        Raises
        ------
        ConfigurationError
            Negative variances, or shapes that do not fit together.
        PhysicsRangeError
            A fan angle outside the beams'.
        """
        return invert(self._table, alpha_high, alpha_low, var_high, var_low, fan_angle_rad, systematic=systematic)

    @functools.cached_property
    def _table(self) -> InverseTable:
        return build_table(self)


def attenuation(
    depth: NDArray[np.float64], mu: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return −ln Σ w exp(−λ μ) for (n,) depths and (n, k) coefficients; never underflows."""
    least = mu.min(axis=-1)
    rest = np.exp(-depth[:, None] * (mu - least[:, None])) @ weights
    found: NDArray[np.float64] = depth * least - np.log(rest)
    return found


def scaled_attenuation(beam: Beam, z: NDArray[np.float64], coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a μ_photoelectric + b μ_scatter + c μ_pair, (z, k), cm²/g."""
    parts = [element_attenuation(z, beam.energy_mev, process) for process in PROCESSES]
    total: NDArray[np.float64] = np.einsum("p,pzk->zk", coefficients, np.stack(parts))
    return total


def _fit_beam(
    beam: Beam, wedge: StepWedge, alpha: NDArray[np.float64], variance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float]:
    unique, index = np.unique(wedge.z, return_inverse=True)
    parts = np.stack([element_attenuation(unique, beam.energy_mev, process) for process in PROCESSES])[:, index]
    angles = np.zeros(wedge.z.size) if wedge.fan_angle_rad is None else wedge.fan_angle_rad
    weights = np.atleast_2d(beam.signal_weights(angles))
    sigma = np.sqrt(variance)

    def model(coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        mu = np.einsum("p,pnk->nk", coefficients, parts)
        least = mu.min(axis=1)
        found: NDArray[np.float64] = wedge.areal_density * least - np.log(
            (weights * np.exp(-wedge.areal_density[:, None] * (mu - least[:, None]))).sum(axis=1)
        )
        return found

    solved = least_squares(lambda c: (model(c) - alpha) / sigma, np.ones(3), bounds=(0.2, 3.0))
    freedom = max(alpha.size - 3, 1)
    chi2 = float((solved.fun**2).sum() / freedom)
    if chi2 > WORST_CHI2:
        raise CalibrationError(
            f"{beam.label or 'beam'}: step wedge and beam differ, χ² per degree of freedom {chi2:.1f}",
            expected=f"at most {WORST_CHI2:g}",
            remedy="check that spectrum, wedge materials and thicknesses are those of this scanner",
        )
    # A fit worse than the stated errors widens the parameters' errors by as much.
    covariance = np.linalg.pinv(solved.jac.T @ solved.jac) * max(chi2, 1.0)
    residual = (model(solved.x) - alpha) / alpha
    unexplained = float(np.mean(residual**2) - np.mean(variance / alpha**2) * max(1 - 3 / alpha.size, 0))
    return solved.x, covariance, chi2, unexplained
