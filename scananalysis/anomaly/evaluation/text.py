"""Writes a study down: Markdown for people, JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scananalysis.anomaly.evaluation.scoring import CLEAN, WRONG
from scananalysis.anomaly.evaluation.summary import UNITS

NAMES = {CLEAN: "declared right (false alarms)", WRONG: "another scan's declaration"}
_SIGNIFICANT = 0.05


def table(result: Mapping[str, Any], which: str = "rates") -> tuple[list[str], list[list[str]]]:
    """Return head and rows of a table: one row per kind of scan, one column per rate and model.

    Parameters
    ----------
    result : mapping
    which : {"rates", "located"}
        Scans that alarm, or those that alarm at what is wrong.
    """
    found = result[which]
    models, rates = list(found), list(next(iter(found.values()), {}))
    first = found[models[0]][rates[0]] if rates else {}
    head = ["scans", "n", *(f"{model}, at {float(rate):.2g}" for rate in rates for model in models)]
    rows = [
        [
            NAMES.get(kind, kind),
            str(first[kind]["trials"]),
            *(_rate(found[model][rate][kind]) for rate in rates for model in models),
        ]
        for kind in first
    ]
    return head, rows


def _rate(r: Mapping[str, Any]) -> str:
    return f"{r['rate']:.3f} ({r['low']:.2f} to {r['high']:.2f})"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table, numbers to the right, and an empty one."""
    return [
        "| " + " | ".join(head) + " |",
        "|---|" + "---:|" * (len(head) - 1),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]


def about(result: Mapping[str, Any]) -> str:
    """Return in a few words which scans a study rests on."""
    if not result["simulated"]:
        return f"Scans of {result['scanner']} in {result['recipe']}, as they were labelled"
    shifted = f", shift {result['shift']}" if result.get("shift") else ""
    return f"Simulated scans of {result['scanner']}, recipe {result['recipe']}, split {result['split']}{shifted}"


def markdown(result: Mapping[str, Any], figures: Sequence[str] = ()) -> str:
    """Return the study as Markdown.

    Parameters
    ----------
    result : mapping
        What `evaluate` returned.
    figures : sequence of str
        Names of pictures that stand beside it.
    """
    lines = [
        f"# {', '.join(result['models'])} on {result['scanner']}",
        "",
        (
            f"{about(result)}. Share of scans that alarm at a false-alarm rate per scan, with 95 % Clopper-Pearson intervals."
        ),
        "",
        *markdown_table(*table(result)),
    ]
    lines += _separation(result)
    for other, by_rate in result["against"].items():
        for rate, kinds in by_rate.items():
            better = [NAMES.get(k, k) for k, v in kinds.items() if k != CLEAN and v["p_value"] < _SIGNIFICANT]
            lines.append(
                f"Differences to {other} at {rate} beyond chance (McNemar, p < {_SIGNIFICANT:g}): {', '.join(better) or 'none'}."
            )
    lines += ["", "## Alarms at what is wrong", "", "Only alarms within 0.2 m of it count.", ""]
    lines += markdown_table(*table(result, "located"))
    lines += _conditions(result)
    lines += _false_alarms(result)
    lines += _groups(result)
    lines += _pod(result)
    lines += _froc(result)
    lines += _pixels(result)
    for name in figures:
        lines += [f"![{Path(name).stem.replace('-', ' ')}]({name})", ""]
    return "\n".join(lines).rstrip() + "\n"


def _separation(result: Mapping[str, Any]) -> list[str]:
    """Return a sentence per model; distances beyond the first are in steps of density and atomic number."""
    lines = []
    for model, found in result["auroc"].items():
        if found:
            told = [
                f"{each['auroc']:.3f} ({each['pairs']} {'pairs' if least == '0' else f'with goods at least {least} steps apart'})"
                for least, each in found.items()
            ]
            lines.append(f"Right against wrong declaration on the same pixels, AUROC of {model}: {', '.join(told)}.")
    return lines


def _conditions(result: Mapping[str, Any]) -> list[str]:
    models, rates = list(result["conditions"]), list(next(iter(result["conditions"].values()), {}))
    names = list(result["conditions"][models[0]][rates[0]]) if rates else []
    if not names:
        return []
    rows = []
    for name in names:
        cells = [result["conditions"][m][r][name] for r in rates for m in models]
        rows.append([name, str(cells[0]["trials"]), *map(_rate, cells)])
    return [
        "## Where the image should suffice",
        "",
        "Alarms at frauds that are large enough in loads that are even enough; clutter is the spread of measured attenuation around them.",
        "",
        *markdown_table(["frauds", "n", *(f"{m}, at {float(r):.2g}" for r in rates for m in models)], rows),
    ]


