import base64
import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from scananalysis.core import Inspection, Quality
from scananalysis.report import html
from scananalysis.report.page import DISCLAIMER, FLAG_MEANINGS


class Tags(HTMLParser):
    """Collects every tag with its attributes, and whether tags balance."""

    VOID = frozenset({"meta", "image", "rect", "line", "circle", "path", "br", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(inspection: Inspection) -> str:
    return html(inspection)


@pytest.fixture(scope="module")
def parsed(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    return tags


def test_tags_balance(parsed: Tags) -> None:
    assert parsed.open == []


def test_nothing_is_fetched_or_executed(parsed: Tags) -> None:
    names = {name for name, _ in parsed.tags}
    assert not names & {"script", "link", "iframe", "object", "embed", "form", "base"}
    for name, attributes in parsed.tags:
        assert not any(key.startswith("on") for key in attributes), name
        assert "style" not in attributes, name
        for key in ("href", "src"):
            if key in attributes:
                assert str(attributes[key]).startswith("data:image/png;base64,")


def test_policy_allows_only_the_pages_own_style(parsed: Tags, page: str) -> None:
    policy = next(
        str(a["content"])
        for name, a in parsed.tags
        if name == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert f"style-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_text_from_strangers_is_escaped(page: str) -> None:
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<b>fresh</b>" not in page
    assert "&lt;b&gt;fresh&lt;/b&gt;" in page


def test_every_stage_has_its_picture(parsed: Tags) -> None:
    titles = [a["aria-label"] for name, a in parsed.tags if name == "svg" and a.get("role") == "img"]
    assert titles == [
        "Materials",
        "Raw counts, 6 MV",
        "Raw counts, 4 MV",
        "Attenuation, 6 MV",
        "Attenuation, 4 MV",
        "Areal density",
        "Anomaly, against the declared goods",
        "Anomaly, hidden object or void",
        "Inspectability",
    ]


def test_it_says_who_decides_what_was_found_and_what_it_rests_on(page: str, inspection: Inspection) -> None:
    assert DISCLAIMER == "This is a recommendation; an officer decides."
    assert page.count(DISCLAIMER) >= 2
    assert ">Inspect<" in page
    for text in (*inspection.reasons, inspection.regions[0].reason, *inspection.findings, *inspection.advice):
        assert text in page
    assert "41.2 ± 3.1 kg" in page
    assert "19900 ± 900 kg" in page
    assert "truck.h5" in page
    assert "ab" * 32 in page
    assert "calibration.offset" in page


def test_flags_are_counted(page: str, inspection: Inspection) -> None:
    dead = int(np.count_nonzero(inspection.materials.quality & np.uint32(Quality.DEAD)))
    assert dead == 480
    assert re.search(rf"<td>dead</td><td class=\"n\">{dead}</td>", page)


def test_every_flag_has_a_meaning() -> None:
    assert set(FLAG_MEANINGS) == {flag.name for flag in Quality}


def test_score_p_value_and_threshold_stand_apart(page: str) -> None:
    row = re.search(r'<tr class="numbers">.*?</tr>', page, re.DOTALL)
    assert row is not None
    cells = re.findall(r"<td[^>]*>(.*?)</td>", row.group(0))
    assert cells[-2:] == ["6.3", "0.003"]
    assert "An alarm needs a p-value of 0.005 or less" in page


def test_without_declaration_it_says_so(inspection: Inspection) -> None:
    page = html(replace(inspection, declaration=None, comparisons=(), findings=(), verdict="clear", regions=()))
    assert "No declaration was given" in page
    assert ">Clear<" in page
    assert "Nothing in this scan stands out from its surroundings." in page
    assert "Suspect regions</h2>" not in page


def test_without_anomaly_model_and_figures(inspection: Inspection) -> None:
    page = html(
        replace(inspection, anomalies=None, regions=(), verdict="not-inspectable", measured={"inspectable_share": 0.1})
    )
    assert ">Not inspectable<" in page
    assert "Open it by hand" in page
    assert "p-value map" not in page
    assert "10 %" in page


def test_same_inspection_same_bytes(inspection: Inspection, page: str) -> None:
    assert html(inspection) == page


def test_full_size_report_costs_well_under_a_second(inspection_maker: Callable[..., Inspection]) -> None:
    large = inspection_maker(1378, 2295, (3.33, 5.0))
    html(large)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        page = html(large)
        seconds.append(time.process_time() - start)
    # Processor time, so that a busy machine does not fail it; measured 0.4 to 0.6 s.
    assert min(seconds) < 1.5
    assert len(page) < 8_000_000
