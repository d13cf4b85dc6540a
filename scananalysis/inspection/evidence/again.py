"""`replay`: recomputes a bundle's result from the bundle alone and compares it bit by bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.core import FormatError, InputError
from scananalysis.inspection.evidence.bundle import read_document
from scananalysis.inspection.evidence.check import verify
from scananalysis.inspection.evidence.configuration import (
    DATA,
    Configuration,
    PlacedEarlier,
    inside,
    read_configuration,
)
from scananalysis.inspection.inputs import definitions_sha256, software

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from scananalysis.inspection.document import InspectionDocument

_JUDGED = (
    "scanner", "verdict", "reasons", "regions", "measured", "limits", "anomalies", "declaration", "comparisons", "earlier",
    "findings", "advice", "quality", "size_px", "pixel_mm",
)  # fmt: skip
"""Fields of ``inspection.json`` that a replay must reproduce; the others say where files lay and what ran."""


@dataclass(frozen=True)
class Replay:
    """What a replay gave.

    Parameters
    ----------
    differences : tuple of str
        What is not bit-identical, a sentence each; empty if everything is.
    versions : tuple of str
        What ran in another version than at the inspection; bits may differ for that reason.
    maps : int
        Arrays that were compared.
    pixels : int
        Values that were compared.
    """

    differences: tuple[str, ...]
    versions: tuple[str, ...]
    maps: int
    pixels: int

    @property
    def identical(self) -> bool:
        """Whether every bit of the maps and every field of the judgement is the same."""
        return not self.differences

    def plain(self) -> dict[str, Any]:
        """Return the answer as plain JSON values."""
        return {
            "identical": self.identical,
            "differences": list(self.differences),
            "versions": list(self.versions),
            "maps": self.maps,
            "values": self.pixels,
        }


def replay(bundle: str | PathLike[str]) -> Replay:
    """Recompute the result of a bundle and compare.

    Scan, declaration, calibration set, model and definitions are those inside the bundle; only the program is the installed one.

    Parameters
    ----------
    bundle : path-like

    Returns
    -------
    Replay

    Raises
    ------
    FormatError
        The bundle is not intact: there is nothing to be proved with it.
    """
    root = Path(bundle)
    checked = verify(root)
    if not checked.intact:
        raise FormatError(
            f"is not intact ({checked.problems[0]})", source=root, remedy="see 'scananalysis verify' for everything"
        )
    configuration = read_configuration(root)
    stored = read_document(root / DATA / "result" / "inspection.json")
    with tempfile.TemporaryDirectory(prefix="scananalysis-replay-") as folder:
        _run(root.resolve(), configuration, Path(folder))
        fresh = read_document(Path(folder) / "inspection.json")
        differences, maps, pixels = _compare_maps(root / DATA / "result" / "maps.h5", Path(folder) / "maps.h5")
    return Replay(
        differences=(*differences, *_compare_documents(stored, fresh)),
        versions=tuple(_versions(configuration)),
        maps=maps,
        pixels=pixels,
    )


def _run(root: Path, configuration: Configuration, output: Path) -> None:
    inputs, reading = configuration.inputs, configuration.reading

    def placed(name: str | None) -> str | None:
        return None if name is None else str(inside(root, name))

    request = {
        "scan": placed(inputs.scan[0]),
        "declaration": placed(inputs.declaration),
        "calibration": placed(inputs.calibration),
        "model": placed(inputs.model),
        "layout": placed(inputs.layout) or reading.get("layout"),
        "scanner": reading.get("scanner"),
        "format": reading.get("format"),
        "earlier": None if inputs.earlier is None else _earlier(inputs.earlier, placed),
        "limits": configuration.limits,
        "scanned": configuration.scanned,
        "output": str(output),
    }
    environment = {**os.environ, "SCANANALYSIS_DEFINITIONS": str(inside(root, inputs.definitions))}
    done = subprocess.run(
        [sys.executable, "-m", "scananalysis.inspection.evidence.rerun"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(f"the inspection could not be run again: {last}", source=root)


def _earlier(earlier: PlacedEarlier, placed: Callable[[str | None], str | None]) -> dict[str, Any]:
    """Return the arguments of `Earlier`."""
    layout = placed(earlier.layout) or earlier.reading.get("layout")
    return {
        "scan": placed(earlier.scan[0]),
        "declaration": placed(earlier.declaration),
        "calibration": placed(earlier.calibration),
        "name": earlier.name,
        "reading": {**earlier.reading, "layout": layout},
    }


def _compare_maps(stored: Path, fresh: Path) -> tuple[list[str], int, int]:
    from scananalysis.io import read_maps

    old = _flat(read_maps(stored)[0])
    new = _flat(read_maps(fresh)[0])
    differences = [f"map {name} is missing now" for name in sorted(old.keys() - new.keys())]
    differences += [f"map {name} was not there" for name in sorted(new.keys() - old.keys())]
    pixels = 0
    for name in sorted(old.keys() & new.keys()):
        said = difference(old[name], new[name])
        pixels += old[name].size
        if said is not None:
            differences.append(f"map {name}: {said}")
    return differences, len(old), pixels


def _flat(groups: Mapping[str, Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    return {f"{group}/{name}": values for group, arrays in groups.items() for name, values in arrays.items()}


def difference(stored: NDArray[Any], fresh: NDArray[Any]) -> str | None:
    """Return how two arrays differ bit by bit, or None.

    Examples
    --------
    >>> difference(np.array([1.0, np.nan]), np.array([1.0, np.nan]))
    >>> difference(np.array([1.0, 2.0]), np.array([1.0, 2.5]))
    '1 of 2 values differ, by at most 0.5'
    """
    if stored.dtype != fresh.dtype or stored.shape != fresh.shape:
        return f"{stored.dtype}{stored.shape} became {fresh.dtype}{fresh.shape}"
    one, two = (np.ascontiguousarray(a).reshape(-1) for a in (stored, fresh))
    # Bytes, so that NaN equals itself and −0 does not equal 0.
    width = one.dtype.itemsize
    apart = (one.view(np.uint8) != two.view(np.uint8)).reshape(-1, width).any(axis=1)
    if not apart.any():
        return None
    with np.errstate(invalid="ignore"):
        by = np.abs(one[apart].astype(np.float64) - two[apart].astype(np.float64))
    finite = by[np.isfinite(by)]
    most = f", by at most {finite.max():.3g}" if finite.size else ""
    return f"{int(apart.sum()):,} of {one.size:,} values differ{most}"


def _compare_documents(stored: InspectionDocument, fresh: InspectionDocument) -> list[str]:
    old, new = stored.model_dump(mode="json"), fresh.model_dump(mode="json")
    return [f"{name} of inspection.json differs" for name in _JUDGED if old[name] != new[name]]


def _versions(configuration: Configuration) -> list[str]:
    then, now = configuration.software, software()
    found = [
        f"{name} is {now.get(name, 'absent')}; the inspection had {then.get(name, 'none')}"
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]
    model = configuration.model
    if model is not None and _installed(model.name) not in {None, model.weights_sha256}:
        found.append(
            f"the installed model {model.name} is another one than that of the bundle, version {model.version}, "
            "which was used"
        )
    if configuration.definitions_sha256 != definitions_sha256():
        found.append("the installed definitions differ from those of the bundle, which were used")
    return found


def _installed(name: str) -> str | None:
    """Return the sha256 of the weights of the shipped model of a name."""
    from scananalysis.anomaly.metadata import read_metadata
    from scananalysis.anomaly.store import MODELS, shipped

    return read_metadata(MODELS / name).sha256 if name in shipped() else None
