"""``scananalysis calibrate`` as a process, with real files: sets are built, checked, shown, listed, and refused where they do not fit."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import h5py
import numpy as np
import pytest

from scananalysis.calibration import ReferenceWedge, load_calibration
from scananalysis.core import RawScan, sha256_file
from scananalysis.detectors import scanner
from scananalysis.io import read, write
from scananalysis.physics import SYMBOLS
from scananalysis.simulation import Box, Matter, Piece, Scene, container_scene, render

SCANNER = scanner("cargo-6-4mv").binned(8, 8)
WEDGE = ReferenceWedge.named("step-wedge-c-fe-pb")
DENSITY = {6: 2.0, 26: 7.85, 82: 11.35}
TAKEN = "2026-01-10T08:00:00+00:00"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scananalysis", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def refused(done: subprocess.CompletedProcess[str], *says: str) -> None:
    assert done.returncode == 3, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    for text in says:
        assert text in line


def wedge_scan() -> RawScan:
    """Slabs of 0.5 m with 0.3 m of air between them."""
    pieces = []
    for i, step in enumerate(WEDGE.steps):
        thick = 10 * step.areal_density / DENSITY[step.z]
        box = Box((400.0 + 800 * i, 900.0 + 800 * i), (-2000, 9000), (6000 - thick / 2, 6000 + thick / 2))
        pieces.append(Piece(box, Matter.of(SYMBOLS[step.z - 1]), DENSITY[step.z]))
    return render(Scene(tuple(pieces), 800.0 + 800 * len(WEDGE.steps)), SCANNER, 5).scan


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark, air, wedge and a whole scan of one scanner, each a file of its own."""
    made = tmp_path_factory.mktemp("scans")
    scan = wedge_scan()
    about = {"acquired": TAKEN, "temperature_c": 21.0}
    half = scan.dark.shape[1] // 2
    for name, lines in (("dark-a", scan.dark[:, :half]), ("dark-b", scan.dark[:, half:])):
        write(RawScan(lines, scan.scanner, binning=scan.binning, metadata=about), made / f"{name}.h5")
    air = RawScan(scan.air, scan.scanner, binning=scan.binning, monitor=scan.air_monitor, metadata=about)
    write(air, made / "air.h5")
    write(scan, made / "whole.h5")
    write(replace(scan, metadata={**scan.metadata, **about}), made / "whole-dated.h5")
    bare = replace(scan, dark=None, air=None, air_monitor=None, metadata={**scan.metadata, **about})
    write(bare, made / "wedge.h5")
    return made


@pytest.fixture(scope="module")
def site(folder: Path) -> Path:
    path = folder / "site.h5"
    done = run(
        *("calibrate", "build", "--dark", folder / "dark-a.h5", folder / "dark-b.h5", "--air", folder / "air.h5"),
        *("--wedge", folder / "wedge.h5", "--wedge-definition", "step-wedge-c-fe-pb", "--valid-days", 30, "-o", path),
        "--json",
    )
    assert done.returncode == 0, done.stderr
    (path.parent / "built.json").write_text(done.stdout)
    return path


def test_build_writes_values_validity_curves_and_the_sha256_of_every_file(site: Path, folder: Path) -> None:
    used = load_calibration(site)
    assert used.scanner == "cargo-6-4mv"
    assert used.valid_from == datetime.fromisoformat(TAKEN)
    assert used.valid_until == used.valid_from + timedelta(days=30)
    assert used.metadata["temperature_c"] == 21.0
    for role, name in (("file-dark-1", "dark-b.h5"), ("file-air-0", "air.h5"), ("file-wedge-0", "wedge.h5")):
        assert used.inputs[role] == sha256_file(folder / name)
        assert used.metadata["files"][role] == name
    assert used.curves is not None
    assert used.curves["covariance"].shape == (2, 3, 3)
    with h5py.File(site) as file:
        assert {"values", "curves"} <= set(file)
    said = json.loads((folder / "built.json").read_text())
    assert said["reference_lines"] == {"dark": 200, "air": 200}
    assert said["curves"]["elements"] == [6, 26, 82]
    assert max(said["curves"]["reduced_chi2"]) < 3
    for value, sigma in zip(
        np.ravel(said["curves"]["coefficients"]), np.ravel(said["curves"]["sigma_coefficients"]), strict=True
    ):
        # The simulated beams are the nominal ones, whose coefficients are 1.
        assert abs(value - 1) < max(6 * sigma, 0.002)


