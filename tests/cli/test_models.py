"""``train`` and ``evaluate`` as processes, on a handful of simulated scans."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCANNER = "parcel-160kv"


def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "scananalysis", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    arguments = ("--examples", 2, "--steps", 1, "--clean", 0, "--workers", 1)
    said = json.loads(run("train", *arguments, "--output", folder, "--json").stdout)
    assert [Path(path).name for path in said["models"]] == ["mahalanobis", "network"]
    assert Path(said["log"]).read_text().startswith("step,family_loss,insert_loss,learning_rate\n0,")
    return folder


def test_a_model_without_clean_scans_gives_no_p_values(built: Path, tmp_path: Path) -> None:
    arguments = ("--scanner", SCANNER, "--clean", 1, "--per-fraud", 1, "--workers", 1)
    done = run("evaluate", "--model", built / "models" / "network", *arguments, "--output", tmp_path / "out", code=3)
    assert "never calibrated" in done.stderr
    assert not (tmp_path / "out").exists()


def test_shipped_models_are_compared(tmp_path: Path) -> None:
    arguments = ("--scanner", SCANNER, "--clean", 3, "--per-fraud", 1, "--rate", 0.2, "--workers", 1)
    done = run("evaluate", *arguments, "--output", tmp_path / "out")
    assert "declared right (false alarms)" in done.stdout
    assert "Simulated scans throughout" in done.stdout
    result = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    kinds = result["rates"]["network"]["0.2"]
    assert kinds["none"]["trials"] == 3
    assert kinds["metal"]["trials"] == 1
    # No car is hidden in a parcel.
    assert "car" not in kinds
    assert result["simulated"] is True
    text = (tmp_path / "out" / "evaluation.md").read_text()
    assert "| scans | n |" in text
    assert "![detection](detection.png)" in text
    assert (tmp_path / "out" / "detection.png").read_bytes().startswith(b"\x89PNG")
    assert result["false_alarms"]["network"]["0.2"]["combined"]["trials"] == 3
    assert set(result["pixels"]["network"]["average_precision"]) >= {"all", "metal"}
    located = result["located"]["network"]["0.2"]["metal"]
    assert located["hits"] <= kinds["metal"]["hits"]
    assert not list((tmp_path / "out").glob("*.part"))


def test_a_shift_is_judged_before_and_after_calibrating_anew(tmp_path: Path) -> None:
    arguments = ("--shift", "half-dose", "--site-scans", 16, "--scanner", SCANNER, "--clean", 2, "--per-fraud", 1)
    done = run("evaluate", *arguments, "--rate", 0.2, "--workers", 1, "--no-figures", "--output", tmp_path / "out")
    assert "false alarms, calibrated anew" in done.stdout
    result = json.loads((tmp_path / "out" / "shifts.json").read_text())["half-dose"]
    assert list(result["models"]) == ["as it came", "calibrated anew"]
    assert set(result["models"]["calibrated anew"]["calibration_scans"].values()) == {12}
    assert result["rates"]["as it came"]["0.2"]["none"]["trials"] == 2
    assert "Half of the photons" in (tmp_path / "out" / "shifts.md").read_text()
    assert (tmp_path / "out" / "half-dose" / "evaluation.md").is_file()


def test_a_folder_of_another_build_is_refused(built: Path) -> None:
    done = run("train", "--examples", 3, "--steps", 1, "--clean", 0, "--output", built, code=3)
    assert "another recipe, plan or version" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--split", "holiday", "no split"),
        ("--scanner", "toaster", "no scanner"),
        ("--model", "oracle", "no anomaly model"),
        ("--shift", "night", "no shift"),
    ],
)
def test_what_does_not_exist_is_refused(option: str, value: str, says: str, tmp_path: Path) -> None:
    done = run("evaluate", option, value, "--output", tmp_path / "out", code=3)
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_rate_that_is_no_rate_is_wrong_usage(tmp_path: Path) -> None:
    run("evaluate", "--rate", 1.5, "--output", tmp_path, code=2)
