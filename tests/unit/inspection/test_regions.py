from dataclasses import replace

import numpy as np
import pytest

from scananalysis.core import AnomalyMap, Inspection, MaterialMap
from scananalysis.inspection.measure import bounding_box
from scananalysis.inspection.regions import MOST, find_alarms


def iou(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    height = min(one[2], other[2]) - max(one[0], other[0])
    width = min(one[3], other[3]) - max(one[1], other[1])
    common = max(0, height) * max(0, width)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return common / (sum(areas) - common)


def stages(
    inspection: Inspection, blocks: list[tuple[slice, slice]], *, added: float = 35.0, blur: int = 0
) -> tuple[MaterialMap, AnomalyMap, np.ndarray]:
    """Uniform goods with blocks, and an anomaly map that marks them, optionally larger than they are."""
    rng = np.random.default_rng(2)
    shape = inspection.materials.shape
    load = np.zeros(shape, bool)
    load[40:150, 30:450] = True
    density = np.where(load, 50.0, 0.0) + rng.normal(0, 1.0, shape)
    p_value = np.ones((2, *shape), np.float32)
    for block in blocks:
        density[block] += added
        grown = tuple(slice(edge.start - blur, edge.stop + blur) for edge in block)
        p_value[1][grown] = 0.002
    materials = replace(
        inspection.materials,
        areal_density=density.astype(np.float32),
        quality=np.zeros(shape, np.uint32),
    )
    score = np.where(load, -np.log(p_value), np.nan).astype(np.float32)
    assert inspection.anomalies is not None
    return materials, replace(inspection.anomalies, p_value=p_value, score=score, load=load), load


def test_quiet_maps_have_no_region(inspection: Inspection) -> None:
    materials, anomalies, load = stages(inspection, [])
    assert find_alarms(materials, anomalies, load, 0.005) == ()


@pytest.mark.parametrize("blur", [0, 4, 8])
@pytest.mark.parametrize("added", [35.0, -30.0])
def test_outline_is_the_objects_even_where_the_alarm_is_blurred(
    inspection: Inspection, blur: int, added: float
) -> None:
    block = (slice(80, 100), slice(200, 230))
    materials, anomalies, load = stages(inspection, [block], blur=blur, added=added)
    (alarm,) = find_alarms(materials, anomalies, load, 0.005)
    assert iou(bounding_box(alarm.mask), (80, 200, 100, 230)) > 0.8
    assert alarm.head == "insert"
    assert alarm.p_value == pytest.approx(0.002)
    assert not alarm.whole_load
    assert not (alarm.mask & alarm.around).any()


def test_alarm_without_contrast_keeps_its_own_area(inspection: Inspection) -> None:
    block = (slice(80, 100), slice(200, 230))
    materials, anomalies, load = stages(inspection, [block], added=0.0)
    (alarm,) = find_alarms(materials, anomalies, load, 0.005)
    assert bounding_box(alarm.mask) == (80, 200, 100, 230)


def test_neighbours_merge_and_distant_objects_do_not(inspection: Inspection) -> None:
    near = [(slice(80, 100), slice(200, 210)), (slice(80, 100), slice(213, 223))]
    far = (slice(60, 80), slice(400, 420))
    materials, anomalies, load = stages(inspection, [*near, far])
    alarms = find_alarms(materials, anomalies, load, 0.005)
    assert len(alarms) == 2
    boxes = sorted(bounding_box(alarm.mask)[1] for alarm in alarms)
    assert boxes[0] < 205
    assert boxes[1] > 395


def test_strongest_comes_first_and_the_number_is_bounded(inspection: Inspection) -> None:
    blocks = [(slice(r, r + 4), slice(c, c + 4)) for r in range(44, 140, 24) for c in range(40, 430, 40)]
    assert len(blocks) > MOST
    materials, anomalies, load = stages(inspection, blocks)
    for index, block in enumerate(blocks):
        anomalies.p_value[1][block] = 0.001 + 0.0001 * ((index * 7) % len(blocks))
    alarms = find_alarms(materials, anomalies, load, 0.005)
    assert len(alarms) == MOST
    p_values = [alarm.p_value for alarm in alarms]
    assert p_values == sorted(p_values)
    assert p_values[0] == pytest.approx(0.001)


def test_whole_load_alarm_has_no_surroundings(inspection: Inspection) -> None:
    materials, anomalies, load = stages(inspection, [])
    anomalies.p_value[0][load] = 0.001
    (alarm,) = find_alarms(materials, anomalies, load, 0.005)
    assert alarm.whole_load
    assert alarm.head == "declared"
    assert alarm.mask.sum() > 0.9 * load.sum()


def test_clutter_is_that_of_areas_of_the_same_size(inspection: Inspection) -> None:
    block = (slice(80, 92), slice(200, 212))
    materials, anomalies, load = stages(inspection, [block])
    (white,) = find_alarms(materials, anomalies, load, 0.005)
    # Noise of 1 g/cm² averages out over the 144 pixels of the object.
    assert white.clutter < 0.35
    waves = 5 * np.sin(np.arange(materials.shape[1]) / 12)[None].astype(np.float32)
    (wavy,) = find_alarms(replace(materials, areal_density=materials.areal_density + waves), anomalies, load, 0.005)
    assert wavy.clutter > 1.5


def test_object_at_the_rim_of_the_load_and_of_the_picture(inspection: Inspection) -> None:
    block = (slice(42, 60), slice(32, 60))
    materials, anomalies, load = stages(inspection, [block], blur=2)
    (alarm,) = find_alarms(materials, anomalies, load, 0.005)
    assert iou(bounding_box(alarm.mask), (42, 32, 60, 60)) > 0.6
    assert alarm.around.any()
