"""Compares a scan with an earlier one of the same container: registers, subtracts, finds, measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.anomaly.emptiness import heights
from scananalysis.anomaly.grid import restore
from scananalysis.core import ConfigurationError, EarlierScan, InputError, RawScan
from scananalysis.inspection.earlier.density import Densities
from scananalysis.inspection.earlier.difference import compare_pictures, search
from scananalysis.inspection.earlier.picture import Picture, picture
from scananalysis.inspection.earlier.places import measure_places
from scananalysis.inspection.earlier.register import Registration, register
from scananalysis.inspection.earlier.shared import shared_errors
from scananalysis.materials import model_for

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from scananalysis.core import MaterialMap, Radiograph
    from scananalysis.inspection.earlier.given import Earlier
    from scananalysis.inspection.place import Ground

_UNDERSIDE_MM = 1150.0
"""Height of a container's underside above the ground on usual trailers and wagons; what is lower belongs to a vehicle, maybe another."""

_WALL_HEIGHTS_MM = (2000.0, 3000.0)
_WALL_ALPHA = 0.05
"""Attenuation from which a column shows two walls: about 1.5 g/cm² at megavolt energies."""

_ALIKE = 0.8
"""Correlation below which a registration is doubted aloud: scans of unlike loads on like vehicles reach 0.7, of like goods 0.84 at least,
even from their other side."""

_BRIDGED_MM, _SHORTEST_MM, _AROUND_MM = 120.0, 3000.0, 60.0


def against(
    earlier: Earlier,
    past: RawScan,
    now: tuple[RawScan, MaterialMap],
    calibration: Any,
    place: Ground,
    false_alarm_rate: float,
    moment: datetime | None = None,
) -> EarlierScan:
    """Calibrate an earlier scan and compare a new one with it.

    Parameters
    ----------
    earlier : Earlier
    past : RawScan
        What `read_earlier` made of it.
    now : (RawScan, MaterialMap)
        The new scan.
    calibration : Calibration, path-like or None
        Of the new scan; serves for the earlier one where that has neither references nor a calibration of its own.
    place : Ground
    false_alarm_rate : float
    moment : datetime, optional
        When scans that do not say so are taken to have been taken.
    """
    from scananalysis.calibration import calibrate

    bare = past.air is None and past.stage == "raw"
    used = earlier.calibration if earlier.calibration is not None else calibration if bare else None
    try:
        before = calibrate(past, used, now=moment)
    except InputError as error:
        raise error.at(earlier.source) from error.__cause__
    return compare_with(now[1], now[0], before, earlier.source, place, false_alarm_rate=false_alarm_rate)


