"""Reads the spectra tables in ``detectors/spectra/``."""

from __future__ import annotations

import csv
import functools

import numpy as np
from numpy.typing import NDArray

from scananalysis._resources import find
from scananalysis.core import ConfigurationError

_MAX_BYTES = 4 << 20


@functools.lru_cache(maxsize=32)
def read_spectrum(name: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Read a spectrum by emission angle.

    Parameters
    ----------
    name : str
        File name in ``detectors/spectra/`` without ``.csv``. The table has comment lines that start with ``#``, then a
        header ``energy_mev,<angle>,…`` with angles in rad from the beam axis, then photons per bin.

    Returns
    -------
    energy_mev : ndarray, (k,)
    fan_angle_rad : ndarray, (angle,)
        Mirrored: a table of positive angles serves both sides of the axis.
    photons : ndarray, (angle, k)

    Raises
    ------
    ConfigurationError
        No such table, or it is malformed.
    """
    path = find("detectors", f"spectra/{name}.csv")
    if path.stat().st_size > _MAX_BYTES:
        raise ConfigurationError(f"has {path.stat().st_size} bytes", source=path, expected=f"at most {_MAX_BYTES}")
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(line for line in stream if not line.startswith("#")))
    try:
        angle = np.array([float(text) for text in rows[0][1:]])
        table = np.array([[float(text) for text in row] for row in rows[1:]])
        energy, photons = table[:, 0], table[:, 1:].T
    except (ValueError, IndexError) as error:
        raise ConfigurationError(
            f"is not a spectrum table ({error})", source=path, expected="energy_mev,<angle rad>,… and numbers"
        ) from error
    if photons.shape != (angle.size, energy.size) or angle[0] != 0 or np.any(np.diff(angle) <= 0):
        raise ConfigurationError(
            f"has angles {angle}", source=path, expected="ascending angles that start at 0, one column each"
        )
    if angle.size == 1:
        return energy, angle, photons
    return energy, np.concatenate([-angle[:0:-1], angle]), np.concatenate([photons[:0:-1], photons])
