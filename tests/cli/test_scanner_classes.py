"""Every scanner of the catalogue, simulated and inspected through the command line; real images through the same door."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from scananalysis.detectors import scanner as find_scanner
from scananalysis.detectors import scanners
from scananalysis.io import read_maps

# Lines and elements are summed to about the size that models work at.
BINNING = {"gamma-co60": 1, "gamma-cs137": 1, "rail-6-4mv": 4}
VERDICTS = {"clear", "inspect", "not-inspectable"}


def run(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "scananalysis", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("name", scanners())
def test_simulate_and_inspect(name: str, tmp_path: Path) -> None:
    binning = BINNING.get(name, 4)
    made = json.loads(
        run("simulate", "--scanner", name, "--binning", binning, "--seed", 5, "--output", tmp_path / "in", "--json")
    )[0]
    out = tmp_path / "out"
    found = json.loads(run("inspect", made["scan"], "--declaration", made["declaration"], "--output", out, "--json"))
    assert found["verdict"] in VERDICTS
    assert found["reasons"]
    assert {"report.html", "inspection.json", "maps.h5", "overlay.png"} <= {path.name for path in out.iterdir()}
    materials = read_maps(out / "maps.h5")[0]["materials"]
    areal_density = materials["areal_density"]
    assert np.isfinite(areal_density).mean() > 0.5
    single = find_scanner(name).modality == "single-energy"
    if single:
        # One energy tells no atomic number: every place must say so rather than show a number.
        assert "z_eff" not in materials or not np.isfinite(materials["z_eff"]).any()
    else:
        assert np.isfinite(materials["z_eff"]).mean() > 0.3


@pytest.mark.real_data
def test_air_cargo_pair(real_data: Path, tmp_path: Path) -> None:
    """Clipped air is flagged and counted; nominal curves are said too."""
    pair = real_data / "air_cargo_background_4_high.png"
    out = tmp_path / "out"
    found = json.loads(run("inspect", pair, "--layout", "air-cargo-png", "--output", out, "--json"))
    assert found["verdict"] in VERDICTS
    assert found["quality"]["NOMINAL_CURVES"] > 0
    assert found["quality"]["CLIPPED_AIR"] > 0
    assert (out / "report.html").stat().st_size > 10_000


@pytest.mark.real_data
def test_radiograph_of_another_kind(real_data: Path, tmp_path: Path) -> None:
    """A plain DICOM radiograph can be shown and converted, though nobody would inspect it."""
    source = real_data / "cr_radiograph.dcm"
    shown = json.loads(run("info", source, "--json"))
    assert shown["format"] == "dicom"
    for target in (tmp_path / "cr.tif", tmp_path / "cr.npy"):
        run("convert", source, target)
    written = tifffile.imread(tmp_path / "cr.tif")
    assert written.shape[-2:] == (1760, 1760)
    np.testing.assert_array_equal(written.squeeze(), np.load(tmp_path / "cr.npy").squeeze())
