"""Every format read back from files made here by another writer than the reader's own package, where there is one."""

import json
import struct

import numpy as np
import pytest

from scananalysis.core import ConfigurationError, FormatError, sha256_file
from scananalysis.io import info, read

HIGH, LOW = (np.random.default_rng(i).integers(0, 60001, (7, 11), np.uint16) for i in (1, 2))  # (y, x)


def layout(tmp_path, **fields):
    path = tmp_path / "layout.toml"
    fields = {"title": "test", "channels": 2, "stage": "air-normalised", "scanner": "rail-6-4mv"} | fields
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in fields.items()))
    return path


def assert_pair(scan):
    assert scan.shape == (2, 11, 7)
    assert scan.counts.dtype == np.uint16
    assert scan.counts.flags.c_contiguous
    np.testing.assert_array_equal(scan.counts[0].T, HIGH)
    np.testing.assert_array_equal(scan.counts[1].T, LOW)


@pytest.mark.parametrize(
    ("axes", "order"),
    [("cyx", (0, 1, 2)), ("cxy", (0, 2, 1)), ("yxc", (1, 2, 0)), ("xyc", (2, 1, 0)), ("ycx", (1, 0, 2)), ("xcy", (2, 0, 1))],
)  # fmt: skip
@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("fortran", [False, True])
def test_npy_in_every_order(tmp_path, axes, order, byte_order, fortran):
    samples = np.stack([HIGH, LOW]).transpose(order).astype(byte_order + "u2")
    np.save(tmp_path / "a.npy", np.asfortranarray(samples) if fortran else np.ascontiguousarray(samples))
    assert_pair(read(tmp_path / "a.npy", layout=layout(tmp_path, axes=axes)))


def test_rail_layout_and_its_provenance(tmp_path):
    np.save(tmp_path / "a.npy", np.stack([HIGH, LOW], -1))
    scan = read(tmp_path / "a.npy", layout="rail-6-4mv")
    assert_pair(scan)
    assert (scan.scanner, scan.stage, scan.air_level) == ("rail-6-4mv", "air-normalised", None)
    assert scan.metadata["saturated_counts"] == 65535
    step = scan.provenance.steps[-1]
    assert step.parameters == {"format": "npy", "layout": "rail-6-4mv", "scanner": None}
    assert step.inputs["scan"] == sha256_file(tmp_path / "a.npy")
    assert len(step.inputs["layout"]) == 64


def test_flips_binning_and_one_channel(tmp_path):
    np.save(tmp_path / "a.npy", HIGH)
    fields = {"axes": "yx", "channels": 1, "flip_x": True, "flip_y": True, "binning": [4, 2], "stage": "raw"}
    scan = read(tmp_path / "a.npy", layout=layout(tmp_path, **fields))
    np.testing.assert_array_equal(scan.counts[0].T, HIGH[::-1, ::-1])
    assert (scan.binning, scan.stage) == ((4, 2), "raw")


def write_pair(tmp_path, suffix):
    import cv2

    for name, plane in (("high", HIGH), ("low", LOW)):
        assert cv2.imwrite(str(tmp_path / f"bag_1_{name}{suffix}"), plane)


@pytest.mark.parametrize("given", ["high", "low"])
def test_png_pair_finds_its_partner(tmp_path, given):
    write_pair(tmp_path, ".png")
    scan = read(tmp_path / f"bag_1_{given}.png", layout="air-cargo-png")
    assert_pair(scan)
    assert (scan.scanner, scan.air_level) == ("parcel-160kv", 60000)
    inputs = scan.provenance.steps[-1].inputs
    assert inputs["scan-0"] == sha256_file(tmp_path / "bag_1_high.png")
    assert inputs["scan-1"] == sha256_file(tmp_path / "bag_1_low.png")


def test_missing_partner_and_unequal_partner(tmp_path):
    import cv2

    write_pair(tmp_path, ".png")
    assert cv2.imwrite(str(tmp_path / "bag_1_low.png"), LOW[:-1])
    with pytest.raises(FormatError, match=r"energies of sizes .* expected equal sizes"):
        read(tmp_path / "bag_1_high.png", layout="air-cargo-png")
    (tmp_path / "bag_1_low.png").unlink()
    with pytest.raises(FormatError, match=r"its partner bag_1_low.png is missing"):
        read(tmp_path / "bag_1_high.png", layout="air-cargo-png")


@pytest.mark.parametrize(
    "options", [{}, {"bigtiff": True}, {"compression": "deflate"}, {"byteorder": ">"}, {"tile": (16, 16)}]
)
def test_tiff_pages(tmp_path, options):
    import tifffile

    tifffile.imwrite(tmp_path / "a.tif", np.stack([HIGH, LOW]), photometric="minisblack", **options)
    assert_pair(read(tmp_path / "a.tif", layout="channel-first", scanner="rail-6-4mv"))


