"""How a hidden object stands out from what is around it, in an ideal scan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_AROUND = 0.5
"""Width of the surroundings on every side, in sizes of the object."""
_LEAST_PIXELS = 3


def local_contrast(truth: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return what pixels of the hidden object show more than those around it: medians, so that edges and structure matter little.

    Parameters
    ----------
    truth : mapping of str to ndarray
        ``insert`` (y, x), ``areal_density`` (y, x) and ``transmission`` (channel, y, x) of a rendered scene. The surroundings are half
        of the object's size wide on every side, and at least three pixels.

    Returns
    -------
    dict
        ``contrast``: attenuation α more than around, per channel; ``contrast_g_cm2``: areal density more than around, the
        goods that the object displaces taken off; both None where the object, or all around it, is out of the picture; ``pixels``:
        how many the object covers.

    Examples
    --------
    >>> insert = np.zeros((9, 9), bool)
    >>> insert[3:6, 3:6] = True
    >>> density = np.where(insert, 25.0, 20.0).astype(np.float32)
    >>> found = local_contrast({"insert": insert, "areal_density": density, "transmission": np.exp(-0.05 * density)[None]})
    >>> found["contrast_g_cm2"], found["contrast"], found["pixels"]
    (5.0, [0.25], 9)
    """
    insert = truth["insert"]
    rows, columns = (np.flatnonzero(insert.any(axis=axis)) for axis in (1, 0))
    nothing = {"contrast": None, "contrast_g_cm2": None, "pixels": int(np.count_nonzero(insert))}
    if not rows.size:
        return nothing
    window = tuple(
        slice(max(int(at[0]) - reach, 0), int(at[-1]) + reach + 1)
        for at in (rows, columns)
        for reach in (max(_LEAST_PIXELS, round(_AROUND * (int(at[-1]) - int(at[0]) + 1))),)
    )
    inside = insert[window]
    if inside.all():
        return nothing
    alpha = -np.log(np.maximum(truth["transmission"][(slice(None), *window)], np.float32(1e-30)))
    return nothing | {
        "contrast": [round(_more(plane, inside), 4) for plane in alpha],
        "contrast_g_cm2": round(_more(truth["areal_density"][window], inside), 3),
    }


def _more(plane: NDArray[np.floating], inside: NDArray[np.bool_]) -> float:
    return float(np.median(plane[inside])) - float(np.median(plane[~inside]))
