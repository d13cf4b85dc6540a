"""``scananalysis formats``: what files can be read."""

from __future__ import annotations

from dataclasses import asdict

from scananalysis.cli.common import Debug, Definitions, Json, Quiet, start

NAME = "formats"
EXAMPLE = "Example:  scananalysis formats --json"
NEEDS_ARGUMENTS = False


def command(as_json: Json = False, quiet: Quiet = False, debug: Debug = False, definitions: Definitions = None) -> None:
    """List the formats that can be read, and the layouts of files that do not describe themselves."""
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=definitions)
    from scananalysis import io

    found = io.formats()
    described = {name: io.named_layout(name) for name in io.layouts()}
    output.json(
        {
            "formats": [asdict(each) | {"suffixes": list(each.suffixes)} for each in found],
            "layouts": [{"name": name, **layout.model_dump(mode="json")} for name, layout in described.items()],
        }
    )
    output.table(
        ["format", "what", "endings", "layout"],
        [[f.name, f.title, " ".join(f.suffixes), "needed" if f.needs_layout else "–"] for f in found],
    )
    output.table(
        ["layout", "what", "stage", "scanner"],
        [[name, layout.title, layout.stage, layout.scanner or "–"] for name, layout in described.items()],
    )
