"""BagIt bags (RFC 8493, https://doi.org/10.17487/RFC8493) with sha256 manifests: written once, checked strictly.

Bags written here are valid for any BagIt tool. Only bags as written here are accepted: one payload manifest, one tag manifest, no
``fetch.txt``, so that there is no byte that nothing speaks of.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from scananalysis.core import FormatError
from scananalysis.inspection.evidence.files import Problem, bounded, digest, safe_name

DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
BAGIT, INFO = "bagit.txt", "bag-info.txt"
MANIFEST, TAG_MANIFEST = "manifest-sha256.txt", "tagmanifest-sha256.txt"
TAGS = (BAGIT, INFO, MANIFEST)
"""Files that the tag manifest names."""

MAX_TAG = 4 << 20
"""Largest manifest or other tag file, bytes."""

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def write_bag(folder: Path, payload: Mapping[str, tuple[str, int]], info: Mapping[str, str]) -> str:
    """Write the tag files of a bag whose payload lies in ``folder/data`` already.

    Parameters
    ----------
    folder : Path
    payload : mapping of str to (str, int)
        sha256 and size by name, ``data/…``.
    info : mapping of str to str
        ``bag-info.txt``.

    Returns
    -------
    str
        sha256 of the tag manifest: it stands for every byte of the bag but the custody log.
    """
    total = sum(size for _, size in payload.values())
    lines = {**info, "Payload-Oxum": f"{total}.{len(payload)}"}
    (folder / BAGIT).write_bytes(DECLARATION)
    (folder / INFO).write_bytes("".join(f"{k}: {_one_line(v)}\n" for k, v in lines.items()).encode())
    (folder / MANIFEST).write_bytes(_manifest({name: sha for name, (sha, _) in payload.items()}))
    tags = _manifest({name: digest(folder / name)[0] for name in TAGS})
    (folder / TAG_MANIFEST).write_bytes(tags)
    return hashlib.sha256(tags).hexdigest()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _manifest(digests: Mapping[str, str]) -> bytes:
    return "".join(f"{sha}  {name}\n" for name, sha in sorted(digests.items())).encode()


def read_manifest(path: Path) -> dict[str, str]:
    """Return sha256 by name.

    Raises
    ------
    FormatError
        Too large, malformed, or a name that leaves the bag or stands twice.
    """
    content = bounded(path, MAX_TAG, "a manifest", follow=False)
    found: dict[str, str] = {}
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"is not UTF-8 at byte {error.start}", source=path, expected="a manifest") from None
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise FormatError(f"line {number} is malformed", source=path, expected="a sha256, two spaces and a name")
        sha, name = match.groups()
        if not safe_name(name):
            raise FormatError(f"line {number} names {name[:80]!r}", source=path, expected="a name inside the bundle")
        if name in found:
            raise FormatError(f"line {number} names {name[:80]!r} again", source=path, expected="every name once")
        found[name] = sha
    if not text.endswith("\n"):
        raise FormatError("does not end with a line end", source=path, expected="a complete manifest")
    return found


def read_info(path: Path) -> dict[str, str]:
    r"""Return ``bag-info.txt`` by label; lines without a label are passed over.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "bag-info.txt"
    >>> _ = path.write_text("Bagging-Date: 2026-05-01\n")
    >>> read_info(path)
    {'Bagging-Date': '2026-05-01'}
    """
    text = bounded(path, MAX_TAG, "bag-info.txt", follow=False).decode("utf-8", "replace")
    return {line.split(": ", 1)[0]: line.split(": ", 1)[1] for line in text.split("\n") if ": " in line}


def check_bag(files: Mapping[str, Path], others: frozenset[str]) -> tuple[list[Problem], str, int]:
    """Hold every file of a bag against its manifests.

    Parameters
    ----------
    files : mapping of str to Path
        What is there, from `scananalysis.inspection.evidence.files.listing`.
    others : frozenset of str
        Files that may stand beside those of the bag.

    Returns
    -------
    problems : list of Problem
    tags_sha256 : str
        Of the tag manifest as it is; empty where there is none.
    size : int
        Bytes that were read.
    """
    problems = [
        Problem("removed", name, "every bundle has it")
        for name in (*TAGS, TAG_MANIFEST, *sorted(others))
        if name not in files
    ]
    sums: dict[str, str] = {}
    total = 0
    for name, path in files.items():
        try:
            sums[name], size = digest(path)
        except FormatError as error:
            problems.append(Problem("refused", name, error.found))
            continue
        total += size
    tags = _named(files, TAG_MANIFEST, problems)
    if tags is not None and set(tags) != set(TAGS):
        problems.append(Problem("changed", TAG_MANIFEST, f"names {', '.join(sorted(tags)) or 'nothing'}"))
    problems += [
        _changed(name, sums[name], tags.get(name), TAG_MANIFEST)
        for name in TAGS
        if name in sums and tags is not None and tags.get(name) != sums[name]
    ]
    if BAGIT in sums and sums[BAGIT] != hashlib.sha256(DECLARATION).hexdigest():
        problems.append(Problem("changed", BAGIT, "is not the text of BagIt 1.0"))
    payload = _named(files, MANIFEST, problems)
    if payload is not None:
        problems += _payload(payload, sums)
    known = {*TAGS, TAG_MANIFEST, *others}
    problems += [
        Problem("added", name, "no manifest names it")
        for name in files
        if name not in known and (payload is None or name not in payload)
    ]
    return _unique(problems), sums.get(TAG_MANIFEST, ""), total


def _named(files: Mapping[str, Path], name: str, problems: list[Problem]) -> dict[str, str] | None:
    if name not in files:
        return None
    try:
        return read_manifest(files[name])
    except FormatError as error:
        problems.append(Problem("changed", name, error.found))
        return None


def _payload(manifest: Mapping[str, str], sums: Mapping[str, str]) -> list[Problem]:
    found = []
    for name, sha in manifest.items():
        if not name.startswith("data/"):
            found.append(Problem("changed", MANIFEST, f"names {name}, which is not below data/"))
        elif name not in sums:
            found.append(Problem("removed", name, f"{MANIFEST} names it"))
        elif sums[name] != sha:
            found.append(_changed(name, sums[name], sha, MANIFEST))
    return found


def _changed(name: str, found: str, expected: str | None, manifest: str) -> Problem:
    said = "nothing" if expected is None else f"{expected[:16]}…"
    return Problem("changed", name, f"sha256 is {found[:16]}…, {manifest} says {said}")


def _unique(problems: list[Problem]) -> list[Problem]:
    """Keep the first problem of every file and kind."""
    first: dict[tuple[str, str], Problem] = {}
    for problem in problems:
        first.setdefault((problem.kind, problem.what), problem)
    return list(first.values())
