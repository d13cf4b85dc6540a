"""``scananalysis scanners``: what scanners are known."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scananalysis.cli.common import Debug, Definitions, Json, Output, Quiet, start

NAME = "scanners"
EXAMPLE = "Example:  scananalysis scanners cargo-6-4mv --json"
NEEDS_ARGUMENTS = False


def command(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Show one scanner in full.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of a scanner definition.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    definitions: Definitions = None,
) -> None:
    """List the scanners of the catalogue, with their beams, pixels and rates."""
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=definitions)
    import scananalysis as sa

    if schema:
        Output(as_json=True, quiet=quiet).json(sa.detectors.Scanner.model_json_schema())
        return
    if name is not None:
        scanner = sa.scanner(name)
        output.json(scanner.model_dump(mode="json"))
        output.text(f"{scanner.name}: {scanner.title}")
        output.pairs(_flatten(scanner.model_dump(mode="json", exclude={"name", "title"})))
        return
    found = [sa.scanner(each) for each in sa.scanners()]
    output.json([_summary(scanner) for scanner in found])
    output.table(
        ["name", "title", "energies", "elements", "pixel at the object", "lines/s"],
        [
            [
                s.name,
                s.title,
                " / ".join(channel.label for channel in s.channels),
                str(s.elements),
                f"{s.pixel_mm[0]:.2f} × {s.pixel_mm[1]:.2f} mm",
                f"{s.lines_per_s:g}",
            ]
            for s in found
        ],
        right=(3, 5),
    )


def _summary(scanner: Any) -> dict[str, Any]:
    return {
        "name": scanner.name,
        "title": scanner.title,
        "modality": scanner.modality,
        "energies": [channel.label for channel in scanner.channels],
        "elements": scanner.elements,
        "pixel_mm": list(scanner.pixel_mm),
        "lines_per_s": scanner.lines_per_s,
        "source": scanner.source,
    }


def _flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if parts is None:
        return {prefix.rstrip("."): value}
    flat: dict[str, Any] = {}
    for key, part in parts:
        flat |= _flatten(part, f"{prefix}{key}.")
    return flat
