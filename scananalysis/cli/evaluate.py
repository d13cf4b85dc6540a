"""``scananalysis evaluate``: detection by kind of fraud at stated false-alarm rates, on held-out simulated scans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scananalysis.cli.common import Debug, Definitions, Json, Output, Quiet, start

NAME = "evaluate"
EXAMPLE = "Example:  scananalysis evaluate --model network --model mahalanobis --output out/evaluation"
NEEDS_ARGUMENTS = True


def command(
    output_folder: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for evaluation.md and evaluation.json.")
    ],
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME|DIR", help="Model, repeatable; the two that ship by default."),
    ] = None,
    recipe: Annotated[str, typer.Option("--recipe", metavar="NAME|FILE", help="Dataset recipe.")] = "declared-cargo",
    split: Annotated[str, typer.Option("--split", metavar="NAME", help="Split that no model has seen.")] = "test",
    scanner: Annotated[str, typer.Option("--scanner", metavar="NAME", help="Scanner of the scans.")] = "cargo-6-4mv",
    clean: Annotated[int, typer.Option("--clean", min=1, metavar="N", help="Scans that are declared right.")] = 400,
    per_fraud: Annotated[
        int, typer.Option("--per-fraud", min=1, metavar="N", help="Scans of each kind of fraud.")
    ] = 100,
    rate: Annotated[
        list[float] | None,
        typer.Option(
            "--rate",
            min=1e-6,
            max=0.5,
            metavar="P",
            help="False-alarm rate per scan, repeatable; 0.01 and 0.05 by default.",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, metavar="N", help="Processes; one per core by default.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    definitions: Definitions = None,
) -> None:
    """Measure anomaly models on simulated scans: every model scores the same scans at the same false-alarm rate."""
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=definitions)
    from scananalysis.anomaly import load
    from scananalysis.anomaly.evaluation import evaluate, save_evaluation
    from scananalysis.datasets import read_recipe

    models = [load(name) for name in model or ("network", "mahalanobis")]
    with output.progress() as progress:
        result = evaluate(
            models,
            read_recipe(recipe),
            split,
            scanner=scanner,
            clean=clean,
            per_fraud=per_fraud,
            rates=tuple(rate or (0.01, 0.05)),
            workers=workers,
            progress=None
            if progress is None
            else lambda done, total: progress(f"scan {done} of {total}", done / total),
        )
    save_evaluation(result, output_folder)
    output.json({key: value for key, value in result.items() if key != "scans"})
    _show(result, output)
    output.text(f"Simulated scans throughout. Tables with intervals and every scan's p-values are in {output_folder}")


def _show(result: dict[str, Any], output: Output) -> None:
    from scananalysis.anomaly.evaluation import table

    head, rows = table(result)
    output.table(head, rows, right=range(1, len(head)))
