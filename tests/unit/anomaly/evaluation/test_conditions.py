"""Which frauds count as those that must not be missed, and what is told of them."""

import dataclasses

import numpy as np
import pytest

from scananalysis.anomaly.evaluation.conditions import CONDITIONS, Condition, by_condition, separation
from scananalysis.anomaly.evaluation.scoring import CLEAN, WRONG, Scan, Seen

NOTHING = {"clutter": None, "mass_kg": None, "added_g_cm2": None, "share": None}


def scan(kind, p=1.0, *, highest=0.0, apart=None, at_object=None, **wrong):
    seen = Seen({"combined": p}, highest, at_object, None, (np.zeros(1, int), np.zeros(1, int)), ())
    return Scan(kind, "cargo-6-4mv", "organic-light", 50.0, NOTHING | wrong, apart, {}, {"network": seen})


def test_only_what_is_known_to_hold_counts():
    block = Condition("block", ("organic",), clutter=0.12, mass_kg=5.0, added_g_cm2=8.0)
    good = {"clutter": 0.1, "mass_kg": 6.0, "added_g_cm2": 9.0}
    assert block.holds(scan("organic", **good))
    assert not block.holds(scan("metal", **good))
    for name, value in (("clutter", 0.2), ("clutter", None), ("mass_kg", 4.0), ("added_g_cm2", None)):
        assert not block.holds(scan("organic", **good | {name: value}))
    assert not dataclasses.replace(block, share=0.1).holds(scan("organic", **good))


def test_alarms_count_where_the_object_is():
    scans = [
        scan("shield", 0.001, at_object=0.5, clutter=0.05),  # an alarm, but elsewhere
        scan("shield", 0.5, at_object=0.003, clutter=0.05),
        scan("shield", 0.001, at_object=0.001, clutter=0.5),  # too uneven a load to count
        scan("car", 0.001),
    ]
    found = by_condition(scans, "network", 0.004)
    assert {name: (each["hits"], each["trials"]) for name, each in found.items()} == {
        "shielding box, clutter to 0.07": (1, 2),
        "car": (1, 1),
    }


def test_names_are_told_apart():
    assert len({condition.name for condition in CONDITIONS}) == len(CONDITIONS)


def test_declarations_are_told_apart_by_distance():
    right = [scan(CLEAN, highest=value) for value in (1.0, 2.0, 3.0, 4.0)]
    wrong = [scan(WRONG, highest=2.5, apart=0.5), scan(WRONG, highest=5.0, apart=2.5)]
    found = separation(right + wrong, "network")
    assert {least: each["pairs"] for least, each in found.items()} == {"0": 2, "1": 1, "2": 1}
    assert found["0"]["auroc"] == pytest.approx((0.5 + 1.0) / 2)
    assert found["1"]["auroc"] == 1.0
    assert separation(wrong, "network") == {}
