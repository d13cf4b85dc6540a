"""`make`: gathers everything that a result was made from, checks it against the result, and closes it in a signed bag."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from scananalysis._version import __version__
from scananalysis.core import ConfigurationError, FormatError, sha256_json
from scananalysis.inspection.document import FILES, InspectionDocument
from scananalysis.inspection.evidence import custody, keys
from scananalysis.inspection.evidence.bag import write_bag
from scananalysis.inspection.evidence.check import SIGNER
from scananalysis.inspection.evidence.configuration import NAME as CONFIGURATION
from scananalysis.inspection.evidence.configuration import Configuration, Placed
from scananalysis.inspection.evidence.files import bounded, copy, digest, safe_name
from scananalysis.inspection.inputs import FileRecord, Inputs, definition_files, definitions_sha256
from scananalysis.inspection.verdict import Limits
from scananalysis.io.limits import MAX_BYTES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_DOCUMENT = 64 << 20
"""Largest ``inspection.json``, bytes."""

MAX_DEFINITION = 16 << 20
"""Largest definition file, bytes."""

DATA, PROVENANCE = "data", "provenance.json"

Paths = Mapping[str, str | PathLike[str] | None]


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


def make(
    result: str | PathLike[str],
    output: str | PathLike[str],
    *,
    who: str,
    why: str,
    key: Ed25519PrivateKey | None = None,
    scan: str | PathLike[str] | None = None,
    declaration: str | PathLike[str] | None = None,
    calibration: str | PathLike[str] | None = None,
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
    if found.inputs.earlier is not None:
        raise FormatError(
            "was compared with an earlier scan, which a bundle does not hold",
            source=source / "inspection.json",
            remedy="inspect again without --compare, and bundle both scans on their own",
        )
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.resolve().parent))
    try:
        _fill(part, source, found, {"scan": scan, "declaration": declaration, "calibration": calibration})
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
    placed = Placed(
        scan=_scan(data, inputs, given["scan"]),
        declaration=_declaration(data, found, inputs, given["declaration"]),
        calibration=_calibration(data, found, inputs, given["calibration"]),
        layout=_layout(data, inputs),
        model=_model(data, inputs),
        definitions=_definitions(data, inputs),
    )
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
    )
    _write_json(part / CONFIGURATION, configuration.model_dump(mode="json"))
    _write_json(data / PROVENANCE, {"steps": [step.model_dump(mode="json") for step in found.provenance]})


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _regular(path: Path) -> Path:
    if path.is_symlink() or not path.is_file():
        raise FormatError(
            "is not there", source=path, expected="the complete folder of a result", remedy="inspect again"
        )
    return path


def _plain_name(path: Path, taken: set[str]) -> str:
    """Return a name that every BagIt tool understands: no %, which manifests use for escapes."""
    name = path.name.replace("%", "_").replace("\\", "_")
    if not safe_name(name) or not name.isprintable() or name in taken:
        raise FormatError("has a name that a bundle cannot hold", source=path, remedy="rename a copy of it")
    taken.add(name)
    return name


def _place(data: Path, folder: str, path: Path, expected: str | None, taken: set[str]) -> str:
    """Copy an input and return its name inside the bag; its bytes must be those of the record."""
    name = f"{folder}/{_plain_name(path, taken)}"
    sha256, _ = copy(path, data / name, MAX_BYTES)
    if expected is not None and sha256 != expected:
        raise FormatError(
            f"sha256 is {sha256}",
            source=path,
            expected=f"{expected}, which the result was made from",
            remedy="restore the file, or inspect it again",
        )
    return f"{DATA}/{name}"


def _where(record: FileRecord, given: str | PathLike[str] | None, what: str) -> Path:
    path = given if given is not None else record.path
    if path is None:
        raise ConfigurationError(
            f"the result does not say where its {what} was", expected="its file", remedy=f"name it with --{what}"
        )
    found = Path(path)
    if not found.is_file():
        raise FormatError(
            "is not there", source=found, expected=f"the {what} of the result", remedy=f"name it with --{what}"
        )
    return found


def _scan(data: Path, inputs: Inputs, given: str | PathLike[str] | None) -> list[str]:
    records: Sequence[FileRecord] = inputs.scan
    if not records:
        raise FormatError(
            "the scan came from memory", expected="a result that was made from a file", remedy="inspect a file"
        )
    taken: set[str] = set()
    first = _where(records[0], given, "scan")
    paths = [first]
    layout = inputs.reading.get("layout")
    if len(records) > 1:
        from scananalysis.io.layout import named_layout
        from scananalysis.io.readers._arrays import sibling_files

        paths = list(sibling_files(first, named_layout(layout or "")))
    return [_place(data, "scan", p, r.sha256, taken) for p, r in zip(paths, records, strict=True)]


def _declaration(
    data: Path, found: InspectionDocument, inputs: Inputs, given: str | PathLike[str] | None
) -> str | None:
    if inputs.declaration is None:
        _refuse_surplus(given, "declaration")
        return None
    path = _where(inputs.declaration, given, "declaration")
    if inputs.declaration.sha256 is None:
        from scananalysis.cargo import read_declaration

        # Of a declaration from memory the result knows the content, not the bytes.
        read = sha256_json(read_declaration(path).model_dump(mode="json"))
        step = next((s for s in found.provenance if s.name == "inspection.inspect"), None)
        if step is None or step.inputs.get("declaration") != read:
            raise FormatError("is not the one that the result was made with", source=path, expected="the same fields")
    return _place(data, "declaration", path, inputs.declaration.sha256, set())


def _calibration(
    data: Path, found: InspectionDocument, inputs: Inputs, given: str | PathLike[str] | None
) -> str | None:
    if inputs.calibration is None:
        _refuse_surplus(given, "calibration")
        return None
    path = _where(inputs.calibration, given, "calibration")
    if inputs.calibration.sha256 is None:
        from scananalysis.calibration import Calibration

        used = Calibration.load(path).inputs
        recorded = {k: v for s in found.provenance if s.name.startswith("calibration.") for k, v in s.inputs.items()}
        if any(recorded.get(name) != used.get(name) for name in ("dark", "air")):
            raise FormatError(
                "is not the set that the result was made with", source=path, expected="the same references"
            )
    return _place(data, "calibration", path, inputs.calibration.sha256, set())


def _refuse_surplus(given: str | PathLike[str] | None, what: str) -> None:
    if given is not None:
        raise ConfigurationError(f"the result was made without a {what}", remedy=f"leave --{what} out")


def _layout(data: Path, inputs: Inputs) -> str | None:
    if inputs.layout is None:
        return None
    return _place(data, "layout", _where(inputs.layout, None, "layout"), inputs.layout.sha256, set())


def _model(data: Path, inputs: Inputs) -> str | None:
    """Copy the model's folder: metadata, weights and card."""
    if inputs.model is None:
        return None
    from scananalysis.anomaly.metadata import read_metadata
    from scananalysis.anomaly.store import MODELS, shipped

    record = inputs.model
    folder = Path(record.folder)
    if not folder.is_dir() and record.name in shipped():
        # The result may come from another machine, where the package lies elsewhere.
        folder = MODELS / record.name
    if not folder.is_dir():
        raise FormatError("is not there", source=folder, expected=f"the model {record.name} {record.version}")
    metadata = read_metadata(folder)
    taken: set[str] = set()
    _place(data, "model", folder / "metadata.json", record.metadata_sha256, taken)
    _place(data, "model", folder / metadata.file, record.weights_sha256, taken)
    if (folder / "MODEL_CARD.md").is_file():
        _place(data, "model", folder / "MODEL_CARD.md", None, taken)
    return f"{DATA}/model"


def _definitions(data: Path, inputs: Inputs) -> str:
    """Copy the definitions of scanners, recipes and commodities, so that a replay needs no site's own folder."""
    found = definitions_sha256()
    if found != inputs.definitions_sha256:
        raise ConfigurationError(
            "the definitions of scanners, recipes or commodities have changed since the inspection",
            expected=f"sha256 {inputs.definitions_sha256[:16]}…",
            remedy="name the same --definitions and version of the package, or inspect again",
        )
    for name, path in definition_files():
        copy(path, data / "definitions" / name, MAX_DEFINITION)
    return f"{DATA}/definitions"


def _check_belongs(result: Path, found: InspectionDocument) -> None:
    """Refuse maps of another inspection: both files carry the same provenance."""
    from scananalysis.io import read_maps

    path = result / "maps.h5"
    try:
        steps = json.loads(str(read_maps(path)[1].get("provenance", "")))["steps"]
    except (ValueError, KeyError, TypeError):
        steps = None
    if steps != [step.model_dump(mode="json") for step in found.provenance]:
        raise FormatError(
            "maps.h5 and inspection.json belong to different inspections", source=path, remedy="inspect again"
        )
