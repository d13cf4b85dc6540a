"""`verify`: whether a bundle is, byte for byte, what was made and handed on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any

from scananalysis.core import FormatError
from scananalysis.inspection.evidence import custody, keys
from scananalysis.inspection.evidence.bag import INFO, MAX_TAG, TAG_MANIFEST, check_bag, read_info
from scananalysis.inspection.evidence.files import Problem, bounded, listing

SIGNER = "Signing-Key"
"""Label of ``bag-info.txt`` with the fingerprint of the key that the bundle was made with."""


@dataclass(frozen=True)
class Verification:
    """What `verify` found.

    Parameters
    ----------
    bundle : Path
    problems : tuple of Problem
        Empty if everything is as it was made.
    notes : tuple of str
        What the answer does not rest on, in sentences.
    log : Log or None
        The custody log; None where there is none.
    files, size : int
        Files that were checked, and their bytes.
    bag_sha256 : str
        Of the tag manifest: stands for every byte of the bag but the log.
    trusted : bool
        All signatures are by keys that were given.
    """

    bundle: Path
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    log: custody.Log | None
    files: int
    size: int
    bag_sha256: str
    trusted: bool

    @property
    def intact(self) -> bool:
        """Whether nothing was changed, removed, added or re-ordered."""
        return not self.problems

    @property
    def head(self) -> str:
        """sha256 of the last custody entry."""
        return "" if self.log is None else self.log.head

    @property
    def signers(self) -> tuple[str, ...]:
        """Fingerprints of the keys that signed."""
        return () if self.log is None else tuple(map(keys.fingerprint, self.log.signers))

    def plain(self) -> dict[str, Any]:
        """Return the answer as plain JSON values."""
        return {
            "bundle": str(self.bundle),
            "intact": self.intact,
            "problems": [{"kind": p.kind, "what": p.what, "detail": p.detail} for p in self.problems],
            "notes": list(self.notes),
            "files": self.files,
            "bytes": self.size,
            "custody_entries": 0 if self.log is None else len(self.log.entries),
            "custody_head": self.head,
            "bag_sha256": self.bag_sha256,
            "signed_by": list(self.signers),
            "trusted": self.trusted,
        }


def verify(
    bundle: str | PathLike[str],
    public_keys: Sequence[str | PathLike[str]] = (),
    *,
    head: str | None = None,
) -> Verification:
    """Check every byte of a bundle, its custody log and its signatures.

    Parameters
    ----------
    bundle : path-like
    public_keys : sequence of path-like
        Public keys of those who may sign. With them an unsigned bundle, or one signed by anybody else, has a problem.
    head : str, optional
        sha256 of a custody entry that was noted elsewhere: the log must hold it, which shows a log that was set back.

    Returns
    -------
    Verification

    Raises
    ------
    FormatError
        Not a folder, or beyond the limits of a bundle.
    ConfigurationError
        A key cannot be read.
    """
    root = Path(bundle)
    trusted_keys = {keys.load_public(path) for path in public_keys}
    files, surplus = listing(root)
    problems, bag_sha256, size = check_bag(files, frozenset({custody.NAME}))
    # A folder is often empty because its file was removed, and that is the better word for it.
    problems += surplus
    log = None
    if custody.NAME in files:
        try:
            log = custody.check(files[custody.NAME], bag_sha256)
            problems += log.problems
        except FormatError as error:
            problems.append(Problem("refused", custody.NAME, error.found))
    problems += _who(files, log, trusted_keys)
    if head is not None and (log is None or head not in {entry.sha256 for entry in log.entries}):
        problems.append(Problem("removed", "custody entry", f"none has the sha256 {head[:80]}"))
    signed = log is not None and bool(log.signers)
    trusted = signed and bool(trusted_keys) and not any(p.kind == "signature" for p in problems)
    return Verification(
        bundle=root,
        problems=tuple(problems),
        notes=_notes(log, signed=signed, keys_given=bool(trusted_keys)),
        log=log,
        files=len(files),
        size=size,
        bag_sha256=bag_sha256,
        trusted=trusted,
    )


def _who(files: dict[str, Path], log: custody.Log | None, trusted: set[str]) -> list[Problem]:
    problems = []
    try:
        maker = read_info(files[INFO]).get(SIGNER) if INFO in files else None
    except FormatError:
        # Too large to be read; it does not match its manifest either, and is named there.
        maker = None
    first = log.entries[0].public_key if log is not None and log.entries else ""
    if maker is not None and (not first or keys.fingerprint(first) != maker):
        problems.append(Problem("signature", "custody entry 1", f"is not signed with the key {maker[:80]}"))
    if not trusted:
        return problems
    signers = () if log is None else log.signers
    if not signers:
        problems.append(Problem("signature", custody.NAME, "is not signed"))
    for signer in signers:
        if signer not in trusted:
            by = [f"{e.number}" for e in (log.entries if log is not None else ()) if e.public_key == signer]
            problems.append(
                Problem(
                    "signature",
                    f"custody entry {', '.join(by)}",
                    f"signed with {keys.fingerprint(signer)}, which is none of the keys that were given",
                )
            )
    return problems


def _notes(log: custody.Log | None, *, signed: bool, keys_given: bool) -> tuple[str, ...]:
    notes = []
    if not signed:
        notes.append("The bundle is not signed: this shows what changed by accident, not who made or changed it.")
    elif not keys_given:
        notes.append(
            "No public key was given: compare the fingerprint of the signing key with its owner, or name the key with --public-key."
        )
    if log is not None:
        times = [entry.time for entry in log.entries]
        notes += [
            f"Entry {number} bears an earlier time than the entry before it; a clock was wrong."
            for number, (before, after) in enumerate(pairwise(times), start=2)
            if after < before
        ]
    return tuple(notes)


def bag_of(bundle: Path) -> str:
    """Return the sha256 of a bundle's tag manifest.

    Raises
    ------
    FormatError
        There is none: not a bundle.
    """
    if not bundle.is_dir():
        raise FormatError("is not a folder", source=bundle, expected="an evidence bundle")
    return hashlib.sha256(bounded(bundle / TAG_MANIFEST, MAX_TAG, "a manifest", follow=False)).hexdigest()
