"""What is said of a measured area: areal density, atomic number, their σ, class and flags, as one row of a table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import Quality, Radiograph
from scananalysis.materials.classes import BOUNDS, MIXED, UNDECIDED, decide
from scananalysis.materials.dualenergy import DualEnergyModel
from scananalysis.materials.labelled import Means
from scananalysis.materials.measure import Solved, solve, with_model_error
from scananalysis.materials.singleenergy import SingleEnergyModel
from scananalysis.materials.unbiased import STARVED_SHARE

_NOTHING = float("nan")


def solved(radiograph: Radiograph, model: DualEnergyModel, found: Means) -> Solved:
    """Material of areas from their mean attenuation, all errors counted."""
    angles = radiograph.fan_angle_rad.astype(np.float64)
    covariance = with_model_error(model, found.alpha, found.independent + found.shared, angles, found.rows)
    return solve(model, found.alpha, covariance, angles, found.rows)


def judged(
    radiograph: Radiograph,
    model: DualEnergyModel,
    found: Means,
    material: Solved,
    p: NDArray[np.float64],
    sure: float,
) -> list[dict[str, Any]]:
    """Figures, class and flags of measured areas."""
    angles = radiograph.fan_angle_rad.astype(np.float64)
    noise = solve(model, found.alpha, found.independent, angles, found.rows).sigma_z
    # Nothing measured, or a lower limit: such an attenuation names no class.
    known = np.isfinite(material.z_eff)
    decided = decide(material.explained, p, known & (found.starved <= STARVED_SHARE), sure=sure)
    return [
        _figures(material, k)
        | {
            "sigma_noise_z": float(noise[k]),
            "z_low": float(decided.z_low[k]) if known[k] else _NOTHING,
            "z_high": float(decided.z_high[k]) if known[k] else _NOTHING,
            "p_one_material": float(p[k]),
            "class": decided.name[k],
            "probability": {
                name: float(share) if known[k] else _NOTHING
                for name, share in zip(BOUNDS, decided.probability[k], strict=True)
            },
            "quality": int(material.quality[k])
            | (Quality.MIXED.value if decided.name[k] == MIXED else 0)
            | (Quality.STARVED.value if found.starved[k] > STARVED_SHARE else 0),
        }
        for k in range(found.pixels.size)
    ]


def _figures(material: Solved, k: int) -> dict[str, float]:
    return {
        "areal_density_g_cm2": float(material.areal_density[k]),
        "sigma_areal_density_g_cm2": float(material.sigma_areal_density[k]),
        "z_eff": float(material.z_eff[k]),
        "sigma_z": float(material.sigma_z[k]),
        "correlation": float(material.correlation[k]),
    }


def single(model: SingleEnergyModel, found: Means, k: int) -> dict[str, Any]:
    """Return what one energy says: areal density of the stated material, and nothing of the class."""
    alpha = found.alpha[k, 0]
    depth = model.invert(alpha, found.independent[k, 0, 0] + found.shared[k, 0, 0])
    density = float(depth.areal_density)
    sigma = float(np.hypot(float(depth.sigma_areal_density), float(model.spread(alpha)) * density))
    return {
        "areal_density_g_cm2": density,
        "sigma_areal_density_g_cm2": sigma,
        **dict.fromkeys(
            ("z_eff", "sigma_z", "correlation", "sigma_noise_z", "z_low", "z_high", "p_one_material"), _NOTHING
        ),
        "class": UNDECIDED,
        "probability": dict.fromkeys(BOUNDS, _NOTHING),
        "quality": int(depth.quality) | (Quality.STARVED.value if found.starved[k] > STARVED_SHARE else 0),
    }
