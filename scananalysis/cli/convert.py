"""``scananalysis convert``: from one format to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scananalysis.cli.common import Debug, Definitions, Format, Json, Layout, Quiet, Scanner, start

NAME = "convert"
EXAMPLE = "Example:  scananalysis convert rail.npy rail.h5 --layout rail-air-normalised"
NEEDS_ARGUMENTS = True


def command(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="File to read.")],
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="File to write; its ending says what: .h5, .npy or .tif.")
    ],
    scanner: Scanner = None,
    layout: Layout = None,
    format: Format = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    definitions: Definitions = None,
) -> None:
    """Convert a scan: .h5 keeps the whole scan with its references, .npy and .tif the counts alone."""
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=definitions)
    from scananalysis import io

    written = io.convert(source, target, format=format, layout=layout, scanner=scanner)
    output.json({"source": str(source), "target": str(written), "bytes": written.stat().st_size})
    output.text(f"{source} -> {written} ({written.stat().st_size / 1e6:.1f} MB)")
