"""``scananalysis verify``: whether an evidence bundle is what was made and handed on."""

from __future__ import annotations

from typing import Annotated

import typer

from scananalysis.cli.common import REFUSED, Debug, Json, Quiet, start
from scananalysis.cli.evidence import Bundle, PublicKeys

NAME = "verify"
EXAMPLE = "Example:  scananalysis verify truck-bundle --public-key officer.key.pub"
NEEDS_ARGUMENTS = True


def command(
    bundle: Bundle,
    public_key: PublicKeys = None,
    head: Annotated[
        str | None,
        typer.Option(
            "--head",
            metavar="SHA256",
            help="Custody head that was noted elsewhere: the log must still hold that entry.",
        ),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Check every byte of a bundle, its chain of custody and its signatures; name what is not as it was made.

    Ends with 0 if everything is as it was made, otherwise with 3.
    """
    output = start(as_json=as_json, quiet=quiet, debug=debug, definitions=None)
    from scananalysis.inspection.evidence import verify

    found = verify(bundle, public_key or (), head=head)
    output.json(found.plain())
    if found.intact:
        output.text(f"INTACT  {found.bundle}: {found.files} files, {found.size:,} bytes, every byte as it was made")
    else:
        output.text(f"NOT INTACT  {found.bundle}")
    for problem in found.problems:
        output.text(f"  {problem}")
    if found.log is not None:
        count = len(found.log.entries)
        output.text(f"  Custody: {count} {'entry' if count == 1 else 'entries'}, head {found.head}")
    for signer in found.signers:
        output.text(f"  Signed with {signer}{', a key that was given' if found.trusted else ''}")
    for note in found.notes:
        output.text(f"  {note}")
    if not found.intact:
        raise typer.Exit(REFUSED)
