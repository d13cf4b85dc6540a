"""Detection where the image should suffice: by kind of fraud, for objects that are large enough in loads that are even enough.

A single share per kind mixes what nobody could see, such as a pistol behind two metres of ore, with what must not be missed. Clutter of
0.07 in attenuation is what a contrast of 10 g/cm² of steel stands out from by 6.7 σ, which 2·10⁴ places per scan ask for at few false
alarms; see `scananalysis.anomaly.detectability`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scananalysis.anomaly.evaluation.rates import Rate, auroc
from scananalysis.anomaly.evaluation.scoring import CLEAN, WRONG, Scan

STEPS_APART = (0.0, 1.0, 2.0)
"""Least distances of undeclared goods at which right and wrong declarations are told apart, in steps; the first is all pairs."""


@dataclass(frozen=True)
class Condition:
    """Which frauds count.

    Parameters
    ----------
    name : str
    kinds : tuple of str
    clutter : float, optional
        Most clutter of attenuation around the object, as measured.
    mass_kg, added_g_cm2, share : float, optional
        Least mass of the object, mean change of areal density, and share of the load's area.
    """

    name: str
    kinds: tuple[str, ...]
    clutter: float | None = None
    mass_kg: float | None = None
    added_g_cm2: float | None = None
    share: float | None = None

    def holds(self, scan: Scan) -> bool:
        """Say whether a scan counts; what is not known of it does not hold."""
        if scan.kind not in self.kinds:
            return False
        clutter = scan.wrong["clutter"]
        if self.clutter is not None and (clutter is None or clutter > self.clutter):
            return False
        return all(
            least is None or (scan.wrong[name] is not None and scan.wrong[name] >= least)
            for name, least in (("mass_kg", self.mass_kg), ("added_g_cm2", self.added_g_cm2), ("share", self.share))
        )


CONDITIONS = (
    Condition("another load than declared", ("misdeclared",)),
    Condition("a part of at least 10 % of the load swapped", ("swap",), share=0.1),
    Condition("handgun, ammunition or metal, clutter to 0.07", ("metal", "handgun", "ammunition"), clutter=0.07),
    Condition("shielding box, clutter to 0.07", ("shield",), clutter=0.07),
    Condition("dense metal, clutter to 0.07", ("dense",), clutter=0.07),
    Condition("organic block from 5 kg and 8 g/cm², clutter to 0.12", ("organic",), 0.12, 5.0, 8.0),
    Condition("hollow of at least 3 % of the load", ("void",), share=0.03),
    Condition("false wall", ("false-wall",)),
    Condition("car", ("car",)),
    Condition("person", ("person",)),
)


def by_condition(scans: Sequence[Scan], model: str, rate: float) -> dict[str, dict[str, Any]]:
    """Return the share of the frauds of each condition that alarm where they are; conditions that no scan meets are left out."""
    found = {}
    for condition in CONDITIONS:
        seen = [scan.models[model] for scan in scans if condition.holds(scan)]
        hits = [(each.p_values["combined"] if each.at_object is None else each.at_object) <= rate for each in seen]
        if hits:
            found[condition.name] = Rate.of(hits).to_dict()
    return found


def separation(scans: Sequence[Scan], model: str) -> dict[str, dict[str, Any]]:
    """Return how well right and wrong declarations of the same scans are told apart, by how far the goods lie from declared ones.

    AUROC of the highest score of the head that knows the declaration, by the least distance in steps; see `STEPS_APART`.
    """
    right = [scan.models[model].highest_declared for scan in scans if scan.kind == CLEAN]
    known = [value for value in right if value is not None]
    found = {}
    for least in STEPS_APART:
        wrong = [
            value
            for scan in scans
            if scan.kind == WRONG and (scan.apart or 0.0) >= least
            if (value := scan.models[model].highest_declared) is not None
        ]
        if known and wrong:
            found[f"{least:g}"] = {"pairs": len(wrong), "auroc": auroc(known, wrong)}
    return found