def test_references_inside_one_scan_build_the_same_values(site: Path, folder: Path, tmp_path: Path) -> None:
    whole = folder / "whole.h5"
    done = run("calibrate", "build", "--dark", whole, "--air", whole, "--output", tmp_path / "set.h5", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    inside, apart = load_calibration(tmp_path / "set.h5"), load_calibration(site)
    np.testing.assert_array_equal(inside.gain, apart.gain)
    assert inside.curves is None


def test_a_set_that_holds_is_checked_number_by_number(site: Path, folder: Path) -> None:
    done = run("calibrate", "check", site, folder / "whole-dated.h5")
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("The set holds.")
    assert done.stdout.count(" yes") == 12
    said = json.loads(run("calibrate", "check", site, folder / "air.h5", "--json").stdout)
    assert said["holds"] is True
    assert {m["name"] for m in said["measures"]} == {"level", "shape", "quanta", "new defects"}
    # The same numbers, but a scan that does not say when it was taken was taken now, and the set has expired.
    late = run("calibrate", "check", site, folder / "whole.h5", "--json")
    refused(late, "outside its time of validity")
    said = json.loads(late.stdout)
    assert (said["holds"], said["expired"]) == (False, True)
    assert all(m["holds"] for m in said["measures"])


def test_drift_new_dead_elements_and_noise_end_with_3(site: Path, folder: Path, tmp_path: Path) -> None:
    air = read(folder / "air.h5")
    signal = air.counts.astype(float) - 900
    changed = {
        "level": signal * 0.9,
        "new defects": np.where(np.arange(signal.shape[2]) == 50, 0, signal),
        "quanta": signal + np.random.default_rng(1).normal(0, 40, signal.shape),
    }
    for name, values in changed.items():
        counts = (values + 900).round().clip(0, 65_535).astype(np.uint16)
        write(replace(air, counts=counts), tmp_path / "new.h5")
        done = run("calibrate", "check", site, tmp_path / "new.h5", "--json")
        refused(done, "site.h5", "no longer holds", "build a new set")
        over = {m["name"] for m in json.loads(done.stdout)["measures"] if not m["holds"]}
        assert name in over
    dead = np.where(np.arange(signal.shape[2]) == 50, 0, signal)
    write(replace(air, counts=(dead + 900).astype(np.uint16)), tmp_path / "new.h5")
    done = run("calibrate", "check", site, tmp_path / "new.h5")
    assert "element 50 of channel 1 is bad now and was good" in done.stdout
    assert "NO" in done.stdout
    assert run("calibrate", "check", site, tmp_path / "new.h5", "--new-defects", 1, "--quiet").returncode == 0


def test_a_set_with_temperature_limits_is_not_for_other_temperatures(folder: Path, tmp_path: Path) -> None:
    made = tmp_path / "cool.h5"
    sources = ("--dark", folder / "whole-dated.h5", "--air", folder / "whole-dated.h5", "--output", made)
    done = run("calibrate", "build", *sources, "--temperature-within", 4)
    assert done.returncode == 0, done.stderr
    assert "21.0 °C, holds from 17.0 to 25.0 °C" in done.stdout
    warm = tmp_path / "warm.h5"
    scan = read(folder / "whole-dated.h5")
    write(replace(scan, metadata={**scan.metadata, "temperature_c": 26.0}), warm)
    checked = run("calibrate", "check", made, warm, "--json")
    refused(checked, "it is not for 26.0 °C")
    assert json.loads(checked.stdout)["outside_temperature"] is True
    refused(run("calibrate", "build", "--dark", folder / "whole.h5", "--air", folder / "whole.h5", "--output", made,
                "--temperature-within", 4), "a temperature it does not know")  # fmt: skip


def test_show_says_and_draws_what_a_set_holds(site: Path, tmp_path: Path) -> None:
    done = run("calibrate", "show", site, "--output", tmp_path / "set.png")
    assert done.returncode == 0, done.stderr
    for text in (
        "cargo-6-4mv",
        "21.0 °C",
        "72 points",
        "Z 6, 26, 82",
        "holds now    no",
        load_calibration(site).inputs["air"],
    ):
        assert text in done.stdout
    picture = (tmp_path / "set.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    import cv2

    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert min(image.shape[:2]) > 500
    assert image.std() > 10
    refused(run("calibrate", "show", site, "--output", tmp_path / "no" / "set.png"), "folder does not exist")


def test_list_names_the_set_that_cannot_be_read(site: Path, folder: Path) -> None:
    done = run("calibrate", "list", site, folder / "air.h5")
    assert done.returncode == 1
    assert "2026-02-09" in done.stdout
    assert "air.h5" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"scanner": "cargo-9-6mv"}, ("scan has scanner cargo-9-6mv", "use a set of this scanner")),
        ({"elements": 344, "binning": (4, 4)}, ("scan has binning (4, 4)", "expected (8, 8)")),
        ({"acquired": "2026-06-01T00:00:00+00:00"}, ("scan of 2026-06-01", "expected one until 2026-02-09")),
        ({"acquired": "2025-06-01T00:00:00+00:00"}, ("scan of 2025-06-01", "expected one from 2026-01-10")),
        ({"acquired": None}, ("expected one until 2026-02-09",)),
    ],
)
def test_a_set_that_does_not_fit_is_refused_by_inspect(
    site: Path, folder: Path, tmp_path: Path, changes: dict[str, object], says: tuple[str, ...]
) -> None:
    scan = read(folder / "wedge.h5")
    metadata = dict(scan.metadata)
    acquired = changes.pop("acquired", TAKEN)
    metadata["acquired"] = acquired
    if acquired is None:
        # Scanned now, as far as anyone knows, and the set has expired.
        assert datetime.now(UTC) > datetime.fromisoformat("2026-02-09T08:00:00+00:00")
        del metadata["acquired"]
    counts = scan.counts
    if (elements := changes.pop("elements", None)) is not None:
        counts = np.repeat(counts, 2, axis=2)[:, :, :elements]
    if "scanner" in changes:
        size = scanner(str(changes["scanner"])).binned(8, 8).elements
        counts = np.resize(counts, (*counts.shape[:2], size))
    wrong = replace(scan, counts=counts, metadata=metadata, **changes)
    write(wrong, tmp_path / "truck.h5")
    done = run("inspect", tmp_path / "truck.h5", "--calibration", site, "--output", tmp_path / "out")
    refused(done, "truck.h5", *says)
    assert done.stdout == ""
    assert not (tmp_path / "out").exists()


