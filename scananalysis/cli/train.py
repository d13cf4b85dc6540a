"""``scananalysis train``: trains and calibrates the anomaly models on simulated scans of a recipe."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from scananalysis.cli.common import Debug, Definitions, Json, Quiet, Workers, start
from scananalysis.core import ConfigurationError

NAME = "train"
EXAMPLE = "Example:  scananalysis train --recipe declared-cargo --examples 6000 --steps 10000 --output out/training"
NEEDS_ARGUMENTS = True


def command(
    output_folder: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="Work folder; what is there already is kept (resume)."),
    ],
    recipe: Annotated[str, typer.Option("--recipe", metavar="NAME|FILE", help="Dataset recipe.")] = "declared-cargo",
    examples: Annotated[
        int, typer.Option("--examples", min=1, metavar="N", help="Scans to learn from, of the split 'train'.")
    ] = 3000,
    steps: Annotated[int, typer.Option("--steps", min=1, metavar="N", help="Steps of the training.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Seed of weights and crops.")] = 0,
    tune: Annotated[
        int, typer.Option("--tune", min=1, metavar="N", help="Clean scans per scanner that standardise scores.")
    ] = 200,
    clean: Annotated[
        int,
        typer.Option(
            "--clean",
            min=0,
            metavar="N",
            help="Clean scans per scanner that calibrate false alarms; 1 % with two heads needs 199, 0 leaves that for later.",
        ),
    ] = 300,
    scanner: Annotated[
        list[str] | None,
        typer.Option(
            "--scanner", metavar="NAME", help="Scanner to calibrate for, repeatable; all of the recipe by default."
        ),
    ] = None,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    definitions: Definitions = None,
) -> None:
    """Train the network and its baseline on simulated scans, and calibrate their false alarms.

    The models are folders for --model of 'inspect' and 'evaluate'. The loss of every step is in run/log.csv.
    """
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=definitions)
    _need_torch()
    from scananalysis.anomaly.training.fit import Schedule
    from scananalysis.anomaly.training.pipeline import Plan, build
    from scananalysis.datasets import read_recipe

    found = read_recipe(recipe)
    names = scanner or [each.name for each in found.scanners]
    plan = Plan(
        examples=examples,
        schedule=Schedule(steps=steps, seed=seed),
        tune=tune,
        clean=dict.fromkeys(names, clean) if clean else {},
    )
    with output.progress() as progress:
        folders = build(
            found,
            plan,
            output_folder,
            workers=workers,
            progress=None if progress is None else lambda stage, done, total: progress(stage, done / max(total, 1)),
        )
    output.json({"models": [str(folder) for folder in folders], "log": str(output_folder / "run" / "log.csv")})
    for folder in folders:
        output.text(f"Model {folder.name} is in {folder}")


def _need_torch() -> None:
    if missing := [name for name in ("torch", "onnx", "safetensors") if find_spec(name) is None]:
        raise ConfigurationError(
            f"training needs {', '.join(missing)}",
            expected="the extra 'train'",
            remedy="pip install 'scananalysis[train]'",
        )
