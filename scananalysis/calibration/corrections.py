"""Which corrections of array, beam and electronics act: the scanner's stated artefacts, where the recipe says nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from scananalysis.calibration.measured import measured_of
from scananalysis.core import ConfigurationError

if TYPE_CHECKING:
    from scananalysis.calibration.recipe import Drift, Linearity, Recipe, Scatter
    from scananalysis.detectors import Scanner


@dataclass(frozen=True)
class Corrections:
    """Parameters of the corrections, as they are applied; a zero leaves the scan alone. Formulas: `detectors.scanner.Artefacts`.

    Parameters
    ----------
    curvature : float
        Relative loss of signal at full scale.
    full_scale : int
        Counts at full scale.
    afterglow_share : tuple of float
    afterglow_lines : tuple of float
        Decay time of each component in lines.
    crosstalk : float
        Share of a signal that each neighbour receives.
    scatter_share : float
    scatter_elements : float
        1-σ width of scatter along the array, elements.
    drift : float
        1-σ relative change of the open beam along a scan.
    sigma : tuple of (str, float)
        Relative 1-σ error of the parameter of each step that acts and states one.
    """

    curvature: float = 0.0
    full_scale: int = 65_535
    afterglow_share: tuple[float, ...] = ()
    afterglow_lines: tuple[float, ...] = ()
    crosstalk: float = 0.0
    scatter_share: float = 0.0
    scatter_elements: float = 1.0
    drift: float = 0.0
    sigma: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of(cls, scanner: Scanner, recipe: Recipe) -> Corrections:
        """Return what a recipe asks for on a scanner, binned as the scan is.

        Raises
        ------
        ConfigurationError
            The recipe states shares of afterglow that do not fit its times.

        Examples
        --------
        >>> from scananalysis.calibration.recipe import Recipe
        >>> from scananalysis.detectors import scanner
        >>> recipe = Recipe.model_validate({"crosstalk": {"share": 0.02}})
        >>> Corrections.of(scanner("cargo-6-4mv").binned(1, 4), recipe).crosstalk
        0.005
        """
        stated = scanner.artefacts
        share, time_s = stated.afterglow_share, stated.afterglow_time_s
        if recipe.afterglow.share is not None or recipe.afterglow.time_s is not None:
            share = share if recipe.afterglow.share is None else recipe.afterglow.share
            time_s = time_s if recipe.afterglow.time_s is None else recipe.afterglow.time_s
        if len(share) != len(time_s) or sum(share) >= 1:
            raise ConfigurationError(
                f"afterglow has {len(share)} shares that sum to {sum(share):g} and {len(time_s)} times",
                expected="as many of both, and a sum below 1",
            )
        if not recipe.afterglow.enabled:
            share, time_s = (), ()
        crosstalk = stated.crosstalk
        if recipe.crosstalk.share is not None:
            # Stated for single elements, as the scanner's own: only the outermost of merged elements have a neighbour outside.
            crosstalk = recipe.crosstalk.share * _full_pitch(scanner) / scanner.element_pitch_mm
        scatter, reach = recipe.scatter, stated.scatter_range_mm
        found = {
            "linearity": _choose(recipe.linearity, recipe.linearity.curvature, stated.curvature),
            "crosstalk": crosstalk if recipe.crosstalk.enabled else 0.0,
            "scatter": _choose(scatter, scatter.share, stated.scatter_share),
            "afterglow": sum(share),
        }
        sections = ("linearity", "afterglow", "crosstalk", "scatter")
        errors = {name: float(getattr(recipe, name).relative_sigma) for name in sections}
        return cls(
            curvature=found["linearity"],
            full_scale=scanner.readout.full_scale_counts,
            afterglow_share=tuple(share),
            afterglow_lines=tuple(t * scanner.lines_per_s for t in time_s),
            crosstalk=found["crosstalk"],
            scatter_share=found["scatter"],
            scatter_elements=(reach if scatter.range_mm is None else scatter.range_mm) / scanner.element_pitch_mm,
            drift=_choose(recipe.drift, recipe.drift.sigma, stated.drift),
            sigma=tuple((name, errors[name]) for name in sections if found[name] and errors[name]),
        )

    def with_measured(self, metadata: Mapping[str, Any], recipe: Recipe) -> Corrections:
        """Return the corrections with what a calibration set measured of them, unless the recipe states other values or wants none.

        Parameters
        ----------
        metadata : mapping
            Of the set.
        recipe : Recipe

        Examples
        --------
        >>> from scananalysis.calibration.recipe import Recipe
        >>> from scananalysis.detectors import scanner
        >>> found = {"measured": {"crosstalk": {"value": 0.0165, "sigma": 0.00075}}}
        >>> Corrections.of(scanner("cargo-6-4mv"), Recipe()).with_measured(found, Recipe()).crosstalk
        0.01575
        """
        asked, seen = recipe.crosstalk, measured_of(metadata, "crosstalk")
        if seen is None or not asked.enabled or not asked.measured or asked.share is not None:
            return self
        known = seen.with_stated(self.crosstalk, self.crosstalk * asked.relative_sigma)
        others = tuple(pair for pair in self.sigma if pair[0] != "crosstalk")
        if known.value <= 0:
            return replace(self, crosstalk=0.0, sigma=others)
        own = (("crosstalk", known.sigma / known.value),) if known.sigma else ()
        return replace(self, crosstalk=known.value, sigma=(*others, *own))


def _choose(step: Linearity | Scatter | Drift, asked: float | None, stated: float) -> float:
    if not step.enabled:
        return 0.0
    return stated if asked is None else asked


def _full_pitch(scanner: Scanner) -> float:
    from scananalysis.detectors import scanner as find_scanner

    try:
        return find_scanner(scanner.name).element_pitch_mm
    except ConfigurationError:
        # A scanner that is not in the catalogue is its own full size.
        return scanner.element_pitch_mm
