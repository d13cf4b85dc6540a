"""Files made to mislead: each gives one sentence, in bounded memory, and leaves nothing behind."""

import resource
import struct
import subprocess
import sys
import zlib

import h5py
import numpy as np
import pytest
import tifffile

from scananalysis.core import ConfigurationError, FormatError, InputError, RawScan
from scananalysis.io import convert, info, read, read_maps, read_truth, write

SCAN = RawScan(np.random.default_rng(0).integers(0, 65536, (2, 200, 100), np.uint16), scanner="cargo-6-4mv")


def container(folder, change=None):
    path = folder / "a.h5"
    write(SCAN, path, truth={"load": np.ones((100, 200), bool)})
    if change is not None:
        with h5py.File(path, "r+") as file:
            change(file, folder)
    return path


def truncated(folder):
    path = container(folder)
    path.write_bytes(path.read_bytes()[:-1000])
    return path


def two_terabytes(file, folder):
    del file["entry/counts"]
    file.create_dataset("entry/counts", (2, 1_000_000, 500_000), "u2", chunks=(1, 100, 100))


def nothing_stored(file, folder):
    del file["entry/counts"]
    file.create_dataset("entry/counts", (2, 10_000, 10_000), "u2", chunks=(1, 100, 100))


def external_storage(file, folder):
    (folder / "secret.bin").write_bytes(bytes(40_000))
    del file["entry/counts"]
    file.create_dataset("entry/counts", (2, 100, 100), "u2", external=[(str(folder / "secret.bin"), 0, 40_000)])


def external_link(file, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["counts"] = SCAN.counts
    del file["entry/counts"]
    file["entry/counts"] = h5py.ExternalLink(str(folder / "other.h5"), "/counts")


def external_link_of_the_group(file, folder):
    write(SCAN, folder / "other.h5")
    del file["entry"]
    file["entry"] = h5py.ExternalLink(str(folder / "other.h5"), "/entry")


def soft_link(file, folder):
    file.move("entry/counts", "elsewhere")
    file["entry/counts"] = h5py.SoftLink("/elsewhere")


def virtual(file, folder):
    del file["entry/counts"]
    layout = h5py.VirtualLayout((2, 200, 100), "u2")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "counts", (2, 200, 100))
    file.create_virtual_dataset("entry/counts", layout)


def huge_chunk(file, folder):
    del file["entry/counts"]
    file.create_dataset(
        "entry/counts", (1, 2, 2), "u2", maxshape=(None,) * 3, chunks=(1, 1 << 14, 1 << 14), compression="gzip"
    )


def strings(file, folder):
    del file["entry/counts"]
    file["entry/counts"] = np.full((2, 3, 4), "x", dtype=h5py.string_dtype())


def signed(file, folder):
    del file["entry/counts"]
    file["entry/counts"] = SCAN.counts.astype(np.int32)


def no_counts(file, folder):
    del file["entry/counts"]


def group_for_counts(file, folder):
    del file["entry/counts"]
    file.create_group("entry/counts")


def short_monitor(file, folder):
    file["entry/monitor"] = np.ones((2, 7), np.float32)


def no_attribute(file, folder):
    file.attrs.clear()


def attribute(name, value):
    def change(file, folder):
        file.attrs[name] = value

    return change


HDF5 = {
    "two terabytes": (two_terabytes, "expected at most 1073741824 samples"),
    "nothing stored": (nothing_stored, "stores 0 bytes"),
    "external storage": (external_storage, "lies in another file"),
    "external link": (external_link, "is a link"),
    "external link of the group": (external_link_of_the_group, "is a link"),
    "soft link": (soft_link, "is a link"),
    "virtual": (virtual, "lies in another file"),
    "huge chunk": (huge_chunk, "has chunks of"),
    "strings": (strings, "expected numbers"),
    "signed": (signed, "int32; expected numbers of kind u"),
    "no counts": (no_counts, "no entry/counts"),
    "group for counts": (group_for_counts, "no entry/counts"),
    "short monitor": (short_monitor, r"monitor has shape \(2, 7\)"),
    "another format": (attribute("format", "other"), "HDF5 of format 'other'"),
    "later version": (attribute("version", 99), "container version 99; expected 1 to 1; update the package"),
    "version is text": (attribute("version", "one"), "expected a whole number"),
    "version is an array": (attribute("version", [1, 1]), "is not one value"),
    "head is not JSON": (attribute("head", "{"), "malformed"),
    "head lacks fields": (attribute("head", "{}"), "head.scanner: Field required"),
    "head nests too deep": (attribute("head", "[" * 200_000), "malformed"),
    "stage unknown": (
        attribute("head", '{"scanner":"a","stage":"b","binning":[1,1],"air_level":null,"metadata":{}}'),
        "head.stage",
    ),
    "provenance is not JSON": (attribute("provenance", "?"), "malformed"),
    "no attribute": (no_attribute, "HDF5 of format ''"),
}


