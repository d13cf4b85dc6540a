"""A bare import stays cheap."""

import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "cv2",
    "matplotlib",
    "pydicom",
    "h5py",
    "onnxruntime",
    "scipy",
    "tifffile",
    "typer",
    "rich",
)


def test_a_bare_import_loads_nothing_heavy():
    code = f"import sys, scananalysis; print([m for m in {HEAVY!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_public_names_are_those_that_are_promised():
    import scananalysis as sa

    assert set(sa.__all__) == {
        "AnomalyMap", "Declaration", "Inspection", "MaterialMap", "Quality", "Radiograph", "RawScan", "ScanAnalysisError",
        "__version__", "anomaly", "calibrate", "calibration", "cargo", "core", "datasets", "detectors", "discriminate",
        "find_anomalies", "inspect", "inspection", "io", "materials", "physics", "read", "read_declaration", "report",
        "scanner", "scanners", "simulation", "stream", "write",
    }  # fmt: skip
    for name in sa.__all__:
        assert getattr(sa, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    import scananalysis as sa

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sa.nothing
