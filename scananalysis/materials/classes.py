"""Classes of material from the likelihood of every element: probabilities, and no class that they do not support."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scananalysis.materials.likelihood import Explained, Z

BOUNDS: Mapping[str, tuple[float, float]] = {
    "organic": (1.0, 10.0),
    "light metal or mineral": (10.0, 20.0),
    "steel-like": (20.0, 33.0),
    "heavy metal": (33.0, 92.1),
}
"""Atomic numbers of each class: oxygen 8 and water 7.4 are below 10, aluminium 13 and limestone 15 below 20, iron 26 to zinc 30 below
33. A convention of the field, not a measurement."""

MIXED, UNDECIDED = "mixed", "undecided"
CLASSES = (*BOUNDS, MIXED, UNDECIDED)

SURE = 0.95
"""Probability that a class must have to be named."""

ONE_MATERIAL = 1e-3
"""p-value below which an area is not one material."""

_NO_ELEMENT = 3.0
"""Distance in σ from every element beyond which no class is named: what was measured lies outside the map."""


@dataclass(frozen=True, eq=False)
class Decided:
    """What is known of the atomic number of some areas.

    Parameters
    ----------
    name : tuple of str
        One of `CLASSES` per area.
    probability : ndarray of float64, (n, class)
        Of each of `BOUNDS`; adds up to 1.
    z_low, z_high : ndarray of float64, (n,)
        Central 95 % of the probability; both branches of twins count, so the interval can be wide.
    distance : ndarray of float64, (n,)
        In σ from the nearest element.
    """

    name: tuple[str, ...]
    probability: NDArray[np.float64]
    z_low: NDArray[np.float64]
    z_high: NDArray[np.float64]
    distance: NDArray[np.float64]


def decide(
    explained: Explained,
    p_one_material: NDArray[np.float64],
    nameable: NDArray[np.bool_] | None = None,
    *,
    sure: float = SURE,
) -> Decided:
    """Name the class of each area, where the likelihood supports one.

    Parameters
    ----------
    explained : Explained
    p_one_material : ndarray of float64, (n,)
        p-value of each area being one material; NaN where it cannot be tested.
    nameable : ndarray of bool, (n,), optional
        Areas whose attenuation is a measurement; all by default. The others are ``undecided`` unless they are mixed.
    sure : float

    Returns
    -------
    Decided

    Notes
    -----
    The prior is even in ln Z: as much for hydrogen to carbon as for iron to uranium. Areas that are not one material are ``mixed``; where
    no class reaches ``sure``, or no element comes near, ``undecided``.

    Examples
    --------
    >>> from scananalysis.detectors import scanner
    >>> from scananalysis.materials import DualEnergyModel
    >>> from scananalysis.materials.likelihood import explain
    >>> model = DualEnergyModel.nominal(scanner("cargo-6-4mv"))
    >>> steel = np.array(model.forward(100.0, 26.0))[None]
    >>> one = np.ones(1)
    >>> decide(explain(model, steel, np.diag([1e-6, 1e-6])[None]), one).name
    ('steel-like',)
    >>> decide(explain(model, steel, np.diag([1e-3, 1e-3])[None]), one).name
    ('undecided',)
    """
    chi2 = explained.chi2
    least = chi2.min(axis=1, keepdims=True)
    weight = np.exp(-0.5 * (chi2 - least)) * np.gradient(np.log(Z))
    total = weight.sum(axis=1, keepdims=True)
    posterior = weight / np.where(total > 0, total, 1)
    probability = np.stack([posterior[:, (low <= Z) & (high > Z)].sum(axis=1) for low, high in BOUNDS.values()], axis=1)
    summed = np.cumsum(posterior, axis=1)
    ends = [Z[np.minimum((summed < q).sum(axis=1), Z.size - 1)] for q in (0.025, 0.975)]
    # Between two elements on either side of the measurement lies one that fits.
    between = (np.diff(np.signbit(explained.residual), axis=1)).any(axis=1)
    distance = np.where(between, 0.0, np.sqrt(least[:, 0]))
    classes = tuple(BOUNDS)
    names = []
    for at, (row, p) in enumerate(zip(probability, p_one_material, strict=True)):
        best = int(np.argmax(row))
        supported = row[best] >= sure and distance[at] <= _NO_ELEMENT and (nameable is None or nameable[at])
        names.append(MIXED if p < ONE_MATERIAL else classes[best] if supported else UNDECIDED)
    return Decided(tuple(names), probability, ends[0], ends[1], distance)
