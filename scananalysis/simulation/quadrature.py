"""A beam with fewer energies that attenuates like the full one: rendering costs one exponential per energy and pixel."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr
from scipy.optimize import nnls

from scananalysis.physics import Beam, mass_attenuation

_TOLERANCE = 5e-4
_DEEPEST = 14.0
_PROBES = ("H", "C", "O", "Al", "Ca", "Fe", "Zr", "Ag", "Sn", "I", "Ba", "Gd", "W", "Pb", "U")
_HIGHEST_EDGE_MEV = 0.116
_LEAST_SIGNAL_AT_EDGES = 0.02
_DEPTHS = np.concatenate([[0.0], np.linspace(0.02, 1.0, 20)])
_MIXTURES = 40


@functools.lru_cache(maxsize=64)
def effective_beam(beam: Beam) -> Beam:
    """Return a beam with a part of the bins, re-weighted so that signal and noise behind matter stay the same.

    The bins are those on which the transmissions of elements and mixtures depend most independently (a pivoted QR decomposition, as
    in an interpolative decomposition; Cheng et al., SIAM J. Sci. Comput. 26 (2005) 1389, doi:10.1137/030602678); their weights,
    none negative, are fitted to the mean and the mean-square signal of the full beam at every fan angle.

    Parameters
    ----------
    beam : Beam

    Returns
    -------
    Beam
        Mean and mean-square signal behind H to U and their mixtures, to an attenuation of 14, within 5·10⁻⁴ of the full
        beam's; the full beam itself where that takes most of its bins, or where K-edges matter (tubes).

    Examples
    --------
    >>> from scananalysis.detectors import scanner
    >>> full = scanner("cargo-6-4mv").beams()[0]
    >>> effective_beam(full).energy_mev.size < full.energy_mev.size / 2
    True
    """
    alive = np.flatnonzero((beam.response > 0) & (beam.spectrum.max(axis=0) > 0))
    total = beam.spectrum.sum(axis=0) * beam.response
    if total[beam.energy_mev < _HIGHEST_EDGE_MEV].sum() > _LEAST_SIGNAL_AT_EDGES * total.sum():
        # Every heavy element has its K-edge in a bin of its own.
        return beam
    worth = beam.response_square[alive] / beam.response[alive]
    rows = beam.spectrum[:, alive] * beam.response[alive]
    probes = _probes(beam.energy_mev[alive], rows.mean(axis=0))
    systems = [_relative(probes, worth, row) for row in rows]
    order = qr(_relative(probes, worth, rows.mean(axis=0)), mode="economic", pivoting=True)[2]
    for size in range(8, int(0.7 * alive.size), 2):
        chosen = np.sort(order[:size])
        weights = np.zeros((len(rows), size))
        for i, system in enumerate(systems):
            part = system[:, chosen]
            weights[i] = nnls(part, np.ones(len(part)))[0]
            if np.abs(part @ weights[i] - 1).max() > _TOLERANCE:
                break
        else:
            kept = alive[chosen]
            signal = weights * rows[:, chosen]
            return Beam(
                beam.energy_mev[kept],
                signal / beam.response[kept],
                beam.response[kept],
                response_square=beam.response_square[kept],
                fan_angle_rad=beam.fan_angle_rad if len(rows) > 1 else None,
                label=beam.label,
            )
    return beam


def _probes(energy_mev: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return transmissions of every bin behind elements and mixtures, (probe, k), to the same deepest attenuation."""
    elements = np.stack([mass_attenuation(symbol, energy_mev) for symbol in _PROBES])
    mixtures = np.random.default_rng(0).dirichlet(np.full(len(_PROBES), 0.15), _MIXTURES) @ elements
    share = weight / weight.sum()
    probes = []
    for mu in np.vstack([elements, mixtures]):
        # The least attenuated bin bounds the depth from above, the mean attenuation from below.
        low, high = _DEEPEST / float(share @ mu), (_DEEPEST + 40) / float(mu.min())
        for _ in range(40):
            middle = (low + high) / 2
            behind = float(share @ np.exp(-middle * mu))
            low, high = (low, middle) if behind < np.exp(-_DEEPEST) else (middle, high)
        probes.append(np.exp(-(_DEPTHS * high)[:, None] * mu))
    return np.concatenate(probes)


def _relative(probes: NDArray[np.float64], worth: NDArray[np.float64], row: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each bin's share of the mean (first half) and of the mean square (second half) of every probe's signal."""
    mean, square = probes * row, probes * (row * worth)
    relative: NDArray[np.float64] = np.vstack(
        [mean / mean.sum(axis=1, keepdims=True), square / square.sum(axis=1, keepdims=True)]
    )
    return relative
