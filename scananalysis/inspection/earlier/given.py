"""An earlier scan of the same container as it is named: the file, its papers and calibration, and whether it may be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.core import Declaration, EarlierScan, InputError, RawScan, sha256_array, sha256_json
from scananalysis.detectors import scanner as find_scanner

if TYPE_CHECKING:
    from scananalysis.calibration import Calibration


@dataclass(frozen=True)
class Earlier:
    """An earlier scan of the same container.

    Parameters
    ----------
    scan : RawScan or path-like
    declaration : Declaration or path-like, optional
        Its papers; their container number is held against that of the new ones.
    calibration : Calibration or path-like, optional
        By default the references inside the scan.
    name : str, optional
        What to call it; by default the name of its file.
    reading : mapping of str to str or None, optional
        ``format``, ``layout`` and ``scanner`` as for `scananalysis.read`; by default those that were named for the new scan.
    """

    scan: RawScan | str | PathLike[str]
    declaration: Declaration | str | PathLike[str] | None = None
    calibration: Calibration | str | PathLike[str] | None = None
    name: str | None = None
    reading: Mapping[str, str | None] | None = None

    @classmethod
    def of(cls, given: Earlier | RawScan | str | PathLike[str]) -> Earlier:
        """Return an earlier scan from itself, a scan or a file.

        Examples
        --------
        >>> Earlier.of("march.h5").source
        'march.h5'
        """
        return given if isinstance(given, Earlier) else cls(given)

    @property
    def source(self) -> str:
        """What it is called: a name that was given, that of the file, or of the scanner."""
        if self.name is not None:
            return self.name
        return self.scan.scanner if isinstance(self.scan, RawScan) else Path(fspath(self.scan)).name

    def papers(self) -> Declaration | None:
        """Return its declaration, read from the file if it is one."""
        from scananalysis.cargo import read_declaration

        given = self.declaration
        return given if given is None or isinstance(given, Declaration) else read_declaration(given)


def read_earlier(earlier: Earlier, scan: RawScan, papers: Declaration | None, **reading: Any) -> RawScan:
    """Read an earlier scan and check that it can be compared with a new one.

    Parameters
    ----------
    earlier : Earlier
    scan : RawScan
        The new scan.
    papers : Declaration or None
        Of the new scan.
    **reading
        ``format``, ``layout`` and ``scanner`` as for `scananalysis.read`, unless the earlier scan has its own.

    Raises
    ------
    InputError
        Another container, another scanner, other energies, another resolution, or the new scan itself.
    """
    from scananalysis.io import read

    before = earlier.papers()
    numbers = [_number(declaration, None) for declaration in (papers, before)]
    _same_container(numbers[0] or _number(None, scan), numbers[1], earlier.source)
    how = reading if earlier.reading is None else dict(earlier.reading)
    found = earlier.scan if isinstance(earlier.scan, RawScan) else read(earlier.scan, **how)
    _same_container(numbers[0] or _number(None, scan), numbers[1] or _number(None, found), earlier.source)
    energies = [_energies(each) for each in (found, scan)]
    if energies[0] != energies[1]:
        raise InputError(
            f"was taken at {energies[0]}",
            source=earlier.source,
            expected=f"{energies[1]} as the new scan",
            remedy="compare scans of one scanner",
        )
    if found.scanner != scan.scanner:
        raise InputError(
            f"was taken by scanner {found.scanner}",
            source=earlier.source,
            expected=f"{scan.scanner} as the new scan",
            remedy="compare scans of one scanner",
        )
    if _resolution(found) != _resolution(scan):
        raise InputError(
            f"has {_resolution(found)}",
            source=earlier.source,
            expected=f"{_resolution(scan)} as the new scan",
            remedy="compare scans of one resolution",
        )
    if found.shape == scan.shape and np.array_equal(found.counts, scan.counts):
        raise InputError(
            "holds the very counts of the new scan",
            source=earlier.source,
            expected="another scan of the container",
            remedy="name the earlier scan",
        )
    return found


def provenance_inputs(earlier: Earlier, past: RawScan, found: EarlierScan) -> dict[str, str]:
    """Return the sha256 of everything that an earlier scan brought into a result, by role.

    Parameters
    ----------
    earlier : Earlier
    past : RawScan
        What `read_earlier` made of it.
    found : EarlierScan
        Whose provenance holds the files, references and parameters of the earlier scan's own calibration.
    """
    papers = earlier.papers()
    return {
        "earlier-scan": sha256_array(past.counts),
        "earlier-provenance": sha256_json([step.to_dict() for step in found.provenance.steps]),
        **({} if papers is None else {"earlier-declaration": sha256_json(papers.model_dump(mode="json"))}),
    }


def _number(declaration: Declaration | None, scan: RawScan | None) -> str | None:
    """Return the container number that papers, or the metadata of a scan, state."""
    stated = declaration.container if declaration is not None else None
    if scan is not None:
        stated = scan.metadata.get("container")
    return None if not stated else "".join(str(stated).split()).upper()


def _same_container(now: str | None, before: str | None, source: str) -> None:
    if now is not None and before is not None and now != before:
        raise InputError(
            f"shows container {before}",
            source=source,
            expected=f"{now} as the new scan",
            remedy="name an earlier scan of the same container",
        )


def _resolution(scan: RawScan) -> str:
    lines, elements = scan.binning
    summed = "" if scan.binning == (1, 1) else f", {lines} lines × {elements} elements summed into each pixel"
    return f"{scan.shape[2]} elements{summed}"


def _energies(scan: RawScan) -> str:
    return " and ".join(channel.label for channel in find_scanner(scan.scanner).channels)