def _false_alarms(result: Mapping[str, Any]) -> list[str]:
    lines = [
        "## Realised false alarms",
        "",
        (
            "A finite calibration set makes a head's true rate random: the range that fits is beta-binomial, and simultaneous at 95 % "
            "over all heads and families. Heads share the rate; together they may alarm less often than the sum, not more."
        ),
        "",
    ]
    rows = []
    for model, by_rate in result["false_alarms"].items():
        for found in by_rate.values():
            one = found["combined"]
            rows.append(
                [
                    f"{model}, all heads",
                    f"{one['nominal']:.4g}",
                    f"{one['hits']} of {one['trials']} ({one['rate']:.4f})",
                    f"at most {one['most']}",
                    "yes" if one["fits"] else "**no**",
                    "",
                ]
            )
            for head, each in found["heads"].items():
                whole = each["groups"]["all"]
                off = [name for name, group in each["groups"].items() if not group["fits"]]
                rows.append(
                    [
                        f"{model}, {head}",
                        f"{each['nominal']:.4g}",
                        f"{whole['alarms']} of {whole['trials']} ({whole['rate']:.4f})",
                        f"{whole['least']} to {whole['most']}",
                        "yes" if each["consistent"] else "**no**",
                        ", ".join(off) or "none",
                    ]
                )
    head = ["model, head", "nominal", "alarms", "range that fits", "all fit", "families that do not"]
    return lines + markdown_table(head, rows)


def _groups(result: Mapping[str, Any]) -> list[str]:
    lines = [
        "## What decides detection",
        "",
        (
            "All kinds of fraud together; alarms at what is wrong. Undeclared goods count by how far they lie from declared ones, "
            "wherever they alarm."
        ),
        "",
    ]
    models = list(result["groups"])
    rates = list(next(iter(result["groups"].values()), {}))
    for by, title in UNITS.items():
        first = result["groups"][models[0]][rates[0]][by] if rates else {}
        if not first:
            continue
        names = list(dict.fromkeys(n for m in models for n in result["groups"][m][rates[0]][by]))
        rows = []
        for name in names:
            cells = [result["groups"][m][r][by].get(name) for r in rates for m in models]
            trials = next((cell["trials"] for cell in cells if cell is not None), 0)
            rows.append([name, str(trials), *("" if cell is None else _rate(cell) for cell in cells)])
        lines += markdown_table([title, "n", *(f"{m}, at {float(r):.2g}" for r in rates for m in models)], rows)
    return lines


def _pod(result: Mapping[str, Any]) -> list[str]:
    rows = []
    for model, by_rate in result["pod"].items():
        for rate, curve in by_rate.items():
            if curve is None:
                continue
            rows += [
                [
                    f"{model}, at {float(rate):.2g}",
                    f"{each['background_g_cm2']:g}",
                    *("–" if each[key] is None else f"{each[key]:.1f}" for key in ("a90_g_cm2", "a90_95_g_cm2")),
                ]
                for each in curve["smallest"]
            ]
    if not rows:
        return ["## Probability of detection", "", "Too few objects were found, or missed, for a curve.", ""]
    return [
        "## Probability of detection",
        "",
        (
            "Mean change of areal density over an object that is found in 90 % of cases, and with 95 % confidence (–: beyond 500 g/cm²). "
            "Large and small objects are pooled: a large one needs less."
        ),
        "",
        *markdown_table(["model", "background, g/cm²", "a₉₀, g/cm²", "a₉₀/₉₅, g/cm²"], rows),
    ]


def _froc(result: Mapping[str, Any]) -> list[str]:
    lines = ["## FROC", "", "Share of scans whose object is marked, by false marks per clean scan.", ""]
    for model, found in result["froc"].items():
        head = [model, "n", *(f"{each:g}" for each in found["false_marks_per_scan"])]
        rows = [
            [kind, str(each["scans"]), *("–" if v is None else f"{v:.2f}" for v in each["marked"])]
            for kind, each in found["kinds"].items()
        ]
        lines += markdown_table(head, rows)
    return lines


def _pixels(result: Mapping[str, Any]) -> list[str]:
    rows = []
    for model, found in result["pixels"].items():
        for kind, value in found["average_precision"].items():
            area = found["aupimo"].get(kind)
            rows.append(
                [
                    f"{model}, {kind}",
                    "–" if value is None else f"{value:.3f}",
                    f"{found['share_wrong'][kind]:.4f}",
                    "–" if area is None else f"{area['mean']:.3f}",
                    "–" if area is None else " / ".join(f"{q:.2f}" for q in area["quartiles"]),
                ]
            )
    return [
        "## Cells",
        "",
        (
            "Average precision of cells (chance: the share of cells that are wrong), and AUPIMO between shared false-positive rates "
            "of 1e-5 and 1e-4 on clean scans: its mean and quartiles over scans."
        ),
        "",
        *markdown_table(["model, kind", "average precision", "chance", "AUPIMO", "quartiles"], rows),
    ]


def save_evaluation(result: Mapping[str, Any], folder: Path, figures: Sequence[str] = ()) -> None:
    """Write ``evaluation.md`` and ``evaluation.json``."""
    write_texts(
        folder,
        {
            "evaluation.md": markdown(result, figures),
            "evaluation.json": json.dumps(result, indent=1, allow_nan=False) + "\n",
        },
    )


def write_json_and_markdown(folder: Path, stem: str, result: Mapping[str, Any], lines: Sequence[str]) -> None:
    """Write a result as JSON, and what is said of it as Markdown."""
    write_texts(
        folder,
        {
            f"{stem}.md": "\n".join(lines).rstrip() + "\n",
            f"{stem}.json": json.dumps(dict(result), indent=1, allow_nan=False) + "\n",
        },
    )


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write text files, each of which gets its name only when it is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        part = folder / f"{name}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(folder / name)
