"""What is written to the container is what is read from it, for any scan."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scananalysis.core import RawScan
from scananalysis.io import read, read_truth, write

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def scans(draw):
    channels, lines, elements, n = (draw(st.integers(1, k)) for k in (2, 9, 9, 4))
    kind = draw(st.sampled_from([np.uint8, np.uint16, np.uint32, np.uint64]))

    def maybe(dtype, shape):
        return draw(st.none() | hnp.arrays(dtype, shape))

    fields = {}
    for name in ("dark", "air"):
        fields[name] = maybe(kind, (channels, n, elements))
        if fields[name] is not None:
            fields[f"{name}_monitor"] = maybe(np.float32, (channels, n))
            fields[f"{name}_time_s"] = maybe(np.float64, (channels, n))
    air_normalised = draw(st.booleans())
    return RawScan(
        draw(hnp.arrays(kind, (channels, lines, elements))),
        scanner=draw(st.sampled_from(["cargo-6-4mv", "gamma-co60"])),
        stage="air-normalised" if air_normalised else "raw",
        monitor=maybe(np.float32, (channels, lines)),
        position_mm=maybe(np.float64, (channels, lines)),
        time_s=maybe(np.float64, (channels, lines)),
        binning=draw(st.tuples(st.integers(1, 8), st.integers(1, 8))),
        air_level=draw(st.floats(1, 65535)) if air_normalised else None,
        metadata=draw(st.dictionaries(_text, _json, max_size=4)),
        **fields,
    )


@given(scans(), st.dictionaries(st.sampled_from(["load", "insert", "family"]), hnp.arrays(np.int16, (3, 4))))
def test_written_is_read(scan, truth):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan.h5"
        write(scan, path, truth=truth)
        back, back_truth = read(path), read_truth(path)
        assert [p.name for p in Path(folder).iterdir()] == ["scan.h5"]
    for name in RawScan.__dataclass_fields__:
        expected, found = getattr(scan, name), getattr(back, name)
        if isinstance(expected, np.ndarray):
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected, err_msg=name)
        elif name != "provenance":
            assert found == expected, name
    assert back.provenance.steps[:-1] == scan.provenance.steps
    assert set(back_truth) == set(truth)
    for name, values in truth.items():
        np.testing.assert_array_equal(back_truth[name], values)


@given(scans(), st.data())
def test_a_damaged_file_is_refused_in_one_sentence_or_read(scan, data):
    """Any byte changed or any tail cut: no exception but our own, so nothing escapes as a traceback."""
    from scananalysis.core import InputError

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan.h5"
        write(scan, path)
        content = bytearray(path.read_bytes())
        if data.draw(st.booleans()):
            del content[data.draw(st.integers(0, len(content) - 1)) :]
        else:
            content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)
        said = ""
        try:
            read(path)
        except InputError as error:
            said = str(error)
    assert "\n" not in said