def sentences(earlier: EarlierScan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what raises an alarm, and what is worth saying anyway, about a comparison with an earlier scan."""
    measured = earlier.measured
    places = int(measured["places"])
    compared = f"{100 * measured['compared_share']:.0f} % of the container could be compared"
    dark = max(measured["starved_now_share"], measured["starved_before_share"])
    if dark >= 0.005:
        compared += f"; {100 * dark:.0f} % let no signal through in one of the scans"
    notes = (*_way(earlier), *_fit(earlier))
    if not places:
        return (), (f"Nothing differs from the earlier scan {earlier.source} beyond chance; {compared}.", *notes)
    one_in = f"{1 / earlier.false_alarm_rate:.0f}"
    differ = "one place differs" if places == 1 else f"{places} places differ"
    alarm = (
        f"Against the earlier scan {earlier.source} {differ} beyond chance (one pair of like scans in {one_in} shows any); "
        f"{compared}."
    )
    return (alarm,), notes


def _fit(earlier: EarlierScan) -> tuple[str, ...]:
    """Return a warning where the scans have so little in common that they may not show the same container."""
    correlation = earlier.measured["correlation"]
    if correlation >= _ALIKE:
        return ()
    return (
        f"Both scans are alike in part only (correlation {correlation:.2f}): check that {earlier.source} shows the same container.",
    )


def _way(earlier: EarlierScan) -> tuple[str, ...]:
    """Return what there is to say about the direction of travel."""
    measured = earlier.measured
    if earlier.mirrored:
        said = (
            f"The container moved the other way in the earlier scan {earlier.source}, whose picture was mirrored; it may show the "
            f"goods from their other side, so only changes over 0.4 m and {measured['widened']:.0f} times the usual limit count."
        )
        return (said,)
    if measured["either_way"]:
        said = (
            f"The earlier scan {earlier.source} fits mirrored as well (correlation {measured['other_way_correlation']:.2f}, straight "
            f"{measured['correlation']:.2f}); it was taken to have moved the same way."
        )
        return (said,)
    return ()


def compare_with(
    materials: MaterialMap,
    scan: RawScan,
    before: Radiograph,
    source: str,
    place: Ground,
    *,
    false_alarm_rate: float = 0.01,
) -> EarlierScan:
    """Find where a scan differs from an earlier one of the same container.

    Parameters
    ----------
    materials : MaterialMap
        Of the new scan.
    scan : RawScan
        The new scan.
    before : Radiograph
        Of the earlier scan.
    source : str
        What to call the earlier scan.
    place : Ground
        Where the new scan's picture is.
    false_alarm_rate : float
        Share of pairs of like scans that may show any place.

    Returns
    -------
    EarlierScan

    Raises
    ------
    InputError
        The scans cannot be registered.
    """
    if not 0 < false_alarm_rate < 1:
        raise ConfigurationError(f"false-alarm rate {false_alarm_rate:g}", expected="a share between 0 and 1")
    radiograph = materials.radiograph
    now, then = picture(radiograph), picture(before)
    try:
        found = register(now, then)
    except InputError as error:
        raise error.at(source) from None
    domain = _container(now, then, found, scan)
    difference = compare_pictures(now, then, found, domain)
    if not difference.compared.any():
        raise InputError(
            "no place can be compared: all of the container is starved or outside one of the scans", source=source
        )
    errors = shared_errors(now, difference, same_calibration=_same_calibration(radiograph, before))
    places = search(difference, errors, now, false_alarm_rate, mirrored=found.mirrored)
    model, _ = model_for(radiograph)
    densities = Densities(model, now, difference)
    stretch = float(np.mean(found.speed[_middle(domain)]))
    regions, labels = measure_places(model, now, difference, errors, places, place, stretch=stretch)
    density_now, density_before = densities.of(now.attenuation[0]), densities.of(difference.before[0])
    sigma = places.sigma * densities.slope(difference.before[0])
    missing = np.float32(np.nan)
    return EarlierScan(
        source=source,
        now=np.where(now.usable, density_now, missing),
        before=np.where(found.bring(then.usable.astype(np.float32)) > 0.5, density_before, missing),
        difference=np.where(difference.compared, density_now - density_before, missing),
        sigma=np.where(difference.compared, sigma, missing),
        compared=difference.compared,
        labels=labels,
        pixel_mm=now.pixel_mm,
        regions=regions,
        measured=_measured(now, then, found, domain, difference.compared)
        | {
            "threshold_sigmas": places.threshold,
            "registration_share": float(np.median(difference.shares[0])),
            "largest_sigmas": places.strongest,
            "places": float(len(places.signs)),
            "widened": places.widened,
        },
        false_alarm_rate=false_alarm_rate,
        provenance=before.provenance,
        mirrored=found.mirrored,
    )


def _middle(domain: NDArray[np.bool_]) -> slice:
    columns = np.flatnonzero(domain.any(axis=0))
    return slice(int(columns[0]), int(columns[-1]) + 1) if columns.size else slice(None)


def _same_calibration(now: Radiograph, before: Radiograph) -> bool:
    """Return whether both were calibrated with the same references, by their digests."""

    def references(radiograph: Radiograph) -> set[tuple[str, str]]:
        inputs = [step.inputs for step in radiograph.provenance.steps if step.name.startswith("calibration.")]
        return {(k, v) for each in inputs for k, v in each.items() if k in ("air", "dark")}

    one, two = references(now), references(before)
    return bool(one) and one == two


def _container(now: Picture, then: Picture, found: Registration, scan: RawScan) -> NDArray[np.bool_]:
    """Return where the container is: above its underside and between its ends, as far as these are known."""
    domain = np.ones(now.shape, bool)
    pixels = heights(scan.scanner, scan.binning, scan.shape[2])
    if pixels is None or pixels.max() < _WALL_HEIGHTS_MM[1]:
        return domain
    rows = np.arange(now.shape[0]) * now.factors[0] + now.factors[0] // 2
    height = pixels[np.minimum(rows, pixels.size - 1)]
    domain &= (height > _UNDERSIDE_MM)[:, None]
    walls = (height > _WALL_HEIGHTS_MM[0]) & (height < _WALL_HEIGHTS_MM[1])
    brought = found.bring(then.attenuation[0])
    spans = [_span(plane[walls], now.pixel_mm[1]) for plane in (now.attenuation[0], brought)]
    known = [span for span in spans if span is not None]
    if known:
        margin = round(_AROUND_MM / now.pixel_mm[1])
        first, last = max(0, min(a for a, _ in known) - margin), max(b for _, b in known) + margin
        domain[:, :first] = False
        domain[:, last:] = False
    return domain


def _span(alpha: NDArray[np.float32], pixel_mm: float) -> tuple[int, int] | None:
    """Return first and last column of the longest stretch of walls."""
    there = np.median(alpha, axis=0) > _WALL_ALPHA
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
    joined: list[tuple[int, int]] = []
    for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if joined and (a - joined[-1][1]) * pixel_mm <= _BRIDGED_MM:
            joined[-1] = (joined[-1][0], b)
        else:
            joined.append((a, b))
    if not joined:
        return None
    longest = max(joined, key=lambda run: run[1] - run[0])
    return longest if (longest[1] - longest[0]) * pixel_mm >= _SHORTEST_MM else None


def _measured(
    now: Picture, then: Picture, found: Registration, domain: NDArray[np.bool_], compared: NDArray[np.bool_]
) -> dict[str, float]:
    columns = _middle(domain)
    middle = (columns.start + columns.stop) // 2 if columns.stop is not None else now.shape[1] // 2
    speed = float(np.mean(found.speed[columns])) * then.pixel_mm[1] / now.pixel_mm[1]
    row = now.shape[0] // 2
    inside = max(1, int(domain.sum()))
    columns_then = then.shape[1] - 1 - found.columns if found.mirrored else found.columns
    dark_then = found.bring(then.starved.astype(np.float32)) > 0.01
    return {
        "correlation": found.correlation,
        "other_way_correlation": found.other,
        "either_way": float(found.either_way),
        "travel_scale": speed,
        "travel_shift_mm": float((columns_then[middle] + 0.5) * then.pixel_mm[1] - (middle + 0.5) * now.pixel_mm[1]),
        "vertical_shift_mm": float((found.rows[row, middle] + 0.5) * then.pixel_mm[0] - (row + 0.5) * now.pixel_mm[0]),
        "compared_share": float(compared.sum()) / inside,
        "starved_now_share": float((now.starved & domain).sum()) / inside,
        "starved_before_share": float((dark_then & domain).sum()) / inside,
    }


def on_pixels(earlier: EarlierScan, shape: tuple[int, int], pixel_mm: tuple[float, float]) -> NDArray[np.int32]:
    """Return the labels of an earlier scan on the pixels of the new scan's maps."""
    factors = round(earlier.pixel_mm[0] / pixel_mm[0]), round(earlier.pixel_mm[1] / pixel_mm[1])
    return np.asarray(restore(earlier.labels, factors, shape), np.int32)
