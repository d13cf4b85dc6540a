"""Reads plain DICOM radiographs through pydicom."""

from __future__ import annotations

import math
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scananalysis.core import FormatError, InputError, RawScan
from scananalysis.io.limits import checked_expansion, checked_shape
from scananalysis.io.readers._arrays import assumed, scan_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from scananalysis.io.layout import Layout

TITLE = "DICOM radiograph"
SUFFIXES = (".dcm",)
NEEDS_LAYOUT = False
_DEFLATED = "1.2.840.10008.1.2.1.99"
_SHOWN = (
    "SOPClassUID", "Modality", "Manufacturer", "ManufacturerModelName", "StudyDate", "Rows", "Columns", "NumberOfFrames",
    "BitsStored", "BitsAllocated", "PhotometricInterpretation", "PixelIntensityRelationship",
    "PixelIntensityRelationshipSign", "PixelSpacing", "ImagerPixelSpacing", "KVP",
)  # fmt: skip


def understand(head: bytes, path: Path) -> bool:  # noqa: ARG001 - the readers' interface
    """Say whether the file has DICOM's preamble."""
    return head[128:132] == b"DICM"


@contextmanager
def _guarded(path: Path, what: str = "is damaged") -> Iterator[None]:
    """Turn whatever a damaged file makes pydicom and its decoders raise into one sentence."""
    with warnings.catch_warnings():
        # What pydicom finds odd and can still read is no concern of the caller's.
        warnings.simplefilter("ignore")
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            # They raise many kinds of exception, none of a common base.
            said = " ".join(str(error).split())[:100]
            raise FormatError(f"{what} ({said})", source=path, expected="a complete DICOM file") from error


def _open(path: Path, *, pixels: bool) -> Dataset:
    """Read the file; deflated ones are refused, since a small one can unpack to gigabytes."""
    import pydicom

    with _guarded(path):
        # The meta group is never deflated; dcmread would inflate everything behind it, whatever it is asked for.
        syntax = pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID")
        found = None if syntax == _DEFLATED else pydicom.dcmread(path, stop_before_pixels=not pixels)
    if found is None:
        raise FormatError(
            "is deflated DICOM, which a small file can use to fill the memory",
            source=path,
            expected="another transfer syntax",
            remedy="convert it first",
        )
    return found


def _shape(head: Dataset, path: Path) -> tuple[int, int, int]:
    """Return frames, rows and columns of an unsigned grey image within limits."""
    with _guarded(path):
        shape = (int(head.get("NumberOfFrames", 1) or 1), int(head.get("Rows", 0)), int(head.get("Columns", 0)))
        grey = int(head.get("SamplesPerPixel", 1)) == 1 and int(head.get("PixelRepresentation", 0)) == 0
        bits = int(head.get("BitsAllocated", 16))
    if not grey or bits != 16:
        raise FormatError(
            f"has {bits} bits a sample" if grey else "is not an unsigned grey image",
            source=path,
            expected="one unsigned 16-bit sample a pixel",
        )
    checked_shape(shape, path, "image", 2)
    checked_expansion(2 * math.prod(shape), path.stat().st_size, path)
    return shape


def _check_codestream(head: Dataset, shape: tuple[int, int, int], path: Path) -> None:
    """Refuse a JPEG 2000 picture that is larger than the header says: the decoder would allocate what the picture asks."""
    data = head.get("PixelData", b"")
    at = data.find(b"\xff\x4f\xff\x51")
    while at >= 0:
        if at + 24 > len(data):
            raise FormatError("pixels are truncated", source=path, expected="a complete DICOM file")
        right, bottom, left, top = struct.unpack_from(">IIII", data, at + 8)
        if (bottom - top, right - left) != shape[1:]:
            raise FormatError(
                f"holds a picture of {bottom - top}×{right - left}", source=path, expected=f"{shape[1]}×{shape[2]}"
            )
        at = data.find(b"\xff\x4f\xff\x51", at + 4)


def load(path: Path) -> NDArray[Any]:
    """Return the pixels of a grey image, (y, x) or (frame, y, x), unsigned, as stored."""
    shape = _shape(_open(path, pixels=False), path)
    whole = _open(path, pixels=True)
    with _guarded(path, "pixels cannot be decoded"):
        _check_codestream(whole, shape, path)
        pixels: NDArray[Any] = whole.pixel_array
    if pixels.shape not in (shape, shape[1:]):
        raise FormatError(f"pixels of shape {pixels.shape}", source=path, expected=f"{shape}")
    return pixels


def read(path: Path, layout: Layout | None, scanner: str | None) -> RawScan:
    """Read a radiograph whose scanner is named; stored values are taken as proportional to the transmission.

    Raises
    ------
    FormatError
        The file says itself that its values are a logarithm, a rendering, or fall with intensity.
    ConfigurationError
        Neither a scanner nor a layout is named.
    """
    head = _open(path, pixels=False)
    with _guarded(path):
        relation = str(head.get("PixelIntensityRelationship") or "LIN")
        sign = str(head.get("PixelIntensityRelationshipSign") or "1")
    # Without scanner and layout nothing can be read; that is said first, without decoding a pixel.
    assumed(layout, scanner, np.zeros((1, 1), np.uint16), path)
    if relation != "LIN" or sign not in ("1", "+1"):
        raise FormatError(
            f"values are {relation} with sign {sign}",
            source=path,
            expected="values that rise linearly with intensity (LIN, 1)",
            remedy="export the detector's linear data",
        )
    samples = np.asarray(load(path))
    return scan_of(samples, assumed(layout, scanner, samples, path), scanner, path, dict(describe(path)))


def describe(path: Path) -> Mapping[str, Any]:
    """Say what the header says, without anything that names a person."""
    head = _open(path, pixels=False)
    with _guarded(path):
        shown: dict[str, Any] = {name: str(head.get(name)) for name in _SHOWN if head.get(name) is not None}
        bits = int(head.get("BitsStored", 16))
        if bits < 16:
            shown["saturated_counts"] = (1 << bits) - 1
        return shown | {"TransferSyntax": head.file_meta.TransferSyntaxUID.name}
