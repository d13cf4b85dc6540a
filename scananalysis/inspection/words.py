"""Sentences for the officer."""

from __future__ import annotations

import math
from dataclasses import dataclass

_CLASSES = (
    (3.0, 9.5, "organic matter or plastic"),
    (9.5, 11.5, "mixed organic and mineral matter"),
    (11.5, 17.5, "aluminium, glass or stone"),
    (21.0, 34.0, "steel"),
    (40.0, 60.0, "a metal heavier than steel"),
    (70.0, 95.0, "lead or another very heavy metal"),
)
"""Atomic numbers and what they look like to an officer. Steel stands for iron to copper and zinc."""

_TELLING = 0.8
"""Share of the uncertainty that must lie within one class before it is named."""


def looks_like(z: float, sigma: float) -> str:
    """Return the material class that holds most of the uncertainty of an atomic number, or an empty text.

    Examples
    --------
    >>> looks_like(26.0, 3.0), looks_like(26.0, 20.0), looks_like(float("nan"), 1.0)
    ('steel', '', '')
    """
    if not (math.isfinite(z) and math.isfinite(sigma) and sigma > 0):
        return ""

    def below(edge: float) -> float:
        return 0.5 * math.erfc((z - edge) / sigma / math.sqrt(2))

    shares = [(below(high) - below(low), name) for low, high, name in _CLASSES]
    share, name = max(shares)
    return name if share >= _TELLING else ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a region is, in metres: its size, its distance from the left edge of the picture, its middle's height.

    ``ground`` says from what the height is counted.
    """

    width: float
    height: float
    left: float
    above: float
    ground: str


def length(metres: float) -> str:
    """Return a length to the decimetre, or to the centimetre below half a metre.

    Examples
    --------
    >>> length(2.13), length(0.42)
    ('2.1 m', '0.42 m')
    """
    return f"{metres:.2f} m" if metres < 0.5 else f"{metres:.1f} m"


def kilograms(kg: float, sigma: float) -> str:
    """Return a mass with σ to a sensible number of digits.

    Examples
    --------
    >>> kilograms(12.345, 1.9), kilograms(0.123, 0.02), kilograms(1234.0, 210.0)
    ('12.3 ± 1.9 kg', '0.12 ± 0.02 kg', '1230 ± 210 kg')
    """
    from scananalysis.report.scales import with_sigma

    if sigma <= 0:
        return f"{kg:.3g} kg"
    return with_sigma(kg, sigma, "kg") if sigma >= 0.1 else f"{kg:.2f} ± {sigma:.2f} kg"


@dataclass(frozen=True, slots=True)
class Amount:
    """What a region holds.

    Parameters
    ----------
    mass_kg, sigma_mass_kg : float
        Beyond the surroundings; NaN where it could not be measured.
    areal_density : float
        Of the region, g/cm².
    z, sigma_z : float
        Of what was added; NaN where unknown.
    """

    mass_kg: float
    sigma_mass_kg: float
    areal_density: float
    z: float
    sigma_z: float


def region_sentence(place: Place, amount: Amount, *, expectation: str = "", appearance: str = "") -> str:
    """Return why a region is suspect, as one sentence.

    Parameters
    ----------
    place : Place
    amount : Amount
    expectation : str
        What the goods give, e.g. ``"the declared bananas give 30 to 60"``.
    appearance : str
        What the region looks like as goods.

    Examples
    --------
    >>> place = Place(0.4, 0.3, 2.1, 1.0, "the ground")
    >>> region_sentence(place, Amount(12.0, 2.0, 140.0, 26.0, 3.0), expectation="the declared bananas give 30 to 60")
    'About 12.0 ± 2.0 kg more than the surroundings in a block 0.40 × 0.30 m, 2.1 m from the left edge and 1.0 m above
    the ground; 140 g/cm² where the declared bananas give 30 to 60; looks like steel (Z 26 ± 3).'
    """
    where = (
        f"in a block {place.width:.2f} × {place.height:.2f} m, {length(place.left)} from the left edge "
        f"and {length(place.above)} above {place.ground}"
    )
    parts = [f"{_how_much(amount)} {where}"]
    if math.isfinite(amount.areal_density):
        parts.append(f"{amount.areal_density:.0f} g/cm²" + (f" where {expectation}" if expectation else ""))
    if appearance:
        parts.append(appearance)
    material = looks_like(amount.z, amount.sigma_z)
    if material:
        parts.append(f"looks like {material} (Z {amount.z:.0f} ± {max(amount.sigma_z, 1.0):.0f})")
    elif math.isfinite(amount.z) and amount.mass_kg > 0:
        parts.append("its atomic number cannot be told")
    return "; ".join(parts) + "."


def _how_much(amount: Amount) -> str:
    mass, sigma = amount.mass_kg, amount.sigma_mass_kg
    if not math.isfinite(mass):
        return "Something that does not fit"
    if abs(mass) < 2 * sigma:
        return f"As heavy as the surroundings within {kilograms(sigma, 0.0)}, but of different appearance,"
    return f"About {kilograms(abs(mass), sigma)} {'less' if mass < 0 else 'more'} than the surroundings"
