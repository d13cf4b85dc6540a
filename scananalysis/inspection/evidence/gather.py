"""Copies what a result was made from into a bundle; every file must be, byte for byte, the one of the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

from scananalysis.core import ConfigurationError, FormatError, sha256_json
from scananalysis.inspection.document import InspectionDocument, StepDocument
from scananalysis.inspection.evidence.configuration import DATA, Placed, PlacedEarlier
from scananalysis.inspection.evidence.files import copy, safe_name
from scananalysis.inspection.inputs import FileRecord, Inputs, definition_files, definitions_sha256
from scananalysis.io.limits import MAX_BYTES

MAX_DEFINITION = 16 << 20
"""Largest definition file, bytes."""

Paths = Mapping[str, str | PathLike[str] | None]
"""Where files are now, by the name of the option that says so: ``scan``, ``declaration``, ``compare``, …"""

Place = tuple[Path, str]
"""The bundle, and the folder inside it."""


def gather(part: Path, found: InspectionDocument, inputs: Inputs, given: Paths) -> Placed:
    """Copy every input of a result into a bundle.

    Parameters
    ----------
    part : Path
        The bundle that is being made.
    found : InspectionDocument
        The result.
    inputs : Inputs
        Its record of what it was made from.
    given : mapping
        Where files are now, if they were moved since.

    Returns
    -------
    Placed
        Their names inside the bundle.

    Raises
    ------
    InputError
        A file is missing or is not the one that the result was made from.
    """
    place, layout = (part, DATA), inputs.reading.get("layout")
    return Placed(
        scan=_scan(place, inputs.scan, layout, given["scan"], "scan"),
        declaration=_declaration(
            place, inputs.declaration, _recorded(found, "declaration"), given["declaration"], "declaration"
        ),
        calibration=_calibration(place, inputs.calibration, found.provenance, given["calibration"], "calibration"),
        layout=_layout(place, inputs.layout),
        model=_model(place, inputs),
        definitions=_definitions(part, inputs),
        earlier=_earlier(part, found, inputs, given),
    )


def _earlier(part: Path, found: InspectionDocument, inputs: Inputs, given: Paths) -> PlacedEarlier | None:
    record, compared = inputs.earlier, found.earlier
    if record is None or compared is None:
        for option in ("compare", "compare-declaration", "compare-calibration"):
            if given[option] is not None:
                raise ConfigurationError(
                    "the result was not compared with an earlier scan", remedy=f"leave --{option} out"
                )
        return None
    place = (part, f"{DATA}/earlier")
    papers = _recorded(found, "earlier-declaration")
    return PlacedEarlier(
        name=compared.source,
        scan=_scan(place, record.scan, record.reading.get("layout"), given["compare"], "compare"),
        declaration=_declaration(
            place, record.declaration, papers, given["compare-declaration"], "compare-declaration"
        ),
        calibration=_calibration(
            place, record.calibration, compared.provenance, given["compare-calibration"], "compare-calibration"
        ),
        layout=_layout(place, record.layout),
        reading=record.reading,
    )


def _recorded(found: InspectionDocument, role: str) -> str | None:
    """Return the sha256 of an input of the last step."""
    step = next((s for s in found.provenance if s.name == "inspection.inspect"), None)
    return None if step is None else step.inputs.get(role)


def _plain_name(path: Path, taken: set[str]) -> str:
    """Return a name that every BagIt tool understands: no %, which manifests use for escapes."""
    name = path.name.replace("%", "_").replace("\\", "_")
    if not safe_name(name) or not name.isprintable() or name in taken:
        raise FormatError("has a name that a bundle cannot hold", source=path, remedy="rename a copy of it")
    taken.add(name)
    return name


def _put(place: Place, folder: str, path: Path, expected: str | None, taken: set[str]) -> str:
    """Copy an input and return its name inside the bag; its bytes must be those of the record."""
    part, inside = place
    name = f"{inside}/{folder}/{_plain_name(path, taken)}"
    sha256, _ = copy(path, part / name, MAX_BYTES)
    if expected is not None and sha256 != expected:
        raise FormatError(
            f"sha256 is {sha256}",
            source=path,
            expected=f"{expected}, which the result was made from",
            remedy="restore the file, or inspect it again",
        )
    return name


def _where(record: FileRecord, given: str | PathLike[str] | None, option: str) -> Path:
    what = _CALLED[option]
    path = given if given is not None else record.path
    if path is None:
        raise ConfigurationError(
            f"the result does not say where its {what} was", expected="its file", remedy=f"name it with --{option}"
        )
    found = Path(path)
    if not found.is_file():
        raise FormatError(
            "is not there", source=found, expected=f"the {what} of the result", remedy=f"name it with --{option}"
        )
    return found


_CALLED = {
    "scan": "scan",
    "declaration": "declaration",
    "calibration": "calibration",
    "compare": "earlier scan",
    "compare-declaration": "earlier scan's declaration",
    "compare-calibration": "earlier scan's calibration",
}
"""What the file of each option is called."""


def _scan(
    place: Place,
    records: Sequence[FileRecord],
    layout: str | None,
    given: str | PathLike[str] | None,
    option: str,
) -> list[str]:
    if not records:
        raise FormatError(
            f"the {_CALLED[option]} came from memory",
            expected="a result that was made from a file",
            remedy="inspect a file",
        )
    taken: set[str] = set()
    first = _where(records[0], given, option)
    paths = [first]
    if len(records) > 1:
        from scananalysis.io.layout import named_layout
        from scananalysis.io.readers._arrays import sibling_files

        paths = list(sibling_files(first, named_layout(layout or "")))
    return [_put(place, "scan", p, r.sha256, taken) for p, r in zip(paths, records, strict=True)]


def _declaration(
    place: Place, record: FileRecord | None, fields_sha256: str | None, given: str | PathLike[str] | None, option: str
) -> str | None:
    if record is None:
        _refuse_surplus(given, option)
        return None
    path = _where(record, given, option)
    if record.sha256 is None:
        from scananalysis.cargo import read_declaration

        # Of a declaration from memory the result knows the content, not the bytes.
        if fields_sha256 != sha256_json(read_declaration(path).model_dump(mode="json")):
            raise FormatError("is not the one that the result was made with", source=path, expected="the same fields")
    return _put(place, "declaration", path, record.sha256, set())


def _calibration(
    place: Place,
    record: FileRecord | None,
    steps: Sequence[StepDocument],
    given: str | PathLike[str] | None,
    option: str,
) -> str | None:
    if record is None:
        _refuse_surplus(given, option)
        return None
    path = _where(record, given, option)
    if record.sha256 is None:
        from scananalysis.calibration import Calibration

        used = Calibration.load(path).inputs
        recorded = {k: v for s in steps if s.name.startswith("calibration.") for k, v in s.inputs.items()}
        if any(recorded.get(name) != used.get(name) for name in ("dark", "air")):
            raise FormatError(
                "is not the set that the result was made with", source=path, expected="the same references"
            )
    return _put(place, "calibration", path, record.sha256, set())


def _refuse_surplus(given: str | PathLike[str] | None, option: str) -> None:
    if given is not None:
        article = "an" if option.startswith("compare") else "a"
        raise ConfigurationError(
            f"the result was made without {article} {_CALLED[option]}", remedy=f"leave --{option} out"
        )


def _layout(place: Place, record: FileRecord | None) -> str | None:
    if record is None:
        return None
    return _put(place, "layout", _where(record, None, "scan"), record.sha256, set())


def _model(place: Place, inputs: Inputs) -> str | None:
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
    _put(place, "model", folder / "metadata.json", record.metadata_sha256, taken)
    _put(place, "model", folder / metadata.file, record.weights_sha256, taken)
    if (folder / "MODEL_CARD.md").is_file():
        _put(place, "model", folder / "MODEL_CARD.md", None, taken)
    return f"{DATA}/model"


def _definitions(part: Path, inputs: Inputs) -> str:
    """Copy the definitions of scanners, recipes and commodities, so that a replay needs no site's own folder."""
    found = definitions_sha256()
    if found != inputs.definitions_sha256:
        raise ConfigurationError(
            "the definitions of scanners, recipes or commodities have changed since the inspection",
            expected=f"sha256 {inputs.definitions_sha256[:16]}…",
            remedy="name the same --definitions and version of the package, or inspect again",
        )
    for name, path in definition_files():
        copy(path, part / DATA / "definitions" / name, MAX_DEFINITION)
    return f"{DATA}/definitions"
