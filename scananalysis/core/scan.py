"""`RawScan`: what the detector array counted, with its references, before any correction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scananalysis.core.errors import FormatError
from scananalysis.core.provenance import Provenance

Stage = Literal["raw", "air-normalised"]
_REFERENCES = ("dark", "air")


@dataclass(frozen=True)
class RawScan:
    """Counts of a line scanner.

    Parameters
    ----------
    counts : ndarray of unsigned integer, (channel, line, element)
        Channel 0 is the high-energy beam (or the front layer's partner with the harder signal).
    scanner : str
        Name of the scanner in the catalogue, e.g. ``"cargo-6-4mv"``.
    stage : {"raw", "air-normalised"}
        ``"air-normalised"``: offset and gain were already applied; the air level is in ``air_level`` or
        must be found in the image.
    dark, air : ndarray of unsigned integer, (channel, n, element), or None
        Reference lines without beam, and with beam but nothing in it.
    dark_monitor, air_monitor : ndarray of float32, (channel, n), or None
        Beam monitor reading of each reference line.
    dark_time_s, air_time_s : ndarray of float64, (channel, n), or None
        Moment of each reference line, on the clock of ``time_s``.
    monitor, position_mm, time_s : ndarray of float, (channel, line), or None
        Beam monitor, position along the direction of travel and moment of every line. Interlaced energies
        fire at different moments, hence one row per channel.
    binning : (int, int)
        Lines and elements that the readout summed into one.
    air_level : float or None
        Count that stands for transmission 1 in an air-normalised scan; None where it is not known.
    metadata : mapping
        Plain JSON values from the file.
    provenance : Provenance
        Ends with the step that read or made the scan.

    Raises
    ------
    FormatError
        Shapes or dtypes do not fit together.

    Examples
    --------
    >>> RawScan(np.zeros((2, 4, 8), np.uint16), scanner="cargo-6-4mv").shape
    (2, 4, 8)
    """

    counts: NDArray[np.unsignedinteger[Any]]
    scanner: str
    stage: Stage = "raw"
    dark: NDArray[np.unsignedinteger[Any]] | None = None
    air: NDArray[np.unsignedinteger[Any]] | None = None
    dark_monitor: NDArray[np.float32] | None = None
    air_monitor: NDArray[np.float32] | None = None
    dark_time_s: NDArray[np.float64] | None = None
    air_time_s: NDArray[np.float64] | None = None
    monitor: NDArray[np.float32] | None = None
    position_mm: NDArray[np.float64] | None = None
    time_s: NDArray[np.float64] | None = None
    binning: tuple[int, int] = (1, 1)
    air_level: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        if self.counts.ndim != 3 or self.counts.dtype.kind != "u":
            raise FormatError(
                f"counts are {self.counts.dtype} with shape {self.counts.shape}",
                expected="unsigned integers over (channel, line, element)",
            )
        if 0 in self.counts.shape:
            raise FormatError(f"counts are empty, shape {self.counts.shape}", expected="at least one pixel")
        if self.stage not in ("raw", "air-normalised"):
            raise FormatError(f"stage {self.stage!r}", expected="'raw' or 'air-normalised'")
        channels, lines, elements = self.counts.shape
        for name in _REFERENCES:
            reference = getattr(self, name)
            if reference is None:
                continue
            if reference.ndim != 3 or reference.shape[0] != channels or reference.shape[2] != elements:
                raise FormatError(
                    f"{name} reference has shape {reference.shape}",
                    expected=f"({channels}, n, {elements}) as the counts",
                )
            if reference.dtype.kind != "u" or reference.shape[1] == 0:
                raise FormatError(
                    f"{name} reference is {reference.dtype} with {reference.shape[1]} lines",
                    expected="unsigned integers and at least one line",
                )
            for suffix in ("monitor", "time_s"):
                self._check_series(f"{name}_{suffix}", (channels, reference.shape[1]))
        for name in ("monitor", "position_mm", "time_s"):
            self._check_series(name, (channels, lines))

    def _check_series(self, name: str, shape: tuple[int, int]) -> None:
        series = getattr(self, name)
        if series is not None and series.shape != shape:
            raise FormatError(f"{name} has shape {series.shape}", expected=f"{shape}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, lines and elements."""
        channels, lines, elements = self.counts.shape
        return channels, lines, elements
