"""What dark and open-beam lines tell of the corrections: crosstalk, by the noise that neighbours share.

A quantum whose light or charge crosses to the neighbours is read by all three, so with crosstalk x the noise of an element in the open beam
is (1 − 2x) n(e) + x (n(e − 1) + n(e + 1)) of independent n, and that of neighbours is correlated by

    ρ = 2 x (1 − 2x) / ((1 − 2x)² + 2x²) ≈ 2x,

as noise power spectra tell the blur of an array (Siewerdsen et al., Med. Phys. 25 (1998) 614, doi:10.1118/1.598243). What dark lines
share, such as interference on a board, is taken off, and so is what elements further apart share, such as the beam's wandering. A
photon that scatters into the neighbour and is absorbed there leaves no such trace.

Afterglow, scatter and curvature leave none in dark and open-beam lines that could be told from noise: the beam is steady there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.calibration.gain import common_mode

if TYPE_CHECKING:
    from scananalysis.calibration.references import Calibration
    from scananalysis.core import RawScan

Float64 = NDArray[np.float64]

MEASURED = "measured"
"""Name under which a set keeps what was measured of the corrections."""
_BASE = (4, 5, 6, 7)
"""Elements apart whose noise shares nothing by crosstalk: there it is below x⁴."""
_LEAST_PAIRS = 32
_TOO_FAR = 5.0
"""Noise beyond this many σ is no noise: readings that jumped."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 1-σ error.

    Parameters
    ----------
    value, sigma : float
    """

    value: float
    sigma: float

    def with_stated(self, stated: float, sigma: float, agree_sigmas: float = 4.0) -> Estimate:
        """Return the mean with a stated value by their errors; the measurement alone where both do not agree.

        Parameters
        ----------
        stated, sigma : float
            Value and 1-σ error; an error of 0 is a value that is known.
        agree_sigmas : float
            Distance in their common error up to which both may be of one value.

        Examples
        --------
        >>> Estimate(0.016, 0.001).with_stated(0.015, 0.001)
        Estimate(value=0.0155, sigma=0.0007071067811865475)
        >>> Estimate(0.03, 0.001).with_stated(0.015, 0.001)
        Estimate(value=0.03, sigma=0.001)
        """
        if abs(self.value - stated) > agree_sigmas * float(np.hypot(self.sigma, sigma)):
            return self
        if sigma == 0:
            return Estimate(stated, 0.0)
        weight = 1 / self.sigma**2, 1 / sigma**2
        return Estimate((self.value * weight[0] + stated * weight[1]) / sum(weight), float(sum(weight) ** -0.5))


def measure_crosstalk(scan: RawScan, used: Calibration, flags: NDArray[np.uint32]) -> Estimate | None:
    """Return the share of a signal that each neighbour receives, or None where the noise does not tell.

    Parameters
    ----------
    scan : RawScan
        With dark and open-beam lines.
    used : Calibration
        Made from them.
    flags : ndarray of uint32, (channel, element)
        Elements with flags are left out.

    Returns
    -------
    Estimate or None
        The mean over the channels. Its error is what the lines, each of which gives a value of its own, leave; the value may be
        negative within it.
    """
    if scan.air is None or scan.dark is None:
        return None
    bright = scan.air - used.offset[:, None]
    level = common_mode(bright)
    found = []
    for c in range(len(bright)):
        # Only quanta cross over: the power of the electronics' noise is not theirs.
        lines = bright[c] / level[c][:, None], scan.dark[c].astype(np.float64)
        power = lines[0].var(axis=0, ddof=1) - lines[1].var(axis=0, ddof=1)
        good = (flags[c] == 0) & (power > 0) & (used.gain[c] > 0)
        shared = [_shared(each, np.where(good, power, 1.0), good) for each in lines]
        if shared[0] is None or shared[1] is None:
            continue
        means = [float(each.mean()) for each in shared if each is not None]
        sigma = float(np.sqrt(sum(each.var(ddof=1) / each.size for each in shared if each is not None)))
        found.append(_share_of(means[0] - means[1], sigma))
    if not found or any(not each.sigma > 0 for each in found):
        return None
    weights = np.array([each.sigma**-2.0 for each in found])
    value = float(np.sum(weights * [each.value for each in found]) / weights.sum())
    return Estimate(value, float(weights.sum() ** -0.5))


def _shared(lines: Float64, power: Float64, good: NDArray[np.bool_]) -> Float64 | None:
    """Return what neighbours' noise has in common on every line, (line,), over the power of the quanta; None from too few pairs."""
    noise = lines - lines.mean(axis=0)
    # Means that were taken off have taken some of the noise with them.
    noise *= np.sqrt(len(noise) / (len(noise) - 1)) / np.sqrt(power)
    noise[:, ~good] = 0
    spread = noise[:, good].std(axis=0).mean() if good.any() else 0.0
    if not spread > 0:
        return None
    noise[np.abs(noise) > _TOO_FAR * spread] = 0
    pairs = {step: int((good[:-step] & good[step:]).sum()) for step in (1, *_BASE)}
    if min(pairs.values()) < _LEAST_PAIRS:
        return None
    near, *far = (np.einsum("ne,ne->n", noise[:, :-step], noise[:, step:]) / n for step, n in pairs.items())
    found: Float64 = near - np.mean(far, axis=0)
    return found


def _share_of(correlation: float, sigma: float) -> Estimate:
    """Return the share whose noise is so correlated: the root of ρ ((1 − 2x)² + 2x²) = 2x (1 − 2x) near ρ/2."""
    # (6ρ + 4) x² − (4ρ + 2) x + ρ = 0.
    a, b = 6 * correlation + 4, 4 * correlation + 2
    value = (b - float(np.sqrt(max(b * b - 4 * a * correlation, 0.0)))) / (2 * a)
    # dρ/dx, by which an error of ρ is one of x.
    whole = (1 - 2 * value) ** 2 + 2 * value**2
    slope = ((2 - 8 * value) * whole - 2 * value * (1 - 2 * value) * (12 * value - 4)) / whole**2
    return Estimate(value, sigma / max(slope, 1e-3))


def measured_of(metadata: Any, name: str) -> Estimate | None:
    """Return what a set measured of a correction, or None where it did not.

    Examples
    --------
    >>> measured_of({"measured": {"crosstalk": {"value": 0.015, "sigma": 0.001}}}, "crosstalk")
    Estimate(value=0.015, sigma=0.001)
    """
    found = metadata.get(MEASURED, {}).get(name)
    return None if found is None else Estimate(float(found["value"]), float(found["sigma"]))
