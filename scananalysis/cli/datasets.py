"""``scananalysis datasets``: what recipes hold, the sha256 of their splits, and bringing in one's own labelled scans."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from scananalysis.cli.common import Debug, Definitions, Format, Json, Layout, Quiet, Scanner, explain, start

NAME = "datasets"
EXAMPLE = "Example:  scananalysis datasets splits declared-cargo"

app = typer.Typer(
    name=NAME,
    help="Recipes with the sha256 of their splits; import of your own labelled scans.",
    epilog=EXAMPLE,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(name="splits", epilog=EXAMPLE)
def splits(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Name of a recipe, or a file.")] = "declared-cargo",
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    definitions: Definitions = None,
) -> None:
    """Print the sha256 of every split and shift of a recipe: of all that decides its samples, one by one."""
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=definitions)
    from scananalysis._version import __version__
    from scananalysis.datasets import read_recipe, split_digest

    found = read_recipe(recipe)
    rows: list[tuple[str, str | None, int, str]] = [
        (name, None, part.count, split_digest(found, name)) for name, part in found.splits.items()
    ]
    if "test" in found.splits:
        rows += [
            ("test", shift, found.splits["test"].count, split_digest(found, "test", shift)) for shift in found.shifts
        ]
    output.json(
        {
            "recipe": found.name,
            "simulator": __version__,
            "splits": [
                {"split": name, "shift": shift, "samples": count, "sha256": digest}
                for name, shift, count, digest in rows
            ],
        }
    )
    output.table(
        ["split", "shift", "samples", "sha256"],
        [[name, shift or "", str(count), digest] for name, shift, count, digest in rows],
        right=(2,),
    )
    output.text(f"Bytes of scans depend on the simulator too: version {__version__}.")


@app.command(
    name="import", epilog="Example:  scananalysis datasets import mine/labels.csv --name mine --output data/mine"
)
def import_(
    labels: Annotated[
        Path, typer.Argument(metavar="LABELS", help="labels.csv with the columns scan, declaration, kind, mask or box.")
    ],
    output_folder: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder; made if missing.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the set.")] = "imported",
    scanner: Scanner = None,
    layout: Layout = None,
    format: Format = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    definitions: Definitions = None,
) -> None:
    """Bring your own labelled scans into one folder with a manifest, for 'evaluate --data'.

    A scan that is refused is named and left out, and the command ends with 1.
    """
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=definitions)
    from scananalysis.datasets import import_scans, read_manifest

    with output.progress() as progress:
        manifest, refused = import_scans(
            labels,
            name,
            output_folder,
            format=format,
            layout=layout,
            scanner=scanner,
            progress=None
            if progress is None
            else lambda done, total: progress(f"scan {done} of {total}", done / total),
        )
    count = sum(1 for _ in read_manifest(manifest))
    output.json({"manifest": str(manifest), "scans": count, "refused": [str(error) for error in refused]})
    output.text(f"{count} scans and {manifest.name} are in {output_folder}")
    for error in refused:
        sys.stderr.write(f"{explain(error)[0]}\n")
    if refused:
        raise typer.Exit(1)
