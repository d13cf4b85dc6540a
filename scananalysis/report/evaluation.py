"""Figures of an evaluation: detection by kind and by what decides it, FROC, POD curves, realised against nominal false alarms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.anomaly.evaluation.pod import PodCurve
from scananalysis.anomaly.evaluation.rates import expected_alarms
from scananalysis.anomaly.evaluation.scoring import CLEAN
from scananalysis.anomaly.evaluation.summary import BACKGROUNDS, UNITS
from scananalysis.anomaly.evaluation.text import NAMES, about
from scananalysis.io.atomic import complete

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#0b5fa5", "#c2570c", "#4a7a1f", "#7b3f98", "#555555")
_MARKERS = ("o", "s", "D", "^", "v", "P", "X")
_DRAWN_GROUPS = ("background", "added", "mass", "contrast")
_LOWEST = 0.002
"""Smallest false-alarm rate that is drawn."""

_SMALL = ("organic", "metal", "shield", "dense", "handgun", "ammunition", "cash", "cigarettes")


def save_figures(result: Mapping[str, Any], folder: Path) -> list[str]:
    """Write the figures of an evaluation as PNG files.

    Parameters
    ----------
    result : mapping
        What `scananalysis.anomaly.evaluation.evaluate` returned.
    folder : Path

    Returns
    -------
    list of str
        Names of the files, in the order of the text.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in (
        ("detection", detection_figure),
        ("groups", groups_figure),
        ("froc", froc_figure),
        ("pod", pod_figure),
        ("false-alarms", false_alarms_figure),
    ):
        drawn = draw(result)
        if drawn is None:
            continue
        with complete(folder / f"{name}.png") as part:
            drawn.savefig(part, format="png", dpi=130)
        written.append(f"{name}.png")
    return written


def _figure(width: float, height: float, rows: int, columns: int, **options: Any) -> tuple[Figure, list[Axes]]:
    # Not pyplot: a figure of its own needs no display and is not kept.
    from matplotlib.figure import Figure as NewFigure

    made = NewFigure(figsize=(width, height), layout="constrained")
    panels = made.subplots(rows, columns, squeeze=False, **options)
    for panel in panels.ravel():
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=9)
    return made, list(panels.ravel())


def _about(result: Mapping[str, Any]) -> str:
    text = about(result)
    return text[0].lower() + text[1:]


def _dots(axes: Axes, at: Any, rates: Sequence[Mapping[str, Any]], horizontal: bool, **style: Any) -> None:  # noqa: FBT001 - which way the axes lie
    value = [r["rate"] for r in rates]
    error = [
        [v - r["low"] for v, r in zip(value, rates, strict=True)],
        [r["high"] - v for v, r in zip(value, rates, strict=True)],
    ]
    common: dict[str, Any] = {"linestyle": "none", "markersize": 5, "elinewidth": 1.1, "capsize": 0} | style
    if horizontal:
        axes.errorbar(value, at, xerr=error, **common)
    else:
        axes.errorbar(at, value, yerr=error, **common)


def detection_figure(result: Mapping[str, Any]) -> Figure:
    """Draw the share of scans that alarm, by kind, with Clopper-Pearson intervals; a panel per false-alarm rate."""
    models = list(result["rates"])
    rates = list(result["rates"][models[0]])
    kinds = list(result["rates"][models[0]][rates[0]])
    made, panels = _figure(4.2 * len(rates) + 2.2, 0.33 * len(kinds) + 1.6, 1, len(rates), sharey=True)
    place = np.arange(len(kinds))[::-1]
    for panel, rate in zip(panels, rates, strict=True):
        for m, model in enumerate(models):
            shown = [result["rates"][model][rate][kind] for kind in kinds]
            offset = 0.22 * ((len(models) - 1) / 2 - m)
            _dots(
                panel,
                place + offset,
                shown,
                horizontal=True,
                color=_COLOURS[m % 5],
                marker=_MARKERS[m % 7],
                label=model,
            )
        panel.axvline(float(rate), color="black", linewidth=0.8, linestyle=":")
        panel.set(
            xlim=(-0.02, 1.02),
            xlabel="share of scans that alarm",
            title=f"{100 * float(rate):g} % false alarms per scan",
        )
        panel.grid(axis="y", color="0.92")
        panel.set_axisbelow(True)
    counts = result["rates"][models[0]][rates[0]]
    panels[0].set_yticks(place, [f"{NAMES.get(kind, kind)}  (n {counts[kind]['trials']})" for kind in kinds])
    panels[0].set_ylim(-0.7, len(kinds) - 0.3)
    panels[-1].legend(loc="lower right", fontsize=9, frameon=True)
    made.suptitle(f"Detection, 95 % intervals; {_about(result)}", fontsize=10)
    return made


