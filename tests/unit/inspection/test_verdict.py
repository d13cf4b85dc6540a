from dataclasses import replace

import pytest

from scananalysis.core import ConfigurationError, Inspection
from scananalysis.inspection.verdict import Limits, decide

FINE = {
    "inspectable_share": 0.99,
    "bad_share": 0.002,
    "open_beam": 0.001,
    "scan_p_value": 0.4,
    "mass_difference_kg": 300.0,
    "mass_difference_sigmas": 0.4,
}


def test_nothing_amiss_is_clear() -> None:
    verdict, reasons = decide(FINE, (), Limits())
    assert verdict == "clear"
    assert len(reasons) == 3


@pytest.mark.parametrize(
    ("change", "verdict", "word"),
    [
        ({"scan_p_value": 0.01}, "inspect", "strangest place"),
        ({"scan_p_value": 0.011}, "clear", ""),
        ({"mass_difference_sigmas": 3.2, "mass_difference_kg": 2400.0}, "inspect", "2,400 kg heavier"),
        ({"mass_difference_sigmas": -3.2, "mass_difference_kg": -2400.0}, "inspect", "2,400 kg lighter"),
        ({"mass_difference_sigmas": 2.9}, "clear", ""),
        ({"inspectable_share": 0.74}, "not-inspectable", "Only 74 %"),
        ({"inspectable_share": 0.75}, "clear", ""),
        ({"bad_share": 0.06}, "not-inspectable", "elements give no measurement"),
        ({"open_beam": -0.06}, "not-inspectable", "does not fit this scan"),
    ],
)
def test_each_limit_decides(change: dict[str, float], verdict: str, word: str) -> None:
    found, reasons = decide(FINE | change, (), Limits())
    assert found == verdict
    assert any(word in reason for reason in reasons)


def test_what_cannot_be_seen_outranks_an_alarm_and_both_are_said(inspection: Inspection) -> None:
    verdict, reasons = decide(FINE | {"scan_p_value": 0.001, "inspectable_share": 0.3}, inspection.regions, Limits())
    assert verdict == "not-inspectable"
    assert "Only 30 %" in reasons[0]
    assert "one place marked" in reasons[1]


def test_a_scan_that_nothing_scored_is_never_clear() -> None:
    measured = {key: value for key, value in FINE.items() if key != "scan_p_value"}
    verdict, reasons = decide(measured, (), Limits(), unscored="No model knows this scanner.")
    assert verdict == "not-inspectable"
    assert reasons == ("No model knows this scanner.",)


def test_limits_are_the_users() -> None:
    assert decide(FINE | {"scan_p_value": 0.04}, (), Limits(false_alarm_rate=0.05))[0] == "inspect"
    assert decide(FINE | {"inspectable_share": 0.5}, (), Limits(minimum_inspectable_share=0.4))[0] == "clear"
    assert decide(FINE | {"mass_difference_sigmas": 3.5}, (), Limits(mass_sigmas=4))[0] == "clear"


@pytest.mark.parametrize(
    "wrong",
    [{"false_alarm_rate": 0.0}, {"false_alarm_rate": 1.0}, {"minimum_inspectable_share": -1}, {"mass_sigmas": 0}],
)
def test_impossible_limits_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        replace(Limits(), **wrong)
