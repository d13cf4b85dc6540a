"""Writes an inspection: ``report.html``, ``inspection.json``, ``maps.h5`` and ``overlay.png``, all or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.core import ConfigurationError
from scananalysis.inspection.document import FILES, document

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scananalysis.core import Inspection


_BLOCK = 1 << 16
_DROPPED, _HALF = np.uint32(0x1FFF), np.uint32(0x1000)
_EXPONENT, _LARGEST = np.uint32(0x7F800000), np.uint32(0x7F000000)
"""Bits of a float32: those that rounding drops, half of the last one kept, the exponent, and the largest exponent of a number."""


def save_inspection(inspection: Inspection, folder: str | PathLike[str]) -> Path:
    """Write an inspection into a folder.

    Everything is first written into a temporary folder beside the target. Only when all files are complete do they get
    their names; on an error nothing remains.

    Parameters
    ----------
    inspection : Inspection
    folder : path-like
        Made if missing. The files of an earlier inspection in it are replaced, other files are left alone.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    ConfigurationError
        The target is a file.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise ConfigurationError("is a file", source=target, expected="a folder to write into")
    made = _make_parents(target.resolve().parent)
    part = None
    try:
        part = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.resolve().parent))
        _write(inspection, part)
        _publish(part, target)
    except BaseException:
        for parent in made:
            shutil.rmtree(parent, ignore_errors=True)
        raise
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
    return target


def _make_parents(parent: Path) -> list[Path]:
    """Make missing parents and return the topmost one that was made, so that an error can take it back."""
    missing = [each for each in (parent, *parent.parents) if not each.exists()]
    parent.mkdir(parents=True, exist_ok=True)
    return missing[-1:]


def _publish(part: Path, target: Path) -> None:
    # A folder of mkdtemp is private; the report is not.
    part.chmod(0o777 & ~_umask())
    if not target.exists():
        part.rename(target)
        return
    for name in FILES:
        (part / name).replace(target / name)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _write(inspection: Inspection, folder: Path) -> None:
    from scananalysis.io import write_maps
    from scananalysis.report.marks import overlay_png
    from scananalysis.report.page import html

    # Maps are compressed, which leaves the interpreter free, while the report is drawn.
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(lambda: write_maps(folder / "maps.h5", maps(inspection), attributes(inspection)))
        text = document(inspection).model_dump_json(indent=2)
        (folder / "inspection.json").write_text(text + "\n", encoding="utf-8")
        (folder / "overlay.png").write_bytes(overlay_png(inspection))
        (folder / "report.html").write_text(html(inspection), encoding="utf-8")
        written.result()


def maps(inspection: Inspection) -> dict[str, dict[str, NDArray[Any]]]:
    """Return the maps that are kept, by group; docs/verdicts.md says what each is."""
    materials = inspection.materials
    groups: dict[str, dict[str, NDArray[Any]]] = {
        "radiograph": {"attenuation": rounded(inspection.radiograph.attenuation)},
        "materials": {
            "areal_density": rounded(materials.areal_density),
            "z_eff": rounded(materials.z_eff),
            "sigma_areal_density": rounded(materials.sigma_areal_density),
            "sigma_z": rounded(materials.sigma_z),
            "quality": materials.quality,
            "region": materials.regions.labels,
        },
    }
    anomalies = inspection.anomalies
    if anomalies is not None:
        groups["anomalies"] = {
            "score": anomalies.cells("score").map(rounded).pixels,
            "p_value": anomalies.p_value,
            "family": anomalies.family,
            "minimum_detectable": anomalies.cells("minimum_detectable").map(rounded).pixels,
            "load": anomalies.load.astype(np.uint8),
        }
    earlier = inspection.earlier
    if earlier is not None:
        groups["earlier"] = {
            "areal_density": rounded(earlier.now),
            "areal_density_before": rounded(earlier.before),
            "difference": rounded(earlier.difference),
            "sigma_difference": rounded(earlier.sigma),
            "compared": earlier.compared.astype(np.uint8),
            "region": earlier.labels,
        }
    return groups


def attributes(inspection: Inspection) -> dict[str, Any]:
    """Return what the maps mean as a whole."""
    found: dict[str, Any] = {
        "scanner": inspection.scan.scanner,
        "verdict": inspection.verdict,
        "pixel_mm": list(inspection.materials.pixel_mm),
        "axes": "y from the top, x along travel; a first axis is channel or head",
        "provenance": inspection.provenance.to_json(),
    }
    if inspection.earlier is not None:
        found["earlier_pixel_mm"] = list(inspection.earlier.pixel_mm)
    if inspection.anomalies is not None:
        found["heads"] = list(inspection.anomalies.heads)
        found["families"] = list(inspection.anomalies.families)
    return found


def rounded(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return values rounded to 11 significant bits (0.05 %), far below their noise; they then compress to half.

    Examples
    --------
    >>> rounded(np.array([1.0, 3.14159, np.inf], np.float32))
    array([1.      , 3.140625, inf], dtype=float32)
    """
    found = np.ascontiguousarray(values, np.float32)
    kept = np.empty_like(found)
    bits, out = found.view(np.uint32).reshape(-1), kept.view(np.uint32).reshape(-1)
    # In blocks that stay in the cache; one pass over memory.
    for start in range(0, bits.size, _BLOCK):
        part, rounded_part = bits[start : start + _BLOCK], out[start : start + _BLOCK]
        np.add(part, _HALF, out=rounded_part)
        np.bitwise_and(rounded_part, ~_DROPPED, out=rounded_part)
        # Rounding up the largest numbers or a NaN would change what they are.
        np.copyto(rounded_part, part, where=part & _EXPONENT >= _LARGEST)
    return kept
