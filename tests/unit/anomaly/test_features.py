"""Planes that a network reads, cell by cell from their definition."""

import numpy as np
import pytest

from scananalysis.anomaly.features import PLANES, network_planes
from scananalysis.core import MaterialMap, Quality, Radiograph, Regions

SHAPE, SCALE = (9, 11), 50.0


def made(*, single=False):
    rng = np.random.default_rng(4)
    alpha, variance = rng.uniform(0, 8, (2, *SHAPE)), rng.uniform(0, 0.3, (2, *SHAPE))
    variance[0, 2, 3], variance[0, 4, 4] = np.nan, np.inf
    quality = np.zeros((2, *SHAPE), np.uint32)
    quality[:, 1, 1:4] = Quality.STARVED.value
    density = rng.uniform(0, 100, SHAPE)
    density[5, 5] = np.nan
    z, sigma_z = rng.uniform(6, 40, SHAPE), rng.uniform(0.01, 9, SHAPE)
    sigma_z[3, :2], z[3, 4] = np.inf, np.nan
    if single:
        z[:] = sigma_z[:] = np.nan
    planes = [each.astype(np.float32) for each in (alpha, variance)]
    radiograph = Radiograph(
        *planes, quality, {}, np.ones(2, np.float32), (13.0, 20.0), np.zeros(SHAPE[0], np.float32), "cargo-6-4mv"
    )
    density, z, sigma_z = (each.astype(np.float32) for each in (density, z, sigma_z))
    one = np.ones(SHAPE, np.float32)
    labels = Regions(np.zeros(SHAPE, np.int32))
    return MaterialMap(density, z, one, sigma_z, one, quality[0], radiograph, {}, labels)


def pooled(cells, good, y, x):
    """Return the inverse-variance mean of Z over 3 × 3 cells, the border cells repeated, and the sum of its weights."""
    rows, columns = (np.clip(np.arange(at - 1, at + 2), 0, n - 1) for at, n in zip((y, x), SHAPE, strict=True))
    at = np.ix_(rows, columns)
    known = good[at] & np.isfinite(cells.z_eff[at]) & np.isfinite(cells.sigma_z[at])
    weight = np.where(known, 1 / np.maximum(np.nan_to_num(cells.sigma_z[at], posinf=1.0), 0.1) ** 2, 0)
    total = weight.sum()
    return (weight * np.where(known, cells.z_eff[at], 0)).sum() / total if total else 0.0, total


def test_every_plane_is_that_of_its_definition():
    cells = made()
    found = dict(zip(PLANES, network_planes(cells, scale=SCALE), strict=True))
    good = (cells.quality == 0) & np.isfinite(cells.areal_density)
    for y, x in np.ndindex(SHAPE):
        variance = cells.radiograph.variance[0, y, x]
        z, weight = pooled(cells, good, y, x)
        share = 25 * weight / (1 + 25 * weight)
        sigma = min(5 * np.sqrt(variance), 2) if good[y, x] and np.isfinite(variance) else 2.0
        expected = {
            "attenuation_high": cells.radiograph.attenuation[0, y, x] / 4 if good[y, x] else 1.5,
            "areal_density": cells.areal_density[y, x] / SCALE if good[y, x] else 3.0,
            "z_weighted": (z - 20) / 20 * share,
            "z_weight": share,
            "sigma": sigma,
            "usable": float(good[y, x]),
            "has_z": 1.0,
            "scale": np.log10(SCALE) - 1.7,
        }
        for name, value in expected.items():
            assert found[name][y, x] == pytest.approx(value, rel=1e-5, abs=1e-5), (name, y, x)


def test_a_map_without_atomic_numbers_says_so():
    planes = dict(zip(PLANES, network_planes(made(single=True), scale=SCALE), strict=True))
    assert not planes["has_z"].any()
    assert not planes["z_weight"].any()
    assert np.isfinite(planes["z_weighted"]).all()
