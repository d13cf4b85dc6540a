"""The queue, its factors, histories and rules."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scananalysis.batch.history import history
from scananalysis.batch.ranking import score, top, write_csv
from scananalysis.batch.rules import Ranking, read_ranking
from scananalysis.core import ConfigurationError


def names(scores: Any) -> list[str]:
    return [scan.path for scan in top(scores)]


def test_every_factor_moves_a_scan_up_and_says_why(make_run: Any, row: Any) -> None:
    rows = [
        row(0),
        row(1, verdict="inspect", scan_p_value=0.001, region_count=2),
        row(2, verdict="inspect", mass_p_value=1e-5, mass_difference_sigmas=4.4, load_mass_kg=25000.0),
        row(3, verdict="not-inspectable", inspectable_share=0.4, reasons=["Only 40 % of the load can be judged."]),
        row(4, hazard_classes=["3", "1.1"]),
        {"path": "scan-00005.h5", "status": "quarantined", "error_kind": "timeout", "reason": "gave no result."},
    ]
    scores = score(make_run(rows))
    found = {scan.path: {factor.name: factor for factor in scan.factors} for scan in top(scores)}
    assert "p-value 0.001; 2 places marked" in found["scan-00001.h5"]["anomaly"].because
    assert found["scan-00001.h5"]["anomaly"].points == pytest.approx(3.0)
    assert "measured 25,000 kg, declared 20,000 kg, 4.4 σ more" in found["scan-00002.h5"]["mass"].because
    assert found["scan-00003.h5"]["inspectability"].points == 2.0
    assert "40 %" in found["scan-00003.h5"]["inspectability"].because
    assert found["scan-00004.h5"]["hazard"].points == 1.0
    assert found["scan-00005.h5"]["failed"].because == "could not be analysed: gave no result."
    assert names(scores)[-1] == "scan-00000.h5"
    for scan in top(scores):
        assert scan.score == pytest.approx(sum(factor.points for factor in scan.factors), abs=0.05)


def test_a_bad_history_counts_and_a_scan_does_not_count_in_its_own(make_run: Any, row: Any) -> None:
    rows = [row(n, consignor="Often", verdict="inspect" if n < 12 else "clear") for n in range(24)]
    rows += [row(n, consignor="Never") for n in range(24, 96)]
    rows += [row(96, consignor="Once", verdict="inspect")]
    scores = score(make_run(rows))
    often, never, once = (scores.points["consignor"][index] for index in (20, 50, 96))
    assert often > 0.5
    assert never == 0
    assert once == 0, "its only alarm is its own"
    because = next(
        f for s in top(scores) if s.path == "scan-00020.h5" for f in s.factors if f.name == "consignor"
    ).because
    assert because.startswith("Often: 12 of 23 other scans alarmed")


def test_shrinkage() -> None:
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(200), 30)
    alike = history(group, rng.random(6000) < 0.1, np.ones(6000, bool))
    assert np.ptp(alike.rate) < 0.08, "groups that differ by chance are drawn together"
    rates = rng.beta(2, 18, 200)
    unlike = history(group, rng.random(6000) < rates[group], np.ones(6000, bool))
    assert unlike.strength == pytest.approx(20, rel=0.5), "the prior that they were drawn from"
    shrunk, raw = unlike.rate[::30], unlike.alarms[::30] / unlike.scans[::30]
    assert np.mean((shrunk - rates) ** 2) < 0.8 * np.mean((raw - rates) ** 2)
    nobody = history(np.full(5, -1), np.ones(5, bool), np.ones(5, bool))
    assert nobody.rate.tolist() == [1.0] * 5
    assert nobody.scans.tolist() == [0] * 5


def test_counts_leave_out_the_scan_itself_and_what_could_not_be_judged() -> None:
    group = np.array([0, 0, 1, 1, -1])
    alarmed = np.array([True, False, False, False, True])
    found = history(group, alarmed, np.array([True, True, True, False, True]))
    assert found.alarms.tolist() == [0, 1, 0, 0, 0]
    assert found.scans.tolist() == [1, 1, 0, 1, 0]
    assert found.archive == pytest.approx(0.5)


def test_rules(make_run: Any, row: Any, tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(
        """
        [weights]
        anomaly = 0
        [[rule]]
        name = "heavy fruit from EC"
        points = 5
        when.headings = {contains = "0803"}
        when.route = {one_of = ["EC", "CO"]}
        when.load_mass_kg = {at_least = 22000}
        [[rule]]
        name = "trusted"
        points = -2
        when.consignor = {equals = "Honest & Sons"}
        [[rule]]
        name = "no papers"
        points = 1
        when.declared_mass_kg = {missing = true}
        [[rule]]
        name = "since March, until the day the lane was mended"
        points = 1
        when.date = {at_least = 2025-03-01, at_most = "2025-04"}
        """,
        encoding="utf-8",
    )
    rows = [
        row(0, load_mass_kg=23000.0),
        row(1, load_mass_kg=23000.0, route="PE", date="2025-02-28T23:59:59+00:00"),
        row(2, consignor="Honest & Sons", date="2025-03-01T00:00:00+00:00"),
        row(3, declared_mass_kg=None, date="2025-03-31 12:00:00Z"),
        row(4, scan_p_value=0.001, date="2025-04-01"),
        row(5, load_mass_kg=None, headings=None),
    ]
    scores = score(make_run(rows), read_ranking(path))
    assert scores.points["rule: heavy fruit from EC"].tolist() == [5, 0, 0, 0, 0, 0]
    assert scores.points["rule: trusted"].tolist() == [0, 0, -2, 0, 0, 0]
    assert scores.points["rule: no papers"].tolist() == [0, 0, 0, 1, 0, 0]
    assert scores.points["rule: since March, until the day the lane was mended"].tolist() == [0, 0, 1, 1, 0, 0]
    assert names(scores)[0] == "scan-00000.h5"
    assert names(scores)[-1] == "scan-00002.h5"
    assert scores.points["anomaly"].max() == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[rule]]\nname="x"\npoints=1\nwhen.nothing={equals=1}', "no column nothing"),
        ('[[rule]]\nname="x"\npoints=1\nwhen.route={}', "without a comparison"),
        ("[weights]\nluck = 1", "weights.luck"),
        ("[weights", "is not TOML"),
    ],
)
def test_faults_of_rules_are_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=says):
        read_ranking(path)


def test_a_rule_that_compares_a_text_with_a_number(make_run: Any, row: Any) -> None:
    for when in ({"route": {"at_least": 3}}, {"headings": {"equals": "0803"}}):
        ranking = Ranking(rule=[{"name": "x", "points": 1, "when": when}])
        name = f"run-{next(iter(when))}"
        with pytest.raises(ConfigurationError, match="rule 'x'"):
            score(make_run([row(0)], name), ranking)


def test_equal_scores_keep_the_order_of_paths_and_the_queue_is_written(make_run: Any, row: Any, tmp_path: Path) -> None:
    scores = score(make_run([row(n) for n in range(30)]))
    assert names(scores) == sorted(names(scores))
    write_csv(scores, tmp_path / "queue.csv")
    lines = (tmp_path / "queue.csv").read_text().splitlines()
    assert lines[0].startswith('"rank","path","score"')
    assert len(lines) == 31
