"""Dangerous goods: classes, UN numbers, and what to keep in mind before a container is opened.

Advice never suppresses an alarm. It follows the hazard of each class and the CTU Code's rules for opening a unit; it does not
replace the safety data sheet or the people who are trained for such goods.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from scananalysis.cargo.packages import read_rows
from scananalysis.core import Declaration, Item

ADVICE_SOURCE = (
    "ADR 5.4.3.4 (instructions in writing, UNECE); IMO/ILO/UNECE CTU Code, chapter 12.1 "
    "(https://wiki.unece.org, opened 2026-11-24)"
)
"""Where the advice comes from."""

CLASSES: dict[str, str] = {
    "1": "explosives",
    "1.1": "explosives, mass explosion",
    "1.2": "explosives, projection",
    "1.3": "explosives, fire and minor blast",
    "1.4": "explosives, no significant hazard outside the package",
    "1.5": "very insensitive explosives, mass explosion",
    "1.6": "extremely insensitive explosives",
    "2.1": "flammable gas",
    "2.2": "non-flammable, non-toxic gas",
    "2.3": "toxic gas",
    "3": "flammable liquid",
    "4.1": "flammable solid or self-reactive substance",
    "4.2": "liable to spontaneous combustion",
    "4.3": "emits flammable gas in contact with water",
    "5.1": "oxidizing substance",
    "5.2": "organic peroxide",
    "6.1": "toxic substance",
    "6.2": "infectious substance",
    "7": "radioactive material",
    "8": "corrosive substance",
    "9": "miscellaneous dangerous goods",
}
"""Classes and divisions of the IMDG Code."""

_ADVICE: dict[str, str] = {
    "1": "may explode or throw fragments: keep away sparks, heat, impact and radio transmitters; let an explosives specialist "
    "open it",
    "1.4": "may burn fiercely or go off in its package: keep away sparks, heat and impact; let an explosives specialist open it",
    "2.1": "may burn or explode and displace air: keep away sparks and heat; measure the air before opening and ventilate",
    "2.2": "may displace air, and its cylinders may burst when heated: measure oxygen before opening and ventilate",
    "2.3": "is poisonous when inhaled: stay upwind; only specialists with breathing apparatus open it, after measuring the air",
    "3": "gives off vapour that burns or explodes: keep away sparks, heat and unprotected electrical tools; ventilate first",
    "4.1": "catches fire from heat, friction or sparks: keep away from heat and handle gently",
    "4.2": "may catch fire by itself in air: do not open packages; have dry extinguishing agent at hand",
    "4.3": "burns or explodes in contact with water: keep dry, do not open in rain, never use water on it",
    "5.1": "feeds fire and may react violently with fuels: keep away from flammable goods, oil and heat",
    "5.2": "may decompose violently: keep at its stated temperature, away from heat, friction and flammable goods",
    "6.1": "is poisonous by contact, swallowing or inhaling: wear protection, ventilate, let trained people open it",
    "6.2": "may cause disease: do not open packages; call the health authority if one leaks",
    "7": "radiates: measure the dose rate before approaching, keep distance and time short, call the radiation protection "
    "officer; its own radiation may disturb the scan",
    "8": "burns skin and eats metal: wear protection for eyes and skin, beware of leaks and fumes when opening",
    "9": "has another hazard: read its safety data sheet before opening",
}

_LITHIUM = frozenset({3090, 3091, 3171, 3480, 3481, 3536, 3551, 3552, 3556, 3557, 3558})
"""Lithium and sodium-ion batteries and what they power: fire that starts by itself and cannot be smothered."""


@dataclass(frozen=True)
class DangerousGood:
    """One UN number.

    Parameters
    ----------
    number : int
    classes : tuple of str
        Class or division; several where packagings differ.
    name : str
        Abridged proper shipping name.
    """

    number: int
    classes: tuple[str, ...]
    name: str


@functools.cache
def _table() -> Mapping[int, DangerousGood]:
    return {
        int(row["number"]): DangerousGood(int(row["number"]), tuple(row["classes"].split()), row["name"])
        for row in read_rows("un_numbers.csv")
    }


def dangerous_good(number: int) -> DangerousGood | None:
    """Return what is known of a UN number, or None where it is not listed.

    Examples
    --------
    >>> dangerous_good(1203).classes
    ('3',)
    """
    return _table().get(number)


def division(imdg_class: str) -> str:
    """Return a class or division without the compatibility group of explosives.

    Examples
    --------
    >>> division("1.4S"), division("3")
    ('1.4', '3')
    """
    return imdg_class.rstrip("ABCDEFGHJKLNS")


def is_class(imdg_class: str) -> bool:
    """Return whether there is such a class or division.

    Examples
    --------
    >>> is_class("1.4S"), is_class("3"), is_class("3S"), is_class("2.4")
    (True, True, False, False)
    """
    plain = division(imdg_class)
    return plain in CLASSES and (plain == imdg_class or plain.startswith("1."))


def agrees(imdg_class: str, good: DangerousGood) -> bool:
    """Return whether a declared class is that of the UN number; the bare class of a division counts.

    Examples
    --------
    >>> agrees("2.1", dangerous_good(1075)), agrees("3", dangerous_good(1075))
    (True, False)
    """
    declared = division(imdg_class)
    listed = {division(entry) for entry in good.classes}
    return declared in listed or (declared == "1" and any(entry.startswith("1.") for entry in listed))


def classes_of(item: Item) -> tuple[str, ...]:
    """Return the divisions an item has by its papers: the declared one, else that of its UN number."""
    if item.imdg_class is not None:
        return (division(item.imdg_class),)
    good = None if item.un_number is None else dangerous_good(item.un_number)
    return () if good is None else tuple(division(entry) for entry in good.classes)


def handling_advice(declaration: Declaration) -> tuple[str, ...]:
    """Return what to keep in mind before the load is approached or opened, one sentence for each kind of dangerous goods.

    Parameters
    ----------
    declaration : Declaration

    Returns
    -------
    tuple of str
        Empty where no dangerous goods are declared. Ends with the rule of the CTU Code (12.1.5 to 12.1.8) for every such unit.

    Examples
    --------
    >>> petrol = Declaration(items=[{"hs_code": "2710.12", "imdg_class": "3", "un_number": 1203}])
    >>> print(handling_advice(petrol)[0])
    UN 1203 motor spirit (class 3, flammable liquid) gives off vapour that burns or explodes: keep away sparks, heat and \
unprotected electrical tools; ventilate first.
    """
    advice: dict[str, None] = {}
    for item in declaration.items:
        good = None if item.un_number is None else dangerous_good(item.un_number)
        # A class the papers leave out or contradict is advised on too: the safer reading counts.
        classes = dict.fromkeys(classes_of(item) + (() if good is None else tuple(map(division, good.classes))))
        what = _what(item, good)
        for entry in classes:
            text = _ADVICE.get(entry) or _ADVICE.get(entry.split(".")[0])
            if text is not None:
                advice[f"{what} (class {entry}, {CLASSES.get(entry, 'dangerous goods')}) {text}."] = None
        if item.un_number in _LITHIUM:
            advice[
                f"{what} may catch fire when damaged and burn again after it was put out: keep from heat and crushing, "
                "stay out of its smoke."
            ] = None
    if advice:
        advice[
            "Before the doors are opened, measure that the air inside is harmless; ask an expert first if packages look damaged."
        ] = None
    return tuple(advice)


def _what(item: Item, good: DangerousGood | None) -> str:
    if good is not None:
        return f"UN {good.number:04d} {good.name}"
    name = item.description or f"goods under HS {item.hs_code}"
    return name if item.un_number is None else f"UN {item.un_number:04d} {name}"
