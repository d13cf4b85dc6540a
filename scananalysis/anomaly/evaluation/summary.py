"""Turns scored scans into the tables of a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from scananalysis.anomaly.detectability import CONTRAST_SIGMAS
from scananalysis.anomaly.evaluation.conditions import by_condition, separation
from scananalysis.anomaly.evaluation.localise import aupimo, average_precision, froc
from scananalysis.anomaly.evaluation.pod import fit_pod
from scananalysis.anomaly.evaluation.rates import Rate, expected_alarms, mcnemar, realised
from scananalysis.anomaly.evaluation.scoring import CLEAN, WRONG, Scan

FALSE_MARKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""False marks per clean scan at which FROC is tabulated."""

WHOLE_LOAD = ("misdeclared", WRONG)
"""Kinds that are wrong all over: nothing to localise."""

_EDGES: dict[str, tuple[float, ...]] = {
    "background": (25, 50, 100, 150),
    "added": (4, 8, 16, 32, 64),
    "mass": (1, 3, 10, 30, 100),
    "clutter": (0.07, 0.12, 0.25, 0.5),
    "contrast": (2, 4, 6.7, 13.4),
    "apart": (0.5, 1, 2, 3),
}
UNITS = {
    "family": "family of the declared goods",
    "background": "areal density behind, g/cm²",
    "added": "mean change of areal density, g/cm²",
    "mass": "mass of the object, kg",
    "clutter": "measured clutter of attenuation around the object",
    "contrast": "change over noise and clutter, σ",
    "apart": "undeclared goods from the nearest declared ones, steps (a factor of 1.8 in bulk density, 3 in Z)",
}
"""By what detection is broken down, and how it is called."""

BACKGROUNDS = (25.0, 50.0, 75.0, 100.0, 150.0)
"""Backgrounds at which the smallest added density that is found is stated, g/cm²."""


def summarise(scans: Sequence[Scan], sizes: Mapping[str, Mapping[str, int]], rates: Sequence[float]) -> dict[str, Any]:
    """Return all tables of a study.

    Parameters
    ----------
    scans : sequence of Scan
    sizes : mapping
        Clean scans that calibrate, by model and head.
    rates : sequence of float
        Nominal false-alarm rates per scan.
    """
    models = list(sizes)
    by_rate = [f"{rate:g}" for rate in rates]
    return {
        "rates": _table(scans, models, rates, lambda scan, name: scan.models[name].p_values["combined"]),
        "located": _table(
            [scan for scan in scans if scan.wrong["cells"]],
            models,
            rates,
            lambda scan, name: scan.models[name].at_object,
        ),
        "groups": {
            name: {key: _groups(scans, name, rate) for key, rate in zip(by_rate, rates, strict=True)} for name in models
        },
        "false_alarms": {
            name: {key: _false_alarms(scans, name, sizes[name], rate) for key, rate in zip(by_rate, rates, strict=True)}
            for name in models
        },
        "auroc": {name: separation(scans, name) for name in models},
        "conditions": {
            name: {key: by_condition(scans, name, rate) for key, rate in zip(by_rate, rates, strict=True)}
            for name in models
        },
        "pixels": {name: _pixels(scans, name) for name in models},
        "froc": {name: _froc(scans, name) for name in models},
        "pod": {
            name: {key: _pod(scans, name, rate) for key, rate in zip(by_rate, rates, strict=True)} for name in models
        },
        "against": _against(scans, models, rates),
    }


