"""`inspect`: one scan through the whole chain to a recommendation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.core import (
    ConfigurationError,
    Declaration,
    InputError,
    Inspection,
    Quality,
    RawScan,
    Regions,
    SuspectRegion,
    sha256_json,
)
from scananalysis.inspection import inspectability
from scananalysis.inspection.crop import thin
from scananalysis.inspection.earlier import Earlier, against, on_pixels, provenance_inputs, read_earlier, sentences
from scananalysis.inspection.empty import check_empty
from scananalysis.inspection.inputs import moment_of, record
from scananalysis.inspection.measure import measure_alarm, whole_load
from scananalysis.inspection.papers import (
    SIGMA_WALLS,
    WALLS,
    Weight,
    declared_weight,
    in_container,
    mass_p_value,
    weigh,
)
from scananalysis.inspection.papers import (
    compare as compare_papers,
)
from scananalysis.inspection.place import Ground, ground
from scananalysis.inspection.regions import find_alarms
from scananalysis.inspection.verdict import Limits, decide

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from scananalysis.anomaly.model import AnomalyModel
    from scananalysis.calibration import Calibration
    from scananalysis.core import AnomalyMap, MaterialMap

Progress = Callable[[str, float], None]

WHOLE_LOAD_MM = 15.0
"""Whole-load sums look at every n-th pixel, so that pixels stand about this far apart."""


def inspect(  # noqa: PLR0913 - the public surface names each input of the chain
    scan_or_path: RawScan | str | PathLike[str],
    declaration: Declaration | str | PathLike[str] | None = None,
    *,
    scanner: str | None = None,
    layout: str | PathLike[str] | None = None,
    format: str | None = None,
    calibration: Calibration | str | PathLike[str] | None = None,
    model: AnomalyModel | str | PathLike[str] | None = None,
    compare: Earlier | RawScan | str | PathLike[str] | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
    now: datetime | None = None,
) -> Inspection:
    """Read, calibrate, discriminate, compare with the declaration, and recommend.

    Parameters
    ----------
    scan_or_path : RawScan or path-like
    declaration : Declaration or path-like, optional
        Without one the checks that need it are off, and the inspection says so.
    scanner, layout, format : str, optional
        As for `scananalysis.read`.
    calibration : Calibration or path-like, optional
        By default the references inside the scan.
    model : AnomalyModel, name or path-like, optional
        By default the shipped network.
    compare : Earlier, RawScan or path-like, optional
        An earlier scan of the same container; what differs beyond chance raises the verdict to ``inspect``, and nothing lowers it.
    limits : Limits, optional
        What the verdict is held against.
    progress : callable, optional
        Called with what is being done and the share that is done, 0 … 1.
    now : datetime, optional
        As for `scananalysis.calibrate`.

    Returns
    -------
    Inspection

    Raises
    ------
    InputError
        Any of the inputs is refused; nothing is skipped in silence.
    """
    from scananalysis import io
    from scananalysis.cargo import check, handling_advice, read_declaration

    held = limits or Limits()
    say = progress or _silent
    papers = (
        declaration if declaration is None or isinstance(declaration, Declaration) else read_declaration(declaration)
    )
    findings = () if papers is None else tuple(check(papers))
    say("reading", 0.0)
    if isinstance(scan_or_path, RawScan):
        scan, source = scan_or_path, scan_or_path.scanner
    else:
        scan = io.read(scan_or_path, format=format, layout=layout, scanner=scanner)
        source = Path(fspath(scan_or_path)).name
    asked = None if compare is None else Earlier.of(compare)
    # Refused before anything long is done.
    past = None if asked is None else read_earlier(asked, scan, papers, format=format, layout=layout, scanner=scanner)
    moment = now or moment_of(scan)
    try:
        materials, anomalies, unscored, used = _chain(scan, calibration, papers, model, say, moment)
    except InputError as error:
        raise error.at(source) from error.__cause__
    _check_rate(anomalies, used, scan.scanner, held)
    say("finding regions", 0.8)
    place = ground(scan)
    looked = check_empty(scan, materials, papers, place) if papers is not None and not papers.items else None
    load = inspectability.load_area(materials, anomalies) if looked is None else looked.inside
    hidden = inspectability.blind(materials, load, held.largest_noise)
    measured = inspectability.measure(materials, load, hidden)
    say("weighing the load", 0.9)
    coarse = thin(materials, _steps(materials))
    coarse_load = load[:: _steps(materials)[0], :: _steps(materials)[1]]
    if looked is not None:
        regions, labels, unscored = looked.regions, looked.labels, looked.unscored
        measured |= looked.measured
    else:
        regions, labels = _regions(materials, anomalies, load, papers, held, place)
        measured |= _mass(coarse, coarse_load, papers)
    measured |= {} if anomalies is None else {"scan_p_value": float(anomalies.scan_p_value["combined"])}
    regions = (*regions, *_mass_region(coarse, coarse_load, measured, held, papers))
    earlier = (
        None
        if asked is None or past is None
        else against(asked, past, (scan, materials), calibration, place, held.false_alarm_rate, moment)
    )
    changed, unchanged = ((), ()) if earlier is None else sentences(earlier)
    verdict, reasons = decide(
        measured, regions, held, unscored=unscored, empty=() if looked is None else looked.reasons, changed=changed
    )
    reasons = (*reasons, *unchanged)
    if earlier is not None:
        marked = on_pixels(earlier, materials.shape, materials.pixel_mm)
        labels = np.where((labels == 0) & (marked > 0), marked + len(regions), labels).astype(np.int32)
        regions = (*regions, *earlier.regions)
    if papers is None:
        reasons = (*reasons, "No declaration was given, so the checks that need one are off.")
    flagged = _flagged(materials, load, hidden, labels, regions)
    say("done", 1.0)
    return Inspection(
        verdict=verdict,
        reasons=reasons,
        regions=regions,
        measured=measured,
        scan=scan,
        radiograph=materials.radiograph,
        materials=flagged,
        anomalies=anomalies,
        declaration=papers,
        findings=tuple(map(str, findings)),
        advice=_advice(verdict, regions, () if papers is None else tuple(handling_advice(papers))),
        comparisons=()
        if papers is None or looked is not None
        else compare_papers(
            coarse,
            None if anomalies is None else anomalies.every(_steps(materials)),
            coarse_load,
            papers,
            measured,
            held.mass_sigmas,
        ),
        limits=held.plain()
        | {
            "p_value_threshold": _threshold(anomalies, held),
            "mass_p_value_threshold": mass_p_value(held.mass_sigmas),
        },
        metadata={
            "source": source,
            **place.metadata(),
            "inputs": record(
                scan_or_path,
                scan,
                declaration,
                calibration,
                (anomalies, used),
                earlier=None if asked is None or past is None else (asked, past),
                now=moment,
            ),
        },
        provenance=(materials if anomalies is None else anomalies).provenance.then(
            "inspection.inspect",
            parameters={"limits": held.plain()},
            inputs=({} if papers is None else {"declaration": sha256_json(papers.model_dump(mode="json"))})
            | ({} if asked is None or past is None or earlier is None else provenance_inputs(asked, past, earlier)),
        ),
        earlier=earlier,
    )


def _silent(_what: str, _share: float) -> None:
    """Report to nobody."""


def _chain(
    scan: RawScan,
    calibration: Any,
    papers: Declaration | None,
    model: AnomalyModel | str | PathLike[str] | None,
    say: Progress,
    now: datetime,
) -> tuple[MaterialMap, AnomalyMap | None, str | None, AnomalyModel]:
    """Return the stages, why no anomaly model scored the scan if none did, and the model."""
    from scananalysis.anomaly import find_anomalies, load
    from scananalysis.calibration import calibrate
    from scananalysis.materials import discriminate

    say("calibrating", 0.1)
    radiograph = calibrate(scan, calibration, now=now)
    say("measuring materials", 0.3)
    materials = discriminate(radiograph)
    say("comparing with the declaration" if papers is not None else "looking for anomalies", 0.5)
    used = load(model) if model is None or isinstance(model, str | PathLike) else model
    if papers is not None and not papers.items:
        # Nothing was declared to compare goods with; whether anything is inside is asked instead.
        return materials, None, None, used
    if model is None and scan.scanner not in used.metadata.calibration:
        # Whoever names a model gets an error; the default model is nobody's choice, and the rest of the report stands.
        reason = (
            f"The anomaly model {used.name} was not calibrated for the scanner {scan.scanner}, so nothing was scored."
        )
        return materials, None, reason, used
    return materials, find_anomalies(materials, papers, used), None, used


def _steps(materials: MaterialMap) -> tuple[int, int]:
    height, width = materials.pixel_mm
    return max(1, round(WHOLE_LOAD_MM / height)), max(1, round(WHOLE_LOAD_MM / width))


def _threshold(anomalies: AnomalyMap | None, limits: Limits) -> float:
    """Return the p-value at which one head alarms, so that all heads together keep the false-alarm rate (Bonferroni)."""
    if anomalies is None:
        return limits.false_alarm_rate
    scored = [head for head in anomalies.heads if head in anomalies.scan_p_value]
    return limits.false_alarm_rate / max(1, len(scored))


def _check_rate(anomalies: AnomalyMap | None, model: AnomalyModel, scanner: str, limits: Limits) -> None:
    """Refuse a false-alarm rate that no scan could ever reach: of n clean scans the smallest p-value is 1/(n+1).

    Raises
    ------
    ConfigurationError
        The rate is smaller than the smallest combined p-value of a head.
    """
    from scananalysis.anomaly.model import AnomalyModel as Released

    # Anything with a method `score` may serve as a model; only a released one says how many clean scans stand behind it.
    if anomalies is None or not isinstance(model, Released):
        return
    maxima = model.metadata.scanner(scanner).maxima
    heads = [head for head in anomalies.heads if head in anomalies.scan_p_value]
    for head in heads:
        scans = len(maxima[head])
        # As the maps hold it: a float32.
        least = len(heads) * float(np.float32(1 / (scans + 1)))
        if limits.false_alarm_rate < least:
            raise ConfigurationError(
                f"false-alarm rate {limits.false_alarm_rate:g} could never alarm: {scans} clean scans of {scanner} stand "
                f"behind the score {head} of the model {model.name}",
                expected=f"at least {least:.3g}",
                remedy="allow more false alarms, or calibrate the model on more clean scans",
            )


def _regions(
    materials: MaterialMap,
    anomalies: AnomalyMap | None,
    load: NDArray[np.bool_],
    papers: Declaration | None,
    limits: Limits,
    place: Ground,
) -> tuple[tuple[SuspectRegion, ...], NDArray[np.int32]]:
    labels = np.zeros(materials.shape, np.int32)
    if anomalies is None or anomalies.scan_p_value["combined"] > limits.false_alarm_rate:
        return (), labels
    alarms = find_alarms(materials, anomalies, load, _threshold(anomalies, limits))
    for number, alarm in enumerate(alarms, start=1):
        labels[alarm.mask & (labels == 0)] = number
    return tuple(measure_alarm(materials, anomalies, alarm, papers, place) for alarm in alarms), labels


def _mass(materials: MaterialMap, load: NDArray[np.bool_], papers: Declaration | None) -> dict[str, float]:
    walls = Weight(WALLS, SIGMA_WALLS) if in_container(materials.scanner) else Weight(0.0, 0.0)
    seen = weigh(materials, load, papers, walls)
    said = None if papers is None else declared_weight(papers)
    found = {}
    if said is not None:
        found["declared_mass_kg"] = said.kg
        found["sigma_declared_mass_kg"] = said.sigma_kg
    if seen is not None and math.isfinite(seen.sigma_kg):
        found["load_mass_kg"] = seen.kg
        found["sigma_load_mass_kg"] = seen.sigma_kg
        if said is not None:
            sigma = math.hypot(seen.sigma_kg, said.sigma_kg)
            found["mass_difference_kg"] = seen.kg - said.kg
            found["mass_difference_sigmas"] = (seen.kg - said.kg) / sigma
            found["mass_p_value"] = mass_p_value(found["mass_difference_sigmas"])
    return found


def _mass_region(
    materials: MaterialMap,
    load: NDArray[np.bool_],
    measured: dict[str, float],
    limits: Limits,
    papers: Declaration | None,
) -> tuple[SuspectRegion, ...]:
    apart = measured.get("mass_difference_sigmas")
    if papers is None or apart is None or abs(apart) <= limits.mass_sigmas:
        return ()
    return (whole_load(materials, load, measured),)


def _flagged(
    materials: MaterialMap,
    load: NDArray[np.bool_],
    hidden: NDArray[np.bool_],
    labels: NDArray[np.int32],
    regions: tuple[SuspectRegion, ...],
) -> MaterialMap:
    quality = materials.quality | np.where(load, np.uint32(0), np.uint32(Quality.OUTSIDE_LOAD.value))
    quality |= np.where(hidden, np.uint32(Quality.NOT_INSPECTABLE.value), np.uint32(0))
    return replace(materials, quality=quality, regions=Regions(labels, tuple(map(_row, regions))))


def _row(region: SuspectRegion) -> dict[str, Any]:
    """Row of the map's region table; columns that `materials.segment` has, too, bear its names."""
    return {
        "head": region.head,
        "box": region.box,
        "mass_kg": region.mass_kg,
        "p_value": region.p_value,
        "areal_density_g_cm2": region.areal_density,
        "sigma_areal_density_g_cm2": region.sigma_areal_density,
        "z_eff": region.z_eff,
        "sigma_z": region.sigma_z,
        "p_one_material": region.p_one_material,
        "class": region.material,
        "probability": dict(region.probability),
    }


def _advice(verdict: str, regions: tuple[SuspectRegion, ...], handling: tuple[str, ...]) -> tuple[str, ...]:
    advice = [str(line) for line in handling]
    if verdict == "not-inspectable":
        advice.append("Open the container by hand, or scan it again from the side or with a stronger source.")
    elif verdict == "inspect" and regions:
        advice.append("Look at the marked places first, in the order of their numbers.")
    return tuple(advice)
