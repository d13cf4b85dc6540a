"""The folder of a run: where its parts are, its lock, and writing that is complete or did not happen."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scananalysis.core import ConfigurationError, FormatError, ScanAnalysisError, sha256_json
from scananalysis.io.atomic import complete

FORMAT = "scananalysis-batch"
FORMAT_VERSION = 1
HEAD = (
    "archive", "manifest", "declarations", "inspector", "definition", "configuration_sha256", "fingerprint", "plans",
    "listing_sha256",
)  # fmt: skip
"""What ``run.json`` must hold."""

PER_FOLDER = 1000
"""Shards per folder: file systems and object stores grow slow where a folder holds very many names."""

_LOST = {
    errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENODEV, errno.ENXIO, errno.EREMOTEIO
    if hasattr(errno, "EREMOTEIO") else errno.EIO,
}  # fmt: skip
_FULL = {errno.ENOSPC, errno.EDQUOT}


class StorageError(ScanAnalysisError):
    """A disk is full or gone. The run stops, nothing that was committed is lost, and it can be resumed."""

    exit_code = 3


def storage_error(error: OSError, place: str | os.PathLike[str]) -> StorageError | None:
    """Return what an operating system's error says of the disk, or None where it says nothing of it.

    Examples
    --------
    >>> print(storage_error(OSError(errno.ENOSPC, "No space left on device"), "/results"))
    /results: the disk is full; free some space and run the same command with --resume.
    """
    where = os.fspath(place)
    if error.errno in _FULL:
        return StorageError(f"{where}: the disk is full; free some space and run the same command with --resume.")
    if error.errno == errno.EROFS:
        return StorageError(f"{where}: the disk has become read-only; mend it and run the same command with --resume.")
    if error.errno in _LOST:
        return StorageError(
            f"{where}: the disk does not answer ({error.strerror}); mount it again and run the same command with --resume."
        )
    return None


@contextmanager
def on_disk(place: str | os.PathLike[str]) -> Iterator[None]:
    """Turn errors of a disk within the block into one sentence."""
    try:
        yield
    except OSError as error:
        found = storage_error(error, place)
        if found is None and not Path(place).exists():
            found = StorageError(
                f"{os.fspath(place)}: the folder is gone; mount its disk again and run the same command with --resume."
            )
        if found is None:
            raise
        raise found from error


def run_key(head: Mapping[str, Any], plan_sha256: str) -> str:
    """Return the key of a run: what was asked of which files, with which code and model."""
    return sha256_json(
        {
            "plan": plan_sha256,
            "configuration": head["configuration_sha256"],
            "fingerprint": head["fingerprint"],
            "inspector": head["inspector"],
        }
    )


@dataclass(frozen=True, slots=True)
class Store:
    """Places within the folder of a run.

    Parameters
    ----------
    folder : Path

    Examples
    --------
    >>> Store(Path("out")).part("scans", 1234).as_posix()
    'out/scans/000001/part-0001234.parquet'
    """

    folder: Path

    @property
    def run(self) -> Path:
        """What the run is: definition, fingerprint, keys."""
        return self.folder / "run.json"

    @property
    def absent(self) -> Path:
        """Scans that were planned and have left the archive since."""
        return self.folder / "absent.json"

    @property
    def ledger(self) -> Path:
        """One line per committed shard."""
        return self.folder / "ledger.jsonl"

    @property
    def log(self) -> Path:
        """What happened when, JSON lines."""
        return self.folder / "log.jsonl"

    @property
    def stop(self) -> Path:
        """While this file is there, workers stop after the scan at hand."""
        return self.folder / ".stop"

    def part(self, table: str, shard: int) -> Path:
        """Return the Parquet file of a shard."""
        return self.folder / table / f"{shard // PER_FOLDER:06d}" / f"part-{shard:07d}.parquet"

    def journal(self, shard: int) -> Path:
        """Return the folder of the journals of a shard that is being worked on."""
        return self.folder / "journal" / f"{shard:07d}"

    def kept(self, shard: int) -> Path:
        """Return the journal of what stays of a shard that was taken back because scans of it have changed."""
        return self.journal(shard) / "kept.jsonl"

    def report(self, scan_sha256: str, path: str) -> Path:
        """Return the folder of a scan's report; two equal files at two places have two reports."""
        import hashlib

        place = hashlib.sha256(path.encode()).hexdigest()[:8]
        return self.folder / "reports" / scan_sha256[:2] / f"{scan_sha256[:24]}-{place}"

    def read_run(self) -> dict[str, Any]:
        """Read ``run.json``.

        Raises
        ------
        ConfigurationError
            There is none: the folder is not that of a run.
        FormatError
            It is damaged or of another version.
        """
        try:
            content = json.loads(self.run.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigurationError(
                "has no run.json", source=self.folder, expected="the output folder of `scananalysis batch`"
            ) from None
        except ValueError as error:
            raise FormatError(f"is damaged ({error})", source=self.run, expected="the head of a run") from None
        if not isinstance(content, dict) or (content.get("format"), content.get("version")) != (FORMAT, FORMAT_VERSION):
            raise FormatError(
                "is not the head of a run", source=self.run, expected=f"{FORMAT} version {FORMAT_VERSION}"
            )
        missing = [name for name in HEAD if name not in content]
        if missing:
            raise FormatError(f"has no {', '.join(missing)}", source=self.run, expected="the head of a run")
        return content

    def write_run(self, content: dict[str, Any]) -> None:
        """Write ``run.json``, complete or not at all."""
        with complete(self.run) as part:
            part.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
            flush(part)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one process; the lock ends with the process, however it ends.

        Raises
        ------
        ConfigurationError
            Another process holds it.
        """
        try:
            import fcntl
        except ImportError:  # Windows has no such lock; two runs into one folder are then the user's to avoid
            yield
            return
        with (self.folder / ".lock").open("a") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigurationError(
                    "another run is writing into this folder",
                    source=self.folder,
                    expected="one run at a time",
                    remedy="wait for it, or name another folder",
                ) from None
            yield


def flush(path: Path) -> None:
    """Bring a file's bytes to the disk before anything relies on them."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
