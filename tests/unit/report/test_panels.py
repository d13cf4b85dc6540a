from dataclasses import replace

import numpy as np
import pytest

from scananalysis.core import Inspection, Quality
from scananalysis.report import panels
from scananalysis.report.images import colour_map
from scananalysis.report.panels import OUTSIDE, UNINSPECTABLE


def test_raw_counts_are_drawn_with_element_down_and_line_across(inspection: Inspection) -> None:
    scan = inspection.scan
    counts = np.zeros_like(scan.counts)
    counts[:, -40:, :20] = 60000
    high, low = panels.raw_panels(replace(scan, counts=counts), (10.0, 10.0), 4000)
    assert high.picture.shape[:2] == (scan.shape[2], scan.shape[1])
    # Last lines are right, first elements are at the top.
    assert high.picture[:20, -40:].mean() > 250
    assert high.picture[20:].max() == 0
    assert (high.title, low.title) == ("Raw counts, 6 MV", "Raw counts, 4 MV")


def test_attenuation_is_dark_where_dense(inspection: Inspection) -> None:
    panel = panels.attenuation_panels(inspection.radiograph, 480)[0]
    rows, columns = panel.picture.shape[:2]
    assert panel.picture[0, columns // 2].mean() > 240
    assert panel.picture[rows // 2, columns // 2].mean() < 200
    assert panel.bar is not None
    assert panel.bar.label.startswith("α")


def test_every_bar_states_a_unit_or_says_there_is_none(inspection: Inspection) -> None:
    assert inspection.anomalies is not None
    found = [
        *panels.raw_panels(inspection.scan, inspection.radiograph.pixel_mm, 300),
        *panels.attenuation_panels(inspection.radiograph, 300),
        panels.areal_density_panel(inspection.materials, 300),
        *panels.p_value_panels(inspection.anomalies, 0.005, 300),
        panels.inspectability_panel(inspection.materials, inspection.anomalies, 300),
    ]
    labels = [panel.bar.label for panel in found if panel.bar is not None]
    assert labels == ["counts"] * 2 + ["α (no unit)"] * 2 + ["g/cm²"] + ["p-value; red: alarm"] * 2 + ["g/cm²"]
    assert all(panel.bar.ticks for panel in found if panel.bar is not None)


def test_one_strange_pixel_survives_shrinking(inspection: Inspection) -> None:
    anomalies = inspection.anomalies
    assert anomalies is not None
    p_value = np.ones_like(anomalies.p_value)
    p_value[0, 91, 201] = 1e-3
    score = np.zeros_like(anomalies.score)
    panel = panels.p_value_panels(replace(anomalies, p_value=p_value, score=score), 0.005, 60)[0]
    assert panel.picture.shape[1] == 60
    bright = (panel.picture == colour_map("inferno")[255]).all(axis=-1)
    assert bright.sum() >= 1


def test_alarm_mark_stands_at_its_p_value(inspection: Inspection) -> None:
    assert inspection.anomalies is not None
    bar = panels.p_value_panels(inspection.anomalies, 0.01, 300)[1].bar
    assert bar is not None
    assert bar.mark is not None
    ticks = {tick.text: tick.position for tick in bar.ticks}
    assert bar.mark.position == pytest.approx(ticks["0.01"])


def test_inspectability_shows_flags_in_their_own_colours(inspection: Inspection) -> None:
    quality = np.zeros_like(inspection.materials.quality)
    quality[:50] = np.uint32(Quality.OUTSIDE_LOAD)
    quality[100:] = np.uint32(Quality.NOT_INSPECTABLE)
    panel = panels.inspectability_panel(replace(inspection.materials, quality=quality), inspection.anomalies, 4000)
    rows = panel.picture.shape[0]
    assert (panel.picture[: int(rows * 0.25)] == OUTSIDE).all()
    assert (panel.picture[int(rows * 0.6) :] == UNINSPECTABLE).all()


def test_single_energy_legend_says_that_there_is_no_atomic_number(inspection: Inspection) -> None:
    single = replace(inspection.materials, z_eff=np.full_like(inspection.materials.z_eff, np.nan))
    assert [text for _, text in panels.material_legend(single)] == ["one energy: no atomic number"]


def test_shrinking_weighs_atomic_numbers_by_their_precision(inspection: Inspection) -> None:
    materials = inspection.materials
    z = np.full(materials.shape, 26.0, np.float32)
    sigma = np.full(materials.shape, 1.0, np.float32)
    z[:, ::2], sigma[:, ::2] = 90.0, 100.0
    small = panels.shrink_materials(replace(materials, z_eff=z, sigma_z=sigma), (45, 120))
    assert small.z_eff == pytest.approx(np.full((45, 120), 26.0), abs=0.02)
    assert small.pixel_mm == pytest.approx((materials.pixel_mm[0] * 4, materials.pixel_mm[1] * 4))


def test_unknown_scanner_can_still_be_drawn() -> None:
    assert panels.channel_names("of-a-friend", 2) == ("high energy", "low energy")
    assert panels.channel_names("of-a-friend", 3) == ("channel 0", "channel 1", "channel 2")
