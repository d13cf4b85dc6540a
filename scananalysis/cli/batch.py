"""``scananalysis batch``: re-analyse an archive, and look at what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scananalysis.cli.common import Debug, Definitions, Json, Output, Quiet, group, start

if TYPE_CHECKING:
    from scananalysis.batch.run import Outcome

NAME = "batch"
EXAMPLE = "Example:  scananalysis batch archive/ --declarations papers/ --output out/run-1"


app = group(
    NAME,
    "Re-analyse an archive of scans on Dask, rank what deserves a second look, compare two runs.",
    EXAMPLE,
    default="run",
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

    The same command with --resume goes on after any interruption; the results are the same bytes. It also takes in scans that are new in
    the archive, does changed ones again, and names those that are gone.
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
            "added": outcome.growth.added,
            "changed": list(outcome.growth.changed),
            "removed": list(outcome.growth.removed),
        }
    )
    if outcome.growth:
        output.text(f"The archive has changed since it was planned: {outcome.growth.words()}.")
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


RunFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Output folder of a run.")]
Rules = Annotated[
    Path | None,
    typer.Option("--rules", metavar="FILE", help="Weights and rules of the queue, TOML; see docs/batch.md."),
]


@app.command(name="status", epilog="Example:  scananalysis batch status out/run-1 --verify", no_args_is_help=True)
def status(
    folder: RunFolder,
    verify: Annotated[bool, typer.Option("--verify", help="Check every result file against its sha256.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Tell how far a run is and name every scan that failed."""
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=None)
    from dataclasses import asdict

    from scananalysis.batch.results import Results
    from scananalysis.batch.results import status as status_of

    found = status_of(Results.open(folder), verify=verify)
    output.json(asdict(found) | {"complete": found.complete})
    state = "complete" if found.complete else "not complete; go on with --resume"
    output.text(f"{found.done:,} of {found.scans:,} scans in {found.committed:,} of {found.shards:,} shards: {state}")
    if found.under_way:
        output.text(f"  {found.under_way:,} more are done and not committed yet")
    output.text(f"  {found.alarms:,} alarms, {found.errors:,} refused, {found.quarantined:,} quarantined")
    if found.absent:
        more = ", …" if len(found.absent) > 5 else ""
        output.text(
            f"  {len(found.absent):,} have left the archive, their rows stay: {', '.join(found.absent[:5])}{more}"
        )
    if verify and not found.damaged:
        output.text("  Every committed file is what was written.")
    for shard, reason in found.damaged.items():
        output.text(f"  Shard {shard}: {reason}")
    if found.failures:
        rows = [[row["path"], row["status"], row["error_kind"], row["reason"]] for row in found.failures]
        output.table(["scan", "status", "kind", "reason"], rows)
    if found.damaged:
        raise typer.Exit(1)


@app.command(
    name="rank", epilog="Example:  scananalysis batch rank out/run-1 --top 50 --rules rules.toml", no_args_is_help=True
)
def rank(
    folder: RunFolder,
    top: Annotated[int, typer.Option("--top", "-n", min=1, metavar="N", help="Scans that are shown.")] = 20,
    rules: Rules = None,
    queue: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the whole queue, one row per scan.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Order the scans by what deserves a second look first, with the points that put each there.

    The score is a sum of points and no probability; an officer decides.
    """
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=None)
    from scananalysis.batch import ranking, summary
    from scananalysis.batch.results import Results
    from scananalysis.batch.rules import read_ranking

    scores = ranking.score(Results.open(folder), read_ranking(rules))
    first = ranking.top(scores, top)
    if queue is not None:
        ranking.write_csv(scores, queue)
    output.json([summary.plain(scan) for scan in first])
    output.table(
        ["rank", "score", "verdict", "scan", "why"],
        [
            [
                str(scan.rank),
                f"{scan.score:.2f}",
                scan.verdict or scan.status,
                scan.path,
                "\n".join(f"{factor.points:+.2f} {factor.name}: {factor.because}" for factor in scan.factors),
            ]
            for scan in first
        ],
        right=(0, 1),
    )
    if queue is not None:
        output.text(f"The whole queue is in {queue}")


@app.command(name="diff", epilog="Example:  scananalysis batch diff out/run-1 out/run-2", no_args_is_help=True)
def diff(
    first: Annotated[Path, typer.Argument(metavar="BEFORE", help="Output folder of a run.")],
    second: Annotated[Path, typer.Argument(metavar="AFTER", help="Output folder of another run.")],
    top: Annotated[int, typer.Option("--top", "-n", min=1, metavar="N", help="Changed scans that are shown.")] = 20,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compare two runs over the same archive: what a new model, calibration or limit changes."""
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=None)
    from dataclasses import asdict

    from scananalysis.batch.comparison import compare
    from scananalysis.batch.results import Results

    found = compare(Results.open(first), Results.open(second))
    moves = [{"before": before, "after": after, "scans": count} for (before, after), count in found.moves.items()]
    output.json(asdict(found) | {"moves": moves})
    for name, (before, after) in found.parts.items():
        output.text(f"{name}: {before} before, {after} after")
    output.text(f"{found.common:,} scans in both; {found.same:,} with the same outcome, {len(found.changed):,} changed")
    for count, words in (
        (found.only_first, "only in the first run"),
        (found.only_second, "only in the second run"),
        (found.other_bytes, "left out because their files differ"),
    ):
        if count:
            output.text(f"  {count:,} {words}")
    if not found.changed:
        return
    output.table(
        ["before", "after", "scans"],
        [[before, after, f"{count:,}"] for (before, after), count in found.moves.items()],
        right=(2,),
    )
    output.table(
        ["scan", "before", "after", "p-value before", "p-value after"],
        [
            [row["path"], row["before"], row["after"], _p(row["p_value_before"]), _p(row["p_value_after"])]
            for row in found.changed[:top]
        ],
        right=(3, 4),
    )


def _p(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"


@app.command(name="summary", epilog="Example:  scananalysis batch summary out/run-1 --rows 500", no_args_is_help=True)
def summary(
    folder: RunFolder,
    rules: Rules = None,
    rows: Annotated[int, typer.Option("--rows", min=1, metavar="N", help="Scans of the queue on the page.")] = 200,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write summary.html: the queue with pictures and links to reports, what failed, and trends over the archive."""
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=None)
    from scananalysis.batch import summary as page
    from scananalysis.batch import trends
    from scananalysis.batch.results import Results
    from scananalysis.batch.rules import read_ranking

    results = Results.open(folder)
    path = page.write(results, read_ranking(rules), rows=rows)
    found = trends.trends(results)
    output.json({"summary": str(path), "trends": trends.plain(found)})
    output.text(f"Summary: {path}")
    for trend in found.masses:
        if trend.unusual:
            output.text(
                f"  {trend.kind} {trend.name}: measured over declared mass {trend.ratio:.2f} ± {trend.sigma_ratio:.2f}, "
                f"{trend.sigmas:+.1f} σ from the archive, {trend.scans} scans"
            )
    for volume in found.volumes:
        output.text(
            f"  {volume.consignor}: {volume.scans} loads in {volume.month}, {volume.expected:.1f} in other months"
        )
    for health in found.health:
        for remark in health.remarks:
            output.text(f"  {health.scanner}, {health.month}: {remark}")
