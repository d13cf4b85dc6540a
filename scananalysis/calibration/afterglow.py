"""Afterglow: light that a scintillator gives off after its pulse, a sum of exponentials, taken off recursively along the lines.

The array reads M(n) = (1 − Σ a) S(n) + Σ a q(n), q(n) = r q(n − 1) + (1 − r) S(n), with the signal S of line n, the share a and
r = exp(−1/τ) of each component, τ in lines (the recursion of Hsieh, Gurmen and King, IEEE Trans. Med. Imaging 19 (2000) 930,
doi:10.1109/42.887619). Solved for S, line by line:

    S(n) = w M(n) − Σ u(n − 1),    u = w a r q,    w = 1 / (1 − Σ a r).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


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

    @property
    def _whole(self) -> float:
        """Return w."""
        return 1 / (1 - float(np.dot(self.share, self.keep)))

    @property
    def _worth(self) -> NDArray[np.float64]:
        """Return w a r of each component."""
        worth: NDArray[np.float64] = self._whole * np.array(self.share) * np.array(self.keep)
        return worth

    def settled(self, level: NDArray[Any]) -> NDArray[Any]:
        """Return the state u after a long time at a signal, (element,): (component, element)."""
        state: NDArray[Any] = np.multiply.outer(self._worth.astype(level.dtype), level)
        return state

    def remove(self, measured: NDArray[Any], state: NDArray[Any], keep_at: int) -> NDArray[Any]:
        """Turn measured lines into signals in place.

        Parameters
        ----------
        measured : ndarray of float, (line, element)
        state : ndarray of float, (component, element)
            u before the first line, as `settled` and `remove` return it; left as it is.
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
        >>> _ = glow.remove(lines, glow.settled(np.ones(1)), 3)
        >>> lines.ravel().round(3)
        array([ 1.   ,  0.947, -0.025])
        """
        kind = measured.dtype
        held = np.array(self.keep, kind)[:, None]
        fresh = (self._worth * (1 - np.array(self.keep))).astype(kind)[:, None]
        stored, kept = state.copy(), state.copy()
        part = np.empty_like(stored)
        measured *= kind.type(self._whole)
        # Lines depend on each other, so each takes as few passes as there can be.
        for n, line in enumerate(measured):
            if n == keep_at:
                kept[:] = stored
            for each in stored:
                np.subtract(line, each, out=line)
            np.multiply(stored, held, out=stored)
            np.multiply(fresh, line, out=part)
            np.add(stored, part, out=stored)
        return stored if keep_at >= len(measured) else kept

    @property
    def noise_gain(self) -> float:
        """Variance of white noise after the correction over that before it (≥ 1): the sum of its squared response to one line.

        Examples
        --------
        >>> round(Afterglow((0.1,), (0.5,)).noise_gain, 3)
        1.109
        """
        # u(n) = A u(n − 1) + b M(n); X = Σ Aᵏ b bᵀ Aᵏᵀ solves X = A X Aᵀ + b bᵀ.
        keep, fresh = np.array(self.keep), self._worth * (1 - np.array(self.keep))
        size = keep.size
        step = np.diag(keep) - fresh[:, None]
        intake = self._whole * fresh
        spread = np.linalg.solve(np.eye(size**2) - np.kron(step, step), np.outer(intake, intake).ravel())
        return float(self._whole**2 + spread.sum())