def test_inspect_uses_a_set_that_fits(site: Path, folder: Path, tmp_path: Path) -> None:
    arguments = ("inspect", folder / "wedge.h5", "--output", tmp_path / "out", "--json")
    refused(run(*arguments), "no dark and no air reference")
    done = run(*arguments, "--calibration", site)
    assert done.returncode == 0, done.stderr
    steps = {step["name"]: step for step in json.loads(done.stdout)["provenance"]}
    assert steps["materials.discriminate"]["parameters"]["nominal"] is False
    assert load_calibration(site).inputs["dark"] in steps["calibration.offset"]["inputs"].values()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--dark", "air.h5", "--air", "dark-a.h5"), 3, "are not exchanged"),
        (("--dark", "dark-a.h5", "--air", "wedge.h5"), 3, "nothing stood in the beam"),
        (("--dark", "dark-a.h5", "--air", "no.h5"), 3, "no.h5"),
        (("--dark", "dark-a.h5"), 2, "one dark and one open-beam scan"),
        (("--dark", "dark-a.h5", "--air", "air.h5", "--wedge", "wedge.h5"), 2, "needs the wedge's definition"),
        (("--dark", "dark-a.h5", "--air", "air.h5", "--valid-from", "yesterday"), 2, "is no date"),
        (
            ("--dark", "dark-a.h5", "--air", "air.h5", "--wedge", "wedge.h5", "--wedge-definition", "no-such"),
            3,
            "no-such",
        ),
        (
            ("--dark", "dark-a.h5", "--air", "air.h5", "--wedge", "air.h5", "--wedge-definition", "step-wedge-c-fe-pb"),
            3,
            "air.h5: nothing in the beam",
        ),
    ],
)
def test_build_refuses(folder: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, says: str) -> None:
    paths = [folder / a if a.endswith(".h5") else a for a in arguments]
    done = run("calibrate", "build", *paths, "--output", tmp_path / "set.h5")
    assert done.returncode == code, done.stderr
    assert says in " ".join(done.stderr.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []
    if code == 3:
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["build", "check", "show", "list", "alarms"])
def test_help_has_an_example(command: str) -> None:
    done = run("calibrate", command, "--help")
    assert done.returncode == 0
    assert f"scananalysis calibrate {command}" in done.stdout.split("Example:")[1]


