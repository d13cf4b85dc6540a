"""Where the figures of every correction come from: measured with the set, stated by a recipe, or by the scanner's definition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scananalysis.calibration.corrections import Corrections
from scananalysis.calibration.measured import measured_of
from scananalysis.calibration.recipe import Recipe
from scananalysis.detectors import scanner as find_scanner

if TYPE_CHECKING:
    from scananalysis.calibration.references import Calibration

NOT_MEASURED = "from the scanner definition, not measured"
IN_RECIPE = "from the recipe, not measured"
SWITCHED_OFF = "switched off by the recipe"


@dataclass(frozen=True)
class Source:
    """Figures of one correction.

    Parameters
    ----------
    step : str
    figures : str
        With units.
    source : str
        Where they come from.
    relative_sigma : float or None
        1-σ error of its strength that is counted, relative; None where none is.
    """

    step: str
    figures: str
    source: str
    relative_sigma: float | None


def sources_of(calibration: Calibration, recipe: Recipe | None = None) -> tuple[Source, ...]:
    """Return what every correction goes by when scans are calibrated with a set.

    Offset, gain, noise, quanta, monitor and bad elements are measured in every set and not listed.

    Parameters
    ----------
    calibration : Calibration
    recipe : Recipe, optional
        The scanner's by default.

    Raises
    ------
    ConfigurationError
        The catalogue does not know the scanner.

    Examples
    --------
    >>> import numpy as np
    >>> from scananalysis.calibration.references import Calibration
    >>> from scananalysis.core import RawScan
    >>> dark, air = np.full((2, 9, 172), 900, np.uint16), np.full((2, 9, 172), 50_000, np.uint16)
    >>> used = Calibration.from_references(RawScan(air[:, :1], "cargo-6-4mv", dark=dark, air=air, binning=(8, 8)))
    >>> sources_of(used)[0]
    Source(step='linearity', figures='curvature 0.005', source='from the scanner definition, not measured', relative_sigma=0.05)
    """
    device = find_scanner(calibration.scanner).binned(*calibration.binning)
    recipe = recipe or Recipe.for_scanner(device)
    stated = Corrections.of(device, recipe)
    used = stated.with_measured(calibration.metadata, recipe)
    sigma = dict(used.sigma)
    seen = measured_of(calibration.metadata, "crosstalk")
    artefacts = device.artefacts
    times = artefacts.afterglow_time_s if recipe.afterglow.time_s is None else recipe.afterglow.time_s
    reach = artefacts.scatter_range_mm if recipe.scatter.range_mm is None else recipe.scatter.range_mm
    glow = ", ".join(f"{a:g} over {t:g} s" for a, t in zip(used.afterglow_share, times, strict=False)) or "none"
    scatter = f"{used.scatter_share:g} over {reach:g} mm" if used.scatter_share else "none"
    rows = [
        ("linearity", f"curvature {used.curvature:g}", _origin(recipe.linearity.enabled, recipe.linearity.curvature)),
        ("afterglow", f"share {glow}", _origin(recipe.afterglow.enabled, recipe.afterglow.share)),
        ("crosstalk", f"share {used.crosstalk:.4g}", _origin(recipe.crosstalk.enabled, recipe.crosstalk.share)),
        ("scatter", f"share {scatter}", _origin(recipe.scatter.enabled, recipe.scatter.share)),
        ("drift", f"{used.drift:g} along a scan, 1-σ", _origin(recipe.drift.enabled, recipe.drift.sigma)),
    ]
    if seen is not None and used is not stated:
        agrees = seen.with_stated(stated.crosstalk, dict(stated.sigma).get("crosstalk", 0.0) * stated.crosstalk) != seen
        both = "with" if agrees else "instead of"
        origin = (
            f"measured {seen.value:.4g} ± {seen.sigma:.1g}, {both} {stated.crosstalk:.4g} of the scanner definition"
        )
        rows[2] = ("crosstalk", rows[2][1], origin)
    return tuple(Source(step, figures, origin, sigma.get(step)) for step, figures, origin in rows)


def _origin(enabled: object, asked: object) -> str:
    if not enabled:
        return SWITCHED_OFF
    return NOT_MEASURED if asked is None else IN_RECIPE
