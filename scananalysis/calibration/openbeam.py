"""Open beam of images without references: found in the image, and said so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.core import CalibrationError, RawScan

if TYPE_CHECKING:
    from scananalysis.calibration.recipe import OpenBeam


@dataclass(frozen=True)
class AirLevel:
    """Open beam of one channel.

    Parameters
    ----------
    level, sigma : float
        Counts that stand for transmission 1, and the 1-σ error of that level.
    quantum : float or None
        Variance over mean in the open beam, counts; None where it cannot be measured.
    clipped : bool
        The image stores nothing above its air level.
    """

    level: float
    sigma: float
    quantum: float | None
    clipped: bool


_CLIPPED_SHARE = 0.25


def estimate_air(counts: NDArray[np.unsignedinteger[Any]], full_scale: int, limits: OpenBeam) -> AirLevel:
    """Find the open beam of one channel in the image.

    The level is the mode of the counts in the uppermost fifth of the range; its error covers the drift of the open beam over
    the image.

    Parameters
    ----------
    counts : ndarray of unsigned integer, (line, element)
    full_scale : int
        Highest count; it is saturation, not air.
    limits : OpenBeam

    Returns
    -------
    AirLevel

    Raises
    ------
    CalibrationError
        Too few pixels show the open beam.
    """
    values = counts[(counts < full_scale) & (counts > 0)]
    top = float(np.quantile(values, 0.9995)) if values.size else 0.0
    upper = values[values > 0.8 * top]
    histogram, edges = np.histogram(upper, bins=256)
    if histogram.size and upper.size:
        peak = int(np.argmax(np.convolve(histogram, np.ones(5), "same")))
        mode = (edges[peak] + edges[peak + 1]) / 2
    else:
        mode = 0.0
    band = (counts > mode * (1 - limits.tolerance)) & (counts < mode * (1 + limits.tolerance)) & (counts < full_scale)
    share = band.mean()
    if mode <= 0 or share < limits.least_share:
        raise CalibrationError(
            f"open beam on {100 * share:.2f} % of the pixels",
            expected=f"at least {100 * limits.least_share:.1f} %, or an air level stated by file or layout",
            remedy="state air_level in the layout, or give the scan's references",
        )
    cap = counts.max()
    clipped = bool(cap < full_scale and (counts == cap).sum() > _CLIPPED_SHARE * band.sum())
    level = float(cap) if clipped else float(np.median(counts[band]))
    # Means of whole lines tell how far the open beam itself moves over the image.
    per_line = [float(np.median(counts[i][band[i]])) for i in range(counts.shape[0]) if band[i].sum() >= 5]
    drift = float(np.std(per_line)) if len(per_line) > 3 else level * limits.tolerance / 2
    quantum = None
    if not clipped:
        both = band[:, 1:] & band[:, :-1]
        # Neighbours of one line share the pulse; their difference is noise alone. Its square is robust through the median.
        difference = np.diff(counts.astype(np.int64), axis=1)[both]
        if difference.size > 1000:
            quantum = float((1.4826 * np.median(np.abs(difference - np.median(difference)))) ** 2 / 2 / level)
    return AirLevel(level, drift, quantum, clipped)


def air_level(scan: RawScan, channel: int, limits: OpenBeam) -> AirLevel:
    """Return the open beam of a channel of an air-normalised scan: the level it states, or one found in the image.

    Raises
    ------
    CalibrationError
        It states none, and too few pixels show the open beam.
    """
    counts = scan.counts[channel]
    full_scale = int(np.iinfo(counts.dtype).max)
    if scan.air_level is None:
        return estimate_air(counts, full_scale, limits)
    at_cap = counts == counts.max()
    clipped = bool(counts.max() <= scan.air_level and at_cap.mean() > limits.least_share)
    return AirLevel(scan.air_level, scan.air_level * limits.tolerance / 6, None, clipped)
