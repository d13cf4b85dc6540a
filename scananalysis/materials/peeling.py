"""Peeling: a known layer is taken off an area, so that areal density and atomic number speak of what is behind it.

The order of layers does not matter to a beam, so the layer may be thought to come first. It hardens the beam: behind it the share of each
energy is w' ∝ w exp(−λ μ) of the layer, and α(all) − α(layer) = −ln Σ w' exp(−λ μ(Z)) is the attenuation of what remains under that beam.
So what remains is solved with the layer's beam, not read off the difference of two areal densities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import ConfigurationError, Radiograph
from scananalysis.materials.discriminate import Model
from scananalysis.materials.dualenergy import PROCESSES, DualEnergyModel, attenuation
from scananalysis.materials.labelled import Means, means
from scananalysis.materials.measure import Solved, solve, with_model_error
from scananalysis.materials.pooling import Pooled
from scananalysis.physics import Beam, mass_attenuation


@dataclass(frozen=True)
class Layer:
    """Known matter in the way.

    Parameters
    ----------
    material : str or mapping of str to float
        Named material, formula or composition, as `physics.composition` takes it.
    areal_density, sigma : float
        g/cm², through the layer at right angles, with its 1-σ error.
    upright : bool
        The layer stands upright: rays at an angle to the beam axis go 1/cos as far through it.

    Examples
    --------
    Both walls of a container, 1.6 mm of corrugated steel each:

    >>> Layer("steel", 2.7, 0.3).areal_density
    2.7
    """

    material: str | Mapping[str, float]
    areal_density: float
    sigma: float
    upright: bool = True

    def __post_init__(self) -> None:
        if not (self.areal_density >= 0 and self.sigma >= 0 and np.isfinite(self.areal_density + self.sigma)):
            raise ConfigurationError(
                f"layer of {self.areal_density} ± {self.sigma} g/cm²", expected="finite values, not below 0"
            )


def peel(radiograph: Radiograph, model: Model, mask: NDArray[np.bool_], layer: Layer | NDArray[np.bool_]) -> Pooled:
    """Measure what an area holds beside a layer that is known, or that is seen alone in a reference area.

    Parameters
    ----------
    radiograph : Radiograph
    model : DualEnergyModel
    mask : ndarray of bool, (y, x)
        The area.
    layer : Layer or ndarray of bool, (y, x)
        The layer, or an area beside the first, at the same heights, that holds the layer alone.

    Returns
    -------
    Pooled
        Of what remains. σ counts the layer's error; errors of calibration that area and reference share cancel as far as they are the
        same in both. ``alpha`` and ``covariance`` are those of what the layer leaves.

    Raises
    ------
    ConfigurationError
        One energy only, no usable pixel, a reference that overlaps the area, or a layer that attenuates more than the area.

    Examples
    --------
    >>> import scananalysis as sa
    >>> from scananalysis.simulation import Box, Matter, Piece, Scene, render
    >>> wall = Piece(Box((300, 1700), (1000, 2200), (4900, 4910)), Matter.of("Fe"), 7.87)
    >>> goods = Piece(Box((300, 900), (1000, 2200), (5900, 6100)), Matter.of("Al"), 2.7)
    >>> scan = render(Scene((wall, goods), 2000.0), sa.scanner("cargo-6-4mv").binned(4, 4), seed=1).scan
    >>> radiograph = sa.calibrate(scan)
    >>> area = np.zeros(radiograph.shape[1:], bool)
    >>> beside = area.copy()
    >>> area[180:250, 20:40], beside[180:250, 55:75] = True, True
    >>> model = sa.materials.DualEnergyModel.nominal(sa.scanner("cargo-6-4mv"))
    >>> behind = peel(radiograph, model, area, beside)
    >>> abs(behind.areal_density - 54) < 3 * behind.sigma_areal_density
    True
    """
    if not isinstance(model, DualEnergyModel):
        raise ConfigurationError("peeling with one energy", expected="a model of two energies")
    angles = radiograph.fan_angle_rad.astype(np.float64)
    if isinstance(layer, Layer):
        whole = _measured(radiograph, mask)
        return _behind_known(model, whole, layer, angles)
    if (mask & layer).any():
        raise ConfigurationError("reference area overlaps the area", expected="two areas apart from each other")
    both = _measured(radiograph, mask, layer)
    return _behind_seen(model, both, angles)


def _measured(radiograph: Radiograph, *areas: NDArray[np.bool_]) -> Means:
    if not all(area.any() for area in areas):
        raise ConfigurationError("empty area", expected="at least one pixel in the area and in its reference")
    labels = np.zeros(areas[0].shape, np.int32)
    for number, area in enumerate(areas, start=1):
        labels[area] = number
    found = means(radiograph, labels, between=True)
    if not np.isfinite(found.alpha).all():
        raise ConfigurationError("area without a usable pixel", expected="at least one that is not starved or dead")
    return found


def _behind_seen(model: DualEnergyModel, both: Means, angles: NDArray[np.float64]) -> Pooled:
    """Return what is left of the first area behind a layer like the second."""
    rows, beside = both.rows[:1], both.alpha[1]
    own = with_model_error(model, both.alpha[1:], (both.independent + both.shared)[1:], angles, both.rows[1:])

    def hardened(alpha: NDArray[np.float64]) -> DualEnergyModel:
        seen = solve(model, alpha[None], own, angles, both.rows[1:])
        mu = [model.mass_attenuation(c, seen.z_eff)[0] for c in range(2)]
        return _behind(model, mu, float(seen.areal_density[0]), angles, rows)

    behind = hardened(beside)
    apart = _positive(both.alpha[:1] - both.alpha[1:])
    first = solve(behind, apart, own)
    depth, number = float(first.areal_density[0]), float(np.clip(first.z_eff[0], 1, 92))
    # The reference's own error counts twice: it is taken off, and it decides how hard the beam is behind the layer.
    step = np.sqrt(np.diagonal(both.between[1, :, 1]))
    answer = np.eye(2)
    for c in range(2):
        move = step[c] * np.eye(2)[c]
        ends = [np.ravel(hardened(beside + sign * move).forward(depth, number)) for sign in (1, -1)]
        answer[:, c] += (ends[0] - ends[1]) / (2 * step[c])
    weigh = np.concatenate([np.eye(2), -answer], axis=1)
    covariance = (weigh @ both.between.reshape(4, 4) @ weigh.T)[None]
    covariance = with_model_error(behind, apart, covariance)
    return _pooled(solve(behind, apart, covariance), apart, covariance, int(both.pixels[0]))


def _behind_known(model: DualEnergyModel, whole: Means, layer: Layer, angles: NDArray[np.float64]) -> Pooled:
    rows = whole.rows
    path = layer.areal_density * float(rows[0] @ (1 / np.cos(angles)) if layer.upright else 1.0)
    sigma = layer.sigma * path / layer.areal_density if layer.areal_density > 0 else layer.sigma
    mu = [
        np.einsum(
            "p,pk->k",
            model.coefficients[c],
            np.stack([mass_attenuation(layer.material, beam.energy_mev, p) for p in PROCESSES]),
        )
        for c, beam in enumerate(model.beams)
    ]
    hardened = _behind(model, mu, path, angles, rows)
    weights = [rows[0] @ np.atleast_2d(beam.signal_weights(angles)) for beam in model.beams]
    own = np.array([[attenuation(np.array([path]), mu[c][None], weights[c])[0] for c in range(2)]])
    remaining = _positive(whole.alpha - own)
    # The model errs on all of the attenuation, the layer's share included.
    covariance = with_model_error(model, whole.alpha, whole.independent + whole.shared, angles, rows)
    first = solve(hardened, remaining, covariance)
    # How α answers to more of the layer is decided by the beam that is left behind layer and goods together.
    answer = np.empty(2)
    for c in range(2):
        goods = model.mass_attenuation(c, np.clip(first.z_eff, 1, 92))[0]
        exponent = path * mu[c] + float(first.areal_density[0]) * goods
        passed = weights[c] * np.exp(-(exponent - exponent.min()))
        answer[c] = (passed @ mu[c]) / passed.sum()
    covariance = covariance + sigma**2 * np.outer(answer, answer)
    return _pooled(solve(hardened, remaining, covariance), remaining, covariance, int(whole.pixels[0]))


def _behind(
    model: DualEnergyModel,
    mu: list[NDArray[np.float64]],
    areal_density: float,
    angles: NDArray[np.float64],
    rows: NDArray[np.float64],
) -> DualEnergyModel:
    """Return the model of the beams that a layer lets through, mean over the rows of an area."""
    beams = []
    for beam, coefficients in zip(model.beams, mu, strict=True):
        passed = np.exp(-areal_density * (coefficients - coefficients.min()))
        weights = rows[0] @ np.atleast_2d(beam.signal_weights(angles)) * passed
        counts = beam.response > 0
        spectrum = np.where(counts, weights / np.where(counts, beam.response, 1), 0)
        beams.append(Beam(beam.energy_mev, spectrum, beam.response, response_square=beam.response_square))
    return replace(model, beams=(beams[0], beams[1]))


def _positive(alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    if not (alpha > 0).all():
        raise ConfigurationError(
            f"layer attenuates more than the area: {alpha[0, 0]:.3f} and {alpha[0, 1]:.3f} remain",
            expected="attenuation above 0 at both energies behind the layer",
            remedy="check the layer's thickness or choose another reference",
        )
    return alpha


def _pooled(solved: Solved, alpha: NDArray[np.float64], covariance: NDArray[np.float64], pixels: int) -> Pooled:
    return Pooled(
        float(solved.areal_density[0]),
        float(solved.sigma_areal_density[0]),
        float(solved.z_eff[0]),
        float(solved.sigma_z[0]),
        float(solved.correlation[0]),
        alpha[0],
        covariance[0],
        int(solved.quality[0]),
        pixels,
    )
