"""``scananalysis batch``: re-analyse an archive, and look at what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from scananalysis.cli.common import Debug, Definitions, Json, Output, Quiet, start

if TYPE_CHECKING:
    from scananalysis.batch.run import Outcome

NAME = "batch"
EXAMPLE = "Example:  scananalysis batch archive/ --declarations papers/ --output out/run-1"


class RunByDefault(TyperGroup):
    """A group whose first word may be the archive itself: ``batch ARCHIVE`` is ``batch run ARCHIVE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``run`` before what is no command's name; a folder called like a command is written ``./status``."""
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    name=NAME,
    cls=RunByDefault,
    help="Re-analyse an archive of scans on Dask, rank what deserves a second look, compare two runs.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXAMPLE,
)


@app.command(name="run", epilog=EXAMPLE, no_args_is_help=True)
def run(
    archive: Annotated[
        str, typer.Argument(metavar="ARCHIVE", help="Folder, glob in quotes, or manifest (CSV or Parquet).")
    ],
    output_folder: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the run; made if missing.")
    ],
    declarations: Annotated[
        Path | None,
        typer.Option(
            "--declarations",
            "-d",
            metavar="DIR",
            help="Folder with one JSON declaration per scan, of the same name. A manifest may name them itself.",
        ),
    ] = None,
    definition: Annotated[
        Path | None,
        typer.Option(
            "--definition", metavar="RUN.toml", help="Model, calibration sets, limits and outputs; see docs/batch.md."
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler", metavar="ADDRESS", help="A Dask scheduler that runs already; by default a local cluster."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, metavar="N", help="Processes of the local cluster; one per core by default."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was begun; what is done is proved and skipped.")
    ] = False,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME|DIR", help="Anomaly model; overrules the definition.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    definitions: Definitions = None,
) -> None:
    """Re-analyse an archive. Every scan ends as exactly one row: a result, an error with its reason, or quarantined.

    The same command with --resume goes on after any interruption; the results are the same bytes.
    """
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=definitions)
    from scananalysis.batch import read_definition
    from scananalysis.batch.run import run as run_batch

    chosen = read_definition(definition, model=model)
    with output.progress() as progress:
        outcome = run_batch(
            archive,
            output_folder,
            chosen,
            declarations=declarations,
            scheduler=scheduler,
            workers=workers,
            resume=resume,
            progress=progress,
        )
    _show(outcome, output)
    if outcome.errors or outcome.quarantined:
        raise typer.Exit(1)


def _show(outcome: Outcome, output: Output) -> None:
    output.json(
        {
            "folder": str(outcome.folder),
            "run": outcome.run,
            "scans": outcome.scans,
            "errors": outcome.errors,
            "quarantined": outcome.quarantined,
            "alarms": outcome.alarms,
            "inspected": outcome.fresh,
            "skipped": outcome.skipped,
            "repaired": {str(shard): reason for shard, reason in outcome.repaired.items()},
        }
    )
    if outcome.fresh == 0:
        output.text(f"Nothing to do: all {outcome.scans:,} scans are done, and their files are what was written.")
    else:
        output.text(f"{outcome.scans:,} scans: {outcome.fresh:,} inspected, {outcome.skipped:,} were done and proved.")
    for shard, reason in outcome.repaired.items():
        output.text(f"  Shard {shard} was done again: {reason}.")
    output.text(
        f"  {outcome.alarms:,} alarms, {outcome.errors:,} refused, {outcome.quarantined:,} quarantined. "
        f"Next: scananalysis batch rank {outcome.folder}"
    )
    if outcome.errors or outcome.quarantined:
        output.text(f"  What failed, with its reason: scananalysis batch status {outcome.folder}")
