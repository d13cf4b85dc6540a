"""``scananalysis calibrate monitor``: whether a model's false-alarm rate still holds, from scans as they pass."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scananalysis.cli.common import (
    ALARM,
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
    from scananalysis.anomaly.model import AnomalyModel
    from scananalysis.anomaly.monitor import Answer, Monitor, Observation
    from scananalysis.anomaly.site import CleanScan
    from scananalysis.cli.common import Output
    from scananalysis.core import InputError

NAME = "monitor"
EXAMPLE = "Example:  scananalysis calibrate monitor today/*.h5 --model models/site --state models/site-monitor.json"
NEEDS_ARGUMENTS = True


def command(
    scans: Annotated[
        list[Path],
        typer.Argument(
            metavar="SCAN...",
            help="Scans in the order in which they passed; beside each its declaration, same name ending in .json.",
        ),
    ],
    state: Annotated[
        Path, typer.Option("--state", metavar="FILE", help="State of the monitor; made if missing, else gone on with.")
    ],
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME|DIR", help="Calibrated model; the shipped network by default."),
    ] = None,
    false_warning: Annotated[
        float | None,
        typer.Option(
            "--false-warning",
            metavar="P",
            help="Probability of ever warning while nothing has changed; 0.01 by default. For a new state only.",
        ),
    ] = None,
    contamination: Annotated[
        float | None,
        typer.Option(
            "--contamination",
            metavar="SHARE",
            help="Share of the scans that may not be clean; 0.02 by default. For a new state only.",
        ),
    ] = None,
    calibration: CalibrationSet = None,
    scanner: Scanner = None,
    layout: Layout = None,
    format: Format = None,
    fail_on_alarm: Annotated[
        bool, typer.Option("--fail-on-alarm", help="Exit with 10 where the guarantee no longer holds.")
    ] = False,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    definitions: Definitions = None,
) -> None:
    """Count passing scans, mostly clean, and say whether the model's false alarms are still those it was calibrated to.

    Scans that the state has counted before are passed over. A scan that is refused is named, and the command ends with 1.
    """
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=definitions)
    from scananalysis.anomaly import load
    from scananalysis.anomaly.monitor import Watched, watch
    from scananalysis.anomaly.site import Reading
    from scananalysis.core.parallel import in_parallel

    opened = load(model)
    own = {"false_warning": false_warning, "contamination": contamination}
    counted = _Count(opened, state, {key: value for key, value in own.items() if value is not None})
    reading = Reading(opened.metadata.pitch_mm, calibration, format, layout, scanner)
    jobs = [Watched(found, reading, opened.folder) for found in counted.new(scans)]
    with output.progress() as progress:
        for done, outcome in enumerate(in_parallel(watch, jobs, workers), start=1):
            if progress is not None:
                progress(f"scan {done} of {len(jobs)}", done / len(jobs))
            counted.take(outcome)
    watched = counted.monitor
    if watched is not None:
        watched.save(state)
        output.json(_plain(watched, counted))
        _say(watched, output)
    for refusal in counted.refused:
        sys.stderr.write(f"{explain(refusal)[0]}\n")
    if watched is not None and fail_on_alarm and not watched.guarantee.holds:
        raise typer.Exit(ALARM)
    if counted.refused:
        raise typer.Exit(1)


class _Count:
    """Counts scans into a monitor, and keeps those that were refused or counted before."""

    def __init__(self, model: AnomalyModel, state: Path, options: dict[str, float]) -> None:
        from scananalysis.anomaly.monitor import Monitor as Watching

        if state.exists() and options:
            raise typer.BadParameter(f"{state} holds its own", param_hint="'--false-warning' / '--contamination'")
        self.monitor: Monitor | None = Watching.read(state, model) if state.exists() else None
        self.state = state
        self.known = 0
        self.refused: list[InputError] = []
        self._model, self._options = model, options

    def new(self, scans: list[Path]) -> list[CleanScan]:
        """Return the scans that were not counted before."""
        from scananalysis.anomaly.site import CleanScan as Scan
        from scananalysis.core import InputError as Refused
        from scananalysis.io.limits import checked_file

        found = {}
        for path in scans:
            try:
                one = Scan.at(checked_file(path))
            except Refused as error:
                self.refused.append(error)
                continue
            if one.digest in found or (self.monitor is not None and self.monitor.has(one.digest)):
                self.known += 1
            else:
                found[one.digest] = one
        return list(found.values())

    def take(self, outcome: tuple[str, Observation] | InputError) -> None:
        """Count a scan that was scored, or keep what is wrong with it."""
        from scananalysis.anomaly.monitor import Monitor as Watching
        from scananalysis.core import ConfigurationError

        if not isinstance(outcome, tuple):
            self.refused.append(outcome)
            return
        scanner, seen = outcome
        if self.monitor is None:
            self.monitor = Watching.begin(self._model, scanner, **self._options)
        if scanner != self.monitor.scanner:
            raise ConfigurationError(
                f"scans of {self.monitor.scanner} and {scanner}", source=self.state, expected="one scanner per state"
            )
        self.monitor.add(seen)


def _plain(watched: Monitor, counted: _Count) -> dict[str, Any]:
    def one(answer: Answer) -> dict[str, Any]:
        return {
            "holds": answer.holds,
            "evidence": answer.evidence,
            "limit": answer.limit,
            "warned_at": answer.warned_at,
            "leading": answer.leading,
            "leaning": answer.leaning,
        }

    return {
        "state": str(counted.state),
        "scanner": watched.scanner,
        "scans": watched.scans,
        "counted_before": counted.known,
        "guarantee": one(watched.guarantee),
        "hardware": one(watched.hardware),
        "refused": [str(error) for error in counted.refused],
    }


def _say(watched: Monitor, output: Output) -> None:
    output.text(f"{watched.scans} scans of {watched.scanner} so far.")
    rows = []
    for question, answer in (("false-alarm rate", watched.guarantee), ("levels and noise", watched.hardware)):
        holds = "holds" if answer.holds else f"no longer holds (since {answer.warned_at} scans)"
        rows.append(
            [question, holds, f"{answer.evidence:.3g}", f"{answer.limit:g}", answer.leading or "", answer.leaning]
        )
    output.table(["question", "answer", "evidence", "warns at", "leading quantity", "it is"], rows, right=(2, 3))
    if not watched.guarantee.holds:
        output.text(
            "p-values of this model are no longer what they say. Calibrate anew with: scananalysis calibrate alarms"
        )
