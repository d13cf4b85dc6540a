"""Puts the commands together."""

from __future__ import annotations

from typing import Annotated

import typer

from scananalysis._version import __version__
from scananalysis.cli import (
    batch,
    calibrate,
    commodities,
    convert,
    datasets,
    evaluate,
    evidence,
    formats,
    info,
    inspect,
    replay,
    scanners,
    simulate,
    train,
    verify,
)
from scananalysis.cli.common import Definitions, use_definitions

app = typer.Typer(
    name="scananalysis",
    help="Analyse X-ray and gamma-ray cargo scans: from raw counts to materials and what does not fit the declaration.",
    epilog="Example:  scananalysis inspect truck.h5 --declaration truck.json --output out/truck",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def everything(
    definitions: Definitions = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Take what holds for every command."""
    del version
    use_definitions(definitions)


for module in (inspect, info, convert, simulate, train, evaluate, scanners, formats, commodities, verify, replay):
    app.command(name=module.NAME, epilog=module.EXAMPLE, no_args_is_help=module.NEEDS_ARGUMENTS)(module.command)

app.add_typer(batch.app)
app.add_typer(calibrate.app)
app.add_typer(datasets.app)
app.add_typer(evidence.app)
