"""What a real scanner does to a scan, each imperfection switchable."""

from __future__ import annotations

from dataclasses import dataclass, fields

from scananalysis.core import ConfigurationError


@dataclass(frozen=True)
class Imperfections:
    """Which imperfections of the scanner act; how strong they are is the scanner's own matter.

    Parameters
    ----------
    noise, offset, gain, pulse, interlace : bool
        Quantum and electronic noise; offset and gain by element; pulse-to-pulse fluctuation; the low energy half a line later.
    scatter, focal_spot, crosstalk, afterglow, curvature, drift, wobble : bool
        The scanner's `Artefacts`; what it states as zero stays zero.
    dead_share, hot_share, flicker_share : float
        Share of elements that count nothing, read far too high, or jump between two levels at least five standard deviations of
        an open-beam reading apart.
    dropped_line_share : float
        Share of lines that the readout lost (they repeat the line before).

    Raises
    ------
    ConfigurationError
        A share outside 0 to 1.

    Examples
    --------
    >>> Imperfections(scatter=False).crosstalk
    True
    >>> Imperfections.none().noise
    False
    """

    noise: bool = True
    offset: bool = True
    gain: bool = True
    pulse: bool = True
    interlace: bool = True
    scatter: bool = True
    focal_spot: bool = True
    crosstalk: bool = True
    afterglow: bool = True
    curvature: bool = True
    drift: bool = True
    wobble: bool = True
    dead_share: float = 0.002
    hot_share: float = 0.001
    flicker_share: float = 0.0005
    dropped_line_share: float = 0.0

    def __post_init__(self) -> None:
        for part in fields(self):
            value = getattr(self, part.name)
            if part.name.endswith("_share") and not 0 <= value <= 1:
                raise ConfigurationError(f"{part.name} is {value}", expected="0 to 1")

    @classmethod
    def none(cls) -> Imperfections:
        """Return a perfect scanner."""
        return cls(**{part.name: False if part.type == "bool" else 0.0 for part in fields(cls)})  # type: ignore[arg-type]  # the names are the class's own