def refused(action, text, folder, kind=FormatError):
    before = sorted(p.name for p in folder.iterdir())
    with pytest.raises(kind, match=text) as caught:
        action()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert sentence.startswith(str(folder)), "the sentence names the file"
    assert sorted(p.name for p in folder.iterdir()) == before, "nothing is left behind"


@pytest.mark.parametrize("case", HDF5)
def test_hdf5(tmp_path, case):
    change, text = HDF5[case]
    path = container(tmp_path, change)
    refused(lambda: read(path), text, tmp_path)
    refused(lambda: info(path), text, tmp_path)
    refused(lambda: convert(path, tmp_path / "b.npy"), text, tmp_path)


def test_truncated_hdf5(tmp_path):
    path = truncated(tmp_path)
    refused(lambda: read(path), "damaged or truncated", tmp_path)
    refused(lambda: read_truth(path), "damaged or truncated", tmp_path)
    refused(lambda: read_maps(path), "damaged or truncated", tmp_path)


def test_truth_and_maps_follow_no_link(tmp_path):
    def change(file, folder):
        write(SCAN, folder / "other.h5", truth={"load": np.ones((3, 4))})
        del file["truth"]
        file["truth"] = h5py.ExternalLink(str(folder / "other.h5"), "/truth")

    path = container(tmp_path, change)
    refused(lambda: read_truth(path), "is a link", tmp_path)
    refused(lambda: read_maps(path), "is a link", tmp_path)


def test_a_damaged_chunk_is_found(tmp_path):
    path = container(tmp_path)
    with h5py.File(path) as file:
        at = file["entry/counts"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[at + 200 : at + 400] = bytes(200)
    path.write_bytes(content)
    refused(lambda: read(path), "damaged or truncated", tmp_path)


def test_npy_with_objects_runs_nothing(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "trapped"), "w"))

    np.save(tmp_path / "a.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    for action in (read, info):
        refused(lambda action=action: action(tmp_path / "a.npy"), "Python objects", tmp_path)


def lying_npy(header, body=b"\0" * 64):
    text = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


NPY = {
    "too few bytes": ("{'descr': '<u2', 'fortran_order': False, 'shape': (100, 100, 2)}", "has 64 bytes of data"),
    "terabytes": ("{'descr': '<u2', 'fortran_order': False, 'shape': (1000000, 1000000, 2)}", "at most"),
    "negative": ("{'descr': '<u2', 'fortran_order': False, 'shape': (-1, -32)}", "at least one sample"),
    "overflow": ("{'descr': '<u2', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "at most"),
    "not a dictionary": ("[1, 2]", "header is malformed"),
    "not Python": ("{'descr': ", "header is malformed"),
    "deep": ("(" * 5000, "header is malformed"),
    "unknown dtype": ("{'descr': 'zz', 'fortran_order': False, 'shape': (1,)}", "header is malformed"),
}


@pytest.mark.parametrize("case", NPY)
def test_npy(tmp_path, case):
    header, text = NPY[case]
    (tmp_path / "a.npy").write_bytes(lying_npy(header))
    refused(lambda: read(tmp_path / "a.npy", layout="rail-6-4mv"), text, tmp_path)


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((4, 5), np.uint16), "2 axes of shape"),
        (np.zeros((4, 5, 3), np.uint16), "3 channels; expected 2"),
        (np.zeros((4, 5, 2), np.uint8), "samples are uint8; expected uint16"),
        (np.zeros((4, 5, 2), np.float32), "samples are float32"),
        (np.zeros((4, 5, 2), np.int16), "samples are int16"),
        (np.zeros((4, 5, 2), [("a", "u2")]), "samples are"),
    ],
)
def test_wrong_layout(tmp_path, array, text):
    np.save(tmp_path / "a.npy", array)
    refused(lambda: read(tmp_path / "a.npy", layout="rail-6-4mv"), text, tmp_path)


