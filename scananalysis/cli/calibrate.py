"""``scananalysis calibrate``: builds, checks, shows and lists calibration sets."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from scananalysis.cli import alarms, monitor
from scananalysis.cli.common import (
    REFUSED,
    Debug,
    Definitions,
    Format,
    Json,
    Layout,
    Quiet,
    Scanner,
    start,
)
from scananalysis.cli.sets import (
    curves_refused,
    holds_at,
    holds_now,
    moment,
    read_all,
    roles,
    say,
    say_bad,
    say_check,
    summary,
)

if TYPE_CHECKING:
    from scananalysis.calibration import Calibration

NAME = "calibrate"
EXAMPLE = "Example:  scananalysis calibrate build --dark dark.h5 --air air.h5 --output site.h5"

app = typer.Typer(
    name=NAME,
    help="Build, check, show and list calibration sets; calibrate a model's false alarms.",
    epilog=EXAMPLE,
    no_args_is_help=True,
    rich_markup_mode="rich",
)

Set = Annotated[Path, typer.Argument(metavar="SET", help="Calibration set, as 'calibrate build' writes it.")]


class _SeveralFiles(TyperCommand):
    """Lets a file option take several values, as a shell's ``*`` gives them: the command has no arguments of its own."""

    _OPTIONS = ("--dark", "--air", "--wedge")

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option before every further value."""
        repeated: list[str] = []
        option = None
        for arg in args:
            # The value right after an option is its own; one that follows a value is one more.
            if option is not None and not arg.startswith("-") and repeated[-1] != option:
                repeated.append(option)
            elif arg.startswith("-"):
                option = arg if arg in self._OPTIONS else None
            repeated.append(arg)
        return super().parse_args(ctx, repeated)


@app.command(name="build", cls=_SeveralFiles, epilog=EXAMPLE, no_args_is_help=True)
def build(
    output_file: Annotated[Path, typer.Option("--output", "-o", metavar="SET.h5", help="The set to write.")],
    dark: Annotated[
        list[Path] | None,
        typer.Option("--dark", metavar="FILE...", help="Scans without beam, or with dark lines inside."),
    ] = None,
    air: Annotated[
        list[Path] | None,
        typer.Option("--air", metavar="FILE...", help="Scans of the open beam, or with such lines inside."),
    ] = None,
    wedge: Annotated[
        list[Path] | None,
        typer.Option("--wedge", metavar="FILE...", help="Scans of a step wedge, for material curves."),
    ] = None,
    wedge_definition: Annotated[
        str | None,
        typer.Option(
            "--wedge-definition",
            metavar="NAME|FILE",
            help="Which wedge: a name of calibration/objects/ or a TOML file.",
        ),
    ] = None,
    groups: Annotated[
        int,
        typer.Option("--groups", min=1, metavar="N", help="Parts of the array whose wedge steps are measured apart."),
    ] = 8,
    valid_from: Annotated[
        str | None,
        typer.Option(
            "--valid-from",
            metavar="DATE",
            help="ISO 8601, UTC unless stated; by default when the first scan was taken.",
        ),
    ] = None,
    valid_until: Annotated[str | None, typer.Option("--valid-until", metavar="DATE", help="ISO 8601.")] = None,
    valid_days: Annotated[
        float | None, typer.Option("--valid-days", min=0.0, metavar="N", help="Instead of --valid-until.")
    ] = None,
    wedge_days: Annotated[
        float | None,
        typer.Option(
            "--wedge-days",
            min=0.0,
            metavar="N",
            help="How long the curves hold from when the wedge was scanned; by default as long as the set.",
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option("--temperature", metavar="°C", help="Of the array; by default what the scans say, if they do."),
    ] = None,
    temperature_within: Annotated[
        float | None,
        typer.Option("--temperature-within", metavar="°C", help="Refuse scans that state one further off than this."),
    ] = None,
    scanner: Scanner = None,
    layout: Layout = None,
    format: Format = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    definitions: Definitions = None,
) -> None:
    """Build a calibration set from dark, open-beam and wedge scans.

    A file that carries references gives those; of one that carries none, all its lines are the reference. So --dark and --air may name
    the same scan.
    """
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=definitions)
    if not dark or not air:
        raise typer.BadParameter("name at least one dark and one open-beam scan", param_hint="'--dark' / '--air'")
    if bool(wedge) != (wedge_definition is not None):
        raise typer.BadParameter(
            "a wedge scan needs the wedge's definition, and the other way round",
            param_hint="'--wedge' / '--wedge-definition'",
        )
    named = {path.resolve() for path in (*dark, *air, *(wedge or []))}
    if output_file.resolve() in named:
        raise typer.BadParameter(f"one of the scans has that name: {output_file}", param_hint="'--output'")
    if wedge_days is not None and not wedge:
        raise typer.BadParameter("a time for curves without a wedge", param_hint="'--wedge-days'")
    from scananalysis.calibration import build_calibration
    from scananalysis.core import InputError

    start_of, end_of = moment(valid_from, "--valid-from"), moment(valid_until, "--valid-until")
    with output.progress() as progress:
        step = progress or (lambda _what, _share: None)
        step("reading", 0.0)
        given = {
            kind: (paths, read_all(paths, format=format, layout=layout, scanner=scanner))
            for kind, paths in (("dark", dark), ("air", air), ("wedge", wedge or []))
        }
        step("measuring references", 0.3)
        inputs: dict[str, str] = {}
        files: dict[str, str] = {}
        for kind, (paths, scans) in given.items():
            digests, names = roles(kind, paths, [digest for _, digest in scans])
            inputs |= digests
            files |= names
        try:
            made = build_calibration(
                [scan for scan, _ in given["dark"][1]],
                [scan for scan, _ in given["air"][1]],
                valid_from=start_of,
                valid_until=end_of,
                valid_for=None if valid_days is None else timedelta(days=valid_days),
                temperature_c=temperature,
                inputs=inputs,
                files=files,
            )
            if temperature_within is not None:
                made = made.within_temperature(temperature_within)
        except InputError as error:
            raise error.at(_names((*dark, *air))) from error.__cause__
        if wedge and wedge_definition is not None:
            step("fitting curves", 0.5)
            seen = [scan for scan, _ in given["wedge"][1]]
            made = _with_curves(made, wedge, seen, wedge_definition, groups, wedge_days)
        step("writing", 0.95)
        made.save(output_file)
    found = summary(made, output_file)
    output.json(found)
    output.text(f"Wrote {output_file}")
    say(found, output)


def _names(paths: tuple[Path, ...]) -> str:
    unique = list(dict.fromkeys(str(path) for path in paths))
    return " + ".join(unique) if len(unique) <= 3 else f"{unique[0]} and {len(unique) - 1} more"


def _with_curves(
    made: Calibration, paths: list[Path], scans: list[Any], definition: str, groups: int, days: float | None
) -> Calibration:
    from scananalysis.calibration import ReferenceWedge
    from scananalysis.calibration.building import hold_from_scans
    from scananalysis.core import InputError
    from scananalysis.materials import fit_curves

    by_file = definition.endswith(".toml") or Path(definition).is_file()
    described = ReferenceWedge.read(definition) if by_file else ReferenceWedge.named(definition)
    try:
        fitted = fit_curves(made, scans, described, groups=groups).calibration
        return fitted if days is None else hold_from_scans(fitted, scans, timedelta(days=days))
    except InputError as error:
        raise error.at(_names(tuple(paths))) from error.__cause__


@app.command(
    name="check",
    epilog="Example:  scananalysis calibrate check site.h5 air-today.h5 --dark dark-today.h5",
    no_args_is_help=True,
)
def check(
    calibration: Set,
    air: Annotated[
        Path, typer.Argument(metavar="SCAN", help="New scan of the open beam, or any scan with references inside.")
    ],
    dark: Annotated[
        list[Path] | None,
        typer.Option(
            "--dark", metavar="FILE", help="New dark scan; without one offset and dark noise are not checked."
        ),
    ] = None,
    level: Annotated[
        float, typer.Option("--level", metavar="SHARE", help="Most change of the open beam.", show_default=True)
    ] = 0.05,
    shape: Annotated[
        float, typer.Option("--shape", metavar="SHARE", help="Most change of an element's gain.", show_default=True)
    ] = 0.01,
    offset: Annotated[
        float, typer.Option("--offset", metavar="SIGMAS", help="Most change of an element's offset.", show_default=True)
    ] = 2.0,
    noise: Annotated[
        float, typer.Option("--noise", metavar="SHARE", help="Most growth of the noise.", show_default=True)
    ] = 0.2,
    new_defects: Annotated[
        int, typer.Option("--new-defects", min=0, metavar="N", help="Most new bad elements.", show_default=True)
    ] = 0,
    scanner: Scanner = None,
    layout: Layout = None,
    format: Format = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    definitions: Definitions = None,
) -> None:
    """Say whether a set still holds: numbers of a new open-beam scan against limits. Exit code 3 if it does not."""
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=definitions)
    from scananalysis.calibration import check_calibration, gather, load_calibration
    from scananalysis.calibration.check import Limits
    from scananalysis.calibration.references import acquired
    from scananalysis.calibration.references import temperature as temperature_of
    from scananalysis.core import InputError

    used = load_calibration(calibration)
    limits = _limits(Limits, level=level, shape=shape, offset=offset, noise=noise, new_defects=new_defects)
    read = read_all([*(dark or []), air], format=format, layout=layout, scanner=scanner)
    scans = [scan for scan, _ in read]
    try:
        without_beam = scans[:-1] or [scan for scan in scans[-1:] if scan.dark is not None]
        lines = gather(without_beam, scans[-1:], [str(path) for path in (*(dark or []), air)])
        found = check_calibration(used, lines, limits=limits)
    except InputError as error:
        raise error.at(air) from error.__cause__
    expired = not holds_now(used, acquired(scans[-1]))
    curves = curves_refused(used, acquired(scans[-1]))
    warmth = temperature_of(scans[-1])
    elsewhere = not holds_at(used, warmth)
    output.json(
        {
            **found.to_dict(),
            "holds": found.holds and not expired and not elsewhere and curves is None,
            "expired": expired,
            "outside_temperature": elsewhere,
            "curves": curves,
            "file": str(calibration),
            "scan": str(air),
        }
    )
    say_check(found, output)
    reasons = ["it is outside its time of validity"] if expired else []
    reasons += [f"it is not for {warmth:.1f} °C"] if elsewhere else []
    reasons += [curves] if curves else []
    reasons += [reason.rstrip(".") for reason in found.reasons]
    output.text("The set no longer holds." if reasons else "The set holds.")
    if reasons:
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        sys.stderr.write(f"Error: {calibration}: no longer holds: {reasons[0]}{more}; build a new set.\n")
        raise typer.Exit(REFUSED)


def _limits(limits: Any, **values: float) -> Any:
    from pydantic import ValidationError

    try:
        return limits(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).replace("_", "-")
        raise typer.BadParameter(f"{first['input']!r}: {first['msg']}", param_hint=f"'--{name}'") from None


@app.command(
    name="show", epilog="Example:  scananalysis calibrate show site.h5 --output out/site.png", no_args_is_help=True
)
def show(
    calibration: Set,
    picture: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.png", help="Draw it: gain, offset, noise, fit of the curves."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    definitions: Definitions = None,
) -> None:
    """Show what a set holds: scanner, validity, values, bad elements, curves and inputs, and what corrections go by.

    Dark and open-beam lines tell offset, gain, noise, quanta, bad elements and crosstalk, a wedge the curves. For the other corrections
    it says that they are from the scanner definition, not measured.
    """
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=definitions)
    if picture is not None and picture.suffix.lower() != ".png":
        raise typer.BadParameter(f"{picture} is no name of a picture that ends in .png", param_hint="'--output'")
    from scananalysis.calibration import load_calibration

    used = load_calibration(calibration)
    found = summary(used, calibration)
    if picture is not None:
        from scananalysis.report.sets import save_figure

        save_figure(used, picture)
        found["picture"] = str(picture)
    output.json(found)
    output.text(str(calibration))
    say(found, output)
    say_bad(found, output)
    for role, digest in found["inputs"].items():
        output.text(f"  {role:<14} {digest}  {found['files'].get(role, '')}".rstrip())
    if picture is not None:
        output.text(f"Wrote {picture}")


@app.command(name="list", epilog="Example:  scananalysis calibrate list sets/*.h5", no_args_is_help=True)
def listing(
    files: Annotated[list[Path], typer.Argument(metavar="SET...", help="Calibration sets.")],
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    definitions: Definitions = None,
) -> None:
    """List sets: scanner, size, validity, whether they hold now and have curves."""
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=definitions)
    from scananalysis.calibration import load_calibration
    from scananalysis.cli.many import each

    rows: list[list[str]] = []

    def one(path: Path) -> dict[str, Any]:
        found = summary(load_calibration(path), path)
        rows.append(
            [
                str(path),
                found["scanner"],
                str(found["elements"]),
                found["valid_from"] or "–",
                found["valid_until"] or "–",
                "yes" if found["holds_now"] else "NO",
                "–" if found["curves"] is None else f"{found['curves']['points']} points",
            ]
        )
        return found

    columns = ["set", "scanner", "elements", "valid from", "valid until", "holds now", "curves"]
    try:
        each(files, one, output)
    finally:
        # Sets that could be read are listed even where others are named as refused.
        output.table(columns, rows, right=(2,))


app.command(name=alarms.NAME, epilog=alarms.EXAMPLE, no_args_is_help=alarms.NEEDS_ARGUMENTS)(alarms.command)
app.command(name=monitor.NAME, epilog=monitor.EXAMPLE, no_args_is_help=monitor.NEEDS_ARGUMENTS)(monitor.command)
