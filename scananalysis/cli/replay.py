"""``scananalysis replay``: recomputes the result of an evidence bundle and compares it bit by bit."""

from __future__ import annotations

import typer

from scananalysis.cli.common import REFUSED, Debug, Json, Quiet, start
from scananalysis.cli.evidence import Bundle

NAME = "replay"
EXAMPLE = "Example:  scananalysis replay truck-bundle"
NEEDS_ARGUMENTS = True


def command(bundle: Bundle, as_json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """Inspect the scan of a bundle again, with the papers, calibration, model and definitions inside it, and compare.

    Ends with 0 if every bit of the maps and every judgement is the same, otherwise with 3. What runs in another version than at
    the inspection is named.
    """
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=None)
    from scananalysis.inspection.evidence import replay

    found = replay(bundle)
    output.json(found.plain())
    if found.identical:
        output.text(f"IDENTICAL  {bundle}: {found.maps} maps, {found.pixels:,} values, no bit differs; same judgement")
    else:
        output.text(f"DIFFERENT  {bundle}")
    for line in found.differences:
        output.text(f"  {line}")
    for line in found.versions:
        output.text(f"  Another version: {line}")
    if not found.identical:
        raise typer.Exit(REFUSED)
