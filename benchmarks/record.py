"""What every benchmark writes down: its figures, with date, hardware and versions."""

from __future__ import annotations

import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

OUTPUT = Path("out") / "benchmarks"


def processor() -> str:
    """Return the name of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def record(name: str, figures: dict[str, Any], folder: Path = OUTPUT) -> Path:
    """Write ``name.json`` below ``folder`` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    packages = ("scananalysis", "numpy", "scipy", "opencv-python-headless", "onnxruntime", "h5py")
    about = {
        "date": time.strftime("%Y-%m-%d"),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in packages},
    }
    path.write_text(json.dumps({"name": name, "about": about, "figures": figures}, indent=1) + "\n", encoding="utf-8")
    return path


def memory_copy_s(bytes_moved: int, repeats: int = 5) -> float:
    """Return the least time that NumPy takes to copy that many bytes: half of them read, half written."""
    source = np.ones(max(bytes_moved // 8, 1), np.float32)
    target = np.empty_like(source)
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        np.copyto(target, source)
        best = min(best, time.perf_counter() - start)
    return best
