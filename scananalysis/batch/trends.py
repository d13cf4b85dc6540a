"""Trends over an archive: masses by commodity and consignor, unusual volumes, health of the detector arrays over time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.batch.ranking import groups_of, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from scananalysis.batch.results import Results

LEAST_SCANS = 5
"""Groups with fewer scans are not judged."""

FLAG_SIGMAS = 4.0
"""Standard errors from the archive's median ratio that are called unusual: of a thousand groups, fewer than one by chance."""

LEVEL_CHANGE, SPREAD_CHANGE, DEAD_CHANGE = 0.05, 0.5, 3.0
"""Changes from the first months that are worth a look: relative level and gain spread, and count of dead elements."""


@dataclass(frozen=True, slots=True)
class MassTrend:
    """Declared against measured mass of one commodity or consignor.

    Parameters
    ----------
    kind, name : str
    scans : int
        With both masses.
    ratio, sigma_ratio : float
        Weighted mean of measured over declared mass and its standard error; the error is never below what the scatter of the
        group's own scans gives.
    sigmas : float
        Standard errors between the ratio and the archive's median.
    alarms : int
    """

    kind: str
    name: str
    scans: int
    ratio: float
    sigma_ratio: float
    sigmas: float
    alarms: int

    @property
    def unusual(self) -> bool:
        """Whether it is worth a look."""
        return abs(self.sigmas) > FLAG_SIGMAS


@dataclass(frozen=True, slots=True)
class VolumeTrend:
    """A month in which a consignor sent far more or fewer loads than in its other months."""

    consignor: str
    month: str
    scans: int
    expected: float
    sigmas: float


@dataclass(frozen=True, slots=True)
class Health:
    """A scanner's array in one month; medians over its scans.

    Parameters
    ----------
    scanner, month : str
        The month is ``"undated"`` where scans have no date.
    scans : int
    air_level, dark_level, gain_spread : tuple of float
        Per channel; see the schema of the results.
    dead, noisy : float
    remarks : tuple of str
        What changed since the first month.
    """

    scanner: str
    month: str
    scans: int
    air_level: tuple[float, ...]
    dark_level: tuple[float, ...]
    gain_spread: tuple[float, ...]
    dead: float
    noisy: float
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Trends:
    """All trends of a run."""

    masses: tuple[MassTrend, ...]
    volumes: tuple[VolumeTrend, ...]
    health: tuple[Health, ...]


_COLUMNS = (
    "consignor", "headings", "scanner", "date", "verdict", "load_mass_kg", "sigma_load_mass_kg", "declared_mass_kg",
    "sigma_declared_mass_kg", "air_level", "dark_level", "gain_spread", "dead_elements", "noisy_elements",
)  # fmt: skip


def trends(results: Results) -> Trends:
    """Return the trends of a run."""
    table = results.table("scans", _COLUMNS)
    masses = (*_masses(table, "commodity", "headings"), *_masses(table, "consignor", "consignor"))
    return Trends(
        tuple(sorted(masses, key=lambda trend: -abs(trend.sigmas))),
        tuple(_volumes(table)),
        tuple(_health(table)),
    )


def _masses(table: pa.Table, kind: str, column: str) -> Iterator[MassTrend]:
    import pyarrow.compute as pc

    measured, declared = numbers(table, "load_mass_kg"), numbers(table, "declared_mass_kg")
    sigma = np.hypot(numbers(table, "sigma_load_mass_kg"), np.nan_to_num(numbers(table, "sigma_declared_mass_kg")))
    usable = np.isfinite(measured) & np.isfinite(declared) & np.isfinite(sigma) & (declared > 0) & (sigma > 0)
    groups, names = _named_groups(table, column)
    usable &= groups >= 0
    if not usable.any():
        return
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio, weight = measured / declared, (declared / sigma) ** 2
    middle = float(np.median(ratio[usable]))
    alarmed = pc.fill_null(pc.equal(table["verdict"], "inspect"), fill_value=False).to_numpy().astype(bool)
    chosen, w, r = groups[usable], weight[usable], ratio[usable]

    def summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(chosen, values, len(names)), np.float64)

    # Sums over all groups at once: an archive has as many consignors as a look at each over all scans would take minutes.
    counts = np.bincount(chosen, minlength=len(names))
    alarms = np.bincount(groups[alarmed & (groups >= 0)], minlength=len(names))
    with np.errstate(invalid="ignore", divide="ignore"):
        weights = summed(w)
        means = summed(w * r) / weights
        scatter = np.sqrt(summed(w**2 * (r - means[chosen]) ** 2) * counts / (counts - 1)) / weights
        errors = np.fmax(1 / np.sqrt(weights), scatter)
    for index in np.flatnonzero(counts >= LEAST_SCANS):
        mean, error = float(means[index]), float(errors[index])
        yield MassTrend(
            kind, names[index], int(counts[index]), mean, error, (mean - middle) / error, int(alarms[index])
        )


