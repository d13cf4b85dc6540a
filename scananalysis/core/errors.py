"""Errors that say, in one sentence, which file, what was found, what was expected and what to do."""

from __future__ import annotations

from os import PathLike, fspath


class ScanAnalysisError(Exception):
    """Base of every error raised on purpose by this package.

    ``exit_code`` is what the command line ends with.
    """

    exit_code = 4


class InputError(ScanAnalysisError):
    """An input, configuration or calibration is refused.

    Parameters
    ----------
    found : str
        What is wrong, with the value that was found.
    source : path-like or str, optional
        The file (or the named object) that is at fault.
    expected : str, optional
        What would have been accepted.
    remedy : str, optional
        What the user can do about it.

    Examples
    --------
    >>> print(InputError("has 12 elements", source="a.h5", expected="1378", remedy="name the right scanner"))
    a.h5: has 12 elements; expected 1378; name the right scanner.
    """

    exit_code = 3

    def __init__(
        self,
        found: str,
        *,
        source: str | PathLike[str] | None = None,
        expected: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.found = found
        self.source = None if source is None else fspath(source)
        self.expected = expected
        self.remedy = remedy
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        head = self.found if self.source is None else f"{self.source}: {self.found}"
        parts = [head.rstrip(".")]
        if self.expected is not None:
            parts.append(f"expected {self.expected}".rstrip("."))
        if self.remedy is not None:
            parts.append(self.remedy.rstrip("."))
        return "; ".join(parts) + "."

    def at(self, source: str | PathLike[str]) -> InputError:
        """Return the same error with ``source`` named, if none was named yet."""
        if self.source is not None:
            return self
        return type(self)(self.found, source=source, expected=self.expected, remedy=self.remedy)


class FormatError(InputError):
    """A file is not what its format or layout says, is truncated, or exceeds a limit."""


class DeclarationError(InputError):
    """A declaration has a field that is missing, malformed or inconsistent."""


class ConfigurationError(InputError):
    """A definition file, parameter or name is unknown or invalid."""


class CalibrationError(InputError):
    """A scan cannot be calibrated, or a calibration does not fit the scan."""


class PhysicsRangeError(InputError):
    """An energy, atomic number or areal density lies outside what the tables cover."""


class ModelError(InputError):
    """An anomaly model is missing, altered or does not fit the scan."""
