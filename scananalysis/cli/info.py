"""``scananalysis info``: what a file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scananalysis.cli.common import Debug, Definitions, Format, Json, Layout, Output, Quiet, Scanner, start

NAME = "info"
EXAMPLE = "Example:  scananalysis info truck.h5"
NEEDS_ARGUMENTS = True


def command(
    files: Annotated[list[Path], typer.Argument(help="Scans, or a radiograph.", metavar="FILE...")],
    scanner: Scanner = None,
    layout: Layout = None,
    format: Format = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    definitions: Definitions = None,
) -> None:
    """Say what files hold: format, scanner, size, counts by channel, and how much is starved or saturated."""
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=definitions)
    from scananalysis import io
    from scananalysis.cli.many import each

    def one(path: Path) -> dict[str, Any]:
        said = io.info(path, format=format, layout=layout, scanner=scanner)
        _show(said, output)
        return said

    each(files, one, output)


def _show(said: dict[str, Any], output: Output) -> None:
    if not output.speaks:
        return
    plain = {key: value for key, value in said.items() if key not in ("counts", "details")}
    details = {key: value for key, value in said.get("details", {}).items() if key not in plain}
    output.pairs(plain | details)
    if "counts" in said:
        output.table(
            ["channel", "minimum", "median", "maximum", "zero", "full scale"],
            [
                [
                    str(channel),
                    str(c["minimum"]),
                    f"{c['median']:g}",
                    str(c["maximum"]),
                    f"{c['zero_percent']:g} %",
                    f"{c['full_scale_percent']:g} %",
                ]
                for channel, c in enumerate(said["counts"])
            ],
            right=(1, 2, 3, 4, 5),
        )
