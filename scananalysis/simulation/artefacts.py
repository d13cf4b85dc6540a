"""Scatter, focal-spot blur, crosstalk and afterglow, as the scanner's `Artefacts` define them.

Everything works on (element, line) arrays of one channel; the scan passes in blocks of lines.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scananalysis.detectors import Scanner
from scananalysis.simulation.imperfections import Imperfections
from scananalysis.simulation.product import product

Float32 = NDArray[np.float32]

FWHM = float(2 * np.sqrt(2 * np.log(2)))
"""Full width at half maximum of a normal distribution over its standard deviation."""

_KERNEL_ELEMENTS = 4
_GLOW_LINES = 16
_BAND_ELEMENTS = 16


class Scatter:
    """Scattered radiation: a share of the single-scatter potential T ln(1/T), spread along the array.

    Parameters
    ----------
    scanner : Scanner

    Notes
    -----
    The kernel is wide, so the potential is averaged over groups of elements, spread, and interpolated back; groups are at most a
    quarter of the kernel's width, and what the averaging adds to that width is taken off the kernel.
    """

    def __init__(self, scanner: Scanner) -> None:
        width = scanner.artefacts.scatter_range_mm / scanner.element_pitch_mm
        self.share = np.float32(scanner.artefacts.scatter_share)
        self._reach = int(5 * width) + 1
        self.group, self._starts, self._spread = _spreading(scanner.elements, width)

    def of(self, mean: Float32, open_beam: Float32) -> Float32:
        """Return the scattered signal, (element, line), of transmitted signal; ``open_beam`` is (element, 1)."""
        transmission = np.minimum(mean / open_beam, 1)
        np.maximum(transmission, np.float32(1e-30), out=transmission)
        potential = np.log(transmission)
        potential *= transmission
        potential *= -self.share * open_beam
        grouped = np.add.reduceat(potential, self._starts, axis=0)
        scattered: Float32 = np.empty_like(potential)
        for first in range(0, len(potential), _BAND_ELEMENTS):
            rows = slice(first, first + _BAND_ELEMENTS)
            # What lies beyond five widths of the kernel is a millionth of it.
            near = slice(
                max(0, (first - self._reach) // self.group), (first + _BAND_ELEMENTS + self._reach) // self.group + 2
            )
            scattered[rows] = product(self._spread[rows, near], grouped[near])
        return scattered


@lru_cache(maxsize=32)
def _spreading(elements: int, width: float) -> tuple[int, NDArray[np.intp], Float32]:
    """Return how many elements make a group, where groups begin, and what spreads sums over groups, (element, group)."""
    group = max(1, int(width / _KERNEL_ELEMENTS))
    groups = -(-elements // group)
    starts = np.arange(groups) * group
    sizes = np.diff(np.append(starts, elements))
    centre = starts + (sizes - 1) / 2
    at = np.arange(elements)
    # Variance of a mean over g elements, (g² − 1)/12, and of linear interpolation over steps of g, (g² − 1)/6.
    narrow = np.sqrt(max(width**2 - (group**2 - 1) / 4, 1e-6))
    kernel = np.exp(-0.5 * ((centre[:, None] - centre[None]) / narrow) ** 2)
    steps = np.arange(int(9 * narrow) + 2) * (group / narrow)
    kernel /= (2 * np.exp(-0.5 * steps**2).sum() - 1) * group
    low = np.clip(np.searchsorted(centre, at, side="right") - 1, 0, max(groups - 2, 0))
    # Beyond the middle of the outermost groups the line goes on.
    share = (at - centre[low]) / np.append(np.diff(centre), np.inf)[low]
    back = np.zeros((elements, groups))
    back[at, low] += 1 - share
    back[at, np.minimum(low + 1, groups - 1)] += share
    return group, starts, product(back, kernel).astype(np.float32)


def focal_kernels(scanner: Scanner) -> tuple[Float32, Float32]:
    """Return the blur along the elements and along the lines by the size of the source.

    A source of full width f at half maximum casts a penumbra of f (M − 1) at the array, M the magnification of the load's middle,
    which is f (1 − 1/M) in the load. Kernels of a fraction of a pixel keep their variance on three points.

    Examples
    --------
    >>> from scananalysis.detectors import scanner
    >>> along, _ = focal_kernels(scanner("cargo-6-4mv"))
    >>> float(along.sum().round(6))
    1.0
    """
    sigma = scanner.artefacts.focal_spot_mm / FWHM
    m = scanner.magnification
    along = _kernel(sigma * (m - 1) / scanner.element_pitch_mm)
    return along, _kernel(sigma * (1 - 1 / m) / scanner.line_pitch_mm)


def artefacts_truth(scanner: Scanner, flaws: Imperfections) -> dict[str, NDArray[Any]]:
    """Return what acts alike on every pixel of a scan, where it acts.

    Examples
    --------
    >>> from scananalysis.detectors import scanner
    >>> artefacts_truth(scanner("cargo-6-4mv"), Imperfections(afterglow=False, focal_spot=False))
    {'crosstalk': array([0.015]), 'curvature': array([0.005])}
    """
    stated = scanner.artefacts
    found: dict[str, NDArray[Any]] = {}
    if flaws.afterglow and stated.afterglow_share:
        found["afterglow"] = np.stack([stated.afterglow_share, stated.afterglow_time_s], axis=1)
    for name in ("crosstalk", "curvature"):
        if getattr(flaws, name) and getattr(stated, name):
            found[name] = np.array([getattr(stated, name)])
    if flaws.focal_spot and stated.focal_spot_mm:
        found["focal_spot_elements"], found["focal_spot_lines"] = focal_kernels(scanner)
    return found


def _kernel(sigma: float) -> Float32:
    if sigma == 0:
        return np.ones(1, np.float32)
    if sigma < 0.5:
        side = sigma**2 / 2
        weights = np.array([side, 1 - 2 * side, side])
    else:
        reach = int(np.ceil(4 * sigma))
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel: Float32 = (weights / weights.sum()).astype(np.float32)
    return kernel


def blur(image: Float32, along: Float32, across: Float32) -> Float32:
    """Blur along the elements, whose ends repeat, and along the lines, of which the kernel's reach is used up at both ends."""
    reach, lines = across.size // 2, image.shape[1] - across.size + 1
    if reach:
        wide: Float32 = image[:, reach : reach + lines] * across[reach]
        for k, weight in enumerate(across):
            if k != reach:
                wide += image[:, k : k + lines] * weight
        image = wide
    reach = along.size // 2
    if not reach:
        return image
    total: Float32 = image * along[reach]
    for k in range(1, reach + 1):
        weight = along[reach + k]
        total[k:] += image[:-k] * weight
        total[:-k] += image[k:] * weight
        total[:k] += image[0] * weight
        total[-k:] += image[-1] * weight
    return total


