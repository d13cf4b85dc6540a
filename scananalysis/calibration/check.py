"""Says whether a calibration set still holds: new dark and open-beam lines against it, each number beside its limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from scananalysis.calibration.building import check_beam
from scananalysis.calibration.corrections import Corrections
from scananalysis.calibration.defects import find_defects
from scananalysis.calibration.gain import open_beam
from scananalysis.calibration.offset import DarkLevel
from scananalysis.calibration.recipe import Defects, Recipe
from scananalysis.calibration.references import LEAST_LINES, Calibration, correction
from scananalysis.core import CalibrationError, RawScan
from scananalysis.detectors import scanner as find_scanner

Positive = Annotated[float, Field(gt=0)]


class Limits(BaseModel):
    """How much may change before a set no longer holds."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    level: Positive = Field(default=0.05, description="Open-beam level of a channel, relative")
    shape: Positive = Field(default=0.01, description="Gain of an element against its channel, relative, beyond noise")
    offset: Positive = Field(
        default=2.0, description="Offset of an element, in sigma of one dark reading, beyond noise"
    )
    noise: Positive = Field(
        default=0.2, description="Growth of a channel's typical dark noise or worth of a quantum, relative"
    )
    new_defects: int = Field(default=0, ge=0, description="Bad elements that were good")
    share: float = Field(
        default=0.005, ge=0, lt=1, description="Share of elements that may exceed the limits of shape and offset"
    )


@dataclass(frozen=True)
class Measure:
    """One number of a check.

    Parameters
    ----------
    name : str
        What is measured.
    channel : int
    value, limit : float
        It holds while the value is not above the limit.
    sentence : str
    """

    name: str
    channel: int
    value: float
    limit: float
    sentence: str

    @property
    def holds(self) -> bool:
        """Whether the value is within its limit."""
        return self.value <= self.limit


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Parameters
    ----------
    measures : tuple of Measure
    new_defects : tuple of (int, int)
        Channel and element of what was good in the set and is bad now.
    """

    measures: tuple[Measure, ...]
    new_defects: tuple[tuple[int, int], ...]

    @property
    def holds(self) -> bool:
        """Whether the set may go on being used."""
        return all(measure.holds for measure in self.measures)

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for every limit that is exceeded."""
        return tuple(measure.sentence for measure in self.measures if not measure.holds)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "holds": self.holds,
            "measures": [
                {"name": m.name, "channel": m.channel, "value": m.value, "limit": m.limit, "holds": m.holds}
                for m in self.measures
            ],
            "new_defects": [list(pair) for pair in self.new_defects],
        }


def check_calibration(
    calibration: Calibration, scan: RawScan, *, limits: Limits | None = None, defects: Defects | None = None
) -> CheckResult:
    """Compare a set with new references.

    Parameters
    ----------
    calibration : Calibration
        Its validity in time is not looked at: a check is how it is prolonged.
    scan : RawScan
        With open-beam lines; without dark lines the set's own dark level serves, and offset and dark noise are not measured.
    limits : Limits, optional
    defects : Defects, optional
        Limits of the search for bad elements.

    Returns
    -------
    CheckResult

    Raises
    ------
    CalibrationError
        The scan has no open-beam lines, or is of another scanner or element count.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> def references(level):
    ...     dark, air = (rng.normal(n, s, (2, 100, 172)).round().astype(np.uint16) for n, s in ((900, 3), (level, 110)))
    ...     return RawScan(air[:, :1], "cargo-6-4mv", dark=dark, air=air, binning=(8, 8))
    >>> used = Calibration.from_references(references(50_000))
    >>> check_calibration(used, references(50_100)).holds
    True
    >>> print(check_calibration(used, references(40_000)).reasons[0])
    Channel 0: the open beam is 20.4 % weaker than in the set (limit 5.0 %).
    """
    limits, defects = limits or Limits(), defects or Defects()
    # The set's own start as the moment, and no curves: only scanner, binning and size are compared.
    replace(calibration, curves=None).check(
        scan.scanner, scan.binning, (scan.shape[0], scan.shape[2]), calibration.valid_from or calibration.valid_until
    )
    air_alone = scan.dark is None and scan.air is not None
    new = _with_air(calibration, scan) if air_alone else Calibration.from_references(scan)
    before, after = find_defects(calibration, defects), find_defects(new, defects)
    measures: list[Measure] = []
    for c in range(len(before)):
        found = _channel(calibration, new, before[c], after[c], c, limits)
        measures.extend(m for m in found if not (air_alone and m.name in _OF_DARK_LINES))
    pairs = np.argwhere((before == 0) & (after != 0))
    return CheckResult(tuple(measures), tuple((int(c), int(e)) for c, e in pairs))