@pytest.fixture(scope="module")
def cleared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("cleared")
    for seed in range(6):
        load = container_scene(seed, SCANNER, cargo=["0803"])
        write(render(load.scene, SCANNER, seed).scan, made / f"{seed}.h5")
        (made / f"{seed}.json").write_text(load.declaration.model_dump_json(exclude_none=True))
    return made


def test_alarms_are_calibrated_on_cleared_scans(cleared: Path, tmp_path: Path) -> None:
    scans = sorted(cleared.glob("*.h5"))
    model = tmp_path / "site"
    common = ("--model", "mahalanobis", "--workers", 1, "--output", model)
    too_few = run("calibrate", "alarms", *scans, *common)
    refused(too_few, "6 clean scans", "at least 132 for a false-alarm rate of 0.01")
    assert not model.exists()
    done = run("calibrate", "alarms", *scans, *common, "--rate", 0.25, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["scanner"], said["calibrated_on"], said["tuned_on"]) == ("cargo-6-4mv", 4, 2)
    metadata = json.loads((model / "metadata.json").read_text())
    entry = metadata["calibration"]["cargo-6-4mv"]
    assert entry["source"] == "site: 4 clean scans (tuned on 2 others)"
    assert len(entry["maxima"]["declared"]) == 4
    inspected = run(
        *("inspect", scans[0], "--declaration", scans[0].with_suffix(".json"), "--model", model),
        *("--false-alarm-rate", 0.25, "--output", tmp_path / "out", "--quiet"),
    )
    assert inspected.returncode == 0, inspected.stderr


def test_a_scan_without_papers_is_named_and_the_others_still_calibrate(cleared: Path, tmp_path: Path) -> None:
    scans = sorted(cleared.glob("*.h5"))
    bare = tmp_path / "bare.h5"
    bare.write_bytes(scans[0].read_bytes() + b" ")
    common = ("--model", "mahalanobis", "--workers", 1, "--rate", 0.25)
    done = run("calibrate", "alarms", *scans, bare, *common, "--output", tmp_path / "site")
    assert done.returncode == 1
    assert "bare.h5: no declaration beside the scan" in done.stderr
    assert (tmp_path / "site" / "metadata.json").is_file()
    twice = run("calibrate", "alarms", *scans, scans[0], *common, "--output", tmp_path / "other")
    refused(twice, "is the same file as")
    other = run("calibrate", "alarms", *scans, "--rate", 0.5, "--workers", 1, "--output", tmp_path / "site")
    refused(other, "holds the weights of mahalanobis")


def test_curves_have_a_time_of_their_own(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.h5"
    done = run(
        *("calibrate", "build", "--dark", folder / "dark-a.h5", "--air", folder / "air.h5", "--wedge", folder / "wedge.h5"),
        *("--wedge-definition", "step-wedge-c-fe-pb", "--wedge-days", 0.5, "-o", path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(run("calibrate", "show", path, "--json").stdout)
    assert said["curves"]["valid_until"] == "2026-01-10T20:00:00+00:00"
    assert not said["holds_now"]
    assert "They are not used now: scan of" in run("calibrate", "show", path).stdout
    assert run("calibrate", "check", path, folder / "whole-dated.h5").returncode == 0
    late = replace(read(folder / "whole-dated.h5"), metadata={"acquired": "2026-01-11T08:00:00+00:00"})
    write(late, tmp_path / "late.h5")
    refused(run("calibrate", "check", path, tmp_path / "late.h5"), "for which the step wedge of the set holds")
    refused(
        run("inspect", tmp_path / "late.h5", "--calibration", path, "--output", tmp_path / "out"),
        "step wedge of the set",
    )
