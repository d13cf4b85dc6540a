"""``datasets`` and ``evaluate --data`` and ``--empty`` as processes."""

import json
import subprocess
import sys
from pathlib import Path

SCANNER = "parcel-160kv"


def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "scananalysis", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_labelled_scans_are_imported_and_evaluated(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    run("simulate", "--scanner", SCANNER, "--binning", 4, "--count", 2, "--output", mine, "--quiet")
    run("simulate", "--scanner", SCANNER, "--binning", 4, "--fraud", "shield", "--output", mine, "--quiet")
    rows = [
        f"{path.name},{path.stem}.json,{'none' if 'clean' in path.name else 'shield'}," for path in mine.glob("*.h5")
    ]
    boxed = [row + ("" if ",none," in row else "10 10 30 30") for row in rows]
    (mine / "labels.csv").write_text("\n".join(["scan,declaration,kind,box", *boxed, "gone.h5,gone.json,none,"]) + "\n")
    done = run(
        "datasets", "import", mine / "labels.csv", "--name", "mine", "--output", tmp_path / "set", "--json", code=1
    )
    said = json.loads(done.stdout)
    assert said["scans"] == 3
    assert "gone.h5" in done.stderr
    arguments = ("--model", "mahalanobis", "--workers", 1, "--rate", 0.2, "--no-figures", "--output", tmp_path / "out")
    run("evaluate", "--data", said["manifest"], *arguments)
    result = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert result["simulated"] is False
    assert result["rates"]["mahalanobis"]["0.2"]["none"]["trials"] == 2
    assert result["located"]["mahalanobis"]["0.2"]["shield"]["trials"] == 1
    text = (tmp_path / "out" / "evaluation.md").read_text()
    assert "as they were labelled" in text
    assert "Simulated" not in text


def test_digests_of_a_recipe_are_printed() -> None:
    said = json.loads(run("datasets", "splits", "declared-cargo", "--json").stdout)
    digests = [each["sha256"] for each in said["splits"]]
    assert len(set(digests)) == len(digests) >= 10
    assert {each["split"] for each in said["splits"]} == {"train", "tune", "calibration", "test"}


def test_empty_containers_are_told_from_loaded_ones(tmp_path: Path) -> None:
    run("evaluate", "--empty", "--clean", 2, "--workers", 1, "--output", tmp_path / "out")
    result = json.loads((tmp_path / "out" / "empty.json").read_text())
    assert result["kinds"]["empty"]["hits"] == 0
    assert result["kinds"]["loaded"]["hits"] == 2
    assert result["kinds"]["goods to 12 % of the height"]["hits"] == 2
    assert "Clopper-Pearson" in (tmp_path / "out" / "empty.md").read_text()
    run("evaluate", "--empty", "--model", "network", "--output", tmp_path / "no", code=2)
    done = run("evaluate", "--empty", "--scanner", SCANNER, "--output", tmp_path / "no", code=3)
    assert "for containers" in done.stderr