_OF_DARK_LINES = ("offset", "dark noise")


def _with_air(calibration: Calibration, scan: RawScan) -> Calibration:
    """Return the set with the open beam of a scan in place of its own."""
    if scan.air is None or scan.air.shape[1] < LEAST_LINES:
        lines = 0 if scan.air is None else scan.air.shape[1]
        raise CalibrationError(f"{lines} open-beam lines", expected=f"at least {LEAST_LINES}")
    dark = DarkLevel(calibration.offset, calibration.offset_sigma, calibration.dark_noise, calibration.dark_outliers)
    check_beam(scan.air, dark.offset, dark.noise)
    device = find_scanner(scan.scanner).binned(*scan.binning)
    # Straightened as the set's own open-beam lines were.
    corrections = Corrections.of(device, Recipe.for_scanner(device))
    calibration.check_corrections(corrections)
    level = open_beam(scan.air, dark, scan.air_monitor, correction(corrections))
    return replace(
        calibration,
        gain=level.gain,
        gain_sigma=level.sigma,
        air_noise=level.noise,
        air_outliers=level.outliers,
        quantum=level.quantum,
        level_sigma=level.level_sigma,
        monitor_sigma=level.monitor_sigma,
        air_monitor=level.air_monitor if scan.air_monitor is not None else np.full(len(level.quantum), np.nan),
        reference_lines=(calibration.reference_lines[0], scan.air.shape[1]),
    )


def _channel(
    old: Calibration,
    new: Calibration,
    before: NDArray[np.uint32],
    after: NDArray[np.uint32],
    c: int,
    limits: Limits,
) -> Iterator[Measure]:
    good = (before == 0) & (after == 0)
    ratio = new.gain[c][good] / old.gain[c][good]
    level = float(np.median(ratio)) if ratio.size else float("nan")
    # The monitor tells a weaker beam from a weaker element.
    if old.has_monitor and new.has_monitor:
        level /= float(new.air_monitor[c] / old.air_monitor[c])
    word = "weaker" if level < 1 else "stronger"
    percent = f"{100 * abs(level - 1):.1f} %"
    yield Measure(
        "level", c, abs(level - 1), limits.level,
        f"Channel {c}: the open beam is {percent} {word} than in the set (limit {100 * limits.level:.1f} %).",
    )  # fmt: skip
    shape = np.abs(ratio / np.median(ratio) - 1) if ratio.size else ratio
    sigma = np.hypot(new.gain_sigma[c][good] / new.gain[c][good], old.gain_sigma[c][good] / old.gain[c][good])
    share = float(np.mean(shape > limits.shape + 4 * sigma)) if ratio.size else 1.0
    yield Measure(
        "shape", c, share, limits.share,
        f"Channel {c}: {100 * share:.2f} % of the elements changed their gain by more than {100 * limits.shape:.1f} %.",
    )  # fmt: skip
    moved = np.abs(new.offset[c] - old.offset[c])[good]
    allowed = limits.offset * old.dark_noise[c][good] + 4 * np.hypot(new.offset_sigma[c], old.offset_sigma[c])[good]
    share = float(np.mean(moved > allowed)) if moved.size else 1.0
    yield Measure(
        "offset", c, share, limits.share,
        f"Channel {c}: the offset of {100 * share:.2f} % of the elements moved by more than {limits.offset:g} sigma of a reading.",
    )  # fmt: skip
    grown = float(np.median(new.dark_noise[c]) / max(float(np.median(old.dark_noise[c])), 1e-9) - 1)
    yield Measure(
        "dark noise", c, grown, limits.noise,
        f"Channel {c}: the noise without beam grew by {100 * grown:.0f} % (limit {100 * limits.noise:.0f} %).",
    )  # fmt: skip
    worth = (
        float(new.quantum[c] / new.gain[c][good].mean() / (old.quantum[c] / old.gain[c][good].mean()) - 1)
        if good.any()
        else 0.0
    )
    yield Measure(
        "quanta", c, worth, limits.noise,
        f"Channel {c}: quantum noise power in the open beam grew by {100 * worth:.0f} % (limit {100 * limits.noise:.0f} %).",
    )  # fmt: skip
    lost = int(np.count_nonzero((before == 0) & (after != 0)))
    yield Measure(
        "new defects", c, float(lost), float(limits.new_defects),
        f"Channel {c}: {lost} {'element that was good' if lost == 1 else 'elements that were good'} "
        f"{'is' if lost == 1 else 'are'} bad now (limit {limits.new_defects}).",
    )  # fmt: skip
