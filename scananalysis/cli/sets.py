"""What the commands about calibration sets share: reading scans with their sha256, dates, and saying what a set holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

if TYPE_CHECKING:
    from scananalysis.calibration import Calibration, CheckResult
    from scananalysis.cli.common import Output
    from scananalysis.core import RawScan


def read_all(
    paths: Sequence[Path], *, format: str | None, layout: str | None, scanner: str | None
) -> list[tuple[RawScan, str]]:
    """Read scans, each with the sha256 of its file."""
    from scananalysis import io
    from scananalysis.core import sha256_file

    return [(io.read(path, format=format, layout=layout, scanner=scanner), sha256_file(path)) for path in paths]


def roles(kind: str, paths: Sequence[Path], digests: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return sha256 and name of every file by role.

    Examples
    --------
    >>> roles("dark", [Path("in/a.h5")], ["ab12"])
    ({'file-dark-0': 'ab12'}, {'file-dark-0': 'a.h5'})
    """
    keys = [f"file-{kind}-{i}" for i in range(len(paths))]
    return dict(zip(keys, digests, strict=True)), {k: path.name for k, path in zip(keys, paths, strict=True)}


def moment(text: str | None, option: str) -> datetime | None:
    """Return a date and time of the command line; without a zone it is UTC.

    Examples
    --------
    >>> moment("2026-05-01", "--valid-from").isoformat()
    '2026-05-01T00:00:00+00:00'
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no date such as 2026-05-01 or 2026-05-01T14:00+02:00", param_hint=f"'{option}'"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def summary(calibration: Calibration, path: Path) -> dict[str, Any]:
    """Return what a set holds as plain JSON values."""
    from scananalysis.calibration.defects import find_defects
    from scananalysis.calibration.recipe import Defects
    from scananalysis.core import Quality, count_flags, has

    flags = find_defects(calibration, Defects())

    def middle(values: np.ndarray[Any, Any], c: int) -> float:
        return round(float(np.median(values[c])), 4)

    def bad(c: int) -> dict[str, list[int]]:
        named = {flag.name: np.flatnonzero(has(flags[c], flag)) for flag in Quality if flag.name is not None}
        return {name: [int(e) for e in where] for name, where in named.items() if where.size}

    channels = [
        {
            "offset_counts": middle(calibration.offset, c),
            "dark_noise_counts": middle(calibration.dark_noise, c),
            "gain_counts": middle(calibration.gain, c),
            "gain_sigma_percent": round(100 * float(np.median(calibration.gain_sigma[c] / calibration.gain[c])), 5),
            "quantum_counts": round(float(calibration.quantum[c]), 4),
            "level_sigma_percent": round(100 * float(calibration.level_sigma[c]), 4),
            "bad_elements": dict(count_flags(flags[c])),
            "which_are_bad": bad(c),
        }
        for c in range(len(calibration.gain))
    ]
    return {
        "file": str(path),
        "scanner": calibration.scanner,
        "binning": list(calibration.binning),
        "elements": int(calibration.gain.shape[1]),
        "reference_lines": dict(zip(("dark", "air"), calibration.reference_lines, strict=True)),
        "monitor": calibration.has_monitor,
        "valid_from": _iso(calibration.valid_from),
        "valid_until": _iso(calibration.valid_until),
        "holds_now": holds_now(calibration) and curves_refused(calibration) is None,
        "temperature_c": calibration.metadata.get("temperature_c"),
        "temperature_limits_c": calibration.temperature_limits_c,
        "channels": channels,
        "corrections": _corrections(calibration),
        "curves": _curves(calibration),
        "inputs": dict(calibration.inputs),
        "files": dict(calibration.metadata.get("files", {})),
    }


def _corrections(calibration: Calibration) -> list[dict[str, Any]] | None:
    """Return what every correction goes by, or None where the catalogue does not know the scanner."""
    from scananalysis.calibration.sources import sources_of
    from scananalysis.core import ConfigurationError

    try:
        return [asdict(each) for each in sources_of(calibration)]
    except ConfigurationError:
        return None


def holds_now(calibration: Calibration, at: datetime | None = None) -> bool:
    """Say whether a moment, by default the present, is inside the time of validity of the set (not that of its curves)."""
    now = at or datetime.now(UTC)
    begun = calibration.valid_from is None or calibration.valid_from <= now
    return begun and (calibration.valid_until is None or now <= calibration.valid_until)


def curves_refused(calibration: Calibration, at: datetime | None = None) -> str | None:
    """Say why the curves of a set may not be used at a moment, by default the present, or None where they may."""
    from scananalysis.calibration.curves import check_curves
    from scananalysis.core import CalibrationError

    try:
        check_curves(calibration, at or datetime.now(UTC))
    except CalibrationError as error:
        return str(error).rstrip(".")
    return None


def holds_at(calibration: Calibration, temperature_c: float | None) -> bool:
    """Say whether a temperature, °C, is one for which the set holds; an unknown one is."""
    limits = calibration.temperature_limits_c
    return limits is None or temperature_c is None or limits[0] <= temperature_c <= limits[1]


def _iso(when: datetime | None) -> str | None:
    return None if when is None else when.isoformat(timespec="seconds")


def _curves(calibration: Calibration) -> dict[str, Any] | None:
    if calibration.curves is None or "coefficients" not in calibration.curves:
        return None
    from scananalysis.calibration.curves import validity
    from scananalysis.materials import DualEnergyModel
    from scananalysis.materials.curves import points_of

    model = DualEnergyModel.from_calibration(calibration)
    first, last = validity(calibration.metadata)
    points = points_of(calibration.curves)
    sigma = np.sqrt(np.diagonal(model.covariance, axis1=1, axis2=2))
    return {
        "wedge": calibration.metadata.get("wedge", {}).get("title"),
        "points": None if points is None else int(points.z.size),
        "elements": None if points is None else [int(z) for z in np.unique(points.z)],
        "coefficients": [[round(float(v), 6) for v in row] for row in model.coefficients],
        "sigma_coefficients": [[round(float(v), 6) for v in row] for row in sigma],
        "reduced_chi2": [round(float(v), 3) for v in model.reduced_chi2],
        "relative_sigma": round(model.relative_sigma, 6),
        "valid_from": _iso(first),
        "valid_until": _iso(last),
        "refused": curves_refused(calibration),
    }


def say(found: dict[str, Any], output: Output) -> None:
    """Print a summary for people."""
    output.pairs(
        {
            "scanner": f"{found['scanner']}, binning {found['binning'][0]} × {found['binning'][1]}",
            "elements": found["elements"],
            "lines": f"{found['reference_lines']['dark']} dark, {found['reference_lines']['air']} open beam, "
            f"{'with' if found['monitor'] else 'without'} monitor",
            "valid from": found["valid_from"] or "any time",
            "valid until": found["valid_until"] or "without an end",
            "holds now": found["holds_now"],
            "temperature": _warmth(found["temperature_c"], found["temperature_limits_c"]),
        }
    )
    output.table(
        ["channel", "offset", "dark noise", "open beam", "its σ", "quantum", "level σ", "bad elements"],
        [
            [
                str(c),
                f"{each['offset_counts']:.1f}",
                f"{each['dark_noise_counts']:.2f}",
                f"{each['gain_counts']:.0f}",
                f"{each['gain_sigma_percent']:.3f} %",
                f"{each['quantum_counts']:.2f}",
                f"{each['level_sigma_percent']:.3f} %",
                ", ".join(f"{n} {name.lower()}" for name, n in each["bad_elements"].items()) or "none",
            ]
            for c, each in enumerate(found["channels"])
        ],
        right=range(7),
    )
    if found["corrections"] is None:
        output.text(f"Scanner {found['scanner']} is not in the catalogue: what corrections go by is not known here.")
    else:
        output.table(
            ["correction", "figures", "counted error", "where from"],
            [
                [
                    each["step"],
                    each["figures"],
                    "–" if each["relative_sigma"] is None else f"{100 * each['relative_sigma']:.1f} %",
                    each["source"],
                ]
                for each in found["corrections"]
            ],
            right=(2,),
        )
    curves = found["curves"]
    if curves is None:
        output.text("No curves: the scanner's nominal ones serve, and every pixel is flagged so.")
        return
    output.text(f"Curves from {curves['points']} points of {_said(curves['elements'])}: {curves['wedge']}")
    if curves["valid_from"] or curves["valid_until"]:
        output.text(
            f"They hold from {curves['valid_from'] or 'any time'} until {curves['valid_until'] or 'the set ends'}."
        )
    if curves["refused"]:
        output.text(f"They are not used now: {curves['refused']}.")
    output.table(
        ["channel", "photoelectric", "scatter", "pair", "χ² per degree of freedom"],
        [
            [str(c), *(f"{v:.4f} ± {s:.4f}" for v, s in zip(values, sigmas, strict=True)), f"{chi2:.2f}"]
            for c, (values, sigmas, chi2) in enumerate(
                zip(curves["coefficients"], curves["sigma_coefficients"], curves["reduced_chi2"], strict=True)
            )
        ],
        right=range(5),
    )


def say_bad(found: dict[str, Any], output: Output) -> None:
    """Print which elements are bad."""
    for c, each in enumerate(found["channels"]):
        for name, where in each["which_are_bad"].items():
            output.text(f"  channel {c}, {name.lower()}: element{'s' if len(where) > 1 else ''} {_first(where)}")


def _first(elements: list[int], most: int = 20) -> str:
    """Return the first of some numbers in words.

    Examples
    --------
    >>> _first([3, 14, 15], 2)
    '3, 14 and 1 more'
    """
    more = len(elements) - most
    return ", ".join(map(str, elements[:most])) + (f" and {more} more" if more > 0 else "")


def _warmth(measured: float | None, limits: tuple[float, float] | None) -> str:
    if measured is None:
        return "not known"
    return f"{measured:.1f} °C" + ("" if limits is None else f", holds from {limits[0]:.1f} to {limits[1]:.1f} °C")


def _said(elements: list[int] | None) -> str:
    return "elements that were not kept" if elements is None else "Z " + ", ".join(map(str, elements))


_WORDS = {
    "level": ("open beam, change of its level", "{:.2%}"),
    "shape": ("elements whose gain moved", "{:.2%}"),
    "offset": ("elements whose offset moved", "{:.2%}"),
    "dark noise": ("noise without beam, growth", "{:+.1%}"),
    "quanta": ("quantum noise power, growth", "{:+.1%}"),
    "new defects": ("new bad elements", "{:.0f}"),
}


def say_check(found: CheckResult, output: Output) -> None:
    """Print every number of a check beside its limit."""
    rows = []
    for measure in found.measures:
        words, form = _WORDS[measure.name]
        rows.append(
            [
                str(measure.channel),
                words,
                form.format(measure.value),
                form.format(measure.limit),
                "yes" if measure.holds else "NO",
            ]
        )
    output.table(["channel", "what", "measured", "limit", "holds"], rows, right=(2, 3))
    if not any(measure.name == "offset" for measure in found.measures):
        output.text("No dark lines were given: offset and noise without beam were not checked.")
    for channel, element in found.new_defects[:20]:
        output.text(f"  element {element} of channel {channel} is bad now and was good")
    if len(found.new_defects) > 20:
        output.text(f"  and {len(found.new_defects) - 20} more")