def test_tiff_pair_of_files(tmp_path):
    write_pair(tmp_path, ".tif")
    pair = layout(tmp_path, axes="cyx", siblings=["_high.tif", "_low.tif"])
    assert_pair(read(tmp_path / "bag_1_low.tif", layout=pair))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_one_grey_image_needs_its_scanner(tmp_path, suffix):
    import cv2

    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, HIGH)
    else:
        assert cv2.imwrite(str(path), HIGH)
    with pytest.raises(ConfigurationError, match=r"does not say which scanner .* name it with --scanner"):
        read(path)
    scan = read(path, scanner="gamma-co60")
    assert (scan.stage, scan.air_level, scan.scanner) == ("air-normalised", None, "gamma-co60")
    np.testing.assert_array_equal(scan.counts[0].T, HIGH)
    said = info(path)
    assert "does not say which scanner" in said["note"]
    assert said["shape"] == [7, 11]
    assert said["counts"][0]["maximum"] == HIGH.max()


# Raw dumps, written as the public descriptions say


def fs6000(plane, bits=16):
    head = bytearray(36)
    struct.pack_into(">HH", head, 2, plane.shape[1], plane.shape[0])
    struct.pack_into(">H", head, 14, bits)
    struct.pack_into(">5H", head, 24, 2026, 1, 2, 3, 4)  # date and time
    return bytes(head) + plane[::-1].astype(">u2").tobytes()  # stored bottom row first


def test_fs6000_pair(tmp_path):
    (tmp_path / "0001high.img").write_bytes(fs6000(HIGH))
    (tmp_path / "0001low.img").write_bytes(fs6000(LOW))
    assert_pair(read(tmp_path / "0001low.img", layout="fs6000-img"))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (fs6000(HIGH)[:-1], "has 153 bytes behind the header; expected 154"),
        (fs6000(HIGH) + b"x", "has 155 bytes behind the header"),
        (fs6000(HIGH)[:30], "has 30 bytes; expected a header of 36"),
        (fs6000(HIGH, bits=8), "bit depth is 8; expected 16"),
        (bytes(36), "at least one sample|bit depth is 0"),
    ],
)
def test_fs6000_that_is_not(tmp_path, content, text):
    (tmp_path / "0001high.img").write_bytes(content)
    (tmp_path / "0001low.img").write_bytes(fs6000(LOW))
    with pytest.raises(FormatError, match=text):
        read(tmp_path / "0001high.img", layout="fs6000-img")


def ase(line_type=3):
    tiles = np.concatenate([LOW.T, HIGH.T, np.full_like(HIGH.T, 9)], axis=1)  # a row is a line: low, high, material
    head = b"IM\0\0" + struct.pack("<HHH", tiles.shape[1], tiles.shape[0], line_type) + bytes(6)
    return head + tiles.astype("<u2").tobytes() + bytes(48) + "<scan/>".encode("utf-16")


def test_ase_tiles(tmp_path):
    (tmp_path / "a.ase").write_bytes(ase())
    assert_pair(read(tmp_path / "a.ase", layout="ase-tiles", scanner="cargo-6-4mv"))
    with pytest.raises(ConfigurationError, match="names no scanner; expected scanner="):
        read(tmp_path / "a.ase", layout="ase-tiles")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (ase(line_type=2), "line type is 2; expected 3"),
        (b"XX" + ase()[2:], "starts with 58580000; expected 494d0000"),
        (ase()[:200], "bytes behind the header"),
        (ase()[:4] + struct.pack("<H", 20) + ase()[6:], "rows of 20 samples; expected 3 planes of one size"),
    ],
)
def test_ase_that_is_not(tmp_path, content, text):
    (tmp_path / "a.ase").write_bytes(content)
    with pytest.raises(FormatError, match=text):
        read(tmp_path / "a.ase", layout="ase-tiles", scanner="cargo-6-4mv")


def test_raw_dump_with_its_shape_in_the_layout(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"HEAD" + np.stack([HIGH, LOW]).astype(">u4").tobytes())
    fields = {"axes": "cyx", "dtype": ">u4", "shape": [2, 7, 11], "header_bytes": 4, "magic": "48454144"}
    scan = read(tmp_path / "a.bin", layout=layout(tmp_path, **fields))
    assert scan.counts.dtype == np.uint32
    np.testing.assert_array_equal(scan.counts[1].T, LOW)
    with pytest.raises(ConfigurationError, match="is an array without a description"):
        read(tmp_path / "a.bin")
    with pytest.raises(ConfigurationError, match="layout gives no shape"):
        read(tmp_path / "a.bin", layout=layout(tmp_path, axes="cyx"))
    assert info(tmp_path / "a.bin")["details"]["first_bytes"].startswith("48 45 41 44")
