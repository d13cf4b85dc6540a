"""``scananalysis evidence``: bundles of a result with everything it was made from, their custody log, keys, seizure reports."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scananalysis.cli.common import Debug, Definitions, Json, Quiet, group, start

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAME = "evidence"
EXAMPLE = 'Example:  scananalysis evidence out/truck --output truck-bundle --key officer.key --who "A. Officer" --why "case 12"'
PASSPHRASE = "SCANANALYSIS_PASSPHRASE"  # noqa: S105 - the name of a variable
"""Variable that holds the passphrase of a key where nobody can be asked."""


app = group(
    NAME,
    "Make an evidence bundle of a result, add to its chain of custody, make keys, print a seizure report.",
    EXAMPLE,
    default="make",
)


Key = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        help="Private key that signs; a passphrase is asked for, or taken from SCANANALYSIS_PASSPHRASE.",
    ),
]
Bundle = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of the bundle.")]
PublicKeys = Annotated[
    list[Path] | None,
    typer.Option(
        "--public-key", metavar="FILE", help="Public key (.pub) of one who may sign; may be named several times."
    ),
]
Who = Annotated[str | None, typer.Option("--who", metavar="TEXT", help="Who does this; by default the login name.")]


def opened_key(path: Path | None) -> Ed25519PrivateKey | None:
    """Return the key of a file, asking for its passphrase on a terminal if it has one."""
    if path is None:
        return None
    from scananalysis.core import ConfigurationError
    from scananalysis.inspection.evidence.keys import load_private, needs_passphrase

    passphrase = None
    if needs_passphrase(path):
        passphrase = os.environ.get(PASSPHRASE)
        if passphrase is None and sys.stdin.isatty():
            passphrase = getpass.getpass(f"Passphrase of {path}: ")
        if passphrase is None:
            raise ConfigurationError("is encrypted", source=path, remedy=f"put its passphrase into {PASSPHRASE}")
    return load_private(path, passphrase)


def person(who: str | None) -> str:
    """Return who acts; without a name the login name, marked as such."""
    if who is not None:
        return who
    try:
        return f"login name {getpass.getuser()}"
    except (KeyError, OSError):
        return "login name unknown"


@app.command(name="make", epilog=EXAMPLE, no_args_is_help=True)
def make(
    result: Annotated[Path, typer.Argument(metavar="SCAN_RESULT", help="Folder that 'scananalysis inspect' wrote.")],
    output_folder: Annotated[
        Path, typer.Option("--output", "-o", metavar="BUNDLE", help="Folder of the bundle; must not exist.")
    ],
    key: Key = None,
    who: Who = None,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Why, e.g. a case number.")] = "not stated",
    scan: Annotated[
        Path | None, typer.Option("--scan", metavar="FILE", help="The scan, if it is no longer where it was inspected.")
    ] = None,
    declaration: Annotated[
        Path | None, typer.Option("--declaration", metavar="FILE", help="The same for the declaration.")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option("--calibration", metavar="FILE", help="The same for the calibration set.")
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option("--compare", metavar="FILE", help="The same for the earlier scan that it was compared with."),
    ] = None,
    compare_declaration: Annotated[
        Path | None,
        typer.Option("--compare-declaration", metavar="FILE", help="The same for the earlier scan's declaration."),
    ] = None,
    compare_calibration: Annotated[
        Path | None,
        typer.Option("--compare-calibration", metavar="FILE", help="The same for the earlier scan's calibration set."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    definitions: Definitions = None,
) -> None:
    """Close a result in a BagIt bag with the scan, papers, calibration, model and definitions that it was made from.

    An earlier scan that it was compared with goes in, too. Every input must still be, byte for byte, the one that was inspected.
    The first entry of the custody log is written.
    """
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=definitions)
    from scananalysis.inspection.evidence import make as make_bundle
    from scananalysis.inspection.evidence import verify

    bundle = make_bundle(
        result,
        output_folder,
        who=person(who),
        why=why,
        key=opened_key(key),
        scan=scan,
        declaration=declaration,
        calibration=calibration,
        compare=compare,
        compare_declaration=compare_declaration,
        compare_calibration=compare_calibration,
    )
    checked = verify(bundle)
    output.json(checked.plain())
    output.text(f"{bundle}: {checked.files} files, {checked.size:,} bytes")
    output.text(f"  Signed with {checked.signers[0]}" if checked.signers else "  Not signed: name a key with --key.")
    output.text(f"  Note this elsewhere: custody head {checked.head}")


@app.command(
    name="log",
    epilog='Example:  scananalysis evidence log truck-bundle --key lab.key --who "B. Chemist" --what "received" --why "analysis"',
    no_args_is_help=True,
)
def log(
    bundle: Bundle,
    what: Annotated[
        str, typer.Option("--what", metavar="TEXT", help="What was done, e.g. handed over, copied, opened.")
    ],
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Why.")],
    who: Who = None,
    key: Key = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Add an entry to the custody log of a bundle. A signed bundle takes signed entries only."""
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=None)
    from scananalysis.inspection.evidence import log as add

    entry = add(bundle, who=person(who), what=what, why=why, key=opened_key(key))
    output.json({"number": entry.number, "time": entry.time, "custody_head": entry.sha256})
    output.text(f"Entry {entry.number}, {entry.time}. Note this elsewhere: custody head {entry.sha256}")


@app.command(name="key", epilog="Example:  scananalysis evidence key officer.key --passphrase", no_args_is_help=True)
def key(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The private key; the public one gets the ending .pub.")],
    passphrase: Annotated[
        bool,
        typer.Option(
            "--passphrase", help="Encrypt it; the passphrase is asked for, or taken from SCANANALYSIS_PASSPHRASE."
        ),
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make an Ed25519 key to sign bundles with. Only its owner can read the private file (mode 0600)."""
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=None)
    from scananalysis.inspection.evidence.keys import generate

    print_ = generate(path, _new_passphrase() if passphrase else None)
    output.json({"private": str(path), "public": f"{path}.pub", "fingerprint": print_})
    output.text(f"{path}: private key, keep it; {path}.pub: public key, give it to those who verify")
    output.text(f"  {print_}")


def _new_passphrase() -> str:
    from scananalysis.core import ConfigurationError

    known = os.environ.get(PASSPHRASE)
    if known is not None:
        return known
    if not sys.stdin.isatty():
        raise ConfigurationError("nobody can be asked for a passphrase", remedy=f"put it into {PASSPHRASE}")
    first, second = (getpass.getpass(text) for text in ("New passphrase: ", "The same again: "))
    if first != second:
        raise ConfigurationError("the two passphrases differ", remedy="try again")
    return first


@app.command(
    name="report",
    epilog="Example:  scananalysis evidence report truck-bundle --output seizure.html",
    no_args_is_help=True,
)
def report(
    bundle: Bundle,
    output_file: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="HTML page to print on A4 and sign.")
    ],
    public_key: PublicKeys = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write the seizure report of a bundle, which is verified first."""
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=None)
    from scananalysis.core import ConfigurationError
    from scananalysis.inspection.evidence import seizure_report
    from scananalysis.io.atomic import complete

    if output_file.resolve().is_relative_to(bundle.resolve()):
        raise ConfigurationError("lies inside the bundle", source=output_file, expected="a file outside of it")
    page = seizure_report(bundle, public_key or ())
    with complete(output_file) as part:
        part.write_text(page, encoding="utf-8")
    output.json({"report": str(output_file)})
    output.text(f"{output_file}: open it in a browser and print it")
