"""``scananalysis evaluate``: detection at stated false-alarm rates and what decides it, on held-out simulated scans."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scananalysis.cli.common import Debug, Definitions, Json, Output, Quiet, Workers, start

if TYPE_CHECKING:
    from scananalysis.anomaly.model import AnomalyModel
    from scananalysis.datasets import Recipe

NAME = "evaluate"
EXAMPLE = "Example:  scananalysis evaluate --model network --model mahalanobis --output out/evaluation"
NEEDS_ARGUMENTS = True


def command(
    output_folder: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="Folder for evaluation.md, evaluation.json and figures."),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME|DIR",
            help="Model, repeatable; all that ship by default, and the network alone with --shift.",
        ),
    ] = None,
    recipe: Annotated[str, typer.Option("--recipe", metavar="NAME|FILE", help="Dataset recipe.")] = "declared-cargo",
    split: Annotated[str, typer.Option("--split", metavar="NAME", help="Split that no model has seen.")] = "test",
    scanner: Annotated[str, typer.Option("--scanner", metavar="NAME", help="Scanner of the scans.")] = "cargo-6-4mv",
    shift: Annotated[
        list[str] | None,
        typer.Option(
            "--shift",
            metavar="NAME",
            help="Shift of the recipe, repeatable, or 'all': scans that differ from all the model knows, judged as it came and "
            "after its false alarms were calibrated anew.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="MANIFEST",
            help="Instead of a recipe: the labelled scans of a manifest, as 'datasets import' and 'simulate' write it.",
        ),
    ] = None,
    empty: Annotated[
        bool,
        typer.Option(
            "--empty", help="Instead: empty containers told from loaded ones; --clean says how many of each kind."
        ),
    ] = False,
    site_scans: Annotated[
        int,
        typer.Option("--site-scans", min=8, metavar="N", help="With --shift: clean scans that calibrate anew."),
    ] = 300,
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
    figures: Annotated[bool, typer.Option("--figures/--no-figures", help="Draw figures.")] = True,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    definitions: Definitions = None,
) -> None:
    """Measure anomaly models on simulated scans: every model scores the same scans at the same false-alarm rate."""
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=definitions)
    from scananalysis.anomaly import load
    from scananalysis.datasets import read_recipe

    names = model or (["network"] if shift else ["network", "mahalanobis", "expected-density"])
    settings = {
        "split": split,
        "scanner": scanner,
        "clean": clean,
        "per_fraud": per_fraud,
        "rates": tuple(sorted(rate or (0.01, 0.05))),
        "workers": workers,
    }
    read = read_recipe(recipe)
    if empty:
        if shift or model:
            raise typer.BadParameter("looks for anything inside, without a model", param_hint="'--empty'")
        _empty(read, settings, output_folder, output)
        return
    loaded = [load(name) for name in names]
    # A retrained model has the name of the shipped one: then what was typed tells them apart.
    same = len({model.name for model in loaded}) < len(loaded)
    models = {typed if same else model.name: model for typed, model in zip(names, loaded, strict=True)}
    if data is not None:
        if shift:
            raise typer.BadParameter("changes simulated scans, not those of a manifest", param_hint="'--shift'")
        _files(models, data, settings, output_folder, output, figures)
        return
    if shift:
        if len(models) > 1:
            raise typer.BadParameter("takes one model", param_hint="'--shift'")
        wanted = list(read.shifts) if shift == ["all"] else shift
        for each in wanted:
            read.shift(each)
        _shifts(loaded[0], read, wanted, settings | {"site_scans": site_scans}, output_folder, output, figures)
        return
    _plain(models, read, settings, output_folder, output, figures)


def _plain(
    models: dict[str, AnomalyModel],
    recipe: Recipe,
    settings: dict[str, Any],
    folder: Path,
    output: Output,
    figures: bool,
) -> None:
    from scananalysis.anomaly.evaluation import evaluate

    with output.progress() as progress:
        result = evaluate(
            models,
            recipe,
            **settings,
            progress=None
            if progress is None
            else lambda done, total: progress(f"scan {done} of {total}", done / total),
        )
    _write(result, folder, output, figures)
    output.text(f"Simulated scans throughout. Tables with intervals and every scan's p-values are in {folder}")


def _files(
    models: dict[str, AnomalyModel],
    manifest: Path,
    settings: dict[str, Any],
    folder: Path,
    output: Output,
    figures: bool,
) -> None:
    from scananalysis.anomaly.evaluation import evaluate_files

    with output.progress() as progress:
        result = evaluate_files(
            models,
            manifest,
            rates=settings["rates"],
            workers=settings["workers"],
            progress=None
            if progress is None
            else lambda done, total: progress(f"scan {done} of {total}", done / total),
        )
    _write(result, folder, output, figures)
    output.text(f"Tables with intervals and every scan's p-values are in {folder}")


def _write(result: dict[str, Any], folder: Path, output: Output, figures: bool) -> None:
    from scananalysis.anomaly.evaluation import save_evaluation, table

    save_evaluation(result, folder, _drawn(result, folder, figures))
    output.json({key: value for key, value in result.items() if key != "scans"})
    head, rows = table(result)
    output.table(head, rows, right=range(1, len(head)))


def _empty(recipe: Recipe, settings: dict[str, Any], folder: Path, output: Output) -> None:
    from scananalysis.anomaly.evaluation.empty import empty_table, evaluate_empty, save_empty

    with output.progress() as progress:
        result = evaluate_empty(
            recipe,
            settings["split"],
            scanner=settings["scanner"],
            count=settings["clean"],
            workers=settings["workers"],
            progress=None
            if progress is None
            else lambda done, total: progress(f"container {done} of {total}", done / total),
        )
    save_empty(result, folder)
    output.json(result)
    head, rows = empty_table(result)
    output.table(head, rows, right=range(1, len(head)))
    output.text(f"Simulated scans throughout. The table with intervals is in {folder}")


def _shifts(
    model: AnomalyModel,
    recipe: Recipe,
    names: list[str],
    settings: dict[str, Any],
    folder: Path,
    output: Output,
    figures: bool,
) -> None:
    from scananalysis.anomaly.evaluation import save_evaluation
    from scananalysis.anomaly.evaluation.shifts import evaluate_shift, save_shifts, shift_table

    results: dict[str, Any] = {}
    with output.progress() as progress:
        for name in names:
            found = evaluate_shift(
                model,
                recipe,
                name,
                **settings,
                progress=None
                if progress is None
                else lambda stage, done, total: progress(f"{stage}: {done} of {total}", done / total),
            )
            save_evaluation(found, folder / name, _drawn(found, folder / name, figures))
            results[name] = {key: value for key, value in found.items() if key != "scans"}
            # After every shift, so that an interrupted run leaves a table of what is done.
            save_shifts(results, recipe, folder)
    output.json(results)
    for rate in settings["rates"]:
        output.text(f"{100 * rate:g} % false alarms per scan")
        head, rows = shift_table(results, f"{rate:g}")
        output.table(head, rows, right=range(1, len(head)))
    output.text(f"Simulated scans throughout. Every shift's tables are in {folder}")


def _drawn(result: dict[str, Any], folder: Path, wanted: bool) -> list[str]:
    if not wanted:
        return []
    from scananalysis.report.evaluation import save_figures

    return save_figures(result, folder)
