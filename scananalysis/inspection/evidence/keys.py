"""Ed25519 keys (RFC 8032): made, kept for their owner alone, and used to sign."""

from __future__ import annotations

import hashlib
import os
import stat
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scananalysis.core import ConfigurationError, InputError
from scananalysis.inspection.evidence.files import bounded

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MAX_KEY = 64 << 10
"""Largest key file, bytes."""

LEAST_PASSPHRASE = 8


def fingerprint(public_key: str) -> str:
    """Return the fingerprint of a public key: what people compare when they meet.

    Examples
    --------
    >>> fingerprint("00" * 32)[:24]
    'sha256:66687aadf862bd776'
    """
    return "sha256:" + hashlib.sha256(bytes.fromhex(public_key)).hexdigest()


def generate(path: str | PathLike[str], passphrase: str | None = None) -> str:
    """Make a key: the private one at ``path`` (mode 0600), the public one beside it with the ending ``.pub``.

    Parameters
    ----------
    path : path-like
        Must not exist; a key is never overwritten.
    passphrase : str, optional
        Encrypts the private key.

    Returns
    -------
    str
        Fingerprint of the public key.

    Raises
    ------
    ConfigurationError
        A file is there already, or the passphrase is too short.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "officer.key"
    >>> generate(path) == fingerprint(load_public(path.with_name("officer.key.pub")))
    True
    """
    serialization, private = _cryptography()
    if passphrase is not None and len(passphrase) < LEAST_PASSPHRASE:
        raise ConfigurationError("passphrase is too short", expected=f"at least {LEAST_PASSPHRASE} characters")
    target = Path(path)
    public = target.with_name(target.name + ".pub")
    for each in (target, public):
        if each.exists() or each.is_symlink():
            raise ConfigurationError("exists", source=each, remedy="choose another name: a key is never overwritten")
    if not target.parent.is_dir():
        raise ConfigurationError("its folder does not exist", source=target, remedy="make the folder first")
    key = private.generate()
    closed = (
        serialization.NoEncryption()
        if passphrase is None
        else serialization.BestAvailableEncryption(passphrase.encode("utf-8"))
    )
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, closed)
    open_ = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _write_new(target, secret, 0o600)
    _write_new(public, open_, 0o644)
    return fingerprint(public_of(key))


def _write_new(path: Path, content: bytes, mode: int) -> None:
    # The mode is given when the file is made: there is no moment in which others could read it.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)


def load_private(path: str | PathLike[str], passphrase: str | None = None) -> Ed25519PrivateKey:
    """Read a private key.

    Raises
    ------
    ConfigurationError
        Readable by others, not an Ed25519 key, or the passphrase is missing or wrong.
    """
    serialization, private = _cryptography()
    source = Path(path)
    content = bounded(source, MAX_KEY, "a key made by 'scananalysis evidence key'")
    others = stat.S_IRWXG | stat.S_IRWXO
    if os.name == "posix" and source.stat().st_mode & others:
        mode = stat.S_IMODE(source.stat().st_mode)
        raise ConfigurationError(f"others may read it (mode {mode:04o})", source=source, remedy="chmod 600 it")
    try:
        key = serialization.load_pem_private_key(content, None if passphrase is None else passphrase.encode("utf-8"))
    except TypeError:
        wanted = "is encrypted and no passphrase was given" if passphrase is None else "is not encrypted"
        raise ConfigurationError(
            wanted, source=source, remedy="give its passphrase" if passphrase is None else "leave the passphrase out"
        ) from None
    except ValueError:
        raise ConfigurationError(
            "cannot be opened", source=source, expected="a PEM private key and its right passphrase"
        ) from None
    if not isinstance(key, private):
        raise ConfigurationError("is another kind of key", source=source, expected="an Ed25519 key")
    found: Ed25519PrivateKey = key
    return found


def needs_passphrase(path: str | PathLike[str]) -> bool:
    """Return whether a private key is encrypted."""
    return b"ENCRYPTED" in bounded(Path(path), MAX_KEY, "a key made by 'scananalysis evidence key'").split(b"\n", 1)[0]


def load_public(path: str | PathLike[str]) -> str:
    """Read a public key (PEM) and return its 32 bytes in hexadecimal.

    Raises
    ------
    ConfigurationError
        Not an Ed25519 public key.
    """
    serialization, _ = _cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    content = bounded(Path(path), MAX_KEY, "a public key (.pub)")
    try:
        key = serialization.load_pem_public_key(content)
    except ValueError:
        raise ConfigurationError("is no public key", source=path, expected="the .pub file of an Ed25519 key") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError("is another kind of key", source=path, expected="an Ed25519 public key")
    return _raw(key)


def public_of(key: Ed25519PrivateKey) -> str:
    """Return the public key of a private one, 32 bytes in hexadecimal."""
    return _raw(key.public_key())


def _raw(key: Ed25519PublicKey) -> str:
    serialization, _ = _cryptography()
    content: bytes = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return content.hex()


def sign(key: Ed25519PrivateKey, message: bytes) -> str:
    """Return the signature of a message, 64 bytes in hexadecimal."""
    return key.sign(message).hex()


def holds(public_key: str, signature: str, message: bytes) -> bool:
    """Return whether a signature is that of the key's owner over the message."""
    _cryptography()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise InputError(
            "signatures need the package cryptography", remedy="pip install 'scananalysis[evidence]'"
        ) from None
    return serialization, Ed25519PrivateKey
