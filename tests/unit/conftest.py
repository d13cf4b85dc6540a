"""Stage objects made by hand, for rooms that draw, judge and save them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scananalysis.core import (
    AnomalyMap,
    Comparison,
    Declaration,
    Inspection,
    MaterialMap,
    Provenance,
    Quality,
    Radiograph,
    RawScan,
    Regions,
    SuspectRegion,
)

Maker = Callable[..., Inspection]
PIXEL_MM = (13.3, 20.0)


def _scene(height: int, width: int, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Areal density, atomic number and load of a container of fruit with a block of steel in it."""
    y, x = np.mgrid[0:height, 0:width] / np.array([height, width])[:, None, None]
    load = (y > 0.3) & (y < 0.8) & (x > 0.08) & (x < 0.92)
    density = np.where(load, 48 + 3 * np.sin(40 * x) + rng.normal(0, 1.0, load.shape), 0.0)
    wall = (y > 0.22) & (y < 0.85) & (x > 0.05) & (x < 0.95)
    density += np.where(wall, 3.2, 0.0) + rng.normal(0, 0.15, load.shape)
    block = (y > 0.55) & (y < 0.66) & (x > 0.3) & (x < 0.36)
    density[block] += 35
    z = np.where(block, 14.0, np.where(load, 7.4, 20.0)) + rng.normal(0, 1.0, load.shape)
    wheels = (y > 0.88) & (np.abs((x * 5) % 1 - 0.5) < 0.1)
    density[wheels], z[wheels] = 160, 26
    return density.astype(np.float32), z.astype(np.float32), (load, block)


def make_inspection(
    height: int = 180, width: int = 480, pixel_mm: tuple[float, float] = PIXEL_MM, **changes: Any
) -> Inspection:
    rng = np.random.default_rng(7)
    density, z, (load, block) = _scene(height, width, rng)
    attenuation = np.stack([density * 0.042, density * (0.048 - 0.0002 * (z - 7))]).astype(np.float32)
    counts = np.clip(900 + 50000 * np.exp(-attenuation), 0, 65535).astype(np.uint16)
    scan = RawScan(
        np.ascontiguousarray(counts.transpose(0, 2, 1)),
        scanner="cargo-6-4mv",
        binning=(4, 4),
        metadata={"site": "<script>alert(1)</script>", "speed_mm_s": 2000.5},
        provenance=Provenance().then("io.read", parameters={"format": "hdf5"}, inputs={"scan": "ab" * 32}),
    )
    quality = np.zeros((2, height, width), np.uint32)
    quality[:, 60, :] |= np.uint32(Quality.DEAD)
    radiograph = Radiograph(
        attenuation,
        np.full_like(attenuation, 1e-4),
        quality,
        {},
        np.ones(2, np.float32),
        pixel_mm,
        np.linspace(0.4, -0.2, height, dtype=np.float32),
        "cargo-6-4mv",
        provenance=scan.provenance.then("calibration.offset"),
    )
    flags = quality[0].copy()
    flags[~load] |= np.uint32(Quality.OUTSIDE_LOAD)
    flags[load & (density > 95)] |= np.uint32(Quality.NOT_INSPECTABLE)
    materials = MaterialMap(
        density,
        z,
        np.full_like(density, 1.0),
        np.full_like(density, 3.0),
        np.full_like(density, 0.2),
        flags,
        radiograph,
        {},
        Regions(block.astype(np.int32)),
        provenance=radiograph.provenance.then("materials.discriminate"),
    )
    p_value = np.ones((2, height, width), np.float32)
    p_value[1][load] = rng.uniform(0.05, 1, int(load.sum()))
    p_value[1][block] = 0.003
    score = np.where(load, -np.log(p_value), np.nan).astype(np.float32)
    anomalies = AnomalyMap(
        ("declared", "insert"),
        score,
        p_value,
        np.where(load, 3, -1).astype(np.int16),
        ("a", "b", "c", "organic-medium"),
        np.where(load, 6 + density / 20, np.inf).astype(np.float32),
        {"declared": 0.4, "insert": 0.003, "combined": 0.006},
        load,
        "network 1.0",
        pixel_mm,
        provenance=materials.provenance.then("anomaly.score"),
    )
    rows, columns = np.nonzero(block)
    box = (int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)
    region = SuspectRegion(
        box,
        (box[0] * pixel_mm[0], box[1] * pixel_mm[1], box[2] * pixel_mm[0], box[3] * pixel_mm[1]),
        41.2,
        3.1,
        86.0,
        1.2,
        13.9,
        1.1,
        0.003,
        6.3,
        "insert",
        "About 41 ± 3 kg more than the surroundings in a block 0.6 m x 0.3 m; looks like steel (Z 25 ± 3).",
        51.0,
        25.2,
        3.1,
        "steel",
    )
    made = Inspection(
        verdict="inspect",
        reasons=("The strangest place has a p-value of 0.006, below the false-alarm rate of 0.01.",),
        regions=(region,),
        measured={
            "load_mass_kg": 19870.0,
            "sigma_load_mass_kg": 900.0,
            "declared_mass_kg": 21400.0,
            "inspectable_share": 0.97,
            "scan_p_value": 0.006,
        },
        scan=scan,
        radiograph=radiograph,
        materials=materials,
        anomalies=anomalies,
        declaration=Declaration(
            container="CSQU3054383",
            items=[
                {"hs_code": "0803.90", "description": "bananas <b>fresh</b>", "net_weight_kg": 19500, "packages": 1080}
            ],
        ),
        findings=("items[0].packages: 18 kg per carton is usual.",),
        advice=("Class 3, UN 1170: flammable liquid; keep sparks away when opening.",),
        comparisons=(
            Comparison("mass of the load", "kg", "21400", "19900 ± 900", agrees=True, note="1.7 σ apart"),
            Comparison("areal density", "g/cm²", "30 to 60", "51", agrees=None),
        ),
        limits={"false_alarm_rate": 0.01, "p_value_threshold": 0.005, "minimum_inspectable_share": 0.75},
        metadata={"source": "truck.h5", "bottom_height_mm": 120.0, "height_of": "the ground"},
        provenance=anomalies.provenance.then("inspection.verdict"),
    )
    return replace(made, **changes)


@pytest.fixture(scope="session")
def inspection() -> Inspection:
    """An alarm on a block of steel in fruit, all stages synthetic."""
    return make_inspection()


@pytest.fixture(scope="session")
def inspection_maker() -> Maker:
    """Makes an inspection of any size and with any field changed."""
    return make_inspection
