"""The chain-of-custody log: who did what with the bundle, when and why.

``custody.jsonl`` holds one entry per line and, last, a seal. Every entry carries the sha256 of the line before it; the first carries
that of the bag's tag manifest, and so of every byte of the bag. The seal counts the entries and carries the sha256 of the last one,
so that a dropped last entry shows too. In a signed bundle every entry and the seal are signed (Ed25519). All lines are canonical JSON:
any other byte is a change.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scananalysis.core import ConfigurationError, FormatError
from scananalysis.inspection.evidence import keys
from scananalysis.inspection.evidence.bag import TAG_MANIFEST
from scananalysis.inspection.evidence.files import Problem, bounded

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAME = "custody.jsonl"
MAX_LOG = 16 << 20
"""Largest log, bytes: tens of thousands of entries."""

MAX_TEXT = 2000
"""Longest text of an entry, characters."""

_ENTRY = ("bag", "number", "previous", "time", "what", "who", "why")
_SEAL = ("bag", "entries", "head", "seal")
_SIGNED = ("public_key", "signature")
_HEX = re.compile(r"[0-9a-f]+")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_PURPOSE = {False: b"scananalysis custody entry\n", True: b"scananalysis custody seal\n"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log as it stands there.

    Parameters
    ----------
    number : int
        From 1.
    time, who, what, why : str
        Time is UTC, ISO 8601, of the machine that wrote the entry.
    public_key : str
        Of the signature, hexadecimal; empty if unsigned.
    sha256 : str
        Of the line: what the next entry carries as ``previous``.
    fields : dict
        All fields.
    """

    number: int
    time: str
    who: str
    what: str
    why: str
    public_key: str
    sha256: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Log:
    """What `check` found in a log.

    Parameters
    ----------
    entries : tuple of Entry
        In the order of the file.
    problems : tuple of Problem
    head : str
        sha256 of the last entry. Written down elsewhere, it shows even the exchange of the whole log for an older copy.
    signers : tuple of str
        Public keys, hexadecimal, in order of appearance; empty in an unsigned bundle.
    """

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    head: str
    signers: tuple[str, ...]


def canonical(value: dict[str, Any]) -> bytes:
    r"""Return the only accepted bytes of a JSON object.

    Examples
    --------
    >>> canonical({"b": 1, "a": "ü"})
    b'{"a":"\\u00fc","b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def now() -> str:
    """Return the time as entries hold it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def text(value: str, name: str) -> str:
    r"""Return a text that an entry may hold, on one line.

    Raises
    ------
    ConfigurationError
        Empty, too long, or with characters that cannot be shown.

    Examples
    --------
    >>> text(" A. Officer,\n customs ", "who")
    'A. Officer, customs'
    """
    line = " ".join(value.split())
    if not line or len(line) > MAX_TEXT or not line.isprintable():
        found = (
            "is empty" if not line else f"has {len(line)} characters" if len(line) > MAX_TEXT else "is not plain text"
        )
        raise ConfigurationError(f"{name} {found}", expected=f"plain text of 1 to {MAX_TEXT} characters")
    return line


def _signed(fields: dict[str, Any], key: Ed25519PrivateKey | None, *, seal: bool) -> bytes:
    if key is None:
        return canonical(fields)
    named = {**fields, "public_key": keys.public_of(key)}
    return canonical({**named, "signature": keys.sign(key, _PURPOSE[seal] + canonical(named))})


def _entry(
    number: int, previous: str, bag: str, *, who: str, what: str, why: str, key: Ed25519PrivateKey | None
) -> bytes:
    fields = {
        "bag": bag,
        "number": number,
        "previous": previous,
        "time": now(),
        "what": text(what, "what"),
        "who": text(who, "who"),
        "why": text(why, "why"),
    }
    return _signed(fields, key, seal=False)


def _sealed(lines: Sequence[bytes], bag: str, key: Ed25519PrivateKey | None) -> bytes:
    head = hashlib.sha256(lines[-1]).hexdigest()
    seal = _signed({"bag": bag, "entries": len(lines), "head": head, "seal": 1}, key, seal=True)
    return b"\n".join([*lines, seal]) + b"\n"


