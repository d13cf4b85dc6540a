"""Reads plain DICOM radiographs through pydicom."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.core import ConfigurationError, FormatError, RawScan
from scananalysis.io.limits import checked_shape

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from scananalysis.io.layout import Layout

TITLE = "DICOM radiograph"
SUFFIXES = (".dcm",)
NEEDS_LAYOUT = False
_DEFLATED = "1.2.840.10008.1.2.1.99"
_SHOWN = (
    "SOPClassUID", "Modality", "Manufacturer", "ManufacturerModelName", "StudyDate", "Rows", "Columns", "BitsStored",
    "BitsAllocated", "PhotometricInterpretation", "PixelSpacing", "ImagerPixelSpacing",
)  # fmt: skip


def understand(head: bytes, path: Path) -> bool:  # noqa: ARG001 - the readers' interface
    """Say whether the file has DICOM's preamble."""
    return head[128:132] == b"DICM"


def _open(path: Path, *, pixels: bool) -> Dataset:
    """Read the file; deflated ones are refused, since a small one can unpack to gigabytes."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        syntax = pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID")
        found = None if syntax == _DEFLATED else pydicom.dcmread(path, stop_before_pixels=not pixels)
    except (InvalidDicomError, OSError, ValueError, KeyError, AttributeError, NotImplementedError) as error:
        raise FormatError(f"is damaged ({str(error)[:100]})", source=path, expected="a DICOM file") from error
    if found is None:
        raise FormatError(
            "is deflated DICOM", source=path, expected="another transfer syntax", remedy="convert it first"
        )
    return found


def load(path: Path) -> NDArray[Any]:
    """Return the pixels of a single-frame grey image, (y, x), unsigned."""
    head = _open(path, pixels=False)
    checked_shape((head.get("Rows", 0), head.get("Columns", 0), head.get("NumberOfFrames", 1) or 1), path, "image")
    if head.get("SamplesPerPixel", 1) != 1 or head.get("PixelRepresentation", 0) != 0:
        raise FormatError("is not an unsigned grey image", source=path, expected="one unsigned sample a pixel")
    try:
        pixels: NDArray[Any] = _open(path, pixels=True).pixel_array
    except (ValueError, RuntimeError, AttributeError, NotImplementedError) as error:
        raise FormatError(f"pixels cannot be decoded ({str(error)[:100]})", source=path) from error
    if pixels.ndim != 2:
        raise FormatError(f"has {pixels.ndim} axes", source=path, expected="a single frame")
    return pixels


def read(path: Path, layout: Layout | None, scanner: str | None) -> RawScan:
    """Read a single-energy radiograph whose scanner is named."""
    name = scanner or (layout.scanner if layout else None)
    if name is None:
        raise ConfigurationError(
            "does not say which scanner of the catalogue made it",
            source=path,
            expected="scanner=",
            remedy="name it with --scanner",
        )
    counts = np.ascontiguousarray(load(path).T[None])
    stage = layout.stage if layout else "air-normalised"
    return RawScan(
        counts, scanner=name, stage=stage, air_level=layout.air_level if layout else None, metadata=describe(path)
    )


def describe(path: Path) -> Mapping[str, Any]:
    """Say what the header says."""
    head = _open(path, pixels=False)
    shown = {name: str(head.get(name)) for name in _SHOWN if head.get(name) is not None}
    return shown | {"TransferSyntax": head.file_meta.TransferSyntaxUID.name}
