"""`log`: a new entry in the chain of custody of a bundle."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from scananalysis.inspection.evidence import custody
from scananalysis.inspection.evidence.check import bag_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def log(
    bundle: str | PathLike[str], *, who: str, what: str, why: str, key: Ed25519PrivateKey | None = None
) -> custody.Entry:
    """Add an entry to the custody log of a bundle.

    The log is checked first, the rest of the bundle is not: `verify` does that.

    Parameters
    ----------
    bundle : path-like
    who, what, why : str
        Plain text, one line each.
    key : Ed25519PrivateKey, optional
        Needed for a signed bundle; the key of the one who writes the entry.

    Returns
    -------
    Entry
        Its ``sha256`` is the new head of the log: noted elsewhere, it shows a log that was set back.

    Raises
    ------
    InputError
        Not a bundle, the log is not intact, or the key is missing.
    """
    root = Path(bundle)
    return custody.append(root, bag_of(root), who=who, what=what, why=why, key=key)
