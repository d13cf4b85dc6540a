"""Errors that many cells share, and those that both scans share and that so cancel in their difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.inspection.earlier.difference import Difference
    from scananalysis.inspection.earlier.picture import Picture

SCANNER_TERMS = ("linearity", "afterglow", "crosstalk", "scatter")
"""Shared errors that are properties of the scanner, the same at both scans, and so cancel as far as the scans are alike."""

_REFERENCE_TERMS = ("dark", "gain", "level", "air", "low-gain")
"""Shared errors that come from a calibration: shared by both scans only where the calibration is the same."""


@dataclass(frozen=True, eq=False)
class Shared:
    """A random error that many cells, and perhaps both scans, share.

    Parameters
    ----------
    along : {"x", "y", "xy"}
        Axis along which it is one number.
    now, before : ndarray of float32 that broadcasts to (channel, y, x), or None
        Its 1-σ effect on α of either scan; None where it has none.
    """

    along: str
    now: NDArray[np.float32] | None
    before: NDArray[np.float32] | None

    def on_difference(self, channel: int) -> NDArray[np.float32]:
        """Return its effect on α now less α before."""
        parts = [sign * e[channel] for sign, e in ((1, self.now), (-1, self.before)) if e is not None]
        return np.asarray(sum(parts), np.float32)


def shared_errors(now: Picture, difference: Difference, *, same_calibration: bool) -> list[Shared]:
    """Return the shared errors of both scans.

    Errors of the scanner itself are the same number at both scans, and cancel as far as both see the same; those of a calibration are
    where the calibration is the same; those of pulses never are.
    """
    found = []
    for name in sorted({*now.systematic, *difference.systematic_before}):
        one, two = (t.get(name) for t in (now.systematic, difference.systematic_before))
        effects = (None if one is None else one.effect), (None if two is None else two.effect)
        first = one if one is not None else two
        assert first is not None  # noqa: S101 - the name is one of theirs
        common = name.startswith(SCANNER_TERMS) or (same_calibration and name.startswith(_REFERENCE_TERMS))
        if common:
            found.append(Shared(first.shared_along, *effects))
        else:
            found += [Shared(first.shared_along, effects[0], None)] if effects[0] is not None else []
            found += [Shared(first.shared_along, None, effects[1])] if effects[1] is not None else []
    return found
