"""What all commands share: options, output for people and for machines, progress, and errors as one sentence."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from scananalysis.core.errors import ScanAnalysisError

REFUSED = 3
INTERNAL = 4
ALARM = 10

Workers = Annotated[
    int | None, typer.Option("--workers", min=1, metavar="N", help="Processes; one per core by default.")
]
CalibrationSet = Annotated[
    Path | None,
    typer.Option("--calibration", metavar="FILE", help="Calibration set; by default the references inside the scans."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors; with --json only the JSON.")]
Debug = Annotated[bool, typer.Option("--debug", help="Log every step and show the traceback of an error.")]
Definitions = Annotated[
    Path | None,
    typer.Option(
        "--definitions",
        metavar="DIR",
        help="Your own folder with detectors/, calibration/ or datasets/; searched before those that ship.",
    ),
]
Scanner = Annotated[
    str | None, typer.Option("--scanner", metavar="NAME", help="Scanner of the catalogue; see 'scananalysis scanners'.")
]
Format = Annotated[
    str | None,
    typer.Option("--format", metavar="NAME", help="Format of the file, if it is not to be found from its first bytes."),
]
Layout = Annotated[
    str | None,
    typer.Option("--layout", metavar="NAME|FILE", help="Layout of a file that does not describe itself."),
]


@dataclass
class Session:
    """What `main` must know when an error reaches it."""

    debug: bool = False


session = Session()

Progress = Callable[[str, float], None]
"""Called with what is being done and the share that is done, 0 … 1."""


def use_definitions(folder: Path | None) -> None:
    """Make a site's folder of definitions known to the whole process."""
    if folder is not None:
        os.environ["SCANANALYSIS_DEFINITIONS"] = str(folder)


def explain(error: BaseException) -> tuple[str, int]:
    """Return the sentence for an error and the exit code that goes with it.

    Examples
    --------
    >>> from scananalysis.core import FormatError
    >>> explain(FormatError("is truncated", source="a.h5"))
    ('Error: a.h5: is truncated.', 3)
    >>> explain(FileNotFoundError(2, "No such file or directory", "b.h5"))
    ('Error: b.h5: no such file or directory.', 3)
    """
    if isinstance(error, ScanAnalysisError):
        return f"Error: {_one_line(str(error))}", error.exit_code
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror[:1].lower() + error.strerror[1:]
        where = f"{error.filename}: " if error.filename is not None else ""
        return f"Error: {_one_line(where + reason)}.", REFUSED
    kind = type(error).__name__
    text = _one_line(str(error))[:300]
    return f"Internal fault: {kind}: {text}; run again with --debug and report it with the traceback.", INTERNAL


def _one_line(text: str) -> str:
    return " ".join(text.split())


class Output:
    """Prints results: a JSON value for machines, rich text for people, nothing when quiet.

    Parameters
    ----------
    as_json, quiet : bool
    """

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self.as_json = as_json
        self.quiet = quiet

    def json(self, value: Any) -> None:
        """Print a JSON value, if JSON was asked for."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    @property
    def speaks(self) -> bool:
        """Whether text for people is wanted."""
        return not self.as_json and not self.quiet

    def text(self, *parts: Any) -> None:
        """Print text for people, without markup, so that names from files cannot be taken for it."""
        if self.speaks:
            _console().print(*parts, markup=False, highlight=False, soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
        """Print a table; columns named by index in ``right`` are numbers."""
        if not self.speaks:
            return
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for index, column in enumerate(columns):
            table.add_column(column, justify="right" if index in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        _console().print(table)

    def pairs(self, rows: Mapping[str, Any], *, indent: int = 0) -> None:
        """Print names and values, one a line; values may be lists or mappings."""
        width = max((len(key) for key in rows), default=0)
        for key, value in rows.items():
            self.text(f"{' ' * indent}{key.replace('_', ' '):<{width}}  {_said(value)}")

    @contextmanager
    def progress(self) -> Iterator[Progress | None]:
        """Show a progress bar on a terminal; yields None where there is none to show it on."""
        if not self.speaks or not sys.stderr.isatty():
            yield None
            return
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
        )
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("starting", total=1.0)

            def report(what: str, share: float) -> None:
                bar.update(task, description=what, completed=share)

            yield report


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_said(part)}" for key, part in value.items()) or "–"
    if isinstance(value, list | tuple):
        return ", ".join(_said(part) for part in value) or "–"
    return "–" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _console() -> Any:
    from rich.console import Console

    # A pipe has no width of its own; tables for it must not be folded to 80 columns.
    return Console(width=None if sys.stdout.isatty() else 200)


def start(*, as_json: bool, quiet: bool, debug: bool, definitions: Path | None) -> Output:
    """Apply the options that all commands share and return where to print."""
    session.debug = debug
    if debug:
        logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(name)s: %(message)s")
        for noisy in ("matplotlib", "PIL", "h5py", "tifffile"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
    use_definitions(definitions)
    return Output(as_json=as_json, quiet=quiet)


def first_word_optional(default: str) -> type[TyperGroup]:
    """Return a group of commands in which the first word may be an argument of one of them.

    ``batch ARCHIVE`` is ``batch run ARCHIVE`` where ``default`` is ``run``; a folder called like a command is written ``./status``.
    """

    class Group(TyperGroup):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
                args = [default, *args]
            return super().parse_args(ctx, args)

    return Group


def group(name: str, help: str, example: str, default: str) -> typer.Typer:
    """Return a command that has commands of its own, one of which needs not be named."""
    return typer.Typer(
        name=name,
        cls=first_word_optional(default),
        help=help,
        epilog=example,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
