import json

import numpy as np
import pytest

from scananalysis.core import ConfigurationError, FormatError, RawScan
from scananalysis.io import convert, info, read, write

COUNTS = np.random.default_rng(1).integers(0, 65536, (2, 40, 30), np.uint16)


@pytest.fixture
def container(tmp_path):
    air = np.full((2, 3, 30), 50000, np.uint16)
    write(
        RawScan(COUNTS, scanner="cargo-6-4mv", air=air, metadata={"lane": 2}),
        tmp_path / "a.h5",
        truth={"load": COUNTS[0]},
    )
    return tmp_path / "a.h5"


@pytest.mark.parametrize("target", ["b.npy", "b.tif", "b.tiff"])
def test_counts_survive_a_round_trip(container, target):
    path = convert(container, container.with_name(target))
    scan = read(path, layout="channel-first", scanner="cargo-6-4mv")
    np.testing.assert_array_equal(scan.counts, COUNTS)
    np.testing.assert_array_equal(read(convert(path, container.with_name("c.h5"), layout="channel-first", scanner="cargo-6-4mv")).counts, COUNTS)  # fmt: skip  # noqa: E501 - one chain


def test_container_to_container_keeps_references(container):
    back = read(convert(container, container.with_name("b.hdf5")))
    assert back.air is not None
    assert back.metadata == {"lane": 2}


def test_refusals_leave_nothing(container):
    folder = container.parent
    with pytest.raises(FormatError, match=r"ending '.jpg'; expected .h5, .npy or .tif"):
        convert(container, folder / "b.jpg")
    with pytest.raises(ConfigurationError, match="source and target at once"):
        convert(container, container)
    with pytest.raises(ConfigurationError, match="folder does not exist"):
        convert(container, folder / "none" / "b.npy")
    assert [p.name for p in folder.iterdir()] == ["a.h5"]


def test_info_of_a_container_is_json(container):
    said = json.loads(json.dumps(info(container), allow_nan=False))
    assert said["references"] == {"dark": None, "air": 3}
    assert said["shape"] == [2, 40, 30]
    assert said["details"]["truth"] == ["load"]
    assert said["metadata"] == {"lane": 2}
    assert said["counts"][1]["minimum"] == int(COUNTS[1].min())
    assert len(said["sha256"]) == 64
    with pytest.raises(ConfigurationError, match="no scanner"):
        info(container, scanner="nonsense")
