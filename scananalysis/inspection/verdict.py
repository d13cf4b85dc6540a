"""The rules that turn measurements into a recommendation. All limits stand here; docs/verdicts.md explains them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from scananalysis.core import ConfigurationError, SuspectRegion, Verdict


@dataclass(frozen=True, slots=True)
class Limits:
    """What a verdict is held against.

    Parameters
    ----------
    false_alarm_rate : float
        Share of clean scans that may alarm on the anomaly maps.
    minimum_inspectable_share : float
        Least share of the load that must be open to judgement.
    largest_noise : float
        1-σ noise of the attenuation of one pixel (or of 5 × 5 mm, if pixels are smaller) at a place which still counts as
        inspectable. At 6 MV 0.15 is reached behind about 200 mm of steel.
    mass_sigmas : float
        Standard deviations between declared and measured mass that raise an alarm.
    largest_bad_share : float
        Share of elements that may be dead, hot or uncorrectable.
    largest_open_beam : float
        Median attenuation that the open beam may show; more says that the calibration does not fit the scan.

    Raises
    ------
    ConfigurationError
        A limit is outside its range.

    Examples
    --------
    >>> Limits(false_alarm_rate=0.001).mass_sigmas
    3.0
    """

    false_alarm_rate: float = 0.01
    minimum_inspectable_share: float = 0.75
    largest_noise: float = 0.15
    mass_sigmas: float = 3.0
    largest_bad_share: float = 0.05
    largest_open_beam: float = 0.05

    def __post_init__(self) -> None:
        for name in ("false_alarm_rate", "minimum_inspectable_share", "largest_bad_share"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise ConfigurationError(f"{name} is {value:g}", expected="a share between 0 and 1")
        for name in ("largest_noise", "mass_sigmas", "largest_open_beam"):
            value = getattr(self, name)
            if not value > 0:
                raise ConfigurationError(f"{name} is {value:g}", expected="a number above 0")

    def plain(self) -> dict[str, float]:
        """Return the limits by name."""
        return {name: float(value) for name, value in asdict(self).items()}


def decide(
    measured: Mapping[str, float],
    regions: Sequence[SuspectRegion],
    limits: Limits,
    *,
    unscored: str | None = None,
    empty: Sequence[str] = (),
    changed: Sequence[str] = (),
) -> tuple[Verdict, tuple[str, ...]]:
    """Return the verdict and the sentences that led to it.

    A scan that cannot be judged is ``not-inspectable`` even where it alarms: its p-values rest on clean scans that could be
    judged, and do not hold for it. What alarmed is still listed, as the places to look at first when it is opened by hand.

    Parameters
    ----------
    measured : mapping of str to float
        ``inspectable_share``, ``bad_share``, ``open_beam`` and, where known, ``scan_p_value`` and ``mass_difference_sigmas``.
    regions : sequence of SuspectRegion
    limits : Limits
    unscored : str, optional
        Why no anomaly model scored the scan.
    empty : sequence of str
        What speaks for or against a container that was declared empty; it alarms where it has regions.
    changed : sequence of str
        How it differs from an earlier scan beyond chance; any sentence is an alarm.

    Returns
    -------
    verdict : {"clear", "inspect", "not-inspectable"}
    reasons : tuple of str
    """
    alarms = [*(empty if regions else ()), *_alarms(measured, regions, limits), *changed]
    blind = _blind(measured, limits)
    if unscored is not None:
        blind.append(unscored)
    if blind:
        return "not-inspectable", (*blind, *alarms)
    if alarms:
        return "inspect", tuple(alarms)
    return "clear", (*empty, *_calm(measured, limits))


def _alarms(measured: Mapping[str, float], regions: Sequence[SuspectRegion], limits: Limits) -> list[str]:
    found = []
    p_value = measured.get("scan_p_value")
    if p_value is not None and p_value <= limits.false_alarm_rate:
        places = "one place" if len(regions) == 1 else f"{len(regions)} places"
        found.append(
            f"The strangest place is matched by a share of {p_value:.2g} of clean scans, "
            f"and {limits.false_alarm_rate:g} or less raises an alarm; {places} marked."
        )
    apart = measured.get("mass_difference_sigmas")
    if apart is not None and abs(apart) > limits.mass_sigmas:
        more = "heavier" if apart > 0 else "lighter"
        found.append(
            f"The load is {abs(measured['mass_difference_kg']):,.0f} kg {more} than declared, {abs(apart):.1f} standard "
            f"deviations apart, and more than {limits.mass_sigmas:g} raise an alarm."
        )
    return found


def _blind(measured: Mapping[str, float], limits: Limits) -> list[str]:
    found = []
    share = measured["inspectable_share"]
    if share < limits.minimum_inspectable_share:
        starved = measured.get("starved_share", 0.0)
        dark = f" ({100 * starved:.0f} % of it lets no signal through)" if starved >= 0.005 else ""
        found.append(
            f"Only {100 * share:.0f} % of the load can be judged{dark}, "
            f"and at least {100 * limits.minimum_inspectable_share:.0f} % is needed."
        )
    if measured["bad_share"] > limits.largest_bad_share:
        found.append(
            f"{100 * measured['bad_share']:.0f} % of the array's elements give no measurement, "
            f"and more than {100 * limits.largest_bad_share:.0f} % are too many."
        )
    beam = measured.get("open_beam", 0.0)
    if abs(beam) > limits.largest_open_beam:
        found.append(
            f"The open beam shows an attenuation of {beam:+.2f} where it should be 0 within "
            f"{limits.largest_open_beam:g}: the calibration does not fit this scan."
        )
    return found


def _calm(measured: Mapping[str, float], limits: Limits) -> tuple[str, ...]:
    reasons = []
    if "scan_p_value" in measured:
        reasons.append(
            f"The strangest place is matched by a share of {measured['scan_p_value']:.2g} of clean scans; "
            f"only {limits.false_alarm_rate:g} or less raises an alarm."
        )
    if "mass_difference_sigmas" in measured:
        reasons.append(
            f"Declared and measured mass are {abs(measured['mass_difference_sigmas']):.1f} standard deviations apart."
        )
    reasons.append(f"{100 * measured['inspectable_share']:.0f} % of the load can be judged.")
    return tuple(reasons)
