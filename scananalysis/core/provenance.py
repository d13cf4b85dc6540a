"""What made a result: ordered steps with versions, parameters and the sha256 of every input.

A record is enough to run the same steps again; every ``parameters`` mapping holds plain JSON values only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1 << 20


def sha256_file(path: str | PathLike[str]) -> str:
    """Return the hexadecimal sha256 of a file, read in pieces of 1 MiB.

    Examples
    --------
    >>> import os, tempfile
    >>> handle, name = tempfile.mkstemp(); os.close(handle)
    >>> sha256_file(name)[:16]
    'e3b0c44298fc1c14'
    >>> os.unlink(name)
    """
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_array(array: NDArray[Any]) -> str:
    """Return the sha256 of an array's dtype, shape and bytes (C order, little endian).

    Examples
    --------
    >>> sha256_array(np.arange(3, dtype=np.uint16)) == sha256_array(np.arange(3, dtype=">u2"))
    True
    """
    array = np.asarray(array)
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{little.dtype.str}{little.shape}".encode())
    digest.update(little.data.cast("B") if little.size else b"")
    return digest.hexdigest()


def sha256_json(value: Any) -> str:
    """Return the sha256 of a JSON value in canonical form (sorted keys, no spaces).

    Examples
    --------
    >>> sha256_json({"b": 1, "a": 2}) == sha256_json({"a": 2, "b": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Step:
    """One processing step.

    Parameters
    ----------
    name : str
        ``room.step``, e.g. ``calibration.offset``.
    version : str
        Version of the package (or of the model) that ran it.
    parameters : mapping
        Plain JSON values; with the inputs they are enough to run the step again.
    inputs : mapping of str to str
        sha256 of every input by role, e.g. ``{"scan": "…", "dark": "…"}``.
    """

    name: str
    version: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the step as plain JSON values."""
        return {
            "name": self.name,
            "version": self.version,
            "parameters": dict(self.parameters),
            "inputs": dict(self.inputs),
        }


@dataclass(frozen=True, slots=True)
class Provenance:
    """Ordered record of all steps from a file to a result.

    Examples
    --------
    >>> record = Provenance().then("io.read", inputs={"scan": "ab12"})
    >>> record = record.then("calibration.offset", parameters={"method": "median"})
    >>> [step.name for step in record.steps]
    ['io.read', 'calibration.offset']
    >>> Provenance.from_json(record.to_json()) == record
    True
    """

    steps: tuple[Step, ...] = ()

    def then(
        self,
        name: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        inputs: Mapping[str, str] | None = None,
        version: str | None = None,
    ) -> Provenance:
        """Return the record with one more step; the version defaults to the package's."""
        if version is None:
            from scananalysis._version import __version__

            version = __version__
        step = Step(name, version, dict(parameters or {}), dict(inputs or {}))
        return replace(self, steps=(*self.steps, step))

    def find(self, name: str) -> Step | None:
        """Return the last step called ``name``, or None."""
        return next((step for step in reversed(self.steps) if step.name == name), None)

    def to_json(self) -> str:
        """Return the record as a JSON text."""
        return json.dumps({"steps": [step.to_dict() for step in self.steps]}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Provenance:
        """Rebuild a record from `to_json`."""
        return cls(tuple(Step(**step) for step in json.loads(text)["steps"]))
