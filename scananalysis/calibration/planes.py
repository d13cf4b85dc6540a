"""Lines that go into a block, and the planes that come out."""

from __future__ import annotations

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

    def __getitem__(self, part: slice) -> Lines:
        """Return a part of the lines."""
        return Lines(self.counts[part], self.inverse_pulse[part], self.pulse_sigma[part], self.flags[part])


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


def transpose(block: NDArray[Any], out: NDArray[Any]) -> None:
    """Write a (line, element) block into an (element, line) plane."""
    import cv2

    # OpenCV transposes in tiles; it writes where it is told only if shape and type fit, so it is asked where it wrote.
    if min(block.shape) == 1 or not np.may_share_memory(cv2.transpose(block, dst=out), out):
        np.copyto(out, block.T)
