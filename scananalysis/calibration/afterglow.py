"""Afterglow: light that a scintillator gives off after its pulse, a sum of exponentials, taken off recursively along the lines.

The array reads M(n) = (1 − Σ a) S(n) + Σ a q(n), q(n) = r q(n − 1) + (1 − r) S(n), with the signal S of line n, the share a and
r = exp(−1/τ) of each component, τ in lines (the recursion of Hsieh, Gurmen and King, IEEE Trans. Med. Imaging 19 (2000) 930,
doi:10.1109/42.887619). Solved for S, line by line:

    S(n) = (M(n) − Σ a r q(n − 1)) / (1 − Σ a r).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_RESPONSE_LINES = 4096
_SETTLED = 1e-9


@dataclass(frozen=True, eq=False)
class Afterglow:
    """Components of afterglow.

    Parameters
    ----------
    share, keep : tuple of float
        a and r of each component.
    """

    share: tuple[float, ...]
    keep: tuple[float, ...]

    @classmethod
    def of(cls, share: tuple[float, ...], lines: tuple[float, ...]) -> Afterglow | None:
        """Return the components with decay times in lines, or None where there is no afterglow.

        Examples
        --------
        >>> Afterglow.of((), ()) is None
        True
        """
        used = [(a, float(np.exp(-1 / tau))) for a, tau in zip(share, lines, strict=True) if a > 0]
        return cls(tuple(a for a, _ in used), tuple(r for _, r in used)) if used else None

    def settled(self, level: NDArray[Any]) -> NDArray[Any]:
        """Return the state after a long time at a signal, (element,): (component, element)."""
        return np.repeat(level[None], len(self.share), axis=0)

    def remove(self, measured: NDArray[Any], state: NDArray[Any], keep_at: int) -> NDArray[Any]:
        """Turn measured lines into signals in place.

        Parameters
        ----------
        measured : ndarray of float, (line, element)
        state : ndarray of float, (component, element)
            Before the first line; left as it is.
        keep_at : int
            Line whose state is wanted: that before it.

        Returns
        -------
        ndarray of float, (component, element)
            State before line ``keep_at``.

        Examples
        --------
        >>> glow = Afterglow((0.1,), (0.5,))
        >>> lines = np.array([[1.0], [0.95], [0.025]])
        >>> _ = glow.remove(lines, np.ones((1, 1)), 3)
        >>> lines.ravel().round(3)
        array([ 1.   ,  0.947, -0.025])
        """
        stored, kept = state.copy(), state.copy()
        kind = measured.dtype.type
        share = np.array(self.share, kind) * np.array(self.keep, kind)
        held, fresh = np.array(self.keep, kind), kind(1) - np.array(self.keep, kind)
        whole = kind(1) / (kind(1) - share.sum())
        part = np.empty_like(stored[0])
        for n, line in enumerate(measured):
            if n == keep_at:
                kept[:] = stored
            for each, a in zip(stored, share, strict=True):
                np.multiply(each, a, out=part)
                np.subtract(line, part, out=line)
            np.multiply(line, whole, out=line)
            for each, r, new in zip(stored, held, fresh, strict=True):
                np.multiply(each, r, out=each)
                np.multiply(line, new, out=part)
                np.add(each, part, out=each)
        if keep_at >= len(measured):
            kept[:] = stored
        return kept

    @property
    def noise_gain(self) -> float:
        """Variance of white noise after the correction over that before it (≥ 1).

        Examples
        --------
        >>> round(Afterglow((0.1,), (0.5,)).noise_gain, 3)
        1.109
        """
        pulse = np.zeros((_RESPONSE_LINES, 1))
        pulse[0] = 1
        self.remove(pulse, np.zeros((len(self.share), 1)), 0)
        return float((pulse**2).sum())
