"""`make`: gathers everything that a result was made from, checks it against the result, and closes it in a signed bag."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from scananalysis._version import __version__
from scananalysis.core import ConfigurationError, FormatError
from scananalysis.inspection.document import FILES, InspectionDocument, StepDocument
from scananalysis.inspection.evidence import custody, keys
from scananalysis.inspection.evidence.bag import write_bag
from scananalysis.inspection.evidence.check import SIGNER
from scananalysis.inspection.evidence.configuration import DATA, Configuration
from scananalysis.inspection.evidence.configuration import NAME as CONFIGURATION
from scananalysis.inspection.evidence.files import bounded, copy, digest
from scananalysis.inspection.evidence.gather import Paths, gather
from scananalysis.inspection.verdict import Limits
from scananalysis.io.limits import MAX_BYTES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_DOCUMENT = 64 << 20
"""Largest ``inspection.json``, bytes."""

PROVENANCE = "provenance.json"


def read_document(path: Path) -> InspectionDocument:
    """Read ``inspection.json``.

    Raises
    ------
    FormatError
        Missing, too large, or not the document of this version.
    """
    content = bounded(path, MAX_DOCUMENT, "the result of an inspection", follow=False)
    try:
        return InspectionDocument.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise FormatError(
            f"{where}: {first['msg']}", source=path, expected="the result of an inspection", remedy="inspect again"
        ) from None


def make(  # noqa: PLR0913 - each file that may have moved has a name
    result: str | PathLike[str],
    output: str | PathLike[str],
    *,
    who: str,
    why: str,
    key: Ed25519PrivateKey | None = None,
    scan: str | PathLike[str] | None = None,
    declaration: str | PathLike[str] | None = None,
    calibration: str | PathLike[str] | None = None,
    compare: str | PathLike[str] | None = None,
    compare_declaration: str | PathLike[str] | None = None,
    compare_calibration: str | PathLike[str] | None = None,
) -> Path:
    """Make an evidence bundle of a saved inspection.

    Parameters
    ----------
    result : path-like
        Folder that `save_inspection` wrote.
    output : path-like
        Folder of the bundle; must not exist. It gets its name only when it is complete.
    who, why : str
        For the first entry of the custody log.
    key : Ed25519PrivateKey, optional
        Signs the bundle; see `keys.load_private`.
    scan, declaration, calibration : path-like, optional
        Where these files are now, if they were moved since or came from memory.
    compare, compare_declaration, compare_calibration : path-like, optional
        The same for an earlier scan that the result was compared with.

    Returns
    -------
    pathlib.Path
        The bundle.

    Raises
    ------
    InputError
        An input is missing or is not the one that the result was made from.
    """
    source, target = Path(result), Path(output)
    for text, name in ((who, "who"), (why, "why")):
        custody.text(text, name)
    if target.exists() or target.is_symlink():
        raise ConfigurationError("exists", source=target, remedy="name a new folder: a bundle is never overwritten")
    if not target.resolve().parent.is_dir():
        raise ConfigurationError("its folder does not exist", source=target, remedy="make the folder first")
    if not source.is_dir():
        raise FormatError("is not a folder", source=source, expected="the folder of a result")
    found = read_document(source / "inspection.json")
    if found.inputs is None:
        raise FormatError(
            "does not say what it was made from", source=source / "inspection.json", remedy="inspect again"
        )
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.resolve().parent))
    try:
        given: Paths = {
            "scan": scan,
            "declaration": declaration,
            "calibration": calibration,
            "compare": compare,
            "compare-declaration": compare_declaration,
            "compare-calibration": compare_calibration,
        }
        _fill(part, source, found, given)
        bag_sha256 = _close(part, found, key)
        what = f"made the bundle from {found.source}; verdict {found.verdict}"
        log = custody.begin(bag_sha256, who=who, what=what, why=why, key=key)
        (part / custody.NAME).write_bytes(log)
        part.chmod(0o755)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def _close(part: Path, found: InspectionDocument, key: Ed25519PrivateKey | None) -> str:
    """Write the tag files and return the sha256 of the tag manifest."""
    payload = {p.relative_to(part).as_posix(): digest(p) for p in sorted(part.rglob("*")) if p.is_file()}
    assert found.inputs is not None  # noqa: S101 - `make` has refused that
    info = {
        "Bagging-Date": datetime.now(UTC).date().isoformat(),
        "Bag-Software-Agent": f"scananalysis {__version__}",
        "External-Description": f"Inspection of a cargo scan by {found.scanner}: {found.verdict}",
        "External-Identifier": " ".join(f"sha256:{file.sha256}" for file in found.inputs.scan),
    }
    if key is not None:
        info[SIGNER] = keys.fingerprint(keys.public_of(key))
    return write_bag(part, payload, info)


def _fill(part: Path, source: Path, found: InspectionDocument, given: Paths) -> None:
    inputs = found.inputs
    assert inputs is not None  # noqa: S101 - `make` has refused that
    data = part / DATA
    placed = gather(part, found, inputs, given)
    for name in FILES:
        copy(_regular(source / name), data / "result" / name, MAX_BYTES)
    _check_belongs(data / "result", found)
    configuration = Configuration(
        inputs=placed,
        reading=inputs.reading,
        limits={name: value for name, value in found.limits.items() if name in Limits().plain()},
        model=inputs.model,
        definitions_sha256=inputs.definitions_sha256,
        software=inputs.software,
        scanned=inputs.scanned,
    )
    _write_json(part / CONFIGURATION, configuration.model_dump(mode="json"))
    provenance = {"steps": _plain(found.provenance)}
    if found.earlier is not None:
        provenance["earlier"] = _plain(found.earlier.provenance)
    _write_json(data / PROVENANCE, provenance)


def _plain(steps: Sequence[StepDocument]) -> list[dict[str, Any]]:
    return [step.model_dump(mode="json") for step in steps]


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _regular(path: Path) -> Path:
    if path.is_symlink() or not path.is_file():
        raise FormatError(
            "is not there", source=path, expected="the complete folder of a result", remedy="inspect again"
        )
    return path


def _check_belongs(result: Path, found: InspectionDocument) -> None:
    """Refuse maps of another inspection: both files carry the same provenance."""
    from scananalysis.io import read_maps

    path = result / "maps.h5"
    try:
        steps = json.loads(str(read_maps(path)[1].get("provenance", "")))["steps"]
    except (ValueError, KeyError, TypeError):
        steps = None
    if steps != _plain(found.provenance):
        raise FormatError(
            "maps.h5 and inspection.json belong to different inspections", source=path, remedy="inspect again"
        )
