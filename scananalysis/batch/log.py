"""The log of a run: JSON lines with the moment of each event. Results hold no times, the log does."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class Log:
    r"""Appends events to a file.

    Parameters
    ----------
    path : Path

    Examples
    --------
    >>> import tempfile
    >>> log = Log(Path(tempfile.mkdtemp()) / "log.jsonl")
    >>> log.event("shard", number=3)
    >>> log.path.read_text()
    '{"time": "...", "event": "shard", "number": 3}\n'
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def event(self, name: str, **facts: Any) -> None:
        """Write one event."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": name, **facts}, ensure_ascii=False, default=str)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