def png(width, height, rows, bits=16, colour=0):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


GOOD = png(3, 2, bytes(2 * 7))
PNG = {
    "8 bits": (png(3, 2, bytes(2 * 4), bits=8), "has 8 bits"),
    "colour": (png(3, 2, bytes(2 * 19), colour=2), "colour type 2"),
    "rows missing": (png(3, 2, bytes(7)), "holds 7 bytes of rows; expected 14"),
    "rows too many": (png(3, 2, bytes(10_000)), "bytes of rows; expected 14"),
    "inflates": (png(3, 2, bytes(50_000_000)), "bytes of rows; expected 14"),
    "bomb": (png(20_000, 20_000, bytes(1000)), "would unpack"),
    "too many samples": (png(60_000, 60_000, bytes(10)), "samples"),
    "cut": (GOOD[:-20], "damaged or truncated"),
    "checksum": (GOOD[:45] + b"\xff" + GOOD[46:], "damaged"),
    "head only": (GOOD[:20], "not a PNG"),
    "no pixels": (png(0, 0, b""), "at least one sample"),
}


@pytest.mark.parametrize("case", PNG)
def test_png(tmp_path, case):
    content, text = PNG[case]
    (tmp_path / "a.png").write_bytes(content)
    refused(lambda: read(tmp_path / "a.png", scanner="gamma-co60"), text, tmp_path)


def test_the_good_png_of_these_tests_is_read(tmp_path):
    (tmp_path / "a.png").write_bytes(GOOD)
    assert read(tmp_path / "a.png", scanner="gamma-co60").shape == (1, 3, 2)


def write_tiff(path, **options):
    image = options.pop("image", np.zeros((40, 50), np.uint16))
    tifffile.imwrite(path, image, photometric=options.pop("photometric", "minisblack"), **options)


def test_tiff_bomb(tmp_path):
    write_tiff(tmp_path / "a.tif", image=np.zeros((8192, 8192), np.uint16), compression="deflate")
    assert (tmp_path / "a.tif").stat().st_size < 300_000
    for action in (lambda p: read(p, scanner="gamma-co60"), info):
        refused(lambda action=action: action(tmp_path / "a.tif"), "would unpack to 134217728", tmp_path)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"image": np.zeros((40, 50), np.uint8)}, "samples are uint8; expected 16 or 32 bits"),
        ({"image": np.zeros((40, 50, 3), np.uint8), "photometric": "rgb"}, "samples are uint8"),
        ({"image": np.zeros((40, 50), np.float32)}, "samples are float32"),
        ({"image": np.zeros((17, 4, 5), np.uint16)}, "more than 16 pages"),
    ],
)
def test_tiff_that_is_no_measurement(tmp_path, options, text):
    write_tiff(tmp_path / "a.tif", **options)
    refused(lambda: read(tmp_path / "a.tif", scanner="gamma-co60"), text, tmp_path)


def test_tiff_pages_of_two_sizes(tmp_path):
    write_tiff(tmp_path / "a.tif")
    write_tiff(tmp_path / "a.tif", image=np.zeros((41, 50), np.uint16), append=True)
    refused(lambda: read(tmp_path / "a.tif", scanner="gamma-co60"), "pages of one size", tmp_path)


