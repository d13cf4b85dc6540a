"""Files in and out: the project's HDF5 container, arrays by a layout, images, DICOM."""

from scananalysis.io.conversion import convert
from scananalysis.io.files import read, read_truth, write
from scananalysis.io.hdf5 import read_maps, write_maps
from scananalysis.io.layout import Layout, layouts, named_layout
from scananalysis.io.registry import FormatInfo, formats
from scananalysis.io.summary import info

__all__ = [
    "FormatInfo",
    "Layout",
    "convert",
    "formats",
    "info",
    "layouts",
    "named_layout",
    "read",
    "read_maps",
    "read_truth",
    "write",
    "write_maps",
]