def groups_figure(result: Mapping[str, Any]) -> Figure | None:
    """Draw located frauds by background, added density, mass and contrast, at the lowest and highest false-alarm rate."""
    models = list(result["groups"])
    rates = list(result["groups"][models[0]])
    if not any(result["groups"][models[0]][rates[0]][by] for by in _DRAWN_GROUPS):
        return None
    shown = [rates[0], rates[-1]] if len(rates) > 1 else rates
    made, panels = _figure(11, 7, 2, 2, sharey=True)
    for panel, by in zip(panels, _DRAWN_GROUPS, strict=True):
        names = list(dict.fromkeys(n for m in models for n in result["groups"][m][rates[0]][by]))
        series = [(m, r) for r in shown for m in range(len(models))]
        for k, (m, rate) in enumerate(series):
            found = result["groups"][models[m]][rate][by]
            known = [i for i, name in enumerate(names) if name in found]
            offset = 0.14 * (k - (len(series) - 1) / 2)
            colour = _COLOURS[m % 5]
            _dots(
                panel,
                [i + offset for i in known],
                [found[names[i]] for i in known],
                horizontal=False,
                color=colour,
                marker=_MARKERS[m % 7],
                markerfacecolor=colour if rate == shown[0] else "white",
                label=f"{models[m]}, {100 * float(rate):g} %",
            )
        first = result["groups"][models[0]][rates[0]][by]
        panel.set_xticks(
            range(len(names)), [f"{n}\n(n {first[n]['trials']})" if n in first else n for n in names], fontsize=8
        )
        panel.set(ylim=(-0.03, 1.03), xlabel=UNITS[by])
        panel.grid(axis="y", color="0.92")
    for panel in (panels[0], panels[2]):
        panel.set_ylabel("share that alarms at what is wrong")
    made.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    made.suptitle(f"What decides detection; {_about(result)}", fontsize=10)
    return made


def froc_figure(result: Mapping[str, Any]) -> Figure | None:
    """Draw the share of objects that are marked against false marks per clean scan, the first model by kind."""
    model = next(iter(result["froc"]))
    found = result["froc"][model]
    if not found["kinds"]:
        return None
    parts = [
        (title, [k for k in found["kinds"] if (k in _SMALL) == small])
        for title, small in (("objects among goods", True), ("larger frauds", False))
    ]
    parts = [(title, kinds) for title, kinds in parts if kinds]
    made, panels = _figure(5.5 * len(parts), 4.8, 1, len(parts), sharey=True)
    x = found["false_marks_per_scan"]
    for panel, (title, kinds) in zip(panels, parts, strict=True):
        for i, kind in enumerate(kinds):
            y = [np.nan if v is None else v for v in found["kinds"][kind]["marked"]]
            panel.plot(
                x,
                y,
                marker=_MARKERS[i % 7],
                markersize=4,
                linewidth=1.3,
                label=f"{kind} (n {found['kinds'][kind]['scans']})",
            )
        panel.set(xscale="log", ylim=(-0.02, 1.02), xlabel="false marks per clean scan", title=title)
        panel.set_xticks(x, [f"{v:g}" for v in x], minor=False)
        panel.minorticks_off()
        panel.grid(color="0.92")
        panel.legend(fontsize=8, loc="upper left")
    panels[0].set_ylabel("share of scans whose object is marked")
    made.suptitle(f"FROC of {model}; {_about(result)}", fontsize=10)
    return made


