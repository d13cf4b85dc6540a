"""Trends, comparison and summary over results made by hand."""

import base64
import re
from typing import Any

import numpy as np
import pytest

from scananalysis.batch import summary, trends
from scananalysis.batch.comparison import compare
from scananalysis.batch.definition import RunDefinition
from scananalysis.report.images import png


def test_a_commodity_that_is_lighter_than_declared_stands_out(make_run: Any, row: Any) -> None:
    rng = np.random.default_rng(3)

    def load(number: int, heading: str, factor: float) -> Any:
        return row(
            number,
            headings=[heading],
            consignor=None,
            load_mass_kg=20000.0 * factor * (1 + 0.05 * rng.standard_normal()),
        )

    rows = [load(n, "0803", 1.0) for n in range(40)] + [load(n, "7204", 0.7) for n in range(40, 60)]
    rows += [load(n, "2203", 0.5) for n in range(60, 63)]
    found = {trend.name: trend for trend in trends.trends(make_run(rows)).masses}
    assert found.keys() == {"0803", "7204"}, "three scans are too few to judge"
    assert found["7204"].unusual
    assert found["7204"].ratio == pytest.approx(0.7, abs=0.05)
    assert not found["0803"].unusual


def test_mass_trends_seldom_alarm_by_chance(make_run: Any, row: Any) -> None:
    rng = np.random.default_rng(4)
    rows = [
        row(n, headings=[f"{n // 10:04d}"], consignor=None, load_mass_kg=20000.0 + 1000 * rng.standard_normal())
        for n in range(1000)
    ]
    found = trends.trends(make_run(rows, definition=RunDefinition(shard_scans=500))).masses
    assert len(found) == 100
    sigmas = np.array([trend.sigmas for trend in found])
    assert 0.75 < sigmas.std() < 1.3
    assert not any(trend.unusual for trend in found)


def test_a_month_of_many_loads_stands_out(make_run: Any, row: Any) -> None:
    counts = {"2025-01": 6, "2025-02": 8, "2025-03": 7, "2025-04": 30, "2025-05": 5}
    months = [month for month, count in counts.items() for _ in range(count)]
    rows = [row(n, date=f"{month}-10T08:00:00") for n, month in enumerate(months)]
    (found,) = trends.trends(make_run(rows)).volumes
    assert (found.consignor, found.month, found.scans) == ("Fruit Ltd", "2025-04", 30)
    assert found.sigmas > 5


def test_detector_health_by_month(make_run: Any, row: Any) -> None:
    rows = [row(n, date="2025-01-02T00:00:00") for n in range(5)]
    rows += [
        row(n, date="2025-02-02T00:00:00", air_level=[50000.0, 45000.0], dead_elements=6, gain_spread=[0.02, 0.05])
        for n in range(5, 10)
    ]
    rows += [row(10, scanner="rail-9mv", air_level=None)]
    first, second = trends.trends(make_run(rows)).health
    assert first.remarks == ()
    assert second.remarks == (
        "air level of channel 1 -10 %",
        "gain spread of channel 1 +150 %",
        "5 more dead elements",
    )
    assert trends.plain(trends.Trends((), (), (second,)))["health"][0]["scans"] == 5


def test_a_comparison_names_what_changed(make_run: Any, row: Any) -> None:
    before = make_run([row(n) for n in range(6)], "before")
    rows = [row(n) for n in range(6)]
    rows[1] = row(1, verdict="inspect", scan_p_value=0.001)
    rows[2] = row(2, verdict="not-inspectable")
    rows[3] = {
        "path": "scan-00003.h5",
        "scan_sha256": rows[3]["scan_sha256"],
        "status": "error",
        "error_kind": "FormatError",
        "reason": "x",
    }
    rows[4] = row(4, scan_sha256="f" * 64, verdict="inspect")
    rows[5] = row(6)
    after = make_run(rows, "after", model="cd" * 32)
    found = compare(before, after)
    assert (found.common, found.only_first, found.only_second, found.other_bytes, found.same) == (5, 1, 1, 1, 1)
    assert found.moves == {("clear", "FormatError"): 1, ("clear", "inspect"): 1, ("clear", "not-inspectable"): 1}
    assert found.changed[0]["path"] == "scan-00001.h5"
    assert found.parts == {"model": ("ab" * 6, "cd" * 6)}
    same = compare(before, before)
    assert (same.same, same.moves, same.parts, same.changed) == (6, {}, {}, [])


def test_the_summary_shows_the_queue_and_runs_its_own_script_only(make_run: Any, row: Any) -> None:
    picture = png(np.zeros((4, 4, 3), np.uint8))
    rows = [row(n) for n in range(5)]
    rows[2] = row(
        2, verdict="inspect", scan_p_value=0.001, consignor="<script>alert(1)</script>", report="reports/aa/x",
        thumbnail=base64.b64encode(picture).decode(),
    )  # fmt: skip
    rows[4] = {"path": "scan-00004.h5", "status": "error", "error_kind": "FormatError", "reason": "is <empty>."}
    run = make_run(rows)
    path = summary.write(run)
    page = path.read_text(encoding="utf-8")
    assert page.index("scan-00002.h5") < page.index("scan-00000.h5")
    assert "<script>alert(1)" not in page
    assert "is &lt;empty&gt;." in page
    assert '<a href="reports/aa/x/report.html">' in page
    assert base64.b64encode(picture).decode() in page
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy.startswith("default-src &#39;none&#39;")
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    import hashlib

    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert digest.replace("+", "+") in policy.replace("&#43;", "+")
    assert page.count("<script") == 1
