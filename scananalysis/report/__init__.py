"""Draws the stages: `plot` for a notebook, `html` for an officer. Both load their drawing package on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from scananalysis.calibration import Calibration
    from scananalysis.core import AnomalyMap, Inspection, MaterialMap, Radiograph, RawScan

__all__ = ["html", "overlay", "plot"]


def plot(
    anything: RawScan | Radiograph | MaterialMap | AnomalyMap | Inspection | Calibration,
    ax: Axes | None = None,
    **options: Any,
) -> Axes:
    """Draw any stage, or a calibration set, with its axes in metres and a colour bar with its unit.

    Parameters
    ----------
    anything : RawScan, Radiograph, MaterialMap, AnomalyMap, Inspection or Calibration
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure.
    **options
        ``channel`` (RawScan, Radiograph), ``plane`` (MaterialMap, e.g. ``"z_eff"``) or ``head`` (AnomalyMap).

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ConfigurationError
        Not one of these, or an option that the stage does not have.
    """
    from scananalysis.report.plots import plot as draw

    return draw(anything, ax, **options)


def html(inspection: Inspection) -> str:
    """Return the report of an inspection as one HTML page; see `scananalysis.report.page.html`."""
    from scananalysis.report.page import html as render

    return render(inspection)


def overlay(inspection: Inspection) -> Any:
    """Return the pseudo-colour picture with numbered boxes, uint8 (y, x, 3)."""
    from scananalysis.report.marks import overlay as draw

    return draw(inspection)