def pod_figure(result: Mapping[str, Any]) -> Figure | None:
    """Draw the probability of detection against added density at some backgrounds, with its bound, for each model that has a curve."""
    curves = [
        (model, rate, curve) for model, by in result["pod"].items() for rate, curve in by.items() if curve is not None
    ]
    if not curves:
        return None
    columns = min(2, len(curves))
    rows = -(-len(curves) // columns)
    made, panels = _figure(5.5 * columns, 4.0 * rows + 0.4, rows, columns, sharex=True, sharey=True)
    grid = np.geomspace(1, 300, 200)
    for panel, (model, rate, plain) in zip(panels, curves, strict=False):
        curve = PodCurve(np.array(plain["coefficients"]), np.array(plain["covariance"]), plain["hits"], plain["misses"])
        for i, background in enumerate([b for b in BACKGROUNDS if b != 75]):
            around = np.full_like(grid, background)
            colour = _COLOURS[i % 5]
            panel.plot(grid, curve.probability(grid, around), color=colour, label=f"behind {background:g} g/cm²")
            panel.plot(grid, curve.lower(grid, around), color=colour, linewidth=0.8, linestyle="--")
        panel.axhline(0.9, color="black", linewidth=0.8, linestyle=":")
        n = plain["hits"] + plain["misses"]
        panel.set(
            xscale="log",
            xlim=(1, 300),
            ylim=(0, 1),
            title=f"{model}, {100 * float(rate):g} % false alarms (n {n}, {plain['hits']} found)",
        )
        panel.title.set_fontsize(10)
        panel.set_xticks([1, 3, 10, 30, 100, 300], ["1", "3", "10", "30", "100", "300"])
        panel.grid(color="0.92")
    for panel in panels[len(curves) :]:
        panel.set_visible(False)
    panels[0].legend(fontsize=8, loc="upper left")
    made.supxlabel("mean change of areal density over the object, g/cm²", fontsize=10)
    made.supylabel("probability of detection", fontsize=10)
    made.suptitle(f"POD with one-sided 95 % bound (dashed); {_about(result)}", fontsize=10)
    return made


def false_alarms_figure(result: Mapping[str, Any]) -> Figure | None:
    """Draw realised against nominal false alarms of every head, with the range that fits its finite calibration set."""
    clean = [scan for scan in result["scans"] if scan["kind"] == CLEAN]
    pairs = [(model, head) for model, about in result["models"].items() for head in about["calibration_scans"]]
    if not clean or not pairs:
        return None
    made, panels = _figure(
        4.6 * min(3, len(pairs)),
        4.3 * -(-len(pairs) // 3),
        -(-len(pairs) // 3),
        min(3, len(pairs)),
        sharex=True,
        sharey=True,
    )
    nominal = np.geomspace(_LOWEST, 0.5, 160)
    for panel, (model, head) in zip(panels, pairs, strict=False):
        size = result["models"][model]["calibration_scans"][head]
        p = np.array([scan["p_values"][model].get(head, 1.0) for scan in clean])
        real = np.array([(p <= rate).mean() for rate in nominal])
        limits = np.array([expected_alarms(float(rate), size, p.size) for rate in nominal]) / p.size
        # No alarm at all is drawn on the lower edge: an axis of logarithms has no zero.
        low, high, real = (np.maximum(values, _LOWEST) for values in (*limits.T, real))
        panel.fill_between(nominal, low, high, color="0.88", linewidth=0, step="post", label="95 % range that fits")
        panel.plot(nominal, nominal, color="black", linewidth=0.8, linestyle=":")
        panel.step(nominal, real, where="post", color=_COLOURS[0], label=f"realised, {p.size} clean scans")
        panel.set(
            xscale="log",
            yscale="log",
            xlim=(_LOWEST, 0.5),
            ylim=(_LOWEST, 1),
            xlabel="nominal false-alarm rate of the head",
            title=f"{model}, {head} ({size} calibration scans)",
        )
        panel.title.set_fontsize(10)
        panel.set_xticks([0.002, 0.01, 0.05, 0.2], ["0.2 %", "1 %", "5 %", "20 %"])
        panel.set_yticks([0.002, 0.01, 0.05, 0.2, 1], ["0.2 % or none", "1 %", "5 %", "20 %", "100 %"])
        panel.minorticks_off()
        panel.grid(color="0.92")
    for panel in panels[len(pairs) :]:
        panel.set_visible(False)
    panels[0].set_ylabel("realised")
    panels[0].legend(fontsize=8, loc="upper left")
    made.suptitle(f"False alarms; {_about(result)}", fontsize=10)
    return made
