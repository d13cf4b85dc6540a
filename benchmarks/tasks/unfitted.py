"""How well elements are read that no step wedge held, when matter and beams are other than the model thinks.

Run:  python -m benchmarks.tasks.unfitted [--beams 6] [--repeats 10]

The truth of every trial is other physics than ours: Compton scattering by free electrons (Klein and Nishina), pair production 1 % off,
spectra and responses tilted by powers of the energy. Curves of our nominal beams are fitted to its attenuations of C, Fe and Pb steps, and
read other elements behind 50 to 150 g/cm². A pixel holds where Z is within 2 (to Z = 30) or 6 (to 60), or 2 σ cover it, or it is flagged.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.record import record
from benchmarks.tasks.wedge import beam_of
from scananalysis.calibration import StepWedge
from scananalysis.materials import DualEnergyModel
from scananalysis.materials.electrons import grams_per_electron
from scananalysis.physics import Beam, element_attenuation

PAIRS = ((10, 6), (10, 4), (6, 4))
FITTED, STEPS_G_CM2 = (6.0, 26.0, 82.0), (10.4, 20.7, 31.1, 51.8, 72.5, 103.5, 134.5, 155.0)
READ = np.array([4, 6, 7, 8, 13, 14, 20, 22, 26, 29, 30, 40, 47, 50, 55, 60, 74, 82, 92], np.float64)
DEPTHS_G_CM2 = (51.8, 72.5, 103.5, 134.5, 150.0)
NAMED = {13: "Al", 29: "Cu", 50: "Sn", 74: "W", 82: "Pb", 92: "U"}
SIGMA, WEDGE_SIGMA = 0.003, 0.0022
TILT, RESPONSE_TILT, PAIR_ERROR = 0.02, 0.02, 0.01

Float64 = NDArray[np.float64]


def free_electron_cm2_per_mol(energy_mev: Float64) -> Float64:
    """Return Klein and Nishina's cross section (Z. Phys. 52 (1929) 853, doi:10.1007/BF01366453) per mol of electrons."""
    k = energy_mev / 0.51099895
    square = 2.8179403262e-13**2 * 6.02214076e23
    around = (1 + k) / k**2 * (2 * (1 + k) / (1 + 2 * k) - np.log(1 + 2 * k) / k)
    found: Float64 = 2 * np.pi * square * (around + np.log(1 + 2 * k) / (2 * k) - (1 + 3 * k) / (1 + 2 * k) ** 2)
    return found


class Truth:
    """Attenuations by other physics than the package's."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.tilt, self.response_tilt = rng.normal(0, TILT), rng.normal(0, RESPONSE_TILT)
        self.pair = 1 + rng.normal(0, PAIR_ERROR)

    def alpha(self, beam: Beam, depth: Float64, z: Float64) -> Float64:
        """Attenuation of layers, (n,)."""
        energy = beam.energy_mev
        weight = beam.signal_weights(0.0) * (energy / energy[-1]) ** (self.tilt + self.response_tilt)
        bound = element_attenuation(z, energy, "photoelectric") + element_attenuation(z, energy, "coherent")
        free = free_electron_cm2_per_mol(energy) / grams_per_electron(z)[:, None]
        mu = bound + free + self.pair * element_attenuation(z, energy, "pair")
        found: Float64 = -np.log(np.exp(-mu * depth[:, None]) @ (weight / weight.sum()))
        return found


def _grid(z: Any, depth: Any) -> tuple[Float64, Float64]:
    numbers, depths = np.meshgrid(np.asarray(z, np.float64), np.asarray(depth, np.float64))
    return depths.ravel(), numbers.ravel()


def trial(high: int, low: int, rng: np.random.Generator, repeats: int) -> tuple[Any, Float64, float]:
    """Return what came out of noisy pixels, (repeat, pixel), their Z, and the larger χ² of the fit."""
    truth, beams = Truth(rng), (beam_of(high), beam_of(low))
    steps = _grid(FITTED, STEPS_G_CM2)
    alpha = np.stack([truth.alpha(beam, *steps) for beam in beams])
    wedge = StepWedge(
        steps[1], steps[0], alpha + rng.normal(0, WEDGE_SIGMA, alpha.shape), np.full(alpha.shape, WEDGE_SIGMA**2)
    )
    model = DualEnergyModel.fit(beams, wedge)
    depth, z = _grid(READ, DEPTHS_G_CM2)
    high_alpha, low_alpha = (truth.alpha(beam, depth, z) + rng.normal(0, SIGMA, (repeats, z.size)) for beam in beams)
    return model.invert(high_alpha, low_alpha, SIGMA**2, SIGMA**2), z, float(np.max(model.reduced_chi2))


def measure(beams: int, repeats: int) -> dict[str, Any]:
    """Return the figures of each pair of beams."""
    figures = {}
    for high, low in PAIRS:
        rng = np.random.default_rng(high * 100 + low)
        error, sigma, flagged, chi2 = [], [], [], []
        for _ in range(beams):
            found, z, worst = trial(high, low, rng, repeats)
            error.append(np.abs(found.z_eff - z))
            sigma.append(found.sigma_z)
            flagged.append(found.quality != 0)
            chi2.append(worst)
        off, spread, flags = (np.concatenate(rows) for rows in (error, sigma, flagged))
        allowed = np.select([z <= 30, z <= 60], [2.0, 6.0], 0.0)
        holds = flags | (off <= np.maximum(allowed, 2 * spread))
        named = {}
        for number, symbol in NAMED.items():
            at = z == number
            seen = off[:, at][~flags[:, at]]
            named[symbol] = {
                "flagged": float(flags[:, at].mean()),
                "rms_of_z_where_not_flagged": float(np.sqrt(np.mean(seen**2))) if seen.size else None,
                "holds": float(holds[:, at].mean()),
            }
        figures[f"{high}/{low} MV"] = {
            "reduced_chi2": max(chi2),
            "holds_to_z_60": float(holds[:, z <= 60].mean()),
            "not_flagged_to_z_60": float(1 - flags[:, z <= 60].mean()),
            "elements": named,
        }
    return figures


def main() -> None:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beams", type=int, default=6, help="trials, each with beams and physics of its own")
    parser.add_argument("--repeats", type=int, default=10, help="noisy pixels of each element and depth")
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args()
    figures = measure(options.beams, options.repeats)
    print(json.dumps(figures, indent=1))
    if not options.no_record:
        print(record("unfitted", figures))


if __name__ == "__main__":
    main()