def _named_groups(table: pa.Table, column: str) -> tuple[NDArray[np.int64], list[str]]:
    groups = groups_of(table, column)
    count = int(groups.max(initial=-1)) + 1
    first = np.full(count, -1)
    known = np.flatnonzero(groups >= 0)[::-1]
    first[groups[known]] = known
    values = table[column].take(first).to_pylist()
    return groups, [value[0] if isinstance(value, list) else str(value) for value in values]


def _months(table: pa.Table) -> NDArray[np.str_]:
    import pyarrow.compute as pc

    return np.asarray(pc.fill_null(pc.utf8_slice_codeunits(table["date"], 0, 7), "undated").to_pylist(), dtype=np.str_)


def _volumes(table: pa.Table) -> Iterator[VolumeTrend]:
    """Yield months whose number of loads lies far outside what the consignor's other months and chance allow.

    The spread is that of a Poisson count, widened by the months' own scatter where that is larger.
    """
    groups, names = _named_groups(table, "consignor")
    months = _months(table)
    dated = (months != "undated") & (groups >= 0)
    if not dated.any():
        return
    calendar, which = np.unique(months[dated], return_inverse=True)
    counts = np.zeros((len(names), len(calendar)))
    np.add.at(counts, (groups[dated], which), 1)
    months_known = counts.shape[1]
    if months_known < 4:
        return
    # Of every month the mean and the variance of the other months, for all consignors at once.
    total, squares = counts.sum(axis=1, keepdims=True), (counts**2).sum(axis=1, keepdims=True)
    mean = (total - counts) / (months_known - 1)
    variance = np.maximum(squares - counts**2 - (months_known - 1) * mean**2, 0) / (months_known - 2)
    sigmas = (counts - mean) / np.sqrt(np.maximum(np.maximum(mean, variance), 1.0))
    unusual = (np.abs(sigmas) > FLAG_SIGMAS) & (total >= 4 * LEAST_SCANS)
    found = [
        VolumeTrend(
            names[who], str(calendar[when]), int(counts[who, when]), float(mean[who, when]), float(sigmas[who, when])
        )
        for who, when in np.argwhere(unusual)
    ]
    yield from sorted(found, key=lambda volume: -abs(volume.sigmas))


def _health(table: pa.Table) -> Iterator[Health]:
    groups, names = _named_groups(table, "scanner")
    months = _months(table)
    for index, name in sorted(enumerate(names), key=lambda pair: pair[1]):
        first: Health | None = None
        own = groups == index
        for month in np.unique(months[own]):
            rows = table.filter(own & (months == month))
            here = _month(name, str(month), rows)
            if here is None:
                continue
            if first is None:
                first = here
            yield Health(
                here.scanner, here.month, here.scans, here.air_level, here.dark_level, here.gain_spread, here.dead, here.noisy,
                tuple(_remarks(first, here)),
            )  # fmt: skip


def _month(scanner: str, month: str, rows: pa.Table) -> Health | None:
    measured = [value for value in rows["air_level"].to_pylist() if value is not None]
    if not measured:
        return None

    def middle(name: str) -> tuple[float, ...]:
        values = [value for value in rows[name].to_pylist() if value is not None and None not in value]
        # Scans of one scanner with another number of channels cannot be compared; the commonest number stands.
        lengths = [len(value) for value in values]
        usual = max(set(lengths), key=lengths.count, default=0)
        chosen = [value for value in values if len(value) == usual]
        return tuple(float(x) for x in np.median(np.array(chosen), axis=0)) if chosen else ()

    def count(name: str) -> float:
        values = numbers(rows, name)
        known = values[np.isfinite(values)]
        return float(np.median(known)) if known.size else math.nan

    return Health(
        scanner, month, len(measured), middle("air_level"), middle("dark_level"), middle("gain_spread"),
        count("dead_elements"), count("noisy_elements"), (),
    )  # fmt: skip


def _remarks(first: Health, here: Health) -> Iterator[str]:
    for channel, (then, now) in enumerate(zip(first.air_level, here.air_level, strict=False)):
        if then > 0 and abs(now / then - 1) > LEVEL_CHANGE:
            yield f"air level of channel {channel} {100 * (now / then - 1):+.0f} %"
    for channel, (then, now) in enumerate(zip(first.gain_spread, here.gain_spread, strict=False)):
        if then > 0 and now / then - 1 > SPREAD_CHANGE:
            yield f"gain spread of channel {channel} {100 * (now / then - 1):+.0f} %"
    if here.dead - first.dead >= DEAD_CHANGE:
        yield f"{here.dead - first.dead:.0f} more dead elements"


def plain(trends_: Trends) -> dict[str, Any]:
    """Return trends as plain JSON values."""
    from dataclasses import asdict

    def known(value: Any) -> Any:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return {
        "masses": [asdict(trend) | {"unusual": trend.unusual} for trend in trends_.masses],
        "volumes": [asdict(trend) for trend in trends_.volumes],
        "health": [{name: known(value) for name, value in asdict(each).items()} for each in trends_.health],
    }
