"""``scananalysis simulate``: scans with exact truth, from a dataset recipe or one scanner."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scananalysis.cli.common import Debug, Definitions, Json, Output, Quiet, Workers, start

NAME = "simulate"
EXAMPLE = "Example:  scananalysis simulate --scanner cargo-6-4mv --goods 0803 --fraud metal --output out/simulated"
NEEDS_ARGUMENTS = True


def command(
    output_folder: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for scans and declarations; made if missing.")
    ],
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe", metavar="NAME|FILE", help="Dataset recipe; scans that are there already are kept (resume)."
        ),
    ] = None,
    split: Annotated[str, typer.Option("--split", metavar="NAME", help="Split of the recipe.")] = "test",
    scanner: Annotated[
        str | None, typer.Option("--scanner", metavar="NAME", help="Scanner for single scans, instead of a recipe.")
    ] = None,
    goods: Annotated[
        list[str] | None,
        typer.Option("--goods", metavar="HS", help="HS heading of the goods, front to doors; up to three times."),
    ] = None,
    fraud: Annotated[
        str | None,
        typer.Option(
            "--fraud",
            metavar="KIND",
            help="swap, misdeclared or missing goods; weight, false in the papers; or a hidden object: organic, metal, shield, "
            "dense, void, handgun, ammunition, cash, cigarettes, person, false-wall, car or tungsten-shield.",
        ),
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, metavar="N", help="Scans; 1, or the whole split of a recipe.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Seed of the first single scan.")] = 0,
    binning: Annotated[
        int, typer.Option("--binning", min=1, max=16, metavar="N", help="Lines and elements summed into one.")
    ] = 1,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    definitions: Definitions = None,
) -> None:
    """Simulate scans with their declarations and the truth; the same seed gives the same bytes."""
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=definitions)
    if recipe is not None and scanner is not None:
        raise typer.BadParameter("name either a recipe or a scanner", param_hint="'--recipe' / '--scanner'")
    if recipe is not None:
        if goods or fraud:
            raise typer.BadParameter("a recipe draws goods and frauds itself", param_hint="'--goods' / '--fraud'")
        _from_recipe(recipe, split, count, output_folder, workers, output)
        return
    if scanner is None:
        raise typer.BadParameter("name a recipe or a scanner", param_hint="'--recipe' / '--scanner'")
    _single(scanner, goods or None, fraud, range(seed, seed + (count or 1)), binning, output_folder, output)


def _from_recipe(name: str, split: str, count: int | None, folder: Path, workers: int | None, output: Output) -> None:
    from scananalysis.datasets import generate, read_recipe

    with output.progress() as progress:
        manifest = generate(
            read_recipe(name),
            split,
            count,
            folder,
            workers=workers,
            progress=None
            if progress is None
            else lambda done, total: progress(f"scan {done} of {total}", done / max(total, 1)),
        )
    output.json({"manifest": str(manifest), "folder": str(folder)})
    output.text(f"Scans, declarations and {manifest.name} are in {folder}")


def _single(
    scanner: str,
    goods: list[str] | None,
    fraud: str | None,
    seeds: range,
    binning: int,
    folder: Path,
    output: Output,
) -> None:
    from scananalysis.detectors import scanner as find_scanner
    from scananalysis.io import write
    from scananalysis.simulation import container_scene, render

    device = find_scanner(scanner).binned(binning, binning)
    written: list[dict[str, Any]] = []
    with output.progress() as progress:
        for done, seed in enumerate(seeds):
            if progress is not None:
                progress(f"scan {done + 1} of {len(seeds)}", done / len(seeds))
            load = container_scene(seed, device, cargo=goods, fraud=fraud)
            made = render(load.scene, device, seed)
            # The folder is made when there is something to put into it.
            folder.mkdir(parents=True, exist_ok=True)
            stem = f"{scanner}-{fraud or 'clean'}-{seed:06d}"
            path, papers = folder / f"{stem}.h5", folder / f"{stem}.json"
            write(made.scan, path, truth=made.truth)
            part = papers.with_name(papers.name + ".part")
            part.write_text(load.declaration.model_dump_json(indent=1, exclude_none=True) + "\n", encoding="utf-8")
            part.replace(papers)
            written.append({"scan": str(path), "declaration": str(papers), "labels": dict(made.labels)})
    output.json(written)
    for each in written:
        output.text(f"{each['scan']}  {each['labels'].get('fraud', '')}")