def _table(
    scans: Sequence[Scan], models: Sequence[str], rates: Sequence[float], p: Callable[[Scan, str], float | None]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in models:
        for rate in rates:
            kinds: dict[str, list[bool]] = {}
            for scan in scans:
                value = p(scan, name)
                kinds.setdefault(scan.kind, []).append(value is not None and value <= rate)
            found.setdefault(name, {})[f"{rate:g}"] = {k: Rate.of(hits).to_dict() for k, hits in kinds.items()}
    return found


def bin_name(value: float, edges: Sequence[float]) -> str:
    """Return the name of the interval that holds a value.

    Examples
    --------
    >>> bin_name(3, (4, 8)), bin_name(4, (4, 8)), bin_name(9, (4, 8))
    ('below 4', '4 to 8', '8 and above')
    """
    at = int(np.searchsorted(edges, value, side="right"))
    if at == 0:
        return f"below {edges[0]:g}"
    if at == len(edges):
        return f"{edges[-1]:g} and above"
    return f"{edges[at - 1]:g} to {edges[at]:g}"


def bin_names(edges: Sequence[float]) -> list[str]:
    """Return the names of all intervals, in order."""
    return [bin_name(value, edges) for value in [edges[0] - 1, *edges]]


def _groups(scans: Sequence[Scan], model: str, rate: float) -> dict[str, dict[str, Any]]:
    """Break frauds down by where they alarm; undeclared goods and what has no place count with the whole scan's p-value."""
    outcomes: dict[str, dict[str, list[bool]]] = {by: {} for by in UNITS}
    for scan in scans:
        seen = scan.models[model]
        if scan.apart is not None:
            named = bin_name(scan.apart, _EDGES["apart"])
            outcomes["apart"].setdefault(named, []).append(seen.p_values["combined"] <= rate)
        if scan.kind in (CLEAN, WRONG):
            continue
        p = seen.p_values["combined"] if seen.at_object is None else seen.at_object
        hit = p <= rate
        outcomes["family"].setdefault(scan.family, []).append(hit)
        if seen.at_object is None or scan.kind in WHOLE_LOAD:
            continue
        values = {
            "background": scan.wrong["background_g_cm2"],
            "added": scan.wrong["added_g_cm2"],
            "mass": scan.wrong["mass_kg"],
            "clutter": scan.wrong["clutter"],
            # As the first model sees the load, so that all models are counted over the same scans.
            "contrast": _contrast(scan, next(iter(scan.models))),
        }
        for by, value in values.items():
            if value is not None:
                outcomes[by].setdefault(bin_name(value, _EDGES[by]), []).append(hit)
    found = {}
    for by, groups in outcomes.items():
        order = sorted(groups) if by == "family" else [name for name in bin_names(_EDGES[by]) if name in groups]
        found[by] = {name: Rate.of(groups[name]).to_dict() for name in order}
    return found


def _contrast(scan: Scan, model: str) -> float | None:
    """Return the change of areal density in units of noise and clutter at the object."""
    noticed, added = scan.models[model].noticed, scan.wrong["added_g_cm2"]
    return None if noticed is None or added is None or noticed <= 0 else added / noticed * CONTRAST_SIGMAS


def _false_alarms(scans: Sequence[Scan], model: str, sizes: Mapping[str, int], rate: float) -> dict[str, Any]:
    """Hold clean scans' alarms against the nominal rate: each head exactly, all heads together as an upper bound."""
    clean = [scan for scan in scans if scan.kind == CLEAN]
    heads = list(sizes)
    found: dict[str, Any] = {"heads": {}}
    # All heads and families are stated at once, so they share the 5 %.
    confidence = 1 - 0.05 / max(1, len(heads))
    for head in heads:
        groups: dict[str, list[bool]] = {"all": []}
        for scan in clean:
            alarm = scan.models[model].p_values.get(head, 1.0) <= rate / len(heads)
            groups["all"].append(alarm)
            groups.setdefault(scan.family, []).append(alarm)
        found["heads"][head] = realised(groups, rate / len(heads), sizes[head], confidence=confidence)
    alarms = Rate.of([scan.models[model].p_values["combined"] <= rate for scan in clean])
    # However the heads depend on each other, no more scans alarm than the heads' alarms together.
    most = sum(expected_alarms(rate / len(heads), n, len(clean), 1 - 0.1 / len(heads))[1] for n in sizes.values())
    found["combined"] = {"nominal": rate, **alarms.to_dict(), "most": most, "fits": alarms.hits <= most}
    found["consistent"] = found["combined"]["fits"] and all(v["consistent"] for v in found["heads"].values())
    return found


def _located_kinds(scans: Sequence[Scan]) -> list[str]:
    return list(dict.fromkeys(scan.kind for scan in scans if scan.wrong["cells"]))


def _pixels(scans: Sequence[Scan], model: str) -> dict[str, Any]:
    clean = [scan.models[model].cells for scan in scans if scan.kind == CLEAN]
    found: dict[str, Any] = {"average_precision": {}, "aupimo": {}, "share_wrong": {}}
    kinds = _located_kinds(scans)
    for name, members in [("all", kinds), *((kind, [kind]) for kind in kinds)]:
        wrong = [scan.models[model].cells for scan in scans if scan.kind in members and scan.wrong["cells"]]
        if not wrong:
            continue
        inside, outside = (sum(int(part.sum()) for part in parts) for parts in zip(*wrong, strict=True))
        found["average_precision"][name] = average_precision(wrong)
        found["share_wrong"][name] = inside / (inside + outside)
        areas = aupimo(clean, wrong)
        if areas is not None:
            low, middle, high = np.quantile(areas, [0.25, 0.5, 0.75])
            found["aupimo"][name] = {
                "mean": float(np.mean(areas)),
                "quartiles": [float(low), float(middle), float(high)],
                "scans": len(areas),
            }
    return found


def _froc(scans: Sequence[Scan], model: str) -> dict[str, Any]:
    clean = [scan.models[model].marks for scan in scans if scan.kind == CLEAN]
    found: dict[str, Any] = {"false_marks_per_scan": list(FALSE_MARKS), "kinds": {}}
    for kind in [k for k in _located_kinds(scans) if k not in WHOLE_LOAD]:
        wrong = [scan.models[model].marks for scan in scans if scan.kind == kind and scan.wrong["cells"]]
        found["kinds"][kind] = {"scans": len(wrong), "marked": froc(clean, wrong, FALSE_MARKS)}
    return found


def _pod(scans: Sequence[Scan], model: str, rate: float) -> dict[str, Any] | None:
    """Fit the curve over all objects, and state what is found at some backgrounds."""
    objects = [
        (scan.wrong["added_g_cm2"], scan.wrong["background_g_cm2"], scan.models[model].at_object)
        for scan in scans
        if scan.wrong["cells"] and scan.wrong["added_g_cm2"] is not None and scan.kind not in WHOLE_LOAD
    ]
    if not objects:
        return None
    added, background, p = zip(*objects, strict=True)
    curve = fit_pod(added, background, [value <= rate for value in p])
    if curve is None:
        return None
    inside = [b for b in BACKGROUNDS if min(background) <= b <= max(background)]
    found: dict[str, Any] = curve.to_dict() | {"smallest": []}
    for each in inside:
        a90, a9095 = curve.smallest(each)
        found["smallest"].append({"background_g_cm2": each, "a90_g_cm2": _finite(a90), "a90_95_g_cm2": _finite(a9095)})
    return found


def _finite(value: float) -> float | None:
    return round(value, 2) if np.isfinite(value) else None


def _against(scans: Sequence[Scan], models: Sequence[str], rates: Sequence[float]) -> dict[str, Any]:
    """Compare the first model with each other one on the same scans."""
    found: dict[str, Any] = {}
    for other in models[1:]:
        for rate in rates:
            counts: dict[str, list[int]] = {}
            for scan in scans:
                first, second = (scan.models[name].p_values["combined"] <= rate for name in (models[0], other))
                only = counts.setdefault(scan.kind, [0, 0])
                only[0] += first and not second
                only[1] += second and not first
            found.setdefault(other, {})[f"{rate:g}"] = {
                kind: {f"only_{models[0]}": a, f"only_{other}": b, "p_value": mcnemar(a, b)}
                for kind, (a, b) in counts.items()
            }
    return found
