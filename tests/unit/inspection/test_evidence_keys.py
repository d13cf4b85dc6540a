"""Keys: for their owner alone, never overwritten, and refused in one sentence."""

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import ec

from scananalysis.core import ConfigurationError, InputError
from scananalysis.inspection.evidence import keys


@pytest.mark.skipif(os.name != "posix", reason="file modes are those of POSIX")
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_only_the_owner_can_read_a_private_key(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        keys.generate(tmp_path / "a.key")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600
    assert b"PRIVATE" not in (tmp_path / "a.key.pub").read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="file modes are those of POSIX")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    keys.generate(tmp_path / "a.key")
    (tmp_path / "a.key").chmod(mode)
    with pytest.raises(ConfigurationError, match="others may read it"):
        keys.load_private(tmp_path / "a.key")


def test_a_passphrase_encrypts_it(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    print_ = keys.generate(path, "correct horse")
    assert keys.needs_passphrase(path)
    assert keys.fingerprint(keys.public_of(keys.load_private(path, "correct horse"))) == print_
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        keys.load_private(path, "wrong horse")
    with pytest.raises(ConfigurationError, match="no passphrase was given"):
        keys.load_private(path)
    with pytest.raises(ConfigurationError, match="too short"):
        keys.generate(tmp_path / "b.key", "short")
    keys.generate(tmp_path / "c.key")
    assert not keys.needs_passphrase(tmp_path / "c.key")
    with pytest.raises(ConfigurationError, match="leave the passphrase out"):
        keys.load_private(tmp_path / "c.key", "correct horse")


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    keys.generate(tmp_path / "a.key")
    before = (tmp_path / "a.key").read_bytes()
    with pytest.raises(ConfigurationError, match="never overwritten"):
        keys.generate(tmp_path / "a.key")
    assert (tmp_path / "a.key").read_bytes() == before
    (tmp_path / "b.key.pub").touch()
    with pytest.raises(ConfigurationError, match="never overwritten"):
        keys.generate(tmp_path / "b.key")
    assert not (tmp_path / "b.key").exists()


def test_other_keys_and_other_files_are_refused(tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    path = tmp_path / "ec.key"
    path.write_bytes(other.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="expected an Ed25519 key"):
        keys.load_private(path)
    public = tmp_path / "ec.pub"
    public.write_bytes(other.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(ConfigurationError, match="expected an Ed25519 public key"):
        keys.load_public(public)
    public.write_bytes(b"x" * (keys.MAX_KEY + 1))
    with pytest.raises(InputError, match="larger than"):
        keys.load_public(public)
    public.write_bytes(b"-----BEGIN nothing")
    with pytest.raises(ConfigurationError, match="is no public key"):
        keys.load_public(public)


def test_signatures_hold_for_their_message_and_key_alone(tmp_path: Path) -> None:
    keys.generate(tmp_path / "a.key")
    key = keys.load_private(tmp_path / "a.key")
    public, signature = keys.public_of(key), keys.sign(key, b"message")
    assert keys.holds(public, signature, b"message")
    assert not keys.holds(public, signature, b"massage")
    assert not keys.holds("11" * 32, signature, b"message")
    assert not keys.holds("zz", signature, b"message")


def test_ed25519_is_that_of_rfc_8032() -> None:
    """Test vector 2 of section 7.1: https://doi.org/10.17487/RFC8032."""
    public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert keys.holds(public, signature, b"\x72")
    assert not keys.holds(public, signature, b"\x73")