@pytest.mark.parametrize("keep", [4, 100, 2000])
def test_truncated_tiff(tmp_path, keep):
    write_tiff(tmp_path / "a.tif")
    (tmp_path / "a.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:keep])
    refused(lambda: read(tmp_path / "a.tif", scanner="gamma-co60"), "TIFF|page", tmp_path)


def test_tiff_that_names_another_file_reads_only_itself(tmp_path):
    """OME-TIFF may say that its planes lie in other files; only the pages of the file itself are read."""
    other = np.full((40, 50), 7, np.uint16)
    write_tiff(tmp_path / "b.tif", image=other)
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1"><Image ID="I:0">'
        '<Pixels ID="P:0" DimensionOrder="XYCZT" Type="uint16" SizeX="50" SizeY="40" SizeC="1" SizeZ="1" SizeT="1">'
        '<TiffData IFD="0" PlaneCount="1"><UUID FileName="b.tif">urn:uuid:2</UUID></TiffData></Pixels></Image></OME>'
    )
    write_tiff(tmp_path / "a.ome.tif", description=xml, metadata=None)
    assert read(tmp_path / "a.ome.tif", scanner="gamma-co60").counts.max() == 0


def dicom_head(syntax):
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    element = b"\x02\x00\x10\x00UI" + struct.pack("<H", len(uid)) + uid
    return bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00" + struct.pack("<I", len(element)) + element


def test_deflated_dicom_is_refused_before_it_inflates(tmp_path):
    path = tmp_path / "a.dcm"
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    with path.open("wb") as stream:
        stream.write(dicom_head("1.2.840.10008.1.2.1.99"))
        # One element that declares and holds 400 MB of zeros.
        stream.write(packed.compress(b"\x09\x00\x10\x10OB\0\0" + struct.pack("<I", 400 << 20)))
        for _ in range(400):
            stream.write(packed.compress(bytes(1 << 20)))
        stream.write(packed.flush())
    assert path.stat().st_size < 1 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for action in (
        lambda: read(path, scanner="gamma-co60"),
        lambda: info(path),
        lambda: convert(path, tmp_path / "b.npy"),
    ):
        refused(action, "is deflated DICOM", tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000  # kB; inflated it needs over 400 MB


@pytest.mark.parametrize("tail", [b"", b"\x28\x00", b"\x28\x00\x10\x00US\x02\x00\x05", b"\xff" * 40])
def test_dicom_that_ends_early(tmp_path, tail):
    (tmp_path / "a.dcm").write_bytes(dicom_head("1.2.840.10008.1.2.1") + tail)
    refused(lambda: read(tmp_path / "a.dcm", scanner="gamma-co60"), "damaged|at least one|bits", tmp_path)


@pytest.mark.parametrize("name", ["a.h5", "a.npy", "a.tif", "a.png", "a.raw", "a.dcm"])
def test_empty_file_folder_and_no_file(tmp_path, name):
    path = tmp_path / name
    for action in (read, info, read_truth):
        refused(lambda action=action: action(path), "does not exist", tmp_path)
    path.touch()
    for action in (read, info, read_truth):
        refused(lambda action=action: action(path), "is empty", tmp_path)
    path.unlink()
    path.mkdir()
    for action in (read, info, read_truth):
        refused(lambda action=action: action(path), "is a folder", tmp_path)


def test_missing_sibling(tmp_path):
    (tmp_path / "bag_high.png").write_bytes(GOOD)
    refused(lambda: read(tmp_path / "bag_high.png", layout="air-cargo-png"), "partner bag_low.png is missing", tmp_path)
    (tmp_path / "bag.png").write_bytes(GOOD)
    refused(lambda: read(tmp_path / "bag.png", layout="air-cargo-png"), "expected _high.png or _low.png", tmp_path)


def test_format_that_the_file_is_not(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"hello world" * 20)
    for name in ("hdf5", "npy", "png", "tiff", "dicom"):
        refused(lambda name=name: read(tmp_path / "a.txt", format=name, scanner="gamma-co60"), "expected", tmp_path)
    refused(lambda: read(tmp_path / "a.txt", format="raw"), "expected a layout", tmp_path, ConfigurationError)


def test_command_line_ends_with_3_and_one_line(tmp_path):
    path = truncated(tmp_path)
    run = [sys.executable, "-m", "scananalysis", "info", str(path)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.strip().count("\n") == 0
    assert "damaged or truncated" in done.stderr


def test_every_error_is_an_input_error():
    assert issubclass(FormatError, InputError)
    assert issubclass(ConfigurationError, InputError)
