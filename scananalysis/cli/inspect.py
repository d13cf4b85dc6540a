"""``scananalysis inspect``: from a scan and its declaration to a report and a recommendation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scananalysis.cli.common import (
    ALARM,
    CalibrationSet,
    Debug,
    Definitions,
    Format,
    Json,
    Layout,
    Output,
    Quiet,
    Scanner,
    start,
)

if TYPE_CHECKING:
    from scananalysis.core import Inspection

NAME = "inspect"
EXAMPLE = "Example:  scananalysis inspect truck.h5 --declaration truck.json --output out/truck"
NEEDS_ARGUMENTS = True


def command(
    scan: Annotated[Path, typer.Argument(metavar="SCAN", help="File of the scan.")],
    output_folder: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder for report.html, inspection.json, maps.h5 and overlay.png; made if missing.",
        ),
    ],
    declaration: Annotated[
        Path | None,
        typer.Option(
            "--declaration",
            "-d",
            metavar="FILE",
            help="The papers, JSON. Without them the checks that need them are off, and the report says so.",
        ),
    ] = None,
    scanner: Scanner = None,
    layout: Layout = None,
    format: Format = None,
    calibration: CalibrationSet = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="NAME|DIR", help="Anomaly model: a shipped one or your own folder; see docs/verdicts.md."
        ),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(
            "--compare",
            metavar="SCAN",
            help="An earlier scan of the same container: what differs beyond chance is marked.",
        ),
    ] = None,
    compare_declaration: Annotated[
        Path | None,
        typer.Option(
            "--compare-declaration", metavar="FILE", help="Its papers; the container number must be the same."
        ),
    ] = None,
    compare_calibration: Annotated[
        Path | None,
        typer.Option(
            "--compare-calibration", metavar="FILE", help="Its calibration set; by default its own references."
        ),
    ] = None,
    false_alarm_rate: Annotated[
        float,
        typer.Option(
            "--false-alarm-rate", metavar="SHARE", help="Share of clean scans that may alarm.", show_default=True
        ),
    ] = 0.01,
    minimum_inspectable_share: Annotated[
        float,
        typer.Option(
            "--min-inspectable",
            metavar="SHARE",
            help="Least share of the load that must be open to judgement; below it the verdict is not-inspectable.",
            show_default=True,
        ),
    ] = 0.75,
    fail_on_alarm: Annotated[
        bool, typer.Option("--fail-on-alarm", help="End with exit code 10 if the verdict is not clear.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    definitions: Definitions = None,
) -> None:
    """Inspect a scan: what is in it, what does not fit the declaration, and what to do.

    The verdict is clear, inspect or not-inspectable. It is a recommendation; an officer decides.
    """
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=definitions)
    from scananalysis.core import ConfigurationError
    from scananalysis.inspection import Earlier, Limits, document, inspect, save_inspection

    if compare is None and (compare_declaration is not None or compare_calibration is not None):
        raise ConfigurationError(
            "papers or calibration of an earlier scan without the scan", remedy="add --compare SCAN"
        )
    earlier = None if compare is None else Earlier(compare, compare_declaration, compare_calibration)

    limits = Limits(false_alarm_rate=false_alarm_rate, minimum_inspectable_share=minimum_inspectable_share)
    with output.progress() as progress:
        found = inspect(
            scan,
            declaration,
            scanner=scanner,
            layout=layout,
            format=format,
            calibration=calibration,
            model=model,
            compare=earlier,
            limits=limits,
            progress=None if progress is None else lambda what, share: progress(what, 0.85 * share),
        )
        if progress is not None:
            progress("writing the report", 0.85)
        folder = save_inspection(found, output_folder)
    if output.as_json:
        output.json(document(found).model_dump(mode="json"))
    _show(found, folder, output)
    if fail_on_alarm and found.verdict != "clear":
        raise typer.Exit(ALARM)


def _show(inspection: Inspection, folder: Path, output: Output) -> None:
    if not output.speaks:
        return
    output.text(f"{inspection.verdict.upper()}  {inspection.metadata['source']}")
    for reason in inspection.reasons:
        output.text(f"  {reason}")
    if inspection.regions:
        output.text("")
    for number, region in enumerate(inspection.regions, start=1):
        output.text(f"  {number}. {region.reason}")
    if inspection.comparisons:
        output.table(
            ["declared against measured", "declared", "measured", "fits"],
            [
                [
                    f"{c.quantity}, {c.unit}" if c.unit else c.quantity,
                    c.declared,
                    c.measured,
                    {True: "yes", False: "NO", None: "cannot tell"}[c.agrees],
                ]
                for c in inspection.comparisons
            ],
        )
    for line in (*inspection.findings, *inspection.advice):
        output.text(f"  {line}")
    output.text(f"  This is a recommendation; an officer decides. Report: {folder / 'report.html'}")
