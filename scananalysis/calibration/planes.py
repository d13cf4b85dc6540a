"""Lines that go into a block, and the planes that come out."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Counts = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, eq=False)
class Lines:
    """Lines of one channel with what is known of each.

    Parameters
    ----------
    counts : ndarray of unsigned integer, (line, element)
    inverse_pulse, pulse_sigma : ndarray of float32, (line,)
        One over the strength of the pulse, and the relative error of that strength.
    flags : ndarray of uint32, (line,)
        Flags of every line.
    """

    counts: Counts
    inverse_pulse: Float32
    pulse_sigma: Float32
    flags: NDArray[np.uint32]

    @functools.cached_property
    def extremes(self) -> tuple[Counts, Counts]:
        """Least and most counts of every element, (element,)."""
        return self.counts.min(axis=0), self.counts.max(axis=0)

    def __getitem__(self, part: slice) -> Lines:
        """Return a part of the lines."""
        return Lines(self.counts[part], self.inverse_pulse[part], self.pulse_sigma[part], self.flags[part])

    def of_elements(self, elements: slice) -> Lines:
        """Return the lines of some elements, which lie in memory element after element."""
        turned = np.empty((len(range(*elements.indices(self.counts.shape[1]))), len(self.counts)), self.counts.dtype)
        transpose(self.counts[:, elements], turned)
        return Lines(turned.T, self.inverse_pulse, self.pulse_sigma, self.flags)


@dataclass(frozen=True, eq=False)
class Planes:
    """Where results go, each (element, line).

    Parameters
    ----------
    attenuation, variance : ndarray of float32
    quality : ndarray of uint32
    dark : ndarray of float32
        Effect of the dark level's shared error.
    effects : mapping of str to ndarray of float32
        Effect of the shared error of each step's parameter.
    """

    attenuation: Float32
    variance: Float32
    quality: NDArray[np.uint32]
    dark: Float32
    effects: Mapping[str, Float32] = field(default_factory=dict)

    def __getitem__(self, part: slice) -> Planes:
        """Return the planes of a range of lines."""
        effects = {name: plane[:, part] for name, plane in self.effects.items()}
        alpha, variance, quality = self.attenuation[:, part], self.variance[:, part], self.quality[:, part]
        return Planes(alpha, variance, quality, self.dark[:, part], effects)

    def turned(self) -> Planes:
        """Return the same memory as (line, element)."""
        effects = {name: plane.T for name, plane in self.effects.items()}
        return Planes(self.attenuation.T, self.variance.T, self.quality.T, self.dark.T, effects)

    def of_elements(self, elements: slice) -> Planes:
        """Return the planes of a range of elements."""
        effects = {name: plane[elements] for name, plane in self.effects.items()}
        alpha, variance, quality = self.attenuation[elements], self.variance[elements], self.quality[elements]
        return Planes(alpha, variance, quality, self.dark[elements], effects)


def along_elements(block: NDArray[Any]) -> bool:
    """Whether a (line, element) block lies in memory element after element, as the planes do.

    Examples
    --------
    >>> along_elements(np.zeros((3, 2), order="F")), along_elements(np.zeros((3, 2)))
    (True, False)
    """
    return bool(block.flags.f_contiguous and not block.flags.c_contiguous)


def logarithm(block: Float32, out: Float32 | None = None) -> Float32:
    """Return ln of a block in the same memory order, in ``out`` if it is given and is of that order.

    The vectorised logarithm of OpenCV gives the same bits wherever in a block a pixel stands; a test holds it to that.
    """
    import cv2

    turned = along_elements(block)
    source, target = (block.T, None if out is None else out.T) if turned else (block, out)
    found = np.asarray(cv2.log(source, dst=target), np.float32).reshape(source.shape)
    if target is not None and not np.may_share_memory(found, target):
        # It writes where it is told only if it likes the shape.
        np.copyto(target, found)
        found = target
    return found.T if turned else found


def transpose(block: NDArray[Any], out: NDArray[Any]) -> None:
    """Write a (line, element) block into an (element, line) plane."""
    import cv2

    # OpenCV transposes in tiles; it writes where it is told only if shape and type fit, so it is asked where it wrote.
    plain = min(block.shape) == 1 or along_elements(block)
    if plain or not np.may_share_memory(cv2.transpose(block, dst=out), out):
        np.copyto(out, block.T)