def crosstalk(signal: Float32, share: float) -> Float32:
    """Give a share of each signal to either neighbour; what leaves the array at its ends is lost.

    Examples
    --------
    >>> crosstalk(np.array([[0.0], [10.0], [0.0]], np.float32), 0.1).ravel().tolist()
    [1.0, 8.0, 1.0]
    """
    if share == 0:
        return signal
    mixed = signal * np.float32(1 - 2 * share)
    given = signal * np.float32(share)
    mixed[1:] += given[:-1]
    mixed[:-1] += given[1:]
    return mixed


@dataclass(eq=False)
class Afterglow:
    """Afterglow of a scintillator, carried from block to block.

    Parameters
    ----------
    share, keep : ndarray of float32, (component,)
        Share a of each component, and r = exp(−Δt/τ), what it keeps from line to line.
    stored : ndarray of float32, (component, element)
        a q of each component; at first that of the level before the first line.
    """

    share: Float32
    keep: Float32
    stored: Float32
    _steps: dict[int, tuple[Float32, Float32, Float32, Float32]] = field(default_factory=dict)

    @classmethod
    def of(cls, scanner: Scanner, before: Float32, *, on: bool) -> Afterglow:
        """Start in the steady state of a signal, (element,); without effect where ``on`` is false."""
        stated = scanner.artefacts
        count = len(stated.afterglow_share) if on else 0
        share = np.array(stated.afterglow_share[:count], np.float32)
        keep = np.exp(-1 / (scanner.lines_per_s * np.array(stated.afterglow_time_s[:count]))).astype(np.float32)
        return cls(share, keep, share[:, None] * before)

    def apply(self, signal: Float32) -> Float32:
        """Turn the next lines, (line, element), into (1 − Σ a) S(n) + Σ a q(n) in place, with q(n) = r q(n − 1) + (1 − r) S(n)."""
        if self.share.size == 0:
            return signal
        for first in range(0, len(signal), _GLOW_LINES):
            part = signal[first : first + _GLOW_LINES]
            response, decay, intake, keep = self._step(len(part))
            stored = keep * self.stored + product(intake, part)
            part[:] = product(response, part) + product(decay, self.stored)
            self.stored = stored
        return signal

    def _step(self, lines: int) -> tuple[Float32, Float32, Float32, Float32]:
        """Return the recursion over some lines at once: what they make of themselves and of what is stored, and what is stored then."""
        if lines not in self._steps:
            keep = self.keep.astype(np.float64)
            fresh = self.share * (1 - keep)
            age = np.subtract.outer(np.arange(lines), np.arange(lines))
            glow = (fresh * keep ** np.maximum(age, 0)[..., None]).sum(axis=-1) * (age >= 0)
            response = (1 - self.share.sum(dtype=np.float64)) * np.eye(lines) + glow
            decay = keep ** (np.arange(lines)[:, None] + 1)
            intake = (fresh * keep ** np.arange(lines - 1, -1, -1)[:, None]).T
            parts = (response, decay, intake, (keep**lines)[:, None])
            a, b, c, d = (np.ascontiguousarray(part, np.float32) for part in parts)
            self._steps[lines] = a, b, c, d
        return self._steps[lines]
