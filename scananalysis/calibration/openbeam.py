"""Open beam of images without references: found in the image, and said so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

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
_BINS = 400
_PROMINENCE = 0.3
_WIDEST = 0.12


def estimate_air(counts: NDArray[np.unsignedinteger[Any]], full_scale: int, limits: OpenBeam) -> AirLevel:
    """Find the open beam of one channel in the image.

    The level is the highest mode of the counts that enough pixels share: the walls of an empty container are a mode too, often a
    larger one, but a lower one. Its error covers the drift of the open beam over the image.

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
    mode = highest_mode(counts, full_scale, limits.least_share)
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


def highest_mode(counts: NDArray[np.unsignedinteger[Any]], full_scale: int, least_share: float) -> float:
    """Return the highest mode of the counts near the top of their range; 0 where there is none.

    Parameters
    ----------
    counts : ndarray of unsigned integer
    full_scale : int
        Counts within 0.2 % of it are saturation.
    least_share : float
        Share of all pixels that must stand within 2.5 % of the mode.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> walls, sky = rng.normal(55_000, 800, 50_000), rng.normal(63_000, 800, 600)
    >>> round(highest_mode(np.concatenate([walls, sky]).astype(np.uint16), 65_535, 0.002) / 1000)
    63
    """
    # A third of a second to load, and needed for images without references only.
    from scipy.signal import find_peaks

    values = counts[(counts < 0.998 * full_scale) & (counts > 0)]
    if values.size == 0:
        return 0.0
    top = float(np.quantile(values, 0.9995)) * 1.02
    histogram, edges = np.histogram(values, bins=_BINS, range=(0.5 * top, top))
    middle = (edges[1:] + edges[:-1]) / 2
    smooth = gaussian_filter1d(histogram.astype(np.float64), 0.008 * _BINS / 0.5, mode="constant")
    peaks, found = find_peaks(np.pad(smooth, 1), prominence=0, width=0)
    for peak, prominence, width in sorted(
        zip(peaks - 1, found["prominences"], found["widths"], strict=True), reverse=True
    ):
        level = float(middle[peak])
        near = np.abs(middle - level) < 0.025 * level
        narrow = width * (edges[1] - edges[0]) < _WIDEST * level
        if narrow and histogram[near].sum() >= least_share * counts.size and prominence >= _PROMINENCE * smooth[peak]:
            return level
    return 0.0


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
