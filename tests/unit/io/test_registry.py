import sys
from importlib.metadata import EntryPoint

import pytest

from scananalysis.core import ConfigurationError, FormatError
from scananalysis.io import registry

PLUGIN = '''
"""Reads a made-up format."""
TITLE = "made-up"
SUFFIXES = (".fun",)
NEEDS_LAYOUT = True

import numpy as np
from scananalysis.core import RawScan

def understand(head, path):
    return head.startswith(b"FUN!")

def read(path, layout, scanner):
    return RawScan(np.frombuffer(path.read_bytes()[4:], np.uint8).reshape(1, 1, -1), scanner="gamma-co60")

def describe(path):
    return {}
'''


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    (tmp_path / "funny_reader.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    own = registry.entry_points(group=registry.GROUP)
    added = EntryPoint("fun", "funny_reader", registry.GROUP)
    thief = EntryPoint("hdf5", "funny_reader", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda **_: [thief, added, *own])
    registry._entries.cache_clear()
    yield
    registry._entries.cache_clear()
    sys.modules.pop("funny_reader", None)


def test_own_formats_are_listed():
    assert {"hdf5", "npy", "tiff", "png", "raw", "dicom"} <= set(registry.names())
    listed = {f.name: f for f in registry.formats()}
    assert listed["tiff"].suffixes == (".tif", ".tiff")
    assert listed["hdf5"].package == "scananalysis"
    assert not listed["dicom"].needs_layout


@pytest.mark.usefixtures("plugin")
def test_added_reader_is_listed_without_import_then_read(tmp_path):
    from scananalysis.io import read

    listed = {f.name: f for f in registry.formats()}
    assert listed["fun"].title == "made-up"
    assert listed["fun"].suffixes == (".fun",)
    assert "funny_reader" not in sys.modules
    (tmp_path / "a.fun").write_bytes(b"FUN!abc")
    assert registry.sniff(tmp_path / "a.fun") == "fun"
    assert read(tmp_path / "a.fun").counts.tolist() == [[[97, 98, 99]]]


@pytest.mark.usefixtures("plugin")
def test_added_reader_cannot_take_the_name_of_our_own():
    assert {f.name: f for f in registry.formats()}["hdf5"].title.startswith("scananalysis")


def test_reader_that_cannot_be_imported_is_named(monkeypatch):
    monkeypatch.setattr(registry, "entry_points", lambda group: [EntryPoint("odd", "no_such_module", group)])
    registry._entries.cache_clear()
    try:
        assert registry.formats()[0].title == "no_such_module"
        with pytest.raises(ConfigurationError, match=r"reader 'no_such_module' of format 'odd' cannot be imported"):
            registry.reader("odd")
    finally:
        registry._entries.cache_clear()


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x89HDF\r\n\x1a\n", "hdf5"),
        (b"\x93NUMPY\x01\x00", "npy"),
        (b"II*\x00", "tiff"),
        (b"MM\x00+", "tiff"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (bytes(128) + b"DICM", "dicom"),
    ],
)
def test_first_bytes_decide_whatever_the_ending(tmp_path, head, name):
    path = tmp_path / "file.txt"
    path.write_bytes(head + bytes(50))
    assert registry.sniff(path) == name


def test_unknown_bytes_are_refused(tmp_path):
    (tmp_path / "a.xyz").write_bytes(b"hello")
    with pytest.raises(FormatError, match="format not recognised; expected one of dicom, hdf5"):
        registry.sniff(tmp_path / "a.xyz")
