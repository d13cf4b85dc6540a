"""The commodity table, its draws, and the families derived from it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from scananalysis.cargo import commodities, commodity, expected_areal_density, families, family_table, look_alikes
from scananalysis.cargo.commodities import effective_z, parse_composition
from scananalysis.cargo.families import MINIMUM_MEMBERS, derive
from scananalysis.cargo.packages import package_type
from scananalysis.core import ConfigurationError

ROOT = Path(__file__).parents[3]


def test_every_goods_chapter_is_present() -> None:
    chapters = {int(row.heading[:2]) for row in commodities()}
    assert chapters == set(range(1, 98)) - {77}
    assert len({row.heading[:4] for row in commodities()}) >= 100


def test_every_row_has_an_opened_source_with_a_date_or_is_an_estimate() -> None:
    sourced = 0
    for row in commodities():
        if row.source == "estimate":
            assert row.tier == "C"
            continue
        sourced += 1
        assert row.tier in "AB"
        assert all(part.startswith(("https://", "http://", "doi:")) for part in row.source.split())
        assert row.source_date == "2026-11-24"
        assert row.basis
    assert sourced >= 25


def test_package_codes_exist() -> None:
    assert [code for row in commodities() for code in row.package_types if package_type(code) is None] == []


@pytest.mark.parametrize("row", commodities(), ids=lambda row: row.heading)
def test_draw_stays_within_the_ranges(row) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(int(row.heading[:4]))
    for _ in range(5):
        density, weights = row.draw(rng)
        assert row.bulk_density_min <= density <= row.bulk_density_max
        assert sum(weights.values()) == pytest.approx(1, abs=1e-9)
        assert min(weights.values()) >= 0
        assert effective_z(weights) == pytest.approx(row.z_eff, rel=0.4)


def test_draw_is_reproducible_and_spreads() -> None:
    goods = commodity("0803")
    first, again = (goods.draw(np.random.default_rng(3)) for _ in range(2))
    assert first == again
    drawn = [goods.draw(np.random.default_rng(seed))[0] for seed in range(300)]
    width = goods.bulk_density_max - goods.bulk_density_min
    assert np.std(drawn) == pytest.approx(width / np.sqrt(12), rel=0.1)


def test_the_longest_prefix_counts() -> None:
    assert commodity("8507.60").name.startswith("Lithium")
    assert commodity("8507.10").name.startswith("Lead")
    assert commodity("0803901000").heading == "0803"


def test_unknown_headings_fall_back_to_the_chapter_and_say_so() -> None:
    goods = commodity("0810.10")
    assert goods.is_fallback
    assert goods.tier == "C"
    assert "chapter 08" in goods.name
    assert set(goods.families) == {row.family for row in commodities() if row.heading.startswith("08")}
    assert set(commodity("9801").families) == set(families())


@pytest.mark.parametrize("code", ["77", "7701", "08X3", "080", "0000", "080390123456"])
def test_wrong_codes_are_refused(code: str) -> None:
    with pytest.raises(ConfigurationError):
        commodity(code)


@pytest.mark.parametrize("text", ["water", "water=x", "water=0.5-0.4", "water=0.5; water=0.5", "water=-1"])
def test_wrong_compositions_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_composition(text)


def test_families_are_what_the_committed_procedure_gives() -> None:
    path = ROOT / "scripts" / "derive_families.py"
    spec = importlib.util.spec_from_file_location("derive_families", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for table, text in script.derived().items():
        assert table.read_text(encoding="utf-8") == text, f"{table.name}: run scripts/derive_families.py"


def test_families_have_enough_members_and_do_not_depend_on_the_order_of_rows() -> None:
    assert 15 <= len(families()) <= 25
    assert min(row.members for row in family_table()) >= MINIMUM_MEMBERS
    rows = list(commodities())
    np.random.default_rng(0).shuffle(rows)  # type: ignore[arg-type]
    assert derive(rows) == {row.heading: row.family for row in rows}


def test_look_alikes_are_mutual_and_not_absurd() -> None:
    assert "1005" in [row.heading for row in look_alikes("1001")]
    assert "1001" in [row.heading for row in look_alikes("1005")]
    assert not {"7208", "3901", "8703"} & {row.heading for row in look_alikes("0803")}


def test_expected_areal_density_agrees_with_draws() -> None:
    goods = commodity("1006")
    rng = np.random.default_rng(5)
    fill = rng.uniform(0.7, 1.0, 4000)
    drawn = np.array([goods.draw(rng)[0] for _ in range(4000)]) * fill * 235
    expected = expected_areal_density(goods, 2350, (0.7, 1.0))
    assert expected == pytest.approx(np.quantile(drawn, (0.1, 0.5, 0.9)), rel=0.02)


def test_an_element_equivalent_overstates_plastic_by_a_quarter_hardly_steel() -> None:
    def ratio(heading: str) -> float:
        plain = expected_areal_density(commodity(heading), 1000)[1]
        return expected_areal_density(commodity(heading), 1000, element_equivalent=True)[1] / plain

    assert 1.1 < ratio("3901") < 1.3
    assert ratio("7208") == pytest.approx(1.0, abs=0.02)


def test_impossible_depth_or_fill_is_refused() -> None:
    for depth, fill in ((0.0, 0.5), (100.0, 0.0), (100.0, (0.9, 0.5)), (float("nan"), 0.5)):
        with pytest.raises(ConfigurationError):
            expected_areal_density(commodity("1006"), depth, fill)
