import itertools
import json

import numpy as np
import pytest

from scananalysis.anomaly.evaluation.localise import Mark, histograms
from scananalysis.anomaly.evaluation.scoring import Scan, Seen
from scananalysis.anomaly.evaluation.summary import summarise
from scananalysis.anomaly.evaluation.text import markdown, save_evaluation
from scananalysis.report.evaluation import save_figures

SIZES = {"good": {"declared": 200, "insert": 200}, "blind": {"declared": 200}}


def scan(rng, kind, added):
    """A scan whose object the good model finds the more surely the more it adds, and the blind one never."""
    mask = np.zeros((20, 30), bool)
    if kind == "metal":
        mask[5:8, 6:9] = True
    wrong = {
        "cells": int(mask.sum()),
        "background_g_cm2": float(rng.uniform(20, 160)) if mask.any() else None,
        "added_g_cm2": added if mask.any() else None,
        "clutter": 0.1 if mask.any() else None,
        "mass_kg": 2.0 if mask.any() else None,
    }
    seen = {}
    for model, heads in SIZES.items():
        plane = rng.normal(size=mask.shape)
        found = mask.any() and model == "good" and rng.random() < 1 / (1 + (10 / added) ** 3)
        if found:
            plane[mask] += 9
        p = 0.005 if found else float(rng.uniform(0.02, 1))
        seen[model] = Seen(
            dict.fromkeys(heads, p / len(heads)) | {"combined": p},
            float(plane.max()),
            p if mask.any() else None,
            5.0 if mask.any() else None,
            histograms(plane, mask),
            (Mark(float(plane.max()), hit=bool(found)),),
        )
    return Scan(kind, "cargo-6-4mv", f"family-{rng.integers(3)}", 60.0, wrong, None, {}, seen)


@pytest.fixture(scope="module")
def result():
    rng = np.random.default_rng(8)
    scans = [scan(rng, "none", 1.0) for _ in range(80)]
    scans += [scan(rng, "metal", float(np.exp(rng.uniform(0, 4)))) for _ in range(120)]
    return {
        "simulated": True,
        "recipe": "declared-cargo",
        "split": "test",
        "scanner": "cargo-6-4mv",
        "shift": None,
        "models": {name: {"version": "1", "sha256": "0", "calibration_scans": heads} for name, heads in SIZES.items()},
        **summarise(scans, SIZES, (0.01, 0.05)),
        "scans": [each.to_dict() for each in scans],
    }


def test_tables_know_the_better_model(result):
    located = result["located"]
    assert located["good"]["0.01"]["metal"]["rate"] > located["blind"]["0.01"]["metal"]["rate"] + 0.2
    # Nothing is wrong with a clean scan, so none has a place to be found at.
    assert "none" not in located["good"]["0.01"]
    added = result["groups"]["good"]["0.01"]["added"]
    assert added["32 to 64"]["rate"] > added["below 4"]["rate"] + 0.5
    assert sum(group["trials"] for group in added.values()) == 120
    assert sum(group["trials"] for group in result["groups"]["good"]["0.01"]["family"].values()) == 120
    smallest = {each["background_g_cm2"]: each for each in result["pod"]["good"]["0.01"]["smallest"]}
    # 10 g/cm² times the cube root of 9 is found in 90 % of cases, whatever is behind.
    assert smallest[75]["a90_g_cm2"] == pytest.approx(20.8, rel=0.35)
    assert smallest[75]["a90_95_g_cm2"] > smallest[75]["a90_g_cm2"]
    assert result["pod"]["blind"]["0.01"] is None
    assert result["pixels"]["good"]["average_precision"]["metal"] > 5 * result["pixels"]["good"]["share_wrong"]["metal"]
    assert result["froc"]["good"]["kinds"]["metal"]["marked"][-1] > 0.3
    assert result["against"]["blind"]["0.01"]["metal"]["p_value"] < 1e-6


def test_false_alarms_of_clean_scans_are_held_against_their_range(result):
    found = result["false_alarms"]["good"]["0.05"]
    assert found["combined"]["trials"] == 80
    assert set(found["heads"]) == {"declared", "insert"}
    assert found["heads"]["declared"]["nominal"] == pytest.approx(0.025)
    groups = found["heads"]["declared"]["groups"]
    assert groups["all"]["trials"] == sum(group["trials"] for name, group in groups.items() if name != "all")


def test_figures_and_texts_are_written_whole(result, tmp_path):
    names = save_figures(result, tmp_path)
    assert names == ["detection.png", "groups.png", "froc.png", "pod.png", "false-alarms.png"]
    for name in names:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    save_evaluation(result, tmp_path, names)
    text = (tmp_path / "evaluation.md").read_text()
    assert "![pod](pod.png)" in text
    assert "| good, at 0.01 | 25 |" in text
    assert json.loads((tmp_path / "evaluation.json").read_text())["recipe"] == "declared-cargo"
    assert not list(tmp_path.glob("*.part"))
    # Every row of a table has as many cells as its head.
    lines = text.splitlines()
    for head, rule in itertools.pairwise(lines):
        if rule.startswith("|---"):
            assert head.count("|") == rule.count("|")


def test_a_study_without_objects_draws_what_there_is(result, tmp_path):
    rng = np.random.default_rng(9)
    scans = [scan(rng, "none", 1.0) for _ in range(10)]
    bare = result | summarise(scans, SIZES, (0.05,)) | {"scans": [each.to_dict() for each in scans]}
    assert save_figures(bare, tmp_path) == ["detection.png", "false-alarms.png"]
    assert "Too few objects" in markdown(bare)