def begin(bag: str, *, who: str, what: str, why: str, key: Ed25519PrivateKey | None) -> bytes:
    """Return a log with its first entry.

    Parameters
    ----------
    bag : str
        sha256 of the bag's tag manifest.
    who, what, why : str
    key : Ed25519PrivateKey or None
        None leaves the bundle unsigned.
    """
    return _sealed([_entry(1, bag, bag, who=who, what=what, why=why, key=key)], bag, key)


def append(folder: Path, bag: str, *, who: str, what: str, why: str, key: Ed25519PrivateKey | None) -> Entry:
    """Add an entry to the log of a bundle, which is checked first.

    Raises
    ------
    FormatError
        The log is not as its last seal says, or another process is writing it.
    ConfigurationError
        A signed bundle and no key, or the other way round.
    """
    path, lock = folder / NAME, folder / f".{NAME}.lock"
    try:
        os.close(os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise FormatError(
            "another entry is being written", source=folder, remedy=f"wait, or remove {lock.name} if nobody writes"
        ) from None
    try:
        found = check(path, bag)
        if found.problems:
            raise FormatError(
                f"the custody log is not intact: {found.problems[0]}", source=folder, remedy="see 'scananalysis verify'"
            )
        if (key is None) == bool(found.signers):
            wanted = "a signed bundle takes signed entries only" if key is None else "the bundle was made without a key"
            raise ConfigurationError(
                wanted, source=folder, remedy="name a key with --key" if key is None else "leave the key out"
            )
        lines = bounded(path, MAX_LOG, "a custody log", follow=False).split(b"\n")[: len(found.entries)]
        line = _entry(len(lines) + 1, found.head, bag, who=who, what=what, why=why, key=key)
        content = _sealed([*lines, line], bag, key)
        if len(content) > MAX_LOG:
            raise FormatError("the custody log is full", source=folder, expected=f"at most {MAX_LOG} bytes")
        _replace(path, content)
    finally:
        lock.unlink(missing_ok=True)
    entry = _parse(line, 1)
    assert isinstance(entry, Entry)  # noqa: S101 - it was made a moment ago
    return entry


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _parse(line: bytes, place: int, *, seal: bool = False) -> Entry | dict[str, Any] | Problem:
    """Return the entry (or the seal's fields) of a line, or what is wrong with it."""
    what = "custody seal" if seal else f"custody line {place}"
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return Problem("changed", what, "is not JSON")
    if not isinstance(fields, dict):
        return Problem("changed", what, "is not one object")
    names = _SEAL if seal else _ENTRY
    if set(fields) not in (set(names), {*names, *_SIGNED}):
        return Problem("changed", what, f"has the fields {', '.join(map(str, sorted(fields)))[:120]}")
    if not all(_well_formed(name, value) for name, value in fields.items()) or canonical(fields) != line:
        return Problem("changed", what, "is not as it was written")
    if seal:
        return fields
    return Entry(
        **{name: fields[name] for name in ("number", "time", "who", "what", "why")},
        public_key=fields.get("public_key", ""),
        sha256=hashlib.sha256(line).hexdigest(),
        fields=fields,
    )


def _well_formed(name: str, value: object) -> bool:
    if name == "seal":
        return value == 1 and type(value) is int
    if name in {"number", "entries"}:
        return type(value) is int and 1 <= value <= 10**9
    if not isinstance(value, str):
        return False
    if name == "time":
        return _TIME.fullmatch(value) is not None
    length = {"signature": 128, "bag": 64, "previous": 64, "head": 64, "public_key": 64}.get(name)
    if length is not None:
        return len(value) == length and _HEX.fullmatch(value) is not None
    return 0 < len(value) <= MAX_TEXT and value.isprintable()


def check(path: Path, bag: str) -> Log:
    """Check the log of a bundle: every line, the chain, the seal, the signatures.

    Parameters
    ----------
    path : Path
    bag : str
        sha256 of the tag manifest as it is now.

    Raises
    ------
    FormatError
        The log is missing, too large or no regular file.
    """
    lines = bounded(path, MAX_LOG, "a custody log", follow=False).split(b"\n")
    problems: list[Problem] = []
    if lines.pop() != b"" or not lines:
        problems.append(Problem("changed", NAME, "does not end with the line end of its seal"))
    seal: Any = _parse(lines.pop(), 0, seal=True) if lines else Problem("removed", "custody seal", "the log is empty")
    if isinstance(seal, Problem):
        problems.append(seal)
        seal = None
    entries: list[Entry] = []
    for place, line in enumerate(lines, start=1):
        entry = _parse(line, place)
        if isinstance(entry, Entry):
            entries.append(entry)
        elif isinstance(entry, Problem):
            problems.append(entry)
    broken = len(entries) < len(lines)
    problems += _order(entries, None if seal is None else seal["entries"], broken=broken)
    problems += _chain(entries, seal, bag)
    problems += _signatures(entries, seal)
    signers = dict.fromkeys(entry.public_key for entry in entries if entry.public_key)
    return Log(tuple(entries), tuple(problems), entries[-1].sha256 if entries else "", tuple(signers))


def _order(entries: Sequence[Entry], count: int | None, *, broken: bool) -> list[Problem]:
    numbers = [entry.number for entry in entries]
    expected = range(1, (max(numbers, default=0) if count is None else count) + 1)
    problems = [
        Problem("removed", f"custody entry {n}", "the log does not hold it")
        for n in expected
        # A line that cannot be read may be the one; it is named already.
        if n not in numbers and not broken
    ]
    surplus = sorted({n for n in numbers if n not in expected or numbers.count(n) > 1})
    problems += [Problem("added", f"custody entry {n}", "the seal does not count it") for n in surplus]
    for place, (found, right) in enumerate(zip(numbers, sorted(numbers), strict=True), start=1):
        if found != right:
            problems.append(Problem("re-ordered", f"custody entry {found}", f"stands in place {place}"))
    return problems


def _chain(entries: Sequence[Entry], seal: dict[str, Any] | None, bag: str) -> list[Problem]:
    problems = []
    stated = {entry.fields["bag"] for entry in entries} | ({seal["bag"]} if seal is not None else set())
    if len(stated) == 1 and bag not in stated:
        # The whole log speaks of one other bag: it is the bag that changed.
        bag = stated.pop()
        problems.append(Problem("changed", TAG_MANIFEST, f"the custody log speaks of sha256 {bag[:16]}…"))
    by_number = {entry.number: entry for entry in entries}
    for entry in entries:
        before = by_number.get(entry.number - 1)
        expected = bag if entry.number == 1 else None if before is None else before.sha256
        if expected is not None and entry.fields["previous"] != expected:
            what = "custody entry 1" if before is None else f"custody entry {before.number} or {entry.number}"
            problems.append(Problem("changed", what, "the chain is broken there"))
        if entry.fields["bag"] != bag:
            problems.append(Problem("changed", f"custody entry {entry.number}", "it speaks of another bag"))
    if seal is not None:
        if seal["bag"] != bag:
            problems.append(Problem("changed", "custody seal", "it speaks of another bag"))
        last = by_number.get(seal["entries"])
        if last is not None and seal["head"] != last.sha256:
            problems.append(Problem("changed", f"custody entry {last.number}", "it is not the one that was sealed"))
    return problems


def _signatures(entries: Sequence[Entry], seal: dict[str, Any] | None) -> list[Problem]:
    lines = [(f"custody entry {entry.number}", entry.fields, False) for entry in entries]
    if seal is not None:
        lines.append(("custody seal", seal, True))
    problems = []
    if any("signature" in fields for _, fields, _ in lines):
        for what, fields, is_seal in lines:
            if "signature" not in fields:
                problems.append(Problem("signature", what, "is not signed, and others are"))
                continue
            message = {name: value for name, value in fields.items() if name != "signature"}
            if not keys.holds(fields["public_key"], fields["signature"], _PURPOSE[is_seal] + canonical(message)):
                problems.append(Problem("signature", what, "its signature does not hold"))
    last = entries[-1] if entries else None
    if seal is not None and last is not None and seal.get("public_key", "") != last.public_key:
        problems.append(Problem("signature", "custody seal", "is not by the one who wrote the last entry"))
    return problems
