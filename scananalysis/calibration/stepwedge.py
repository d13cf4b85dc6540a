"""`StepWedge`: attenuations measured behind steps of known element and areal density."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scananalysis.core import CalibrationError

DEFAULT_RELATIVE_SIGMA = 0.005
"""Relative 1-σ error of α that is taken where a wedge states none."""


@dataclass(frozen=True, init=False, eq=False)
class StepWedge:
    """Points of a step wedge.

    Parameters
    ----------
    z : array-like, (n,)
        Atomic number of each step.
    areal_density : array-like, (n,)
        g/cm².
    alpha : array-like, (channel, n)
        Measured attenuation, high energy first.
    variance : array-like, (n,) or (channel, n), optional
        Of ``alpha``; by default that of 0.5 % of it.
    element : array-like of int, (n,), optional
        Array element that measured each point.
    fan_angle_rad : array-like, (n,), optional
        Angle of that element's ray from the beam axis; the axis by default.

    Raises
    ------
    CalibrationError
        Shapes that do not fit, non-finite or negative values.

    Examples
    --------
    >>> StepWedge([6, 26], [20.0, 20.0], [[0.7, 0.8], [0.9, 0.95]]).variance.shape
    (2, 2)
    """

    z: NDArray[np.float64]
    areal_density: NDArray[np.float64]
    alpha: NDArray[np.float64]
    variance: NDArray[np.float64]
    element: NDArray[np.int64] | None
    fan_angle_rad: NDArray[np.float64] | None

    def __init__(
        self,
        z: ArrayLike,
        areal_density: ArrayLike,
        alpha: ArrayLike,
        variance: ArrayLike | None = None,
        element: ArrayLike | None = None,
        fan_angle_rad: ArrayLike | None = None,
    ) -> None:
        numbers, depth, measured = (np.array(a, np.float64) for a in (z, areal_density, alpha))
        if numbers.ndim != 1 or depth.shape != numbers.shape or measured.shape != (2, numbers.size):
            raise CalibrationError(
                f"step wedge with z {numbers.shape}, areal density {depth.shape}, α {measured.shape}",
                expected="(n,), (n,) and (2, n)",
            )
        spread = (DEFAULT_RELATIVE_SIGMA * measured) ** 2 if variance is None else np.array(variance, np.float64)
        try:
            spread = np.broadcast_to(spread, measured.shape)
        except ValueError as error:
            raise CalibrationError(
                f"variance {spread.shape}", expected=f"({numbers.size},) or {measured.shape}"
            ) from error
        for name, values, least in (("z", numbers, 1.0), ("areal density", depth, 0.0), ("α", measured, 0.0)):
            if not np.all(np.isfinite(values)) or np.any(values < least):
                raise CalibrationError(f"step wedge: {name} has values below {least:g} or not finite")
        if not np.all(np.isfinite(spread)) or np.any(spread <= 0):
            raise CalibrationError("step wedge: variance is not positive everywhere", expected="σ² > 0 for every point")
        series = {
            "element": None if element is None else np.array(element, np.int64),
            "fan_angle_rad": None if fan_angle_rad is None else np.array(fan_angle_rad, np.float64),
        }
        for name, array in series.items():
            if array is not None and array.shape != numbers.shape:
                raise CalibrationError(f"step wedge: {name} {array.shape}", expected=f"({numbers.size},)")
        fields = {"z": numbers, "areal_density": depth, "alpha": measured, "variance": spread} | series
        for name, value in fields.items():
            object.__setattr__(self, name, value)
