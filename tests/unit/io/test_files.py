import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from scananalysis.core import ConfigurationError, FormatError, Provenance, RawScan, sha256_file
from scananalysis.io import read, read_truth, write


def full_scan() -> RawScan:
    rng = np.random.default_rng(3)

    def counts(n: int) -> np.ndarray:
        return rng.integers(0, 65536, (2, n, 90), np.uint16)

    def series(n: int, dtype: type) -> np.ndarray:
        return rng.normal(1, 0.1, (2, n)).astype(dtype)

    return RawScan(
        counts(70),
        scanner="cargo-6-4mv",
        dark=counts(5),
        air=counts(6),
        dark_monitor=series(5, np.float32),
        air_monitor=series(6, np.float32),
        dark_time_s=series(5, np.float64),
        air_time_s=series(6, np.float64),
        monitor=series(70, np.float32),
        position_mm=series(70, np.float64),
        time_s=series(70, np.float64),
        binning=(4, 2),
        metadata={"site": "Überlauf", "lane": 3, "list": [1, None, {"a": 0.5}]},
        provenance=Provenance().then("simulation.render", parameters={"seed": 1}, inputs={"scene": "ab"}),
    )


def test_every_field_returns_with_a_read_step(tmp_path):
    scan = full_scan()
    write(scan, tmp_path / "a.h5")
    back = read(tmp_path / "a.h5")
    for name in ("counts", "dark", "air", "dark_monitor", "air_monitor", "dark_time_s", "air_time_s", "monitor",
                 "position_mm", "time_s"):  # fmt: skip
        expected, found = getattr(scan, name), getattr(back, name)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected, err_msg=name)
    for name in ("scanner", "stage", "binning", "air_level", "metadata"):
        assert getattr(back, name) == getattr(scan, name), name
    assert back.provenance.steps[:-1] == scan.provenance.steps
    step = back.provenance.steps[-1]
    assert step.name == "io.read"
    assert step.parameters == {"format": "hdf5", "layout": None, "scanner": None}
    assert step.inputs == {"scan": sha256_file(tmp_path / "a.h5")}


def test_same_scan_same_bytes(tmp_path):
    for name in ("a.h5", "b.h5"):
        write(full_scan(), tmp_path / name, truth={"load": np.ones((90, 70), bool)})
    assert sha256_file(tmp_path / "a.h5") == sha256_file(tmp_path / "b.h5")


def test_truth_keeps_names_types_and_values(tmp_path):
    truth = {
        "areal_density": np.random.default_rng(0).random((90, 70)).astype(np.float32),
        "family": np.full((90, 70), -1, np.int16),
        "insert": np.eye(90, 70, dtype=bool),
    }
    write(full_scan(), tmp_path / "a.h5", truth=truth)
    back = read_truth(tmp_path / "a.h5")
    assert set(back) == set(truth)
    for name, values in truth.items():
        assert back[name].dtype == values.dtype
        np.testing.assert_array_equal(back[name], values)
    write(full_scan(), tmp_path / "b.h5")
    assert read_truth(tmp_path / "b.h5") == {}


def test_nexus_classes_units_and_compression_are_there(tmp_path):
    import h5py

    write(full_scan(), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["NX_class"] == "NXroot"
        assert file["entry"].attrs["NX_class"] == "NXentry"
        assert file["entry/time_s"].attrs["units"] == "s"
        assert file["entry/counts"].attrs["axes"] == "channel:line:element"
        assert file["entry/counts"].chunks == (1, 70, 90)
        assert file["entry/counts"].compression == "gzip"


def test_scanner_of_the_caller_wins_and_must_exist(tmp_path):
    write(full_scan(), tmp_path / "a.h5")
    assert read(tmp_path / "a.h5", scanner="rail-6-4mv").scanner == "rail-6-4mv"
    with pytest.raises(ConfigurationError, match="no scanner 'nonsense'; expected one of cargo-6-4mv"):
        read(tmp_path / "a.h5", scanner="nonsense")
    with pytest.raises(ConfigurationError, match="no format 'nonsense'"):
        read(tmp_path / "a.h5", format="nonsense")
    with pytest.raises(ConfigurationError, match="no layout 'nonsense'"):
        read(tmp_path / "a.h5", layout="nonsense")


@pytest.mark.parametrize("metadata", [{"x": float("nan")}, {"x": np.float32(1)}, {"x": {1, 2}}])
def test_metadata_that_are_not_json_leave_nothing_behind(tmp_path, metadata):
    with pytest.raises(FormatError, match="not plain JSON"):
        write(replace(full_scan(), metadata=metadata), tmp_path / "a.h5")
    assert list(tmp_path.iterdir()) == []


def test_write_that_fails_half_way_keeps_the_old_file(tmp_path):
    write(full_scan(), tmp_path / "a.h5")
    before = sha256_file(tmp_path / "a.h5")
    with pytest.raises(TypeError):
        write(full_scan(), tmp_path / "a.h5", truth={"bad": np.array([object()])})
    assert sha256_file(tmp_path / "a.h5") == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_write_into_a_missing_folder_is_one_sentence(tmp_path):
    with pytest.raises(ConfigurationError, match="folder does not exist; make the folder first"):
        write(full_scan(), tmp_path / "none" / "a.h5")
    with pytest.raises(ConfigurationError, match="is a folder"):
        write(full_scan(), tmp_path)


def test_long_metadata_survive(tmp_path):
    scan = replace(full_scan(), metadata={"log": "x" * 300_000})
    write(scan, tmp_path / "a.h5")
    assert read(tmp_path / "a.h5").metadata == scan.metadata


def test_io_loads_no_heavy_package():
    code = (
        "import sys, scananalysis.io as io; io.formats();"
        "bad = {'h5py', 'cv2', 'tifffile', 'pydicom', 'matplotlib', 'torch'} & set(sys.modules);"
        "bad |= {m for m in sys.modules if m.startswith('scananalysis.io.readers.') "
        "and m.rsplit('.')[-1] in ('npy', 'tiff', 'png', 'raw', 'dicom')};"
        "print(sorted(bad)); sys.exit(bool(bad))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
