import numpy as np
import pytest

from scananalysis.cargo.containers import container_type
from scananalysis.simulation.containers import CASTING_MM, DRY, SIZES, container

ISO_668 = {"2": 6058, "4": 12192}
"""Outer lengths, mm; width 2438; heights 2591 and 2896 (ISO 668:2020, table 2)."""


@pytest.mark.parametrize("code", [code for code, size in SIZES.items() if size.kind != "air"])
def test_outer_sizes_are_those_of_iso_668(code):
    size = SIZES[code]
    assert size.length_mm == ISO_668[code[0]]
    assert size.width_mm == 2438
    assert size.height_mm == (2896 if code[1] == "5" else 2591)
    known = container_type(code)
    assert known.tare_min_kg <= size.tare_kg <= known.tare_max_kg
    assert size.tare_kg + size.payload_kg <= known.max_gross_kg


@pytest.mark.parametrize("code", SIZES)
def test_nothing_stands_out_of_the_outer_size(code):
    size = SIZES[code]
    pieces, _ = container(size, 700.0, 1150.0, 6000.0)
    bounds = np.array([piece.solid.bounds for piece in pieces])
    below = 100.0 if size.kind == "air" else 0.0  # the roller deck under a pallet
    # Fittings on top of a tank may stand in the frame's corner height.
    low = (700.0, 1150.0 - below, 6000 - size.width_mm / 2)
    high = (700 + size.length_mm, 1150 + size.height_mm + 1, 6000 + size.width_mm / 2)
    assert np.all(bounds[:, ::2].min(axis=0) >= np.array(low) - 1e-6)
    assert np.all(bounds[:, 1::2].max(axis=0) <= np.array(high) + 1e-6)


@pytest.mark.parametrize("code", DRY)
def test_room_has_the_least_inner_size_of_iso_668(code):
    size = SIZES[code]
    _, space = container(size, 0.0, 0.0, 6000.0)
    assert space.z[1] - space.z[0] >= 2330
    assert space.y[1] - space.y[0] >= size.height_mm - 241
    assert space.x[1] - space.x[0] >= {6058: 5867, 12192: 11998}[int(size.length_mm)]


@pytest.mark.parametrize("code", [code for code, size in SIZES.items() if size.kind in ("dry", "reefer")])
def test_steel_weighs_about_the_tare(code):
    pieces, _ = container(SIZES[code], 0.0, 0.0, 6000.0)
    assert sum(piece.mass_kg for piece in pieces) == pytest.approx(SIZES[code].tare_kg, rel=0.25)


@pytest.mark.parametrize("code", DRY)
def test_side_wall_is_thicker_on_its_slopes(code):
    """Twice per trapezoid the plate runs at a slant, so the wall is crossed along more steel."""
    size = SIZES[code]
    pieces, _ = container(size, 0.0, 0.0, 6000.0)
    walls = [
        p for p in pieces if p.solid.bounds[5] - p.solid.bounds[4] < 3 and p.solid.bounds[3] > 0.9 * size.height_mm
    ]
    slopes = [p for p in walls if p.solid.bounds[1] - p.solid.bounds[0] < 100]
    assert len(slopes) == 4 * int((size.length_mm - 320) / 278)
    assert all(0.5 < p.density_g_cm3 < 1.5 for p in slopes)


def test_eight_corner_castings():
    pieces, _ = container(SIZES["42G1"], 0.0, 0.0, 6000.0)
    edges = [
        tuple(round(b - a) for a, b in zip(p.solid.bounds[::2], p.solid.bounds[1::2], strict=True)) for p in pieces
    ]
    assert edges.count(tuple(round(v) for v in CASTING_MM)) == 8


def test_reefer_room_is_smaller_and_unit_stands_in_front():
    _, dry = container(SIZES["45G1"], 0.0, 0.0, 6000.0)
    pieces, cold = container(SIZES["45R1"], 0.0, 0.0, 6000.0)
    assert cold.volume_m3 < 0.92 * dry.volume_m3
    unit = sum(
        p.mass_kg
        for p in pieces
        if p.solid.bounds[1] < cold.x[0] and p.matter.composition[0][0] in ("copper", "cast iron")
    )
    assert 100 < unit < 500


def test_scaled_room():
    _, space = container(SIZES["22G1"], 0.0, 0.0, 6000.0)
    assert space.scaled(2.0).volume_m3 == pytest.approx(8 * space.volume_m3)
