"""What areal density a commodity should show."""

from __future__ import annotations

import numpy as np

from scananalysis.cargo.commodities import Commodity
from scananalysis.core import ConfigurationError
from scananalysis.physics import SYMBOLS, electrons_per_gram

_STEPS = (np.arange(101) + 0.5) / 101


def expected_areal_density(
    goods: Commodity,
    depth_mm: float,
    fill: float | tuple[float, float] = (0.7, 1.0),
    *,
    element_equivalent: bool = False,
) -> tuple[float, float, float]:
    """Return the areal density that goods should show along a ray through the load.

    Parameters
    ----------
    goods : Commodity
    depth_mm : float
        Inner depth of the container along the ray, mm (2350 for a side view of an ISO container).
    fill : float or (float, float)
        Share of that depth that goods take up, or its range (uniform).
    element_equivalent : bool
        Return what a dual-energy model states, λ of the element that attenuates the same: it overstates mass where there is
        hydrogen, by the ratio of the electrons per gram.

    Returns
    -------
    (float, float, float)
        10, 50 and 90 % quantile, g/cm²: of bulk density (uniform over the range of each row) times depth times fill.

    Examples
    --------
    >>> from scananalysis.cargo import commodity
    >>> low, middle, high = expected_areal_density(commodity("0803"), 2350)
    >>> 50 < low < middle < high < 110
    True
    """
    limits = np.atleast_1d(np.asarray(fill, dtype=np.float64))
    if not (np.isfinite(depth_mm) and depth_mm > 0) or limits.size > 2 or not 0 < limits[0] <= limits[-1] <= 1:
        raise ConfigurationError(
            f"depth {depth_mm:g} mm with fill {fill}", expected="a depth above 0 and a fill above 0 and at most 1"
        )
    fills = limits[0] + _STEPS * (limits[-1] - limits[0])
    rows = goods.alternatives or (goods,)
    densities = []
    for row in rows:
        factor = _overstatement(row) if element_equivalent else 1.0
        densities.append(factor * (row.bulk_density_min + _STEPS * (row.bulk_density_max - row.bulk_density_min)))
    areal = np.multiply.outer(np.concatenate(densities), fills) * depth_mm / 10
    low, middle, high = np.quantile(areal, (0.1, 0.5, 0.9))
    return float(low), float(middle), float(high)


def _overstatement(row: Commodity) -> float:
    """Return Z/A of the goods over Z/A of the element of the same effective Z.

    The two elements around the effective Z are interpolated, as an element-equivalent scale does.
    """
    lower = int(row.z_eff)
    share = row.z_eff - lower
    pair = [electrons_per_gram(SYMBOLS[z - 1]) for z in (lower, min(lower + 1, 92))]
    return electrons_per_gram(row.typical()[1]) / ((1 - share) * pair[0] + share * pair[1])
