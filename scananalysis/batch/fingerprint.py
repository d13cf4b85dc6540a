"""What must be the same on every machine of a run: the package's code and the model's bytes."""

from __future__ import annotations

import functools
import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from scananalysis._version import __version__
from scananalysis.core import sha256_file, sha256_json

if TYPE_CHECKING:
    from collections.abc import Mapping

Fingerprint = dict[str, str]

_CODE = frozenset({".py", ".csv", ".npz", ".toml", ".j2", ".css"})
_BYSTANDERS = frozenset({
    ("cli",), ("simulation",), ("datasets",), ("imagequality",), ("_data",), ("anomaly", "training"),
})  # fmt: skip


@functools.cache
def code_sha256() -> str:
    """Return the sha256 over the package's Python files and tables, as they are on this machine's disk.

    The version alone does not tell two states of a source tree apart. Rooms that take no part in an inspection are left out.
    """
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.suffix in _CODE):
        if path.relative_to(root).parts[:1] in _BYSTANDERS or path.relative_to(root).parts[:2] in _BYSTANDERS:
            continue
        digest.update(f"{path.relative_to(root).as_posix()}\0{sha256_file(path)}\n".encode())
    return digest.hexdigest()


@functools.cache
def definitions_sha256() -> str:
    """Return the sha256 over the definitions of scanners and recipes, a site's own included."""
    from scananalysis._resources import roots

    digest = hashlib.sha256()
    for root in roots():
        for kind in ("detectors", "calibration"):
            for path in sorted(p for p in (root / kind).rglob("*") if p.suffix in {".toml", ".csv"}):
                digest.update(f"{path.relative_to(root).as_posix()}\0{sha256_file(path)}\n".encode())
    return digest.hexdigest()


@functools.cache
def model_sha256(model: str | None) -> str:
    """Return the sha256 of an anomaly model: its metadata and its weights.

    Raises
    ------
    ModelError
        No such model, or its weights are not those its metadata speaks of.
    """
    from scananalysis.anomaly.metadata import read_metadata
    from scananalysis.anomaly.store import DEFAULT, MODELS, shipped
    from scananalysis.core import ModelError

    name = DEFAULT if model is None else model
    folder = MODELS / name if name in shipped() else Path(name)
    if not folder.is_dir():
        raise ModelError(
            f"no anomaly model {name!r}",
            expected=f"a folder, or one of {', '.join(shipped())}",
            remedy="name a shipped model or the folder of your own",
        )
    # Reading the metadata checks the weights; the network itself is opened by the sandbox alone.
    return sha256_json({"metadata": sha256_file(folder / "metadata.json"), "weights": read_metadata(folder).sha256})


def fingerprint(model: str | None) -> Fingerprint:
    """Return the fingerprint of this process; it runs on the main process and on every worker."""
    return {
        "package version": __version__,
        "package code": code_sha256(),
        "definitions": definitions_sha256(),
        "model": model_sha256(model),
    } | {name: version(name) for name in ("numpy", "scipy", "onnxruntime", "opencv-python-headless", "pyarrow")}


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Return what differs, in words.

    Examples
    --------
    >>> differences({"package version": "1.0", "model": "ab"}, {"package version": "1.1", "model": "ab"})
    ['package version 1.1 instead of 1.0']
    """
    return [
        f"{name} {str(found.get(name))[:12]} instead of {value[:12]}"
        for name, value in expected.items()
        if found.get(name) != value
    ]
