"""``scananalysis calibrate alarms``: a model's false alarms, calibrated on a site's own clean scans."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scananalysis.cli.common import (
    CalibrationSet,
    Debug,
    Definitions,
    Format,
    Json,
    Layout,
    Quiet,
    Scanner,
    Workers,
    explain,
    start,
)

if TYPE_CHECKING:
    from scananalysis.anomaly.site import Cells, CleanScan, Reading
    from scananalysis.cli.common import Progress
    from scananalysis.core import InputError

NAME = "alarms"
EXAMPLE = "Example:  scananalysis calibrate alarms cleared/*.h5 --model network --output models/site"
NEEDS_ARGUMENTS = True


def command(
    scans: Annotated[
        list[Path],
        typer.Argument(metavar="SCAN...", help="Clean scans; beside each its declaration, same name ending in .json."),
    ],
    output_folder: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the model; a copy made before is updated.")
    ],
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME|DIR", help="Model to start from; the shipped network by default."),
    ] = None,
    rate: Annotated[
        list[float] | None,
        typer.Option(
            "--rate", metavar="SHARE", help="False-alarm rate that must be possible, repeatable; 0.01 by default."
        ),
    ] = None,
    tuning_share: Annotated[
        float,
        typer.Option(
            "--tuning-share",
            min=0.01,
            max=0.9,
            metavar="SHARE",
            help="Scans that standardise scores.",
            show_default=True,
        ),
    ] = 0.25,
    calibration: CalibrationSet = None,
    scanner: Scanner = None,
    layout: Layout = None,
    format: Format = None,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    definitions: Definitions = None,
) -> None:
    """Calibrate a model's false alarms on scans that were cleared, for one scanner.

    A scan that is refused is named and left out, and the command ends with 1. Weights are not touched.
    """
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=definitions)
    rates = sorted(rate or [0.01])
    if not all(0 < each < 1 for each in rates):
        raise typer.BadParameter("is not between 0 and 1", param_hint="'--rate'")
    from scananalysis.anomaly import load
    from scananalysis.anomaly.site import Reading, recalibrate, save_model, scans_needed, split
    from scananalysis.core import ModelError

    opened = load(model)
    heads = opened.metadata.heads
    needed = scans_needed(rates, len(heads), tuning_share)
    refused: list[InputError] = []

    def enough(count: int) -> None:
        if count < needed:
            raise ModelError(
                f"{count} clean scans{f' ({len(refused)} more were refused)' if refused else ''}",
                expected=f"at least {needed} for a false-alarm rate of {rates[0]:g}, "
                f"of which {100 * tuning_share:g} % tune ({len(heads)} heads share the rate)",
                remedy="give more clean scans, or allow more false alarms with --rate",
            )

    found = list(_with_papers(scans, refused))
    enough(len(found))
    tuning, calibrating = split(found, tuning_share)
    reading = Reading(opened.metadata.pitch_mm, calibration, format, layout, scanner)
    with output.progress() as progress:
        count = _Counter(progress, len(found))
        source = f"site: {len(calibrating)} clean scans (tuned on {len(tuning)} others)"
        name, result = recalibrate(
            opened,
            _usable(tuning, reading, workers, refused),
            _usable(calibrating, reading, workers, refused),
            source,
            each=count,
        )
        enough(count.done)
    used = len(next(iter(result.maxima.values())))
    # What was refused on the way is not counted as used.
    result = result.model_copy(update={"source": f"site: {used} clean scans (tuned on {count.done - used} others)"})
    save_model(opened, name, result, output_folder)
    thresholds = {
        head: {f"{each:g}": result.layer(head).threshold(each / len(heads)) for each in rates} for head in heads
    }
    output.json(
        {
            "model": str(output_folder),
            "scanner": name,
            "calibrated_on": used,
            "tuned_on": count.done - used,
            "needed": {f"{each:g}": scans_needed([each], len(heads), tuning_share) for each in rates},
            "thresholds": thresholds,
            "refused": [str(error) for error in refused],
        }
    )
    output.text(f"Calibrated {opened.name} for {name} on {used} clean scans (tuned on {count.done - used} others).")
    output.table(
        ["false-alarm rate", "clean scans it needs", *(f"threshold, {head}" for head in heads)],
        [
            [
                f"{100 * each:g} %",
                str(scans_needed([each], len(heads), tuning_share)),
                *(f"{thresholds[head][f'{each:g}']:.3f}" for head in heads),
            ]
            for each in rates
        ],
        right=range(2 + len(heads)),
    )
    output.text(f"Use it with: scananalysis inspect SCAN --model {output_folder}")
    for error in refused:
        sys.stderr.write(f"{explain(error)[0]}\n")
    if refused:
        raise typer.Exit(1)


def _with_papers(scans: list[Path], refused: list[InputError]) -> Iterator[CleanScan]:
    from scananalysis.anomaly.site import CleanScan as Scan
    from scananalysis.core import InputError as Refused
    from scananalysis.io.limits import checked_file

    for path in scans:
        try:
            yield Scan.at(checked_file(path))
        except Refused as error:
            refused.append(error)


def _usable(
    scans: list[CleanScan], reading: Reading, workers: int | None, refused: list[InputError]
) -> Iterator[Cells]:
    from scananalysis.anomaly.site import prepared
    from scananalysis.core import InputError as Refused

    for _, outcome in prepared(scans, reading, workers):
        if isinstance(outcome, Refused):
            refused.append(outcome)
        else:
            yield outcome


class _Counter:
    """Counts scans and shows how far the work is."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.done = 0
        self._progress, self._total = progress, total

    def __call__(self) -> None:
        self.done += 1
        if self._progress is not None:
            self._progress(f"scan {self.done} of {self._total}", self.done / self._total)
