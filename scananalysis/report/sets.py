"""Figures of a calibration set: what every element reads, how noisy it is, which are bad, and how the curves fit their wedge."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.calibration.defects import find_defects
from scananalysis.calibration.recipe import Defects
from scananalysis.calibration.sources import sources_of
from scananalysis.io.atomic import complete
from scananalysis.materials import DualEnergyModel
from scananalysis.materials.curves import points_of
from scananalysis.report.panels import channel_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from scananalysis.calibration import Calibration

_COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red")


def draw_gain(calibration: Calibration, axes: Axes) -> Axes:
    """Draw the open-beam signal of every element with its error, bad elements marked."""
    flags = find_defects(calibration, Defects())
    _per_element(
        axes,
        calibration,
        calibration.gain,
        "open beam above the offset, counts",
        bad=flags,
        sigma=calibration.gain_sigma,
    )
    axes.set_title("gain (crosses: bad elements)")
    return axes


def figure(calibration: Calibration) -> Figure:
    """Return the figure of a set: gain, offset, noise, and the fit of the curves where it has some.

    Examples
    --------
    >>> from scananalysis.calibration import Calibration
    >>> from scananalysis.core import RawScan
    >>> rng = np.random.default_rng(1)
    >>> dark, air = (rng.normal(n, s, (2, 50, 172)).round().astype(np.uint16) for n, s in ((900, 3), (50_000, 110)))
    >>> used = Calibration.from_references(RawScan(air[:, :1], "cargo-6-4mv", dark=dark, air=air, binning=(8, 8)))
    >>> [axes.get_title() for axes in figure(used).axes]
    ['gain (crosses: bad elements)', 'offset', 'noise of one reading', 'corrections: what they go by']
    """
    # Not pyplot: a figure of its own needs no display and is not kept.
    from matplotlib.figure import Figure as NewFigure

    curves = calibration.curves is not None
    made = NewFigure(figsize=(11, 9.0 if curves else 7.5), layout="constrained")
    rows: list[Any] = [["gain", "offset"], ["noise", "fit" if curves else "sources"]] + [
        ["sources", "sources"]
    ] * curves
    panels = made.subplot_mosaic(rows, height_ratios=[3, 3, 1][: len(rows)])
    draw_gain(calibration, panels["gain"])
    _per_element(
        panels["offset"],
        calibration,
        calibration.offset,
        "reading without beam, counts",
        sigma=calibration.offset_sigma,
    )
    _around_good(panels["offset"], calibration.offset, find_defects(calibration, Defects()) == 0)
    _noise(panels["noise"], calibration)
    if curves:
        _fit(panels["fit"], calibration)
    _sources(panels["sources"], calibration, without_curves=not curves)
    until = (
        "without an end" if calibration.valid_until is None else f"until {calibration.valid_until:%Y-%m-%d %H:%M %Z}"
    )
    lines, elements = calibration.binning
    made.suptitle(f"Calibration set of {calibration.scanner}, binning {lines} × {elements}, valid {until}")
    return made


def save_figure(calibration: Calibration, path: str | PathLike[str]) -> None:
    """Write the figure of a set as a PNG file, which gets its name only when it is complete."""
    drawn = figure(calibration)
    with complete(path) as part:
        drawn.savefig(part, format="png", dpi=110)


def _per_element(
    axes: Axes,
    calibration: Calibration,
    values: NDArray[np.float64],
    label: str,
    *,
    sigma: NDArray[np.float64],
    bad: NDArray[np.uint32] | None = None,
) -> None:
    for c, name in enumerate(channel_names(calibration.scanner, len(values))):
        colour, element = _COLOURS[c % len(_COLOURS)], np.arange(values.shape[1])
        axes.plot(element, values[c], color=colour, linewidth=0.7, label=name)
        axes.fill_between(element, values[c] - sigma[c], values[c] + sigma[c], color=colour, alpha=0.3, linewidth=0)
        if bad is not None and bad[c].any():
            where = np.flatnonzero(bad[c])
            axes.plot(where, values[c][where], "x", color="black", markersize=8, markeredgewidth=1.5)
    axes.set(xlabel="element, from the top", ylabel=label)
    axes.legend(loc="best", fontsize="small")


def _around_good(axes: Axes, values: NDArray[np.float64], good: NDArray[np.bool_]) -> None:
    """Choose limits such that one hot element does not flatten all others, and say what lies beyond."""
    axes.set_title("offset")
    if not good.any():
        return
    low, high = float(values[good].min()), float(values[good].max())
    margin = 0.1 * (high - low) + 1
    beyond = int(((values < low - margin) | (values > high + margin)).any(axis=0).sum())
    if beyond:
        axes.set_ylim(low - margin, high + margin)
        axes.set_title(f"offset ({beyond} bad element{'s' if beyond > 1 else ''} beyond)")


def _noise(axes: Axes, calibration: Calibration) -> None:
    for c, name in enumerate(channel_names(calibration.scanner, len(calibration.gain))):
        colour = _COLOURS[c % len(_COLOURS)]
        axes.plot(calibration.air_noise[c], color=colour, linewidth=0.7, label=f"{name}, open beam")
        axes.plot(calibration.dark_noise[c], color=colour, linewidth=0.7, linestyle=":", label=f"{name}, dark")
    axes.set(xlabel="element, from the top", ylabel="1-σ, counts", title="noise of one reading", yscale="symlog")
    axes.set_ylim(bottom=0)
    axes.legend(loc="best", fontsize="small")


def _sources(axes: Axes, calibration: Calibration, *, without_curves: bool) -> None:
    """Write what every correction goes by, since only some of it was measured."""
    axes.set_axis_off()
    axes.set_title("corrections: what they go by")
    said = [f"{each.step}: {each.figures}\n      {each.source}" for each in sources_of(calibration)]
    if without_curves:
        said.append("material curves: none\n      the nominal ones of the scanner serve, and pixels are flagged so")
    for column, part in enumerate([said] if without_curves else [said[:3], said[3:]]):
        axes.text(0.5 * column, 0.97, "\n".join(part), transform=axes.transAxes, va="top", fontsize="small")


def _fit(axes: Axes, calibration: Calibration) -> None:
    points = None if calibration.curves is None else points_of(calibration.curves)
    if calibration.curves is None or points is None or "coefficients" not in calibration.curves:
        axes.set_axis_off()
        axes.set_title("curves without the points they were fitted to")
        return
    model = DualEnergyModel.from_calibration(calibration)
    angles = np.zeros(points.z.size) if points.fan_angle_rad is None else points.fan_angle_rad
    fitted: Any = np.array(
        [
            [float(alpha) for alpha in model.forward(depth, z, float(angle))]
            for depth, z, angle in zip(points.areal_density, points.z, angles, strict=True)
        ]
    ).T
    for c, name in enumerate(channel_names(calibration.scanner, 2)):
        off = 100 * (points.alpha[c] / fitted[c] - 1)
        error = 100 * np.sqrt(points.variance[c]) / fitted[c]
        axes.errorbar(points.alpha[c], off, error, fmt="o", markersize=3, linewidth=0.7, color=_COLOURS[c], label=name)
    axes.axhline(0, color="black", linewidth=0.7)
    chi2 = ", ".join(f"{value:.2f}" for value in model.reduced_chi2)
    axes.set(xlabel="measured α", ylabel="measured over fitted, %", title=f"wedge: χ² per degree of freedom {chi2}")
    axes.legend(loc="best", fontsize="small")
